//! What could not be read for a moment: nobody asks for it again, so it is asked for again here.

use std::{collections::BTreeMap, time::Duration};

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
    deferred: BTreeMap<ExecutionId, Vec<Deferred>>,
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
        let kept = self.deferred.entry(execution).or_default();
        // To go on once is enough, and so is to look at it once.
        let goes_on = kept.iter().any(|deferred| matches!(deferred, Deferred::Advance));
        kept.extend(deferred.into_iter().filter(|one| !(goes_on && matches!(one, Deferred::Advance))));
        let is_due = self.due.values().any(|due| matches!(due, Due::Execution(of) if *of == execution));
        if !is_due {
            self.put(Due::Execution(execution), passed);
        }
    }

    /// All that executions were to be told.
    pub(super) fn take_all(&mut self) -> BTreeMap<ExecutionId, Vec<Deferred>> {
        std::mem::take(&mut self.deferred)
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
