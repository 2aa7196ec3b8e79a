//! One attempt from start to report: watch its first process, end what that leaves behind, drain the pipes, tell.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use catena_core::faults::{self, Fault};
use catena_core::value::VALUE_MAX_BYTES;
use jiff::Timestamp;
use rustix::fs::OFlags;
use rustix::process::Signal;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::child::{Child, Group};
use super::orphans::Rest;
use super::protocol::{Ended, Exit, Output, Token};
use super::streams::Streams;

/// How long pipes are read on when all the attempt started is dead: somebody else holds them.
const DRAIN_MAX: Duration = Duration::from_millis(100);
/// Between two looks at what an attempt left behind; there is no event for the end of a group.
const REST_TICK: Duration = Duration::from_millis(5);
/// A value written by a step has at most this many bytes.
const OUTPUT_MAX: u64 = VALUE_MAX_BYTES as u64;

/// A running attempt, owned by one task.
pub(super) struct Attempt {
    pub(super) token: Token,
    pub(super) child: Child,
    pub(super) streams: Streams,
    pub(super) rest: Rest,
    pub(super) control: Control,
    pub(super) output: std::path::PathBuf,
    pub(super) started_at: Timestamp,
}

/// When the attempt is asked to end, and when it is made to.
pub(super) struct Control {
    phase: Phase,
    group: Group,
    grace: Duration,
    /// Each item is a wish to stop it, with its grace.
    stops: UnboundedReceiver<Duration>,
}

enum Phase {
    Running { deadline: Option<Instant> },
    Ending { cause: Option<Exit>, kill_at: Instant },
    Killed { cause: Option<Exit> },
}

#[derive(PartialEq, Eq)]
enum Begun {
    Now,
    Before,
}

impl Attempt {
    /// Returns when nothing of the attempt is alive.
    pub(super) async fn run(mut self) -> Ended {
        let exit = {
            let mut carry = pin!(self.streams.carry());
            let mut end = pin!(end(&mut self.child, &mut self.control, &self.rest));
            tokio::select! {
                biased;
                exit = &mut end => exit,
                () = &mut carry => end.await,
            }
        };
        let ended_at = Timestamp::now();
        self.streams.close_input();
        // Too late is no error: what is left in the pipes is not the attempt's any more.
        let _late = timeout(DRAIN_MAX, self.streams.carry()).await;
        let kept = self.streams.finish();
        Ended {
            token: self.token,
            exit,
            pid: Some(self.child.group.id()),
            started_at_us: self.started_at.as_microsecond(),
            ended_at_us: ended_at.as_microsecond(),
            stdout: kept.stdout,
            stdout_dropped: kept.stdout_dropped,
            output: read_output(&self.output),
        }
    }
}

async fn end(child: &mut Child, control: &mut Control, rest: &Rest) -> Exit {
    if faults::is_on(Fault::OrphanLeft) {
        return end_in_name(child, control).await;
    }
    let exit = control.until(child.exited()).await;
    rest.leaders.remove(child.group);
    let cause = control.cause();
    if rest.left().is_some() {
        end_rest(control, rest).await;
    }
    cause.unwrap_or(exit)
}

/// The planted fault: who was to be stopped is reported as stopped, and nothing is done about what is left.
async fn end_in_name(child: &mut Child, control: &mut Control) -> Exit {
    tokio::select! {
        exit = child.exited() => exit,
        Some(_) = control.stops.recv() => Exit::Stopped,
    }
}

/// Asks each process once and gives all of them one grace. Who was asked together with the first process is not
/// asked again: to some programs a second TERM means to drop everything.
async fn end_rest(control: &mut Control, rest: &Rest) {
    let mut asked = BTreeSet::new();
    if control.begin_ending(None) == Begun::Before {
        asked.insert(rest.group.id());
    }
    while let Some(left) = rest.left() {
        if control.is_over() {
            left.kill();
        } else {
            left.terminate(&mut asked);
        }
        control.until(sleep(REST_TICK)).await;
    }
}

impl Control {
    pub(super) fn new(
        group: Group,
        timeout_ms: Option<u64>,
        grace_ms: u64,
        stops: UnboundedReceiver<Duration>,
    ) -> Self {
        // A time too far to be told is no limit.
        let deadline = timeout_ms.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
        Self { phase: Phase::Running { deadline }, group, grace: Duration::from_millis(grace_ms), stops }
    }

    /// Waits for `over`, minding the limits and the wishes meanwhile.
    async fn until<T>(&mut self, over: impl Future<Output = T>) -> T {
        let mut over = pin!(over);
        loop {
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                value = &mut over => return value,
                Some(grace) = self.stops.recv() => self.stop(grace),
                () = sleep_to(wake_at) => self.elapse(),
            }
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running { deadline } => deadline,
            Phase::Ending { kill_at, .. } => Some(kill_at),
            Phase::Killed { .. } => None,
        }
    }

    fn elapse(&mut self) {
        match self.phase {
            Phase::Running { .. } => {
                self.begin_ending(Some(Exit::TimedOut));
                self.group.terminate();
            }
            Phase::Ending { cause, .. } => {
                self.phase = Phase::Killed { cause };
                self.group.signal(Signal::KILL);
            }
            Phase::Killed { .. } => {}
        }
    }

    /// A second wish can only shorten the grace.
    fn stop(&mut self, grace: Duration) {
        match &mut self.phase {
            Phase::Running { .. } => {
                self.grace = grace;
                self.begin_ending(Some(Exit::Stopped));
                self.group.terminate();
            }
            Phase::Ending { kill_at, .. } => *kill_at = kill_after(grace).min(*kill_at),
            Phase::Killed { .. } => {}
        }
    }

    /// From here the grace runs. One that runs already goes on.
    fn begin_ending(&mut self, cause: Option<Exit>) -> Begun {
        match self.phase {
            Phase::Running { .. } => {
                self.phase = Phase::Ending { cause, kill_at: kill_after(self.grace) };
                Begun::Now
            }
            Phase::Ending { .. } | Phase::Killed { .. } => Begun::Before,
        }
    }

    fn cause(&self) -> Option<Exit> {
        match self.phase {
            Phase::Running { .. } => None,
            Phase::Ending { cause, .. } | Phase::Killed { cause } => cause,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Killed { .. })
    }
}

/// A grace too long to be told is cut to a day.
fn kill_after(grace: Duration) -> Instant {
    Instant::now() + grace.min(Duration::from_secs(24 * 60 * 60))
}

async fn sleep_to(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn read_output(path: &Path) -> Output {
    match try_read_output(path) {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Output::Absent,
        Err(error) => Output::Unreadable { message: error.to_string() },
    }
}

/// The step may have put anything there: opening a pipe must not block.
fn try_read_output(path: &Path) -> io::Result<Output> {
    let file =
        OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Output::Unreadable { message: "not a file".to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(OUTPUT_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > OUTPUT_MAX {
        return Ok(Output::TooLarge { bytes: metadata.len() });
    }
    Ok(Output::Bytes(bytes))
}
