//! Taking up what an earlier engine left: attempts are attached to or seen dead, acknowledged commands are
//! carried out, and everything advances. There is no other recovery than that.

use catena_core::{
    ExecutionId, State, Timestamp,
    faults::{self, Fault},
};
use catena_runners::Beginning;
use catena_store::{InboxCommand, InboxItem};

use super::{Deferred, Dispatcher};
use crate::launch;

/// What was found in the store.
#[derive(Default)]
pub(crate) struct Recovered {
    /// Unfinished executions that have something to do now.
    pub(crate) states: Vec<State>,
    /// Those that only wait.
    pub(crate) sleeping: Vec<(ExecutionId, Timestamp)>,
    pub(crate) inbox: Vec<InboxItem>,
    /// Whether the machine has been up since the engine before this one started.
    pub(crate) same_boot: bool,
}

impl Dispatcher {
    pub(crate) fn recover(&mut self, found: Recovered) {
        let beginning = Beginning::Recovered { same_boot: found.same_boot };
        for (execution, at) in found.sleeping {
            self.arm(execution, at);
        }
        let executions: Vec<ExecutionId> = found.states.iter().map(State::id).collect();
        for state in found.states {
            let live = u32::try_from(state.agenda().live().count()).unwrap_or(u32::MAX);
            self.slots.settle(0, live);
            for effect in state.pending_effects() {
                self.shared.launcher.perform(launch::act(&state, effect, beginning));
            }
            self.hot.insert(state.id(), state);
        }
        for InboxItem { id, execution, actor, command, .. } in found.inbox {
            let InboxCommand::Cancel { rollback } = command;
            self.with_state(execution, Deferred::Cancel { rollback, actor, inbox: Some(id), reply: None });
        }
        for execution in executions {
            self.with_state(execution, Deferred::Advance);
        }
        if faults::is_on(Fault::TimerLost) {
            self.timers.clear();
            self.armed.clear();
        }
    }
}
