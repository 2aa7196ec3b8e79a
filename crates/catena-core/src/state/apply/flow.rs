//! Folding what leaves the straight line: graphs, iterations, alternatives, handlers, and ends from within.

use super::Misfit;
use crate::{
    event::{Answer, BlockEnd, Consequence, Plan},
    failure::Failure,
    ids::{FrameNo, VisitNo},
    state::{Finish, Handling, Nest, Origin, Phase, State, VisitEnd, VisitPhase},
    status::End,
    time::Timestamp,
    value::Value,
};

/// How long each handler may take.
pub const HANDLER_LIMIT_MS: u64 = 600_000;

impl State {
    /// A visit of a graph has ended: what waits for it is told, now or after its `run_next_after`.
    pub(super) fn node_ended(&mut self, frame: FrameNo, no: VisitNo, delays: bool) {
        let has_dependents = self.chain.node_of(self.step_of(no)).is_some_and(|node| !node.feeds.is_empty());
        match &mut self.record.frames[frame.index()].graph {
            Some(graph) if delays && has_dependents => drop(graph.asks_delay.insert(no)),
            Some(_) | None => self.feed(frame, no),
        }
    }

    pub(super) fn feed(&mut self, frame: FrameNo, no: VisitNo) {
        let record = &mut self.record;
        let visit = &record.visits[no.index()];
        let frame = &mut record.frames[frame.index()];
        let graph = &self.chain.block(frame.block).graph;
        if let (Some(progress), Some(graph), VisitPhase::Ended(end)) = (&mut frame.graph, graph, &visit.phase)
        {
            progress.feed(graph, self.chain.step(visit.step).position, end);
        }
    }

    pub(super) fn iteration_ended(&mut self, no: VisitNo, result: &Value) -> Result<(), Misfit> {
        let visit = self.known(no)?;
        if !matches!(visit.phase, VisitPhase::Answered(Answer::Succeeded { .. }) | VisitPhase::Open(_)) {
            return Err("the visit has done nothing that it could repeat");
        }
        let output_key = self.step_of(no).output_key.clone();
        let visit = self.visit_mut(no);
        let iteration = visit.iteration.as_mut().ok_or("the step is not repeated")?;
        // In the serial form null and nothing are the same.
        iteration.result = Some(result.clone()).filter(|result| !result.is_null());
        visit.stopping = None;
        visit.last_failure = None;
        visit.block_tries = 0;
        if let Some(key) = output_key {
            self.frame_of_mut(no).names.insert(key, result.clone());
        }
        self.set_phase(no, VisitPhase::Iterated);
        Ok(())
    }

    pub(super) fn iteration_scheduled(&mut self, no: VisitNo, wake_at: Timestamp) -> Result<(), Misfit> {
        if self.known(no)?.phase != VisitPhase::Iterated {
            return Err("no iteration of the visit has just ended");
        }
        self.set_phase(no, VisitPhase::Interval { wake_at });
        Ok(())
    }

    /// The next iteration, or another try of a block in the same one.
    pub(super) fn iteration_started(&mut self, no: VisitNo, plan: &Plan) -> Result<(), Misfit> {
        let visit = self.known(no)?;
        if visit.phase != VisitPhase::Due {
            return Err("no iteration of the visit is due");
        }
        let step = visit.step;
        let visit = self.visit_mut(no);
        if let Plan::Attempt(input) = plan {
            visit.input = input.clone();
        }
        let tries = visit.attempts - visit.losses;
        if let Some(iteration) = visit.iteration.as_mut().filter(|_| visit.block_tries == 0) {
            iteration.index += 1;
            iteration.previous = iteration.result.take();
            iteration.tries_before = tries;
        }
        // Whether an earlier result holds was asked before the first iteration.
        let phase = match self.planned_phase(step, plan) {
            VisitPhase::Looking => VisitPhase::Ready,
            phase => phase,
        };
        self.enter_phase(no, phase);
        Ok(())
    }

    pub(super) fn alternative_started(&mut self, no: VisitNo, failure: &Failure) -> Result<(), Misfit> {
        let visit = self.known(no)?;
        if visit.has_ended() || visit.alternative_to.is_some() {
            return Err("the visit has no alternative left");
        }
        let visit = self.visit_mut(no);
        visit.alternative_to = Some(failure.clone());
        visit.last_failure = None;
        visit.stopping = None;
        self.set_phase(no, VisitPhase::Open(Nest::of(1, Vec::new())));
        Ok(())
    }

    /// An `end` step: all of it has done its work.
    pub(super) fn finished(
        &mut self,
        at: Timestamp,
        no: VisitNo,
        status: End,
        output: Option<&Value>,
    ) -> Result<(), Misfit> {
        let finish = Finish { visit: no, status, output: output.cloned() };
        self.record.finish.get_or_insert(finish);
        self.end_visit(at, no, VisitEnd::Completed(Value::null()))?;
        self.touch_root();
        self.touch_execution();
        Ok(())
    }

    /// A `fail` step: the whole chain ends with its failure.
    pub(super) fn raised(&mut self, at: Timestamp, no: VisitNo, failure: &Failure) -> Result<(), Misfit> {
        let frame = self.known(no)?.frame;
        self.close(frame, &BlockEnd::Failed(failure.clone()));
        let end = VisitEnd::Failed { failure: failure.clone(), consequence: Consequence::Stop };
        self.end_visit(at, no, end)?;
        self.give_verdict(failure.clone());
        Ok(())
    }

    pub(super) fn handlers_started(&mut self, end: End, output: &Value, error: Option<&Failure>) {
        let (output, error) = (output.clone(), error.cloned());
        self.record.phase =
            Phase::Handling(Handling { end, output, error, done: 0, is_open: false, has_failed: false });
        self.touch_execution();
    }

    pub(super) fn handler_opened(&mut self, at: Timestamp, no: FrameNo) -> Result<(), Misfit> {
        let Phase::Handling(handling) = &mut self.record.phase else {
            return Err("a handler runs when the end is known");
        };
        handling.is_open = true;
        self.set_deadline(no, at.plus_ms(HANDLER_LIMIT_MS));
        Ok(())
    }

    pub(super) fn handler_ended(&mut self, end: &BlockEnd) -> Result<(), Misfit> {
        let Phase::Handling(handling) = &mut self.record.phase else {
            return Err("a handler runs when the end is known");
        };
        handling.is_open = false;
        handling.done += 1;
        handling.has_failed |= *end != BlockEnd::Completed;
        Ok(())
    }

    /// Whether a visit belongs to an undo or a handler: neither is itself undone, and neither is stopped on the way.
    pub fn is_aside(&self, no: VisitNo) -> bool {
        self.is_frame_aside(self.visit(no).frame)
    }

    pub(crate) fn is_frame_aside(&self, mut frame: FrameNo) -> bool {
        loop {
            match self.frame(frame).origin {
                Origin::Root => return false,
                Origin::Undo { .. } | Origin::Handler { .. } => return true,
                Origin::Group { visit }
                | Origin::Item { visit, .. }
                | Origin::Branch { visit, .. }
                | Origin::Alternative { visit } => frame = self.visit(visit).frame,
            }
        }
    }
}
