//! Taking up what an earlier engine left: attempts are attached to or seen dead, acknowledged commands are
//! carried out, and everything advances. There is no other recovery than that.

use catena_core::{
    Effect, ExecutionId, Timestamp,
    faults::{self, Fault},
};
use catena_runners::Beginning;
use catena_store::{InboxItem, Lease};

use super::{Deferred, Dispatcher, schedules::Schedules, slots::Moved};
use crate::{launch, load::Unfinished, trace};

/// What was found in the store.
#[derive(Default)]
pub(crate) struct Recovered {
    /// Unfinished executions that have something to do now.
    pub(crate) running: Vec<Unfinished>,
    /// Those that only wait.
    pub(crate) sleeping: Vec<(ExecutionId, Timestamp)>,
    pub(crate) inbox: Vec<InboxItem>,
    /// Journals that cannot be read or folded: their executions stop, the others do not.
    pub(crate) damaged: Vec<(ExecutionId, String)>,
    /// Processes that were started under an earlier lease are gone with the boot that they ran in.
    pub(crate) first_of_boot: Lease,
    pub(crate) schedules: crate::schedule::Found,
    /// Whether this is all that is unfinished in the store.
    pub(crate) is_all: bool,
}

impl Dispatcher {
    pub(crate) fn recover(&mut self, found: Recovered) {
        self.schedules = Schedules::new(found.schedules);
        // Who comes to tell one something comes before all that is due for it.
        self.holds_back = !found.is_all;
        if !faults::is_on(Fault::TimerLost) && !self.holds_back {
            for (execution, at) in found.sleeping {
                self.arm(execution, at);
            }
        }
        let executions: Vec<(ExecutionId, u64)> =
            found.running.iter().map(|one| (one.state.id(), one.state.seq())).collect();
        for one in found.running {
            self.take_up(one, found.first_of_boot);
        }
        if found.is_all {
            self.shared.launcher.has_all();
        }
        self.gates.look_at_all();
        for InboxItem { id, execution, actor, command, .. } in found.inbox {
            self.with_state(execution, Deferred::Tell { command, actor, inbox: Some(id), reply: None });
        }
        for (execution, seq) in executions {
            if !self.holds_back {
                self.with_state(execution, Deferred::Advance);
            }
            // One with nothing to do now waits in the store.
            self.durable(execution, seq);
        }
        if faults::is_on(Fault::TimerLost) {
            self.timers.clear();
            self.armed.clear();
            self.pauses.clear();
        }
    }

    fn take_up(&mut self, Unfinished { state, started_under }: Unfinished, first_of_boot: Lease) {
        let mut moved = Moved::default();
        state.agenda().live().for_each(|visit| moved.began(state.step_of(visit).pool.as_ref()));
        self.slots.settle(moved);
        self.gates.add(&state);
        for effect in state.pending_effects() {
            let attempt = match effect {
                Effect::StartAttempt { visit, attempt } | Effect::StopAttempt { visit, attempt } => {
                    Some((visit, attempt))
                }
                Effect::LookUp { .. } | Effect::UndoChild { .. } | Effect::StopChildUndo { .. } => None,
            };
            let lease = attempt.and_then(|key| started_under.get(&key)).copied().unwrap_or_default();
            let lease = if faults::is_on(Fault::NotAttached) { self.shared.lease } else { lease };
            trace::taken_up(&state, &effect, lease);
            let beginning = Beginning::Recovered { same_boot: lease >= first_of_boot };
            self.shared.perform(launch::act(&state, effect, lease, beginning));
        }
        self.hot.insert(state.id(), state);
    }
}
