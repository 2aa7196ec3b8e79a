//! Pausing: nothing new starts, what runs goes on, and no clock stops.

use super::Decider;
use crate::{command::Rejection, event::Event};

impl Decider<'_> {
    pub(super) fn pause(&mut self) -> Result<(), Rejection> {
        if self.state.has_ended() {
            Err(Rejection::Ended)
        } else if self.state.is_paused() {
            Err(Rejection::AlreadyPaused)
        } else if self.state.cancel().is_some() {
            Err(Rejection::AlreadyCancelling)
        } else {
            self.emit(Event::ExecutionPaused {});
            Ok(())
        }
    }

    pub(super) fn resume(&mut self) -> Result<(), Rejection> {
        if self.state.has_ended() {
            Err(Rejection::Ended)
        } else if !self.state.is_paused() {
            Err(Rejection::NotPaused)
        } else {
            self.emit(Event::ExecutionResumed {});
            Ok(())
        }
    }
}
