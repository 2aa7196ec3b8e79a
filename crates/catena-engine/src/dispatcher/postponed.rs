//! What could not be read for a moment: nobody asks for it again, so it is asked for again here.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use catena_core::ExecutionId;

use super::Deferred;
use crate::load::Wanted;

/// When it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Postponed {
    /// By when, in time that passes, and in which order they came.
    due: BTreeMap<(Duration, u64), Due>,
    /// What executions are to be told when they can be read.
    deferred: HashMap<ExecutionId, Vec<Deferred>>,
    count: u64,
}

pub(super) enum Due {
    Read(Wanted),
    Execution(ExecutionId),
}

impl Postponed {
    pub(super) fn read_again(&mut self, wanted: Wanted, passed: Duration) {
        self.put(Due::Read(wanted), passed);
    }

    pub(super) fn keep(&mut self, execution: ExecutionId, deferred: Vec<Deferred>, passed: Duration) {
        self.deferred.entry(execution).or_default().extend(deferred);
        self.put(Due::Execution(execution), passed);
    }

    fn put(&mut self, due: Due, passed: Duration) {
        self.count += 1;
        self.due.insert((passed + AGAIN, self.count), due);
    }

    /// What an execution is to be told, now that it is read.
    pub(super) fn take(&mut self, execution: ExecutionId) -> Vec<Deferred> {
        self.deferred.remove(&execution).unwrap_or_default()
    }

    pub(super) fn next_at(&self) -> Option<Duration> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next that is due.
    pub(super) fn next_due(&mut self, passed: Duration) -> Option<Due> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= passed)?;
        Some(first.remove())
    }

    /// All is taken up from the store.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
