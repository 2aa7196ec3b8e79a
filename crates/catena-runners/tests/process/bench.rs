//! What the tests share: a folder, an engine connected to its helper, and this program in its other roles.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use catena_runners::process::{
    CannotStart, Client, Ended, Error, Helper, Launch, Report, Token, WhenUnknown,
};
use tempfile::TempDir;

/// Names the role of a child of this test, and the helper's folder.
pub(crate) const ROLE: &str = "HELPER_TEST_ROLE";
pub(crate) const FOLDER: &str = "HELPER_TEST_FOLDER";
/// No report takes this long on any machine; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn folder_of_role() -> PathBuf {
    std::env::var_os(FOLDER).expect("a role has a folder").into()
}

pub(crate) fn role(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(ROLE, name).env(FOLDER, folder);
    command
}

/// A folder, and an engine connected to its helper.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) engine: Engine,
}

pub(crate) struct Engine {
    pub(crate) client: Client,
    pub(crate) reports: Receiver<Report>,
    pub(crate) lost: Receiver<()>,
}

impl Engine {
    pub(crate) fn connect(folder: &Path) -> Self {
        Self::connect_under(folder, 1).unwrap()
    }

    pub(crate) fn connect_under(folder: &Path, lease: u64) -> Result<Self, Error> {
        let (send, reports) = channel();
        let (lose, lost) = channel();
        let environment: Vec<_> = std::env::vars_os()
            .filter(|(name, _)| name == "PATH")
            .chain([("ODD".into(), std::os::unix::ffi::OsStringExt::from_vec(vec![b'a', 0xff, b'b']))])
            .collect();
        let start = || role("helper", &folder.join("helper"));
        let helper = Helper { dir: &folder.join("helper"), start: &start, environment: &environment, lease };
        let client = Client::connect(
            &helper,
            move |report| send.send(report).unwrap(),
            move || lose.send(()).unwrap(),
        );
        Ok(Self { client: client?, reports, lost })
    }

    pub(crate) fn report(&self) -> Report {
        self.reports.recv_timeout(PATIENCE).expect("a report comes in time")
    }

    pub(crate) fn ended(&self) -> Ended {
        match self.report() {
            Report::Ended(ended) => ended,
            other => panic!("not an end: {other:?}"),
        }
    }

    pub(crate) fn run(&self, launch: Launch) -> Ended {
        self.client.launch(launch).unwrap();
        self.ended()
    }

    pub(crate) fn helper_pid(&self) -> i32 {
        self.client.instance().split_once('-').unwrap().0.parse().unwrap()
    }

    /// The most memory that the helper has had.
    pub(crate) fn peak_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.helper_pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn cannot_start(&self, launch: Launch) -> CannotStart {
        self.client.launch(launch).unwrap();
        match self.report() {
            Report::CannotStart(refused) => refused,
            other => panic!("it started: {other:?}"),
        }
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::connect(folder.path());
        Self { folder, engine }
    }

    pub(crate) fn shell(&self, text: &str) -> Launch {
        shell(self.folder.path(), text)
    }

    /// Waits until the attempt has written a line into `name`, which the test made a named pipe.
    pub(crate) fn said(&self, name: &str) -> String {
        said(&self.folder.path().join(name))
    }

    pub(crate) fn pipe(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn reconnect(&mut self) {
        self.engine = Engine::connect(self.folder.path());
    }
}

pub(crate) fn said(path: &Path) -> String {
    let mut line = String::new();
    BufReader::new(fs::File::open(path).unwrap()).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

pub(crate) fn shell(folder: &Path, text: &str) -> Launch {
    Launch {
        token: Token::new("1/step/1"),
        program: "sh".to_owned(),
        args: vec!["-c".to_owned(), text.to_owned()],
        env: Vec::new(),
        cwd: folder.to_owned(),
        stdin: None,
        timeout_ms: None,
        grace_ms: 10_000,
        log: folder.join("logs/1/step.1.log"),
        dir: folder.join("run/1"),
        output: folder.join("run/1/output"),
        capture_max: 1024,
        unknown: WhenUnknown::Start,
        hidden: Vec::new(),
    }
}

pub(crate) fn is_alive(pid: &str) -> bool {
    assert!(!pid.is_empty(), "the process never said its id");
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

pub(crate) fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Waits until the helper has gone by itself.
pub(crate) fn wait_for_leave(helper: i32) {
    let pid = rustix::process::Pid::from_raw(helper).unwrap();
    let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    let mut ends = [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)];
    let patience = rustix::event::Timespec::try_from(PATIENCE).unwrap();
    assert_eq!(rustix::event::poll(&mut ends, Some(&patience)), Ok(1));
}
