//! Time as the engine asks for it, so that tests can hold it still.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
