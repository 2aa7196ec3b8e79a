//! Time as the engine asks for it, so that tests can hold it still.

use std::{
    io::{PipeReader, PipeWriter},
    os::fd::OwnedFd,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use catena_core::Timestamp;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
        timerfd_create, timerfd_settime,
    },
};

pub trait Clock: Send + Sync {
    /// By the clock of the wall, which somebody may set, forward or back.
    fn now(&self) -> Timestamp;

    /// How long to block for until it is `until`; `None` means until somebody says that time has moved.
    fn time_until(&self, until: Timestamp) -> Option<Duration>;

    /// Time that has passed since some moment, sleep of the machine included: nobody can set it.
    fn passed(&self) -> Duration;

    /// As `time_until`, until so much time has passed.
    fn time_until_passed(&self, until: Duration) -> Option<Duration>;

    /// Calls `moved` whenever the clock of the wall has been set or the machine has slept, as long as the answer is
    /// kept. `None` where nobody needs to be told.
    fn watch(&self, moved: Box<dyn Fn() + Send>) -> std::io::Result<Option<Watch>>;
}

/// Ends a watch when it is dropped.
pub struct Watch {
    _open: PipeWriter,
}

pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn time_until(&self, until: Timestamp) -> Option<Duration> {
        Some(Duration::from_micros(until.micros_since(self.now())))
    }

    fn passed(&self) -> Duration {
        Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
    }

    fn time_until_passed(&self, until: Duration) -> Option<Duration> {
        Some(until.saturating_sub(self.passed()))
    }

    fn watch(&self, moved: Box<dyn Fn() + Send>) -> std::io::Result<Option<Watch>> {
        let timer = timer_in_far_future()?;
        let (closed, open) = std::io::pipe()?;
        let thread = std::thread::Builder::new().name("catena-clock".into()).stack_size(64 * 1024);
        thread.spawn(move || report_changes(&timer, &closed, &*moved))?;
        Ok(Some(Watch { _open: open }))
    }
}

/// A timer that never expires: the kernel cancels it when the clock is set, and after sleep. Blocking for a time, as
/// channels do, goes by a clock that stands still in sleep, and takes no notice of either.
fn timer_in_far_future() -> std::io::Result<OwnedFd> {
    const YEARS: i64 = 200 * 366 * 24 * 60 * 60;
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
    let never = Timespec { tv_sec: YEARS, tv_nsec: 0 };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: never };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once)?;
    Ok(timer)
}

fn report_changes(timer: &OwnedFd, closed: &PipeReader, moved: &dyn Fn()) {
    loop {
        let mut ends = [PollFd::new(timer, PollFlags::IN), PollFd::new(closed, PollFlags::IN)];
        match poll(&mut ends, None) {
            Ok(_) if !ends[1].revents().is_empty() => return,
            Ok(_) | Err(Errno::INTR) => {}
            // Without the watch timers are late after a change, and none is lost.
            Err(_) => return,
        }
        match rustix::io::read(timer, &mut [0; 8]) {
            Err(Errno::CANCELED) => moved(),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // In two hundred years.
            Ok(_) | Err(_) => return,
        }
    }
}

/// A clock that stands still until it is moved; then the engine has to be told with `Engine::tick`.
pub struct ManualClock {
    now_us: AtomicI64,
    passed_us: AtomicU64,
}

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self { now_us: AtomicI64::new(now.0), passed_us: AtomicU64::new(0) }
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let by_us = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.now_us.fetch_add(by_us, Ordering::SeqCst);
        self.passed_us.fetch_add(by_us.unsigned_abs(), Ordering::SeqCst);
    }

    /// Somebody sets the clock, forward or back; no time passes.
    pub fn set(&self, now: Timestamp) {
        self.now_us.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now_us.load(Ordering::SeqCst))
    }

    fn passed(&self) -> Duration {
        Duration::from_micros(self.passed_us.load(Ordering::SeqCst))
    }

    fn time_until_passed(&self, until: Duration) -> Option<Duration> {
        (until <= self.passed()).then_some(Duration::ZERO)
    }

    fn watch(&self, _moved: Box<dyn Fn() + Send>) -> std::io::Result<Option<Watch>> {
        Ok(None)
    }

    fn time_until(&self, until: Timestamp) -> Option<Duration> {
        // What is due is due at once; for everything else somebody has to move the clock.
        (until <= self.now()).then_some(Duration::ZERO)
    }
}
