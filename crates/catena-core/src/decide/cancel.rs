//! Cancelling an execution: every block stops, then it ends as cancelled. By force an undo and a handler stop, too.

use super::Decider;
use crate::{command::Rejection, event::Event, state::Phase};

impl Decider<'_> {
    pub(super) fn cancel(&mut self, rollback: bool, force: bool) -> Result<(), Rejection> {
        let refusal = match self.state.phase() {
            Phase::Ended { .. } => return Err(Rejection::Ended),
            Phase::Undoing => Rejection::Undoing,
            Phase::Handling(_) => Rejection::Handling,
            Phase::Created | Phase::Running if self.state.cancel().is_some() => Rejection::AlreadyCancelling,
            Phase::Created | Phase::Running => {
                self.emit(Event::CancelRequested { rollback });
                if force {
                    self.emit(Event::StopForced {});
                }
                return Ok(());
            }
        };
        if !force || self.state.is_forced() {
            return Err(refusal);
        }
        self.emit(Event::StopForced {});
        Ok(())
    }
}
