//! Decisions that read large values: the loader reads those from the store, and the execution goes on with them. They
//! are in memory for as long as one decision needs them.

use catena_core::{Command, ExecutionId, Loaded, value::Stored};
use catena_store::{Actor, Error as StoreError};

use super::{Dispatcher, LOAD_AGAIN_MS, commit::Consequences};
use crate::load::Wanted;

impl Dispatcher {
    /// What to ask of the loader once all that was decided is committed: a value may be part of that.
    pub(super) fn values_to_read(
        &mut self,
        execution: ExecutionId,
        needs: Vec<Stored>,
        mut at_hand: Loaded,
    ) -> Option<Wanted> {
        // What is being read comes with an advance, which asks again if it is not enough.
        if needs.is_empty() || !self.reading.insert(execution) {
            return None;
        }
        at_hand.retain(&needs);
        Some(Wanted::Values { execution, needs, at_hand })
    }

    pub(super) fn values_read(&mut self, execution: ExecutionId, read: Result<Loaded, StoreError>) {
        self.reading.remove(&execution);
        match read {
            Ok(loaded) => {
                if let Ok(decided) = self.decide_with(execution, Command::Advance, loaded) {
                    self.commit(execution, decided, Actor::engine(), Consequences::default());
                }
            }
            Err(_) if !self.hot.contains_key(&execution) => {}
            // In a moment once more.
            Err(_) => self.arm(execution, self.shared.clock.now().plus_ms(LOAD_AGAIN_MS)),
        }
    }
}
