//! What is next in a block, and when a block step has enough of its blocks.

use super::Decider;
use crate::{
    chain::{Nested, Target},
    event::{BlockEnd, Event, Jump, StopReason},
    expr::Scope,
    failure::Failure,
    ids::{BlockIx, FrameNo, VisitNo},
    state::{Frame, FramePhase, Origin, State, VisitPhase},
    value::Value,
};

impl Decider<'_> {
    pub(super) fn decide_frame(&mut self, no: FrameNo) {
        let frame = self.state.frame(no);
        match &frame.phase {
            FramePhase::Closing(end) => {
                let end = end.clone();
                self.emit(Event::BlockEnded { frame: no, end });
            }
            FramePhase::Open if self.state.frame_must_stop(no) => {
                let cause = self.stop_cause();
                self.emit(Event::BlockStopping { frame: no, cause });
            }
            FramePhase::Open if frame.graph.is_some() => self.go_on_in_graph(no),
            FramePhase::Open => self.go_on(no),
            FramePhase::Ended(_) => unreachable!("an ended frame is never on the agenda"),
        }
    }

    /// Why a block is stopped from outside: the failure that a rollback is for, else a cancel.
    fn stop_cause(&self) -> BlockEnd {
        match (self.state.cancel(), self.state.verdict(), self.state.rollback()) {
            (Some(_), _, _) | (None, None, None) => BlockEnd::Cancelled,
            (None, Some(failure), _) | (None, None, Some(failure)) => BlockEnd::Failed(failure.clone()),
        }
    }

    /// Nothing is open in the block: jump, enter the next step, or end it.
    fn go_on(&mut self, no: FrameNo) {
        let frame = self.state.frame(no);
        if let Some(from) = frame.asks_next {
            match self.evaluate(no, |state, scope| jump_after(state, from, scope)) {
                // It is decided when what it reads is at hand.
                None => return,
                Some(Ok(None)) => {}
                Some(Ok(Some(to))) => return self.emit(Event::Jumped { frame: no, from, to }),
                Some(Err(failure)) => {
                    let cause = BlockEnd::Failed(failure);
                    return self.emit(Event::BlockStopping { frame: no, cause });
                }
            }
        }
        let frame = self.state.frame(no);
        let next = self.state.chain().block(frame.block).steps.get(frame.cursor as usize).copied();
        match (next, frame.asks_delay) {
            (Some(_), Some(after)) => {
                let pause_ms = self.state.step_of(after).delay_next_ms;
                let wake_at = self.outside.now.plus_ms(pause_ms);
                self.emit(Event::NextDelayed { frame: no, after, wake_at });
            }
            (Some(step), None) => self.enter(no, step),
            (None, _) => self.emit(Event::BlockEnded { frame: no, end: BlockEnd::Completed }),
        }
    }

    /// Something can be entered in a graph, or has to be passed over, or nothing is left of it.
    fn go_on_in_graph(&mut self, no: FrameNo) {
        let frame = self.state.frame(no);
        let graph = frame.graph.as_ref().expect("the caller has looked");
        if let Some(after) = graph.asks_delay.first().copied() {
            let pause_ms = self.state.step_of(after).delay_next_ms;
            let wake_at = self.outside.now.plus_ms(pause_ms);
            return self.emit(Event::NextDelayed { frame: no, after, wake_at });
        }
        if let Some(place) = graph.due.first().copied() {
            let step = self.state.chain().block(frame.block).steps[place as usize];
            return self.enter(no, step);
        }
        let end = frame.failure.clone().map_or(BlockEnd::Completed, BlockEnd::Failed);
        self.emit(Event::BlockEnded { frame: no, end });
    }

    pub(super) fn decide_nest(&mut self, no: VisitNo) {
        let visit = self.state.visit(no);
        match &visit.stopping {
            Some(reason) => {
                let reason = reason.clone();
                self.finish_stopped(no, reason);
            }
            None if self.state.is_closing(visit.frame) => self.stop_for_cancel(no),
            None => self.go_on_below(no),
        }
    }

    fn finish_stopped(&mut self, visit: VisitNo, reason: StopReason) {
        match reason {
            StopReason::Cancelled => self.emit(Event::VisitCancelled { visit }),
            StopReason::Failed(failure) if self.state.visit(visit).alternative_to.is_some() => {
                self.fail(visit, failure);
            }
            StopReason::Failed(failure) => self.retry_or_fail(visit, failure),
            StopReason::Satisfied => self.complete_nest(visit),
            StopReason::TimedOut { limit_ms } => {
                self.fail(visit, Failure::timed_out("the step", limit_ms));
            }
        }
    }

    fn go_on_below(&mut self, visit: VisitNo) {
        let VisitPhase::Open(nest) = &self.state.visit(visit).phase else {
            unreachable!("the visit is open")
        };
        let limits = self.state.nest_limits(visit, nest);
        let has_failed = nest.failed > limits.tolerate;
        let has_room = nest.next_index() < nest.total && nest.open < limits.parallel;
        if has_failed && (!has_room || !limits.lets_finish) {
            let failure = nest.first_failure.clone().expect("a failed frame has left its failure");
            self.emit(Event::VisitStopping { visit, reason: StopReason::Failed(failure) });
        } else if nest.completed >= limits.needed && !limits.keeps_rest {
            self.emit(Event::VisitStopping { visit, reason: StopReason::Satisfied });
        } else if has_room {
            self.open_next(visit, nest.next_index());
        } else {
            self.complete_nest(visit);
        }
    }

    fn open_next(&mut self, visit: VisitNo, index: u32) {
        let step = self.state.step_of(visit);
        let frame = FrameNo::next_of(self.state.frame_count());
        if self.state.visit(visit).alternative_to.is_some() {
            let block = step.alternative.expect("only a step that has an alternative stands aside for it");
            return self.emit(Event::BlockOpened { frame, block, origin: Origin::Alternative { visit } });
        }
        let nested = step.work.nested().expect("only block steps have frames");
        let (block, origin) = match nested {
            Nested::Group(block) => (*block, Origin::Group { visit }),
            Nested::ForEach(_, block) => (*block, Origin::Item { visit, index }),
            Nested::Parallel(branches, _) => {
                (branches[index as usize].block, Origin::Branch { visit, index })
            }
        };
        self.emit(Event::BlockOpened { frame, block, origin });
    }

    fn complete_nest(&mut self, visit: VisitNo) {
        let result = self.nest_result(visit);
        let result = match self.keep(result) {
            Ok(result) => result,
            Err(_) if self.state.step_of(visit).output_key.is_none() => Value::null(),
            Err(failure) => return self.fail(visit, failure),
        };
        if self.is_repeated(visit) {
            self.emit(Event::IterationEnded { visit, result });
        } else {
            self.emit(Event::VisitCompleted { visit, result: Some(result) });
        }
    }

    fn nest_result(&self, visit: VisitNo) -> Value {
        let VisitPhase::Open(nest) = &self.state.visit(visit).phase else { return Value::null() };
        let result = |no: &FrameNo| self.frame_result(self.state.frame(*no));
        if self.state.visit(visit).alternative_to.is_some() {
            return nest.frames.first().map_or_else(Value::null, result);
        }
        match self.state.step_of(visit).work.nested() {
            Some(Nested::Group(_)) => nest.frames.first().map_or_else(Value::null, result),
            Some(Nested::Parallel(..) | Nested::ForEach(..)) if !self.is_result_read(visit) => Value::null(),
            Some(Nested::Parallel(branches, _)) => {
                let named = branches.iter().zip(&nest.frames);
                Value::object(named.map(|(branch, no)| (branch.name.as_str().to_owned(), result(no))))
            }
            Some(Nested::ForEach(..)) => Value::list(nest.frames.iter().map(result)),
            None => Value::null(),
        }
    }

    /// Gathering results costs, so they are gathered only where somebody can read them: under an `output_key`, by the
    /// condition of a loop, or as the last step of a block within another step.
    fn is_result_read(&self, visit: VisitNo) -> bool {
        let step = self.state.step_of(visit);
        let block = &self.state.chain().block(step.block).steps;
        let is_last = step.position as usize + 1 == block.len();
        step.output_key.is_some() || step.iterations.is_some() || (is_last && step.block != BlockIx::ROOT)
    }

    /// What a block leaves: the result of the step that completed last in it, if the block itself completed.
    fn frame_result(&self, frame: &Frame) -> Value {
        match (&frame.phase, &frame.result) {
            (FramePhase::Ended(BlockEnd::Completed), Some(result)) => result.clone(),
            (FramePhase::Ended(_) | FramePhase::Open | FramePhase::Closing(_), _) => Value::null(),
        }
    }
}

fn jump_after(state: &State, from: VisitNo, scope: &dyn Scope) -> Result<Option<Jump>, Failure> {
    let Some(next) = &state.step_of(from).next else { return Ok(None) };
    let mut target = next.default;
    for (condition, to) in &next.conditions {
        if condition.eval_condition(scope)? {
            target = Some(*to);
            break;
        }
    }
    Ok(target.map(|target| match target {
        Target::Step(step) => Jump::Step(step),
        Target::End => Jump::End,
    }))
}
