//! Slots for attempts, granted round-robin over executions.

use std::collections::{HashSet, VecDeque};

use catena_core::ExecutionId;

pub(crate) struct Slots {
    total: u32,
    /// Attempts that run; after a recovery there may be more of them than slots.
    live: u32,
    /// Executions with a visit that waits for a slot, the longest waiting first.
    queue: VecDeque<ExecutionId>,
    queued: HashSet<ExecutionId>,
}

impl Slots {
    pub(crate) fn new(total: u32) -> Self {
        Self { total, live: 0, queue: VecDeque::new(), queued: HashSet::new() }
    }

    /// How many slots a decision of `execution` may fill, `freed` of its own coming back in it. While others
    /// wait, it has to queue like them.
    pub(crate) fn offer(&self, execution: ExecutionId, freed: u32) -> u32 {
        let others_wait = self.queue.iter().any(|waiting| *waiting != execution);
        if others_wait { 0 } else { self.total.saturating_sub(self.live.saturating_sub(freed)) }
    }

    pub(crate) fn settle(&mut self, freed: u32, taken: u32) {
        self.live = (self.live + taken).saturating_sub(freed);
    }

    pub(crate) fn wait(&mut self, execution: ExecutionId) {
        if self.queued.insert(execution) {
            self.queue.push_back(execution);
        }
    }

    pub(crate) fn forget(&mut self, execution: ExecutionId) {
        if self.queued.remove(&execution) {
            self.queue.retain(|waiting| *waiting != execution);
        }
    }

    /// The execution whose turn it is, if there is a free slot.
    pub(crate) fn next(&mut self) -> Option<ExecutionId> {
        if self.live >= self.total {
            return None;
        }
        let execution = self.queue.pop_front()?;
        self.queued.remove(&execution);
        Some(execution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_take_turns() {
        let (a, b) = (ExecutionId(1), ExecutionId(2));
        let mut slots = Slots::new(1);
        assert_eq!(slots.offer(a, 0), 1);
        slots.settle(0, 1);
        slots.wait(a);
        slots.wait(b);
        slots.wait(a);
        assert_eq!(slots.next(), None);
        // The end of an attempt of `a` frees a slot, but `b` waits too.
        assert_eq!(slots.offer(a, 1), 0);
        slots.settle(1, 0);
        assert_eq!(slots.next(), Some(a));
        slots.settle(0, 1);
        slots.wait(a);
        slots.settle(1, 0);
        assert_eq!(slots.next(), Some(b));
    }
}
