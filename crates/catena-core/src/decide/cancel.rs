//! Cancelling an execution: every block stops, then it ends as cancelled.

use super::Decider;
use crate::{command::Rejection, event::Event, state::Phase};

impl Decider<'_> {
    pub(super) fn cancel(&mut self, rollback: bool) -> Result<(), Rejection> {
        match self.state.phase() {
            Phase::Ended { .. } => Err(Rejection::Ended),
            Phase::Undoing => Err(Rejection::Undoing),
            Phase::Created | Phase::Running if self.state.cancel().is_some() => {
                Err(Rejection::AlreadyCancelling)
            }
            Phase::Created | Phase::Running => {
                self.emit(Event::CancelRequested { rollback });
                Ok(())
            }
        }
    }
}
