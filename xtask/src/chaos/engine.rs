//! The engine under test, as its users have it: processes of the command line, of which one hosts the store.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How much longer each sync of the log takes: what a slow disk makes of the moments around a commit.
const SYNC_MS: &str = "6";

/// Where everything of one run is.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) work: PathBuf,
    pub(super) home: PathBuf,
    pub(super) catena: PathBuf,
    pub(super) fault: Option<String>,
}

impl Site {
    pub(super) fn store(&self) -> PathBuf {
        self.home.join("catena.db")
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.catena);
        command.env("CATENA_HOME", &self.home).env("CATENA_TEST_POWER_LOSS", SYNC_MS);
        command.env_remove("CATENA_STORE").current_dir(&self.work);
        if let Some(fault) = &self.fault {
            command.env("CATENA_FAULT", fault);
        }
        command
    }
}

/// What a process was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The start of this number.
    Start(usize),
    Cancel {
        execution: u64,
    },
    Answer {
        execution: u64,
    },
    /// A pause, or going on after one.
    Steer,
    /// To host the schedule.
    Tick,
}

/// What is heard of a process.
#[derive(Debug)]
pub(super) enum Heard {
    /// The number of the execution that it has started: an acknowledgement.
    Started(Purpose, u64),
    Left {
        purpose: Purpose,
        status: ExitStatus,
        was_killed: bool,
        /// The last it said.
        said: Vec<String>,
    },
}

struct Process {
    purpose: Purpose,
    child: Child,
    was_killed: bool,
    /// It has said which execution is its own; what it says of others, as their host, starts nothing.
    is_acknowledged: bool,
    said: Vec<String>,
}

/// All living processes of the command line.
pub(super) struct Engines {
    site: Site,
    processes: BTreeMap<u32, Process>,
    lines: Receiver<(u32, Option<String>)>,
    line_sender: Sender<(u32, Option<String>)>,
}

impl Engines {
    pub(super) fn new(site: Site) -> Self {
        let (line_sender, lines) = channel();
        Self { site, processes: BTreeMap::new(), lines, line_sender }
    }

    pub(super) fn run(&mut self, purpose: Purpose, file: &std::path::Path, key: &str) -> Result<u32> {
        let mut command = self.site.command();
        command.arg("run").arg(file).args(["--key", key, "--set", &format!("key={key}")]);
        self.spawn(purpose, command)
    }

    /// As `run`, of a host that takes no notice of the lock.
    pub(super) fn overtake(&mut self, purpose: Purpose, file: &std::path::Path, key: &str) -> Result<u32> {
        let mut command = self.site.command();
        command.env("CATENA_TEST_STEAL_LOCK", "1");
        command.arg("run").arg(file).args(["--key", key, "--set", &format!("key={key}")]);
        self.spawn(purpose, command)
    }

    pub(super) fn cancel(&mut self, execution: u64) -> Result<u32> {
        let mut command = self.site.command();
        command.args(["ps", "cancel", &execution.to_string()]);
        self.spawn(Purpose::Cancel { execution }, command)
    }

    /// `pause` or `resume`.
    pub(super) fn steer(&mut self, verb: &str, execution: u64) -> Result<u32> {
        let mut command = self.site.command();
        command.args(["ps", verb, &execution.to_string()]);
        self.spawn(Purpose::Steer, command)
    }

    /// Approves what a step asks.
    pub(super) fn answer(&mut self, execution: u64) -> Result<u32> {
        let mut command = self.site.command();
        command.args(["ps", "approve", &execution.to_string()]);
        self.spawn(Purpose::Answer { execution }, command)
    }

    /// The signal that some steps wait for.
    pub(super) fn say(&mut self, execution: u64) -> Result<u32> {
        let mut command = self.site.command();
        command.args(["ps", "signal", &execution.to_string(), "go"]);
        self.spawn(Purpose::Steer, command)
    }

    /// Answers for the step that is asked about.
    pub(super) fn run_again(&mut self, execution: u64) -> Result<u32> {
        let mut command = self.site.command();
        command.args(["ps", "resolve", &execution.to_string(), "--run-again"]);
        self.spawn(Purpose::Steer, command)
    }

    pub(super) fn tick(&mut self, file: &std::path::Path) -> Result<u32> {
        let mut command = self.site.command();
        command.arg("run").arg(file);
        self.spawn(Purpose::Tick, command)
    }

    pub(super) fn of_tick(&self) -> Vec<u32> {
        let of_tick = self.processes.iter().filter(|(_, process)| process.purpose == Purpose::Tick);
        of_tick.map(|(pid, _)| *pid).collect()
    }

    fn spawn(&mut self, purpose: Purpose, mut command: Command) -> Result<u32> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot start catena")?;
        let pid = child.id();
        let stderr = child.stderr.take().context("its stderr is piped")?;
        let sender = self.line_sender.clone();
        std::thread::spawn(move || forward(pid, stderr, &sender));
        self.processes.insert(
            pid,
            Process { purpose, child, was_killed: false, is_acknowledged: false, said: Vec::new() },
        );
        Ok(pid)
    }

    /// The next thing heard, within `patience`.
    pub(super) fn hear(&mut self, patience: Duration) -> Result<Option<Heard>> {
        let until = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => bail!("a sender is kept here"),
                Ok((pid, line)) => {
                    if let Some(heard) = self.take(pid, line)? {
                        return Ok(Some(heard));
                    }
                }
            }
        }
    }

    fn take(&mut self, pid: u32, line: Option<String>) -> Result<Option<Heard>> {
        let Some(line) = line else {
            let Some(mut process) = self.processes.remove(&pid) else { return Ok(None) };
            let status = process.child.wait()?;
            let Process { purpose, was_killed, said, .. } = process;
            return Ok(Some(Heard::Left { purpose, status, was_killed, said }));
        };
        let Some(process) = self.processes.get_mut(&pid) else { return Ok(None) };
        let started = line.strip_prefix("execution ").filter(|_| !process.is_acknowledged).and_then(|rest| {
            let (number, rest) = rest.split_once(' ')?;
            rest.starts_with("of ").then(|| number.parse().ok())?
        });
        process.is_acknowledged |= started.is_some();
        process.said.push(line);
        Ok(started.map(|execution| Heard::Started(process.purpose, execution)))
    }

    /// The process that holds the store's lock, if it is one of these.
    pub(super) fn host(&self) -> Option<u32> {
        let mut path = self.site.store().into_os_string();
        path.push(".lock");
        let pid = std::fs::read_to_string(path).ok()?.trim().parse().ok()?;
        self.processes.contains_key(&pid).then_some(pid)
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        self.processes.keys().copied().collect()
    }

    /// Signals this process alone, not its group. Its death is heard like every end.
    pub(super) fn signal(&mut self, pid: u32, signal: Signal) -> Result<()> {
        // It is not reaped as long as it stands here, so the number is still its own.
        let Some(process) = self.processes.get_mut(&pid) else { return Ok(()) };
        process.was_killed |= signal == Signal::KILL;
        let pid = Pid::from_raw(pid.cast_signed()).context("a process has a number")?;
        match kill_process(pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        for process in self.processes.values_mut() {
            drop(process.child.kill());
            drop(process.child.wait());
        }
    }
}

fn forward(pid: u32, stderr: ChildStderr, to: &Sender<(u32, Option<String>)>) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { break };
        drop(to.send((pid, Some(line))));
    }
    drop(to.send((pid, None)));
}
