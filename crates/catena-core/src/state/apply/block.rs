//! Folding how the run of a block goes on and ends, and what its end means to the visit that holds it.

use super::Misfit;
use crate::{
    event::{BlockEnd, Jump},
    failure::{Failure, FailureType},
    ids::{FrameNo, VisitNo},
    state::{Frame, FramePhase, Origin, State, UndoPhase},
};

impl State {
    pub(super) fn jumped(&mut self, frame_no: FrameNo, from: VisitNo, to: Jump) -> Result<(), Misfit> {
        let steps = self.chain.block(self.known_frame(frame_no)?.block).steps.len();
        let cursor = match to {
            Jump::Step(step) => self.chain.step(step).position,
            Jump::End => u32::try_from(steps).expect("a block is bounded"),
        };
        let frame = self.open_frame_mut(frame_no)?;
        if frame.asks_next != Some(from) {
            return Err("the visit asks for no jump");
        }
        frame.asks_next = None;
        frame.cursor = cursor;
        self.touch_frame(frame_no);
        Ok(())
    }

    pub(super) fn block_stopping(&mut self, no: FrameNo, cause: &BlockEnd) -> Result<(), Misfit> {
        self.open_frame_mut(no)?;
        self.close(no, cause);
        Ok(())
    }

    /// An open frame ends like this as soon as nothing is open in it.
    pub(super) fn close(&mut self, no: FrameNo, end: &BlockEnd) {
        let frame = &mut self.record.frames[no.index()];
        if frame.phase != FramePhase::Open {
            return;
        }
        frame.phase = FramePhase::Closing(end.clone());
        for visit in frame.open.clone() {
            self.touch_visit(visit);
        }
        self.disarm_frame(no);
        self.set_delay(no, None);
    }

    pub(super) fn block_ended(&mut self, no: FrameNo, end: &BlockEnd) -> Result<(), Misfit> {
        let frame = self.known_frame(no)?;
        if !frame.open.is_empty() || matches!(frame.phase, FramePhase::Ended(_)) {
            return Err("the block cannot end now");
        }
        let origin = frame.origin;
        self.record.frames[no.index()].phase = FramePhase::Ended(end.clone());
        self.disarm_frame(no);
        self.touch_frame(no);
        match origin {
            Origin::Root => {}
            Origin::Group { visit }
            | Origin::Item { visit, .. }
            | Origin::Branch { visit, .. }
            | Origin::Alternative { visit } => self.count_end(visit, end)?,
            Origin::Undo { visit } => self.undo_ended(visit, end),
            Origin::Handler { .. } => self.handler_ended(end)?,
        }
        self.touch_execution();
        Ok(())
    }

    pub(super) fn count_end(&mut self, visit: VisitNo, end: &BlockEnd) -> Result<(), Misfit> {
        let nest = self.nest_mut(visit)?;
        nest.open -= 1;
        match end {
            BlockEnd::Completed => nest.completed += 1,
            BlockEnd::Cancelled => {}
            BlockEnd::Failed(failure) => {
                nest.failed += 1;
                nest.first_failure.get_or_insert_with(|| failure.clone());
            }
        }
        self.touch_visit(visit);
        Ok(())
    }

    /// Gives the frame of an undo what its visit saw. One that failed before goes on where it failed: what it has done
    /// is not done twice. A graph has no such place, and begins again.
    pub(super) fn take_up_undo(&self, no: VisitNo, frame: &mut Frame) -> Result<(), Misfit> {
        let visit = self.known(no)?;
        frame.seen.clone_from(&visit.undo_sight.steps);
        frame.foreign.clone_from(&visit.undo_sight.foreign);
        let is_again = visit.undos > 0 && frame.graph.is_none();
        let mut frames = self.record.frames.iter().rev();
        let Some(before) = frames.find(|before| is_again && before.origin == frame.origin) else {
            return Ok(());
        };
        let Some(last) = before.latest.values().max() else { return Ok(()) };
        frame.cursor = self.step_of(*last).position;
        frame.seen.clone_from(&before.seen);
        frame.names.clone_from(&before.names);
        Ok(())
    }

    pub(super) fn undo_ended(&mut self, visit: VisitNo, end: &BlockEnd) {
        let cancelled = || Failure::new(FailureType::Lost, "the undo was stopped");
        let phase = match end {
            BlockEnd::Completed => UndoPhase::Done,
            BlockEnd::Failed(failure) => UndoPhase::Failed(failure.clone()),
            BlockEnd::Cancelled => UndoPhase::Failed(cancelled()),
        };
        if phase == UndoPhase::Done {
            // Undos run one at a time, the last due first.
            self.record.undo_due.pop();
        }
        self.visit_mut(visit).undo = phase;
    }
}
