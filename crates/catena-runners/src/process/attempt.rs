//! One attempt from start to report: watch its first process, end what that leaves behind, drain the pipes, tell.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use catena_core::faults::{self, Fault};
use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::child::Child;
use super::orphans::Rest;
use super::output;
use super::protocol::{Ended, Exit, Token};
use super::streams::Streams;
use crate::mask::Mask;

/// How long pipes are read on when all the attempt started is dead: somebody else holds them.
const DRAIN_MAX: Duration = Duration::from_millis(100);
/// Between two looks at what an attempt left behind; there is no event for the end of a group.
const REST_TICK: Duration = Duration::from_millis(5);
/// Between two kills of what an attempt left behind: what forks as it is killed must lose the race.
const KILL_TICK: Duration = Duration::from_millis(1);
/// Between two kills of an attempt whose first process has not been reaped.
const KILL_AGAIN: Duration = Duration::from_millis(50);

/// A running attempt, owned by one task.
pub(super) struct Attempt {
    pub(super) token: Token,
    pub(super) child: Child,
    pub(super) streams: Streams,
    pub(super) control: Control,
    pub(super) output: std::path::PathBuf,
    pub(super) mask: Option<Arc<Mask>>,
    pub(super) started_at: Timestamp,
}

/// When the attempt is asked to end, and when it is made to.
pub(super) struct Control {
    phase: Phase,
    rest: Rest,
    /// Who has been asked to end: processes, and groups by the negative of their number.
    asked: BTreeSet<i32>,
    grace: Duration,
    /// Each item is a wish to stop it, with its grace.
    stops: UnboundedReceiver<Duration>,
}

enum Phase {
    Running { deadline: Option<Instant> },
    Ending { cause: Option<Exit>, kill_at: Instant },
    Killed { cause: Option<Exit>, again_at: Instant },
}

impl Attempt {
    /// Returns when nothing of the attempt is alive.
    pub(super) async fn run(mut self) -> Ended {
        let exit = {
            let mut carry = pin!(self.streams.carry());
            let mut end = pin!(end(&mut self.child, &mut self.control));
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
        let captured = self.streams.finish();
        Ended {
            token: self.token,
            exit,
            pid: Some(self.child.group.id()),
            started_at_us: self.started_at.as_microsecond(),
            ended_at_us: ended_at.as_microsecond(),
            stdout: captured.bytes,
            stdout_dropped: captured.dropped,
            output: output::read(&self.output, self.mask.as_deref()),
        }
    }
}

async fn end(child: &mut Child, control: &mut Control) -> Exit {
    if faults::is_on(Fault::OrphanLeft) {
        return end_in_name(child, control).await;
    }
    let exit = control.until(child.exited()).await;
    control.rest.leaders.remove(child.group);
    let cause = control.cause();
    control.end_rest().await;
    cause.unwrap_or(exit)
}

/// The planted fault: who was to be stopped is reported as stopped, and nothing is done about what is left.
async fn end_in_name(child: &mut Child, control: &mut Control) -> Exit {
    tokio::select! {
        exit = child.exited() => exit,
        Some(_) = control.stops.recv() => Exit::Stopped,
    }
}

impl Control {
    pub(super) fn new(
        rest: Rest,
        timeout_ms: Option<u64>,
        grace_ms: u64,
        stops: UnboundedReceiver<Duration>,
    ) -> Self {
        // A time too far to be told is no limit.
        let timeout_ms = timeout_ms.filter(|_| !faults::is_on(Fault::TimeLimitIgnored));
        let deadline = timeout_ms.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
        let grace = Duration::from_millis(grace_ms);
        Self { phase: Phase::Running { deadline }, rest, asked: BTreeSet::new(), grace, stops }
    }

    /// Ends what the first process has left behind. One grace for all: what has run of it counts.
    async fn end_rest(&mut self) {
        while let Some(left) = self.rest.left() {
            self.begin_ending(None);
            let tick = if self.is_over() {
                left.kill();
                KILL_TICK
            } else {
                left.terminate(&mut self.asked);
                REST_TICK
            };
            self.until(sleep(tick)).await;
        }
    }

    fn terminate_all(&mut self) {
        if let Some(left) = self.rest.left() {
            left.terminate(&mut self.asked);
        }
    }

    fn kill_all(&self) {
        if let Some(left) = self.rest.left() {
            left.kill();
        }
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
            Phase::Killed { again_at, .. } => Some(again_at),
        }
    }

    fn elapse(&mut self) {
        match self.phase {
            Phase::Running { .. } => {
                self.begin_ending(Some(Exit::TimedOut));
                self.terminate_all();
            }
            // Whoever was forked meanwhile, or keeps the first process from being reaped, is met the next time.
            Phase::Ending { cause, .. } | Phase::Killed { cause, .. } => {
                self.phase = Phase::Killed { cause, again_at: Instant::now() + KILL_AGAIN };
                self.kill_all();
            }
        }
    }

    /// A second wish can only shorten the grace.
    fn stop(&mut self, grace: Duration) {
        match &mut self.phase {
            Phase::Running { .. } => {
                self.grace = grace;
                self.begin_ending(Some(Exit::Stopped));
                self.terminate_all();
            }
            Phase::Ending { kill_at, .. } => *kill_at = kill_after(grace).min(*kill_at),
            Phase::Killed { .. } => {}
        }
    }

    /// From here the grace runs. One that runs already goes on.
    fn begin_ending(&mut self, cause: Option<Exit>) {
        if let Phase::Running { .. } = self.phase {
            self.phase = Phase::Ending { cause, kill_at: kill_after(self.grace) };
        }
    }

    fn cause(&self) -> Option<Exit> {
        match self.phase {
            Phase::Running { .. } => None,
            Phase::Ending { cause, .. } | Phase::Killed { cause, .. } => cause,
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
