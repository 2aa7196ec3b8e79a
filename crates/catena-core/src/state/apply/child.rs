//! Folding what an execution has to do with others: children, and the undo of what those have done.

use super::Misfit;
use crate::{
    chain::Work,
    failure::Failure,
    ids::{AttemptNo, ExecutionId, VisitNo},
    state::{State, UndoPhase},
};

impl State {
    pub(super) fn child_started(
        &mut self,
        no: VisitNo,
        attempt: AttemptNo,
        child: ExecutionId,
    ) -> Result<(), Misfit> {
        self.expect_live(no, attempt)?;
        self.visit_mut(no).child = Some(child);
        Ok(())
    }

    /// Whether nobody waits for the end of the visit's child.
    pub(super) fn lets_child_go(&self, no: VisitNo) -> bool {
        matches!(&self.step_of(no).work, Work::Chain(call) if call.lets_go)
    }

    pub(super) fn child_undo_started(&mut self, no: VisitNo) -> Result<(), Misfit> {
        if self.known(no)?.undo != UndoPhase::None || self.visit(no).child.is_none() {
            return Err("the visit has no child to undo");
        }
        let visit = self.visit_mut(no);
        visit.undos += 1;
        visit.undo = UndoPhase::Calling;
        self.touch_execution();
        Ok(())
    }

    pub(super) fn child_undo_ended(&mut self, no: VisitNo, failure: Option<&Failure>) -> Result<(), Misfit> {
        if self.known(no)?.undo != UndoPhase::Calling {
            return Err("no child of the visit is being undone");
        }
        self.visit_mut(no).undo = match failure {
            Some(failure) => UndoPhase::Failed(failure.clone()),
            None => {
                // Undos run one at a time, the last due first.
                self.record.undo_due.pop();
                UndoPhase::Done
            }
        };
        self.touch_execution();
        Ok(())
    }
}
