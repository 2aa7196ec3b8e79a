//! Starting one process in a group of its own, and seeing it end. Only what `posix_spawn` can do is asked of the
//! standard library: a hook before exec would cost a fork of the helper.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::net::unix::pipe;

use super::environment::{Environment, MARK};
use super::protocol::{Exit, Launch, Reason};

/// Where a program is looked for when the environment has no `PATH`.
const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

pub(super) struct Child {
    pub(super) group: Group,
    pub(super) started: StartTicks,
    process: tokio::process::Child,
}

pub(super) struct Pipes {
    pub(super) input: Option<pipe::Sender>,
    pub(super) out: pipe::Receiver,
    pub(super) err: pipe::Receiver,
}

/// The process group of an attempt, which bears its first process's id.
#[derive(Clone, Copy)]
pub(super) struct Group(pub(super) Pid);

/// Why there is no process.
pub(super) struct Refused {
    pub(super) reason: Reason,
    pub(super) message: String,
}

/// Starts `launch` over the environment `base`, marked with `mark`.
pub(super) fn spawn(launch: &Launch, base: &Environment, mark: &str) -> Result<(Child, Pipes), Refused> {
    if !launch.cwd.is_dir() {
        let message = format!("no folder {}", launch.cwd.display());
        return Err(Refused { reason: Reason::WorkdirMissing, message });
    }
    let program = resolve(launch, base.path(launch))?;
    let mut command = Command::new(program);
    base.apply(&mut command, launch, mark);
    command.arg0(&launch.program).args(&launch.args).current_dir(&launch.cwd).process_group(0);
    start(command, launch.stdin.is_some()).map_err(|error| Refused::from_io(&launch.program, &error))
}

/// The path of the program. With a changed environment a bare name would cost the standard library its fast way.
fn resolve(launch: &Launch, path: Option<&OsStr>) -> Result<PathBuf, Refused> {
    if launch.program.contains('/') {
        return Ok(launch.cwd.join(&launch.program));
    }
    let mut denied = false;
    for folder in std::env::split_paths(path.unwrap_or(OsStr::new(PATH_DEFAULT))) {
        let candidate = launch.cwd.join(folder).join(&launch.program);
        match access(&candidate, Access::EXEC_OK) {
            Ok(()) if candidate.is_file() => return Ok(candidate),
            Err(Errno::ACCESS) => denied = true,
            Ok(()) | Err(_) => {}
        }
    }
    let error = if denied { Errno::ACCESS } else { Errno::NOENT };
    Err(Refused::from_io(&launch.program, &error.into()))
}

impl Refused {
    /// Before the greeting nobody knows the base environment.
    pub(super) fn not_greeted() -> Self {
        Self { reason: Reason::Other, message: "the engine did not greet".to_owned() }
    }

    pub(super) fn from_io(subject: &str, error: &io::Error) -> Self {
        let reason = match error.kind() {
            io::ErrorKind::NotFound => Reason::NotFound,
            io::ErrorKind::PermissionDenied => Reason::PermissionDenied,
            _ => Reason::Other,
        };
        let hint = match Errno::from_io_error(error) {
            Some(Errno::TOOBIG) => "; arguments and environment are too much together: use `stdin` or a file",
            Some(_) | None => "",
        };
        Self { reason, message: format!("{subject}: {error}{hint}") }
    }
}

/// The pipes are made here, not by the library, whose own would be registered with the event loop twice.
fn start(mut command: Command, has_input: bool) -> io::Result<(Child, Pipes)> {
    let (out, child_out) = io::pipe()?;
    let (err, child_err) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(child_out).stderr(child_err);
    let input = if has_input { Some(input(&mut command)?) } else { None };
    let out = pipe::Receiver::from_owned_fd(out.into())?;
    let err = pipe::Receiver::from_owned_fd(err.into())?;
    let first = ticks_since_boot();
    let process = tokio::process::Command::from(command).spawn()?;
    let started = StartTicks { first, last: ticks_since_boot() };
    let pid = process.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("it is not reaped yet");
    Ok((Child { group: Group(pid), started, process }, Pipes { input, out, err }))
}

fn input(command: &mut Command) -> io::Result<pipe::Sender> {
    let (child_in, input) = io::pipe()?;
    command.stdin(child_in);
    pipe::Sender::from_owned_fd(input.into())
}

impl Child {
    /// Waits for the first process of the group, and reaps it.
    pub(super) async fn exited(&mut self) -> Exit {
        match self.process.wait().await {
            Ok(status) => exit(status),
            // Somebody else reaped it, which only a debugger could.
            Err(_) => Exit::Lost,
        }
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => unreachable!("only ended processes are waited for"),
    }
}

impl Group {
    pub(super) fn id(self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// Whether a process is left, a dead one that nobody reaped included. One of another user is not ours to end.
    pub(super) fn is_alive(self) -> bool {
        test_kill_process_group(self.0).is_ok()
    }

    pub(super) fn leader(self) -> Pid {
        self.0
    }

    pub(super) fn signal(self, signal: Signal) {
        // No process left is what was wanted.
        let _gone = kill_process_group(self.0, signal);
    }

    /// TERM, and CONT so that a stopped process can heed it.
    pub(super) fn terminate(self) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }
}

/// The clock ticks since boot (proc(5)) between which a process was started: with the id they name it. Taken from
/// the clock, because the kernel lets nobody read the exact one from /proc while the process is in its exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StartTicks {
    first: u64,
    last: u64,
}

impl StartTicks {
    pub(super) fn first(self) -> u64 {
        self.first
    }

    pub(super) fn contains(self, start_time: u64) -> bool {
        (self.first..=self.last).contains(&start_time)
    }
}

/// By the clock that the kernel stamps new processes with.
fn ticks_since_boot() -> u64 {
    const NANOS_PER_SECOND: u64 = 1_000_000_000;
    let now = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (now.tv_sec.cast_unsigned(), now.tv_nsec.cast_unsigned());
    let per_second = clock_ticks_per_second();
    seconds * per_second + nanos / (NANOS_PER_SECOND / per_second)
}

/// When process `pid` started, in clock ticks since boot.
pub(super) fn start_time(pid: Pid) -> Option<u64> {
    Stat::of(pid.as_raw_nonzero().get()).map(|stat| stat.start_time)
}

/// What `/proc/<pid>/stat` says that matters here.
pub(super) struct Stat {
    pub(super) dead: bool,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    pub(super) start_time: u64,
}

impl Stat {
    pub(super) fn of(pid: i32) -> Option<Self> {
        let text = std::fs::read(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
        // The name in parentheses may hold anything, so fields are counted from its end (proc(5)).
        let end = text.iter().rposition(|byte| *byte == b')')?;
        let fields: Vec<&str> =
            std::str::from_utf8(&text[end + 1..]).ok()?.split_ascii_whitespace().collect();
        Some(Self {
            dead: matches!(*fields.first()?, "Z" | "X"),
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start_time: fields.get(19)?.parse().ok()?,
        })
    }
}

/// What the environment that a process was started with says of its attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Of(OsString),
    Absent,
    /// Nothing to read: started with none, in the middle of an exec, or gone.
    Empty,
}

impl Mark {
    pub(super) fn of(pid: i32) -> Self {
        use std::os::unix::ffi::OsStringExt as _;
        let environment = std::fs::read(Path::new("/proc").join(pid.to_string()).join("environ"));
        let environment = environment.unwrap_or_default();
        if environment.is_empty() {
            return Self::Empty;
        }
        let mut entries = environment.split(|byte| *byte == 0);
        let value = entries.find_map(|entry| entry.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="));
        value.map_or(Self::Absent, |value| Self::Of(OsString::from_vec(value.to_vec())))
    }

    pub(super) fn is(&self, mark: &str) -> bool {
        matches!(self, Self::Of(value) if value.as_os_str() == mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticks_around_a_start_contain_the_one_in_proc() {
        let first = ticks_since_boot();
        let mut process = Command::new("sleep").arg("100").spawn().unwrap();
        let started = StartTicks { first, last: ticks_since_boot() };
        let pid = Pid::from_child(&process);
        let exact = start_time(pid);
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(started.contains(exact.unwrap()), "{started:?} {exact:?}");
        assert!(started.last - started.first < 60 * clock_ticks_per_second());
    }
}
