//! What an execution learns of others: the undo of a child, and results that were there before.

use super::Decider;
use crate::{
    command::Rejection,
    event::{CacheHit, Event},
    failure::Failure,
    ids::{ExecutionId, VisitNo},
    state::{UndoPhase, VisitPhase},
};

impl Decider<'_> {
    pub(super) fn end_child_undo(
        &mut self,
        no: VisitNo,
        nth: u32,
        failure: Option<Failure>,
    ) -> Result<(), Rejection> {
        self.expect_child_undo(no, nth)?;
        self.emit(Event::ChildUndoEnded { visit: no, failure });
        Ok(())
    }

    pub(super) fn note_child_undo_halted(
        &mut self,
        no: VisitNo,
        nth: u32,
        execution: ExecutionId,
    ) -> Result<(), Rejection> {
        self.expect_child_undo(no, nth)?;
        // It is told as often as the other one has something to tell.
        if self.state.visit(no).undo == UndoPhase::Calling {
            self.emit(Event::ChildUndoHalted { visit: no, execution });
        }
        Ok(())
    }

    fn expect_child_undo(&self, no: VisitNo, nth: u32) -> Result<(), Rejection> {
        let is_under_way = no.index() < self.state.visit_count()
            && matches!(self.state.visit(no).undo, UndoPhase::Calling | UndoPhase::Halted(_))
            && self.state.visit(no).undos == nth
            && !self.state.has_ended();
        if is_under_way { Ok(()) } else { Err(Rejection::NotUndoingChild { visit: no }) }
    }

    pub(super) fn answer_lookup(
        &mut self,
        no: VisitNo,
        key: String,
        hit: Option<CacheHit>,
    ) -> Result<(), Rejection> {
        let is_looking =
            no.index() < self.state.visit_count() && self.state.visit(no).phase == VisitPhase::Looking;
        if !is_looking || self.state.has_ended() {
            return Err(Rejection::NotLooking { visit: no });
        }
        self.emit(Event::CacheAnswered { visit: no, key, hit });
        Ok(())
    }
}
