//! Time as the engine asks for it, so that tests can hold it still.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use catena_core::Timestamp;

pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// How long to block for until it is `until`; `None` means until somebody says that time has moved.
    fn time_until(&self, until: Timestamp) -> Option<Duration>;
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
}

/// A clock that stands still until it is moved; then the engine has to be told with `Engine::tick`.
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Jumps to an instant, also back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn time_until(&self, until: Timestamp) -> Option<Duration> {
        // What is due is due at once; for everything else somebody has to move the clock.
        (until <= self.now()).then_some(Duration::ZERO)
    }
}
