//! The way of a whole execution: run, undo, end.

use super::Decider;
use crate::{
    chain::ErrorPolicy,
    event::{BlockEnd, Event},
    failure::{Failure, FailureType},
    ids::{BlockIx, FrameNo},
    state::{FramePhase, Origin, Phase, UndoPhase},
    status::End,
    value::Value,
};

impl Decider<'_> {
    pub(super) fn decide_execution(&mut self) {
        match self.state.phase() {
            Phase::Created => self.emit(Event::ExecutionStarted {}),
            Phase::Running => match self.root_end() {
                None => self.open_root(),
                Some(_) if self.must_undo() => self.emit(Event::UndoStarted {}),
                Some(end) => self.end_without_undo(end),
            },
            Phase::Undoing => self.undo_next(),
            Phase::Ended { .. } => unreachable!("an ended execution is never on its agenda"),
        }
    }

    fn open_root(&mut self) {
        let origin = Origin::Root;
        self.emit(Event::BlockOpened { frame: FrameNo::ROOT, block: BlockIx::ROOT, origin });
    }

    /// How the chain's own block ended, once it has.
    fn root_end(&self) -> Option<BlockEnd> {
        let (_, root) = self.state.frames().next()?;
        match &root.phase {
            FramePhase::Ended(end) => Some(end.clone()),
            FramePhase::Open | FramePhase::Closing(_) => None,
        }
    }

    fn must_undo(&self) -> bool {
        let verdict = self.state.verdict().map(|failure| &failure.kind);
        // Who gives up wants nothing more of it, whatever another step has asked for.
        if verdict == Some(&FailureType::GivenUp) {
            return false;
        }
        let policy = self.state.chain().error_policy;
        self.state.rollback().is_some()
            || self.state.cancel().is_some_and(|cancel| cancel.rollback)
            || (verdict == Some(&FailureType::Timeout) && policy == Some(ErrorPolicy::Rollback))
    }

    fn end_without_undo(&mut self, end: BlockEnd) {
        match end {
            BlockEnd::Failed(failure) => self.end(End::Failed, Some(failure)),
            BlockEnd::Cancelled => self.end(End::Cancelled, None),
            BlockEnd::Completed => match self.output() {
                // It is decided when what it reads is at hand.
                None => {}
                Some(Err(failure)) => self.end(End::Failed, Some(failure)),
                Some(Ok(output)) => {
                    let clean = self.state.passed().is_empty();
                    let end = if clean { End::Completed } else { End::CompletedWithErrors };
                    self.emit(Event::ExecutionEnded { end, output, error: None });
                }
            },
        }
    }

    fn output(&mut self) -> Option<Result<Value, Failure>> {
        let output = self.evaluate(FrameNo::ROOT, |state, scope| match &state.chain().output {
            None => Ok(Value::null()),
            Some(output) => output.eval(scope),
        })?;
        Some(output.and_then(|output| self.keep(output)))
    }

    fn end(&mut self, end: End, error: Option<Failure>) {
        self.emit(Event::ExecutionEnded { end, output: Value::null(), error });
    }

    /// Takes back the visit that completed last, or ends when none is left.
    fn undo_next(&mut self) {
        let Some(visit) = self.state.undo_due().last().copied() else {
            let error = self.state.rollback().or(self.state.verdict()).cloned();
            return self.end(End::RolledBack, error);
        };
        if let UndoPhase::Failed(_) = self.state.visit(visit).undo {
            // A person has given up what is left of it.
            return self.end(End::Failed, self.state.verdict().cloned());
        }
        let undo = self.state.step_of(visit).undo.as_ref().expect("only steps with an undo are due for one");
        let block = undo.block;
        let frame = FrameNo::next_of(self.state.frame_count());
        self.emit(Event::BlockOpened { frame, block, origin: Origin::Undo { visit } });
    }
}
