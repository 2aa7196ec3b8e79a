//! `concurrency`: how many executions of a chain run at once. One more waits for its turn, is refused, or has another
//! one cancelled for it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use catena_core::{
    Command, ExecutionId, State,
    chain::{Chain, Concurrency, Overload},
    event::Trigger,
};
use catena_store::{Actor, InboxCommand};

use super::{Deferred, Dispatcher};

/// The executions of chains that limit how many there are of them.
#[derive(Default)]
pub(super) struct Gates {
    of: HashMap<ExecutionId, String>,
    gates: HashMap<String, Gate>,
    /// Chains of which an execution has ended since anybody looked.
    ended: BTreeSet<String>,
}

#[derive(Default)]
struct Gate {
    limit: u32,
    running: BTreeSet<ExecutionId>,
    /// Those of them that make room for another one.
    leaving: BTreeSet<ExecutionId>,
    held: VecDeque<ExecutionId>,
}

/// What becomes of a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Free,
    /// It waits for its turn; for it these are cancelled.
    Held {
        cancels: Option<ExecutionId>,
    },
    /// Nothing starts, because of these.
    Refused {
        running: Vec<ExecutionId>,
    },
}

/// Whether an execution counts: a part of another one runs in its place.
fn counts(trigger: Trigger) -> bool {
    match trigger {
        Trigger::Manual
        | Trigger::Schedule { .. }
        | Trigger::RunNow { .. }
        | Trigger::Backfill { .. }
        | Trigger::Rerun { .. } => true,
        Trigger::Call { .. } | Trigger::Undo { .. } => false,
    }
}

impl Gates {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What becomes of a start of the chain now.
    pub(super) fn look(&self, chain: &Chain, trigger: Trigger) -> Entry {
        let Some(Concurrency { limit, policy }) = chain.concurrency.filter(|_| counts(trigger)) else {
            return Entry::Free;
        };
        let Some(gate) = self.gates.get(chain.name.as_str()) else { return Entry::Free };
        if gate.held.is_empty() && gate.running.len() < limit as usize {
            return Entry::Free;
        }
        match policy {
            Overload::Queue => Entry::Held { cancels: None },
            Overload::Skip => Entry::Refused { running: gate.running.iter().copied().collect() },
            Overload::CancelRunning => {
                Entry::Held { cancels: gate.running.difference(&gate.leaving).next().copied() }
            }
        }
    }

    /// An execution of the chain is there, and waits for its turn or not.
    pub(super) fn add(&mut self, state: &State) {
        let chain = state.chain();
        let (Some(concurrency), Some(trigger)) = (chain.concurrency, state.trigger()) else { return };
        if !counts(trigger) || state.has_ended() {
            return;
        }
        let name = chain.name.as_str().to_owned();
        let gate = self.gates.entry(name.clone()).or_default();
        gate.limit = concurrency.limit;
        if state.is_held() {
            gate.held.push_back(state.id());
        } else {
            gate.running.insert(state.id());
        }
        self.of.insert(state.id(), name);
    }

    fn leaves(&mut self, execution: ExecutionId) {
        if let Some(gate) = self.of.get(&execution).and_then(|name| self.gates.get_mut(name)) {
            gate.leaving.insert(execution);
        }
    }

    pub(super) fn ended(&mut self, execution: ExecutionId) {
        let Some(name) = self.of.remove(&execution) else { return };
        if let Some(gate) = self.gates.get_mut(&name) {
            gate.running.remove(&execution);
            gate.leaving.remove(&execution);
            gate.held.retain(|held| *held != execution);
        }
        self.ended.insert(name);
    }

    /// Those for which there is room now.
    fn admit(&mut self) -> Vec<ExecutionId> {
        let mut admitted = Vec::new();
        for name in std::mem::take(&mut self.ended) {
            let Some(gate) = self.gates.get_mut(&name) else { continue };
            while gate.running.len() < gate.limit as usize
                && let Some(next) = gate.held.pop_front()
            {
                gate.running.insert(next);
                admitted.push(next);
            }
        }
        admitted
    }

    /// Everything that is held is looked at: after a recovery.
    pub(super) fn look_at_all(&mut self) {
        self.ended.extend(self.gates.keys().cloned());
    }
}

impl Dispatcher {
    pub(super) fn admit_held(&mut self) {
        for execution in self.gates.admit() {
            self.with_state(execution, Deferred::Command(Command::AdmitExecution));
        }
    }

    pub(super) fn cancel_for_another(&mut self, execution: ExecutionId) {
        self.gates.leaves(execution);
        let command = InboxCommand::Cancel { rollback: false, force: false };
        let cancel = Deferred::Tell { command, actor: Actor::engine(), inbox: None, reply: None };
        self.with_state(execution, cancel);
    }
}
