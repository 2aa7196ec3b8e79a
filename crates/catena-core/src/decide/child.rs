//! What an execution learns of others: the undo of a child, and results that were there before.

use super::Decider;
use crate::{
    command::Rejection,
    event::{CacheHit, Event},
    failure::Failure,
    ids::VisitNo,
    state::{UndoPhase, VisitPhase},
};

impl Decider<'_> {
    pub(super) fn end_child_undo(
        &mut self,
        no: VisitNo,
        nth: u32,
        failure: Option<Failure>,
    ) -> Result<(), Rejection> {
        let is_under_way = no.index() < self.state.visit_count()
            && self.state.visit(no).undo == UndoPhase::Calling
            && self.state.visit(no).undos == nth
            && !self.state.has_ended();
        if !is_under_way {
            return Err(Rejection::NotUndoingChild { visit: no });
        }
        self.emit(Event::ChildUndoEnded { visit: no, failure });
        Ok(())
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
