//! The way of a whole execution: run, undo, end.

use super::Decider;
use crate::{
    chain::ErrorPolicy,
    event::{BlockEnd, Event},
    failure::{Failure, FailureType},
    ids::{BlockIx, FrameNo},
    state::{FramePhase, Handling, Origin, Phase, UndoPhase},
    status::End,
    value::Value,
};

impl Decider<'_> {
    pub(super) fn decide_execution(&mut self) {
        match self.state.phase() {
            Phase::Created => self.emit(Event::ExecutionStarted {}),
            Phase::Running => match self.root_end() {
                None => self.open_root(),
                Some(end) if self.must_undo(&end) => self.emit(Event::UndoStarted {}),
                Some(end) => self.end_without_undo(end),
            },
            Phase::Undoing => self.undo_next(),
            Phase::Handling(handling) => {
                let handling = handling.clone();
                self.handle_next(handling);
            }
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

    fn must_undo(&self, root_end: &BlockEnd) -> bool {
        let verdict = self.state.verdict().map(|failure| &failure.kind);
        // Who gives up wants nothing more of it, whatever another step has asked for; who forces it, neither.
        // What never had its turn has nothing to take back.
        if verdict == Some(&FailureType::GivenUp) || self.state.is_forced() || self.state.is_held() {
            return false;
        }
        let chain = self.state.chain();
        self.state.only_undoes()
            || self.state.rollback().is_some()
            || self.state.cancel_takes_back()
            || (chain.error_policy == Some(ErrorPolicy::Rollback)
                && (verdict.is_some() || self.root_failed_itself(root_end)))
    }

    /// Whether the chain's own block has failed, and none of its steps, whose policies say what their failures do.
    fn root_failed_itself(&self, end: &BlockEnd) -> bool {
        let BlockEnd::Failed(failure) = end else { return false };
        let steps = self.state.visits().filter(|(_, visit)| visit.frame == FrameNo::ROOT);
        !steps.map(|(_, visit)| visit).any(|visit| visit.failure() == Some(failure))
    }

    /// Why what was done is taken back.
    fn undo_reason(&self) -> Option<Failure> {
        let asked = self.state.rollback().or(self.state.verdict()).cloned();
        asked.or_else(|| match self.root_end() {
            Some(BlockEnd::Failed(failure)) if self.state.cancel().is_none() => Some(failure),
            _ => None,
        })
    }

    fn end_without_undo(&mut self, end: BlockEnd) {
        let others = (self.state.cancel(), self.state.verdict());
        if let (Some(finish), (None, None)) = (self.state.finish(), others) {
            let (end, output) = (finish.status, finish.output.clone().unwrap_or_else(Value::null));
            let error = (end == End::Failed).then(|| {
                let message = format!("step `{}` ended the chain", self.state.step_of(finish.visit).id);
                Failure::lasting(FailureType::Raised("failed".into()), message)
            });
            return self.conclude(end, output, error);
        }
        match end {
            BlockEnd::Failed(failure) => self.end(End::Failed, Some(failure)),
            BlockEnd::Cancelled => self.end(End::Cancelled, None),
            BlockEnd::Completed => match self.output() {
                // It is decided when what it reads is at hand.
                None => {}
                Some(Err(failure)) => self.end(End::Failed, Some(failure)),
                Some(Ok(output)) => self.conclude(End::Completed, output, None),
            },
        }
    }

    fn output(&mut self) -> Option<Result<Value, Failure>> {
        let output = self.evaluate(FrameNo::ROOT, |state, scope| match &state.chain().output {
            None => Ok(Value::null()),
            Some(output) => output.eval(scope),
        })?;
        let selection = self.state.selection();
        let is_part = !selection.left_out.is_empty() || selection.only.is_some();
        match output.and_then(|output| self.keep(output)) {
            // Where a part runs, the rest has left nothing that the output could be made of.
            Err(_) if is_part => Some(Ok(Value::null())),
            output => Some(output),
        }
    }

    fn end(&mut self, end: End, error: Option<Failure>) {
        self.conclude(end, Value::null(), error);
    }

    /// How it ends is known: what the chain wants to be done then, and the end itself.
    fn conclude(&mut self, end: End, output: Value, error: Option<Failure>) {
        let has_passed = !self.state.passed().is_empty();
        let end = if end == End::Completed && has_passed { End::CompletedWithErrors } else { end };
        let has_handlers = self.state.chain().handlers.after(end).next().is_some();
        // Who only undoes, or never had its turn, has run nothing that handlers could be about.
        let has_run = !self.state.only_undoes() && !self.state.is_held();
        if has_handlers && !self.state.is_forced() && has_run {
            self.emit(Event::HandlersStarted { end, output, error });
        } else {
            self.emit(Event::ExecutionEnded { end, output, error });
        }
    }

    /// Opens the next handler, or ends. A handler that fails takes nothing from the end but that it was clean.
    fn handle_next(&mut self, handling: Handling) {
        let Handling { end, output, error, done, has_failed, .. } = handling;
        let next = self.state.chain().handlers.after(end).nth(done as usize);
        if let Some((handler, block)) = next.filter(|_| !self.state.is_forced()) {
            let frame = FrameNo::next_of(self.state.frame_count());
            return self.emit(Event::BlockOpened { frame, block, origin: Origin::Handler { handler } });
        }
        let is_clean = !has_failed && self.state.passed().is_empty() && next.is_none();
        let end = if end == End::Completed && !is_clean { End::CompletedWithErrors } else { end };
        self.emit(Event::ExecutionEnded { end, output, error });
    }

    /// Takes back the visit that completed last, or ends when none is left.
    fn undo_next(&mut self) {
        let Some(visit) = self.state.undo_due().last().copied() else {
            return self.end(End::RolledBack, self.undo_reason());
        };
        if self.state.is_forced() {
            return self.end(End::Failed, Some(Failure::undo_cut_short()));
        }
        if let UndoPhase::Failed(_) = self.state.visit(visit).undo {
            // A person has given up what is left of it.
            return self.end(End::Failed, self.state.verdict().cloned());
        }
        let Some(undo) = self.state.step_of(visit).undo.as_ref() else {
            return self.emit(Event::ChildUndoStarted { visit });
        };
        let block = undo.block;
        let frame = FrameNo::next_of(self.state.frame_count());
        self.emit(Event::BlockOpened { frame, block, origin: Origin::Undo { visit } });
    }
}
