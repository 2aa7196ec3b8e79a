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
        self.visit_mut(no).children.push(child);
        Ok(())
    }

    /// Whether what children of the visit have done is taken back with it, however it and they have ended: the chain
    /// that they ran knows how.
    pub(super) fn owes_undo_of_children(&self, no: VisitNo) -> bool {
        let step = self.step_of(no);
        let lets_go = matches!(&step.work, Work::Chain(call) if call.lets_go);
        step.undo.is_none() && !lets_go && !self.visit(no).children.is_empty()
    }

    pub(super) fn child_undo_started(&mut self, no: VisitNo) -> Result<(), Misfit> {
        if self.known(no)?.undo != UndoPhase::None || self.visit(no).standing_children().is_empty() {
            return Err("the visit has no child to undo");
        }
        let visit = self.visit_mut(no);
        visit.undos += 1;
        visit.undo = UndoPhase::Calling;
        self.touch_execution();
        Ok(())
    }

    pub(super) fn child_undo_ended(&mut self, no: VisitNo, failure: Option<&Failure>) -> Result<(), Misfit> {
        if !matches!(self.known(no)?.undo, UndoPhase::Calling | UndoPhase::Halted(_)) {
            return Err("no child of the visit is being undone");
        }
        let visit = self.visit_mut(no);
        if let Some(failure) = failure {
            visit.undo = UndoPhase::Failed(failure.clone());
        } else {
            visit.children_undone += 1;
            let is_done = visit.standing_children().is_empty();
            visit.undo = if is_done { UndoPhase::Done } else { UndoPhase::None };
            if is_done {
                // Undos run one at a time, the last due first.
                self.record.undo_due.pop();
            }
        }
        self.touch_execution();
        Ok(())
    }

    pub(super) fn child_undo_halted(&mut self, no: VisitNo, execution: ExecutionId) -> Result<(), Misfit> {
        if self.known(no)?.undo != UndoPhase::Calling {
            return Err("no child of the visit is being undone");
        }
        self.visit_mut(no).undo = UndoPhase::Halted(execution);
        self.touch_execution();
        Ok(())
    }
}
