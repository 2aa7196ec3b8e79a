//! Folding one event into the state. Nothing is evaluated or decided here; an event that does not fit says that
//! the journal is corrupt.

mod begin;
mod block;
mod child;
mod flow;
mod person;
mod timer;

pub(crate) use self::person::with_defaults;
pub use self::{begin::items_digest, flow::HANDLER_LIMIT_MS};

use super::{
    Cancel, Frame, FramePhase, GraphProgress, Nest, Origin, Phase, ResultOrigin, State, UndoPhase, UndoSight,
    Visit, VisitEnd, VisitPhase, loop_value,
};
use crate::{
    chain::Work,
    event::{Answer, BlockEnd, Consequence, Event, Plan},
    failure::Failure,
    faults::{self, Fault},
    ids::{AttemptNo, BlockIx, FrameNo, StepIx, VisitNo},
    time::Timestamp,
    value::Value,
};
use std::collections::BTreeMap;

/// The journal cannot be what this chain produced: the execution stops, the server lives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} ({kind}) does not fit: {why}")]
pub struct Corrupt {
    pub seq: u64,
    pub kind: &'static str,
    pub why: &'static str,
}

/// An event does not fit, for this reason.
type Misfit = &'static str;

impl State {
    /// Folds the next event of the journal.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Result<(), Corrupt> {
        self.record.seq += 1;
        let seq = self.record.seq;
        self.fold(at, event).map_err(|why| Corrupt { seq, kind: event.kind(), why })
    }

    fn fold(&mut self, at: Timestamp, event: &Event) -> Result<(), Misfit> {
        let is_first = self.record.seq == 1;
        if is_first != matches!(event, Event::ExecutionCreated { .. }) {
            return Err("an execution is created once, first");
        }
        if self.has_ended() {
            return Err("the execution has ended before");
        }
        match event {
            Event::ExecutionCreated { version, engine_rev, params, trigger, .. } => {
                self.created(at, version, *engine_rev, params);
                self.record.trigger = Some(*trigger);
                Ok(())
            }
            Event::ExecutionHeld {} => self.set_held_back(true),
            Event::ExecutionAdmitted {} => self.set_held_back(false),
            Event::StepsSelected { left_out, pinned, only, context } => {
                self.steps_selected(left_out, pinned, *only, context.as_deref())
            }
            Event::ResultsAdopted { from, duty, results } => self.results_adopted(*from, *duty, results),
            Event::DutiesAdopted { duties, .. } => self.duties_adopted(at, duties),
            Event::SignalReceived { name, value } => {
                self.record.signals.entry(name.clone()).or_default().push_back(value.clone());
                self.touch_waiter(name);
                Ok(())
            }
            Event::SignalTaken { visit } => self.signal_taken(*visit),
            Event::ApprovalAnswered { visit, answer } => self.approval_answered(*visit, answer),
            Event::ChildStarted { visit, attempt, child } => self.child_started(*visit, *attempt, *child),
            Event::ChildHalted { visit, attempt } => {
                self.expect_live(*visit, *attempt)?;
                self.visit_mut(*visit).child_halted = true;
                Ok(())
            }
            Event::ChildUndoStarted { visit } => self.child_undo_started(*visit),
            Event::ChildUndoEnded { visit, failure } => self.child_undo_ended(*visit, failure.as_ref()),
            Event::ChildUndoHalted { visit, execution } => self.child_undo_halted(*visit, *execution),
            Event::CacheAnswered { visit, key, hit } => self.cache_answered(*visit, key, hit.as_ref()),
            Event::ExecutionStarted {} => self.started(at),
            Event::BlockOpened { frame, block, origin } => self.block_opened(at, *frame, *block, *origin),
            Event::VisitEntered { visit, frame, step, nth, plan } => {
                self.visit_entered(at, *visit, *frame, (*step, *nth), plan)
            }
            Event::AttemptStarted { visit, attempt } => self.attempt_started(at, *visit, *attempt),
            Event::CheckpointRecorded { visit, attempt, name, value } => {
                self.expect_live(*visit, *attempt)?;
                self.visit_mut(*visit).checkpoints.insert(name.clone(), value.clone());
                Ok(())
            }
            Event::AttemptEnded { visit, attempt, answer } => self.attempt_ended(*visit, *attempt, answer),
            Event::RetryScheduled { visit, wake_at } => self.retry_scheduled(*visit, *wake_at),
            Event::TimerFired { visit } => self.timer_fired(*visit),
            Event::NextDelayed { frame, after, wake_at } => self.next_delayed(*frame, *after, *wake_at),
            Event::DelayElapsed { frame, after } => self.delay_elapsed(*frame, *after),
            Event::IterationEnded { visit, result } => self.iteration_ended(*visit, result),
            Event::IterationScheduled { visit, wake_at } => self.iteration_scheduled(*visit, *wake_at),
            Event::IterationStarted { visit, plan } => self.iteration_started(*visit, plan),
            Event::AlternativeStarted { visit, failure } => self.alternative_started(*visit, failure),
            Event::AttemptRequeued { visit } => {
                self.expect_answered(*visit)?;
                self.set_phase(*visit, VisitPhase::Ready);
                Ok(())
            }
            Event::VisitStopping { visit, reason } => {
                if self.known(*visit)?.has_ended() {
                    return Err("the visit has ended");
                }
                self.visit_mut(*visit).stopping = Some(reason.clone());
                self.touch_visit(*visit);
                self.touch_frames_of(*visit);
                Ok(())
            }
            Event::VisitCompleted { visit, result } => self.visit_completed(at, *visit, result.as_ref()),
            Event::VisitFailed { visit, failure, consequence } => {
                self.visit_failed(at, *visit, failure, *consequence)
            }
            Event::VisitCancelled { visit } => self.end_visit(at, *visit, VisitEnd::Cancelled),
            Event::VisitInDoubt { visit } => {
                self.expect_answered(*visit)?;
                self.set_phase(*visit, VisitPhase::InDoubt);
                Ok(())
            }
            Event::VisitQuarantined { visit } => {
                self.expect_answered(*visit)?;
                self.set_phase(*visit, VisitPhase::Quarantined);
                Ok(())
            }
            Event::VisitResolved { visit, resolution } => self.visit_resolved(*visit, resolution),
            Event::Jumped { frame, from, to } => self.jumped(*frame, *from, *to),
            Event::BlockStopping { frame, cause } => self.block_stopping(*frame, cause),
            Event::BlockEnded { frame, end } => self.block_ended(*frame, end),
            Event::CancelRequested { rollback } => {
                self.record.cancel = Some(Cancel { rollback: *rollback });
                // Who cancels wants an end, and stopping is nothing new.
                self.set_paused(false);
                self.touch_root();
                Ok(())
            }
            Event::ExecutionPaused {} => {
                self.set_paused(!faults::is_on(Fault::PauseIgnored));
                Ok(())
            }
            Event::ExecutionResumed {} => {
                self.set_paused(false);
                Ok(())
            }
            Event::ExecutionTimedOut { limit_ms } => {
                self.give_verdict(Failure::timed_out("the execution", *limit_ms));
                Ok(())
            }
            Event::UndoStarted {} => {
                self.record.phase = Phase::Undoing;
                self.take_up_duties(at);
                self.touch_execution();
                Ok(())
            }
            Event::HandlersStarted { end, output, error } => {
                self.handlers_started(*end, output, error.as_ref());
                Ok(())
            }
            Event::StopForced {} => {
                self.record.forced = true;
                self.record.paused = false;
                // It changes what may go on everywhere; it happens by hand, and seldom.
                self.rebuild_agenda();
                Ok(())
            }
            Event::ExecutionEnded { end, output, error } => {
                let (output, error) = (output.clone(), error.clone());
                self.record.phase = Phase::Ended { end: *end, at, output, error };
                self.touch_execution();
                Ok(())
            }
        }
    }

    fn created(&mut self, at: Timestamp, version: &str, engine_rev: u32, params: &Value) {
        self.record.created_at = at;
        version.clone_into(&mut self.record.version);
        self.record.engine_rev = engine_rev;
        self.record.params = params.clone();
        self.touch_execution();
    }

    fn started(&mut self, at: Timestamp) -> Result<(), Misfit> {
        if self.record.phase != Phase::Created {
            return Err("the execution has started before");
        }
        self.record.phase = Phase::Running;
        self.record.started_at = Some(at);
        self.touch_execution();
        Ok(())
    }

    fn block_opened(
        &mut self,
        at: Timestamp,
        no: FrameNo,
        block: BlockIx,
        origin: Origin,
    ) -> Result<(), Misfit> {
        if no.index() != self.record.frames.len() {
            return Err("frames are numbered in order");
        }
        let graph = self.chain.block(block).graph.as_ref().map(|graph| Box::new(GraphProgress::of(graph)));
        let names = self.first_names(origin)?;
        let mut frame = Frame { graph, names, ..Frame::new(block, origin) };
        if let Origin::Undo { visit } = origin {
            self.take_up_undo(visit, &mut frame)?;
        }
        self.record.frames.push(frame);
        match origin {
            Origin::Root => {}
            Origin::Group { visit }
            | Origin::Item { visit, .. }
            | Origin::Branch { visit, .. }
            | Origin::Alternative { visit } => {
                let nest = self.nest_mut(visit)?;
                nest.frames.push(no);
                nest.open += 1;
                self.record.frames[no.index()].opening = self.visit(visit).openings;
                self.touch_visit(visit);
            }
            Origin::Undo { visit } => {
                let visit = self.visit_mut(visit);
                visit.undo = UndoPhase::Running(no);
                visit.undos += 1;
                let nth = visit.undos;
                self.record.frames[no.index()].opening = nth;
            }
            Origin::Handler { .. } => self.handler_opened(at, no)?,
        }
        self.touch_frame(no);
        self.touch_execution();
        Ok(())
    }

    /// What a frame calls by name before any visit in it.
    fn first_names(&self, origin: Origin) -> Result<BTreeMap<String, Value>, Misfit> {
        let mut names = BTreeMap::new();
        match origin {
            Origin::Item { visit, index } => {
                let (Work::ForEach { repeat, .. }, VisitPhase::Open(nest)) =
                    (&self.chain.step(self.known(visit)?.step).work, &self.visit(visit).phase)
                else {
                    return Err("only an open for_each has items");
                };
                let item = nest.items.get(index as usize).ok_or("there is no such item")?;
                names.insert(repeat.item.clone(), item.clone());
                names.insert("loop".to_owned(), Value::from(serde_json::json!({ "index": index })));
            }
            Origin::Undo { visit } => {
                let visit = self.known(visit)?;
                names.clone_from(&visit.undo_sight.names);
                names.insert("result".to_owned(), visit.result().cloned().unwrap_or_else(Value::null));
                names.insert("input".to_owned(), visit.input.to_value());
            }
            Origin::Alternative { visit } => {
                let failure = self.known(visit)?.alternative_to.as_ref();
                let failure = failure.map_or_else(Value::null, Failure::to_value);
                names.insert("error".to_owned(), failure);
            }
            Origin::Group { visit } | Origin::Branch { visit, .. } => {
                if let Some(iteration) = &self.known(visit)?.iteration {
                    names.insert("loop".to_owned(), loop_value(iteration));
                }
            }
            Origin::Root | Origin::Handler { .. } => {}
        }
        Ok(names)
    }

    fn visit_entered(
        &mut self,
        at: Timestamp,
        no: VisitNo,
        frame_no: FrameNo,
        (step, nth): (StepIx, u32),
        plan: &Plan,
    ) -> Result<(), Misfit> {
        if no.index() != self.record.visits.len() {
            return Err("visits are numbered in order");
        }
        let phase = self.planned_phase(step, plan);
        let input =
            if let Plan::Attempt(input) = plan { input.clone() } else { crate::event::Input::default() };
        let position = self.chain.step(step).position;
        let repeats = self.chain.step(step).iterations.is_some();
        let frame = self.open_frame_mut(frame_no)?;
        frame.open.insert(no);
        if let Some(graph) = &mut frame.graph {
            graph.entered(position);
        }
        frame.asks_next = None;
        frame.asks_delay = None;
        frame.latest.insert(step, no);
        self.saw(frame_no, step, no);
        let iteration = repeats.then(Box::default);
        self.record.visits.push(Visit { input, iteration, ..Visit::new(step, frame_no, nth, at) });
        self.enter_phase(no, phase);
        self.touch_frame(frame_no);
        match plan {
            Plan::Values(values) => self.names_set(at, no, values),
            Plan::Skip(reason) => self.end_visit(at, no, VisitEnd::Skipped(*reason)),
            Plan::End { status, output } => self.finished(at, no, *status, output.as_ref()),
            Plan::Raise(failure) => self.raised(at, no, failure),
            Plan::Adopt => self.adopt(at, no),
            Plan::Pin(value) => {
                self.visit_mut(no).origin = ResultOrigin::Pinned;
                self.result_given(at, no, value)
            }
            Plan::Items(items) => {
                self.drop_unfit_adoption(no, items);
                Ok(())
            }
            Plan::Attempt(_)
            | Plan::Blocks
            | Plan::Wait { .. }
            | Plan::Await { .. }
            | Plan::Ask { .. }
            | Plan::Fail(_) => Ok(()),
        }
    }

    /// Begins a visit, or an iteration of it.
    fn enter_phase(&mut self, no: VisitNo, phase: VisitPhase) {
        if matches!(phase, VisitPhase::Open(_)) {
            self.visit_mut(no).openings += 1;
        }
        self.set_phase(no, phase);
    }

    /// A frame and those around it have seen a visit.
    fn saw(&mut self, frame: FrameNo, step: StepIx, visit: VisitNo) {
        let mut around = Some(frame);
        while let Some(no) = around {
            self.record.frames[no.index()].seen.insert(step, visit);
            around = self.outer(no);
        }
    }

    fn planned_phase(&self, step: StepIx, plan: &Plan) -> VisitPhase {
        match plan {
            Plan::Attempt(_) if self.chain.step(step).cache.is_some() => VisitPhase::Looking,
            Plan::Attempt(_)
            | Plan::Values(_)
            | Plan::Skip(_)
            | Plan::End { .. }
            | Plan::Raise(_)
            | Plan::Adopt
            | Plan::Pin(_) => VisitPhase::Ready,
            Plan::Await { until } => VisitPhase::Awaiting { wake_at: *until },
            Plan::Ask { title, until } => VisitPhase::Asking { title: title.clone(), wake_at: *until },
            Plan::Blocks => match &self.chain.step(step).work {
                Work::Parallel { branches, .. } => VisitPhase::Open(Nest::of(branches.len(), Vec::new())),
                _ => VisitPhase::Open(Nest::of(1, Vec::new())),
            },
            Plan::Items(items) => VisitPhase::Open(Nest::of(items.len(), items.clone())),
            Plan::Wait { until } => VisitPhase::Waiting { wake_at: *until },
            Plan::Fail(failure) => VisitPhase::Answered(Answer::Failed { failure: failure.clone() }),
        }
    }

    fn names_set(&mut self, at: Timestamp, no: VisitNo, values: &[(String, Value)]) -> Result<(), Misfit> {
        let frame = self.frame_of_mut(no);
        for (name, value) in values {
            frame.names.insert(name.clone(), value.clone());
        }
        self.complete(at, no, Value::object(values.iter().cloned()))
    }

    fn attempt_started(&mut self, at: Timestamp, no: VisitNo, attempt: AttemptNo) -> Result<(), Misfit> {
        let visit = self.known(no)?;
        if visit.phase != VisitPhase::Ready || attempt.0 != visit.attempts + 1 {
            return Err("the visit is not ready for this attempt");
        }
        let visit = self.visit_mut(no);
        visit.attempts = attempt.0;
        visit.child_halted = false;
        visit.started_at.get_or_insert(at);
        self.set_phase(no, VisitPhase::Attempting { attempt, started_at: at });
        Ok(())
    }

    fn attempt_ended(&mut self, no: VisitNo, attempt: AttemptNo, answer: &Answer) -> Result<(), Misfit> {
        self.expect_live(no, attempt)?;
        if matches!(answer, Answer::Lost { .. }) {
            self.visit_mut(no).losses += 1;
        }
        self.set_phase(no, VisitPhase::Answered(answer.clone()));
        Ok(())
    }

    fn visit_completed(&mut self, at: Timestamp, no: VisitNo, given: Option<&Value>) -> Result<(), Misfit> {
        let result = match (given, &self.known(no)?.phase) {
            (Some(value), VisitPhase::Open(_) | VisitPhase::Answered(_)) => value.clone(),
            (None, VisitPhase::Answered(Answer::Succeeded { value })) => {
                value.clone().unwrap_or_else(Value::null)
            }
            (None, VisitPhase::Open(_)) => Value::null(),
            (None, VisitPhase::Iterated) => self.visit(no).iterated().cloned().unwrap_or_else(Value::null),
            _ => return Err("the visit has no result to complete with"),
        };
        self.result_given(at, no, &result)
    }

    /// Completes a visit with a result, under its name.
    fn result_given(&mut self, at: Timestamp, no: VisitNo, result: &Value) -> Result<(), Misfit> {
        if let Some(key) = self.chain.step(self.visit(no).step).output_key.clone() {
            self.frame_of_mut(no).names.insert(key, result.clone());
        }
        self.complete(at, no, result.clone())
    }

    fn complete(&mut self, at: Timestamp, no: VisitNo, result: Value) -> Result<(), Misfit> {
        let position = self.step_of(no).position;
        let frame = self.frame_of_mut(no);
        // In a graph what completes last depends on chance: what stands last in the text does not.
        if frame.graph.is_none() || position >= frame.cursor {
            // In the serial form null and nothing are the same.
            frame.result = Some(result.clone()).filter(|result| !result.is_null());
        }
        if frame.graph.is_some() {
            frame.cursor = frame.cursor.max(position);
        }
        // Where its alternative has done the work, the step itself has failed.
        let has_effect = |if_started: bool| if_started || self.visit(no).alternative_to.is_none();
        let is_due = match &self.step_of(no).undo {
            Some(undo) => has_effect(undo.if_started),
            None => self.owes_undo_of_children(no),
        };
        if is_due && self.visit(no).owes_undo() && !self.is_aside(no) {
            self.undo_is_due(no);
        }
        self.end_visit(at, no, VisitEnd::Completed(result))
    }

    fn visit_failed(
        &mut self,
        at: Timestamp,
        no: VisitNo,
        failure: &Failure,
        consequence: Consequence,
    ) -> Result<(), Misfit> {
        let frame_no = self.known(no)?.frame;
        let lets_finish = self.frame(frame_no).graph.is_some() && self.chain.lets_finish(self.step_of(no));
        match consequence {
            Consequence::Continue => self.record.passed.push(no),
            Consequence::Stop if lets_finish => {
                let frame = &mut self.record.frames[frame_no.index()];
                frame.failure.get_or_insert_with(|| failure.clone());
            }
            Consequence::Stop | Consequence::Rollback => {
                self.close(frame_no, &BlockEnd::Failed(failure.clone()));
            }
        }
        self.end_visit(at, no, VisitEnd::Failed { failure: failure.clone(), consequence })?;
        if consequence == Consequence::Rollback {
            self.record.rollback.get_or_insert_with(|| failure.clone());
            self.touch_root();
        }
        Ok(())
    }

    fn end_visit(&mut self, at: Timestamp, no: VisitNo, end: VisitEnd) -> Result<(), Misfit> {
        let visit = self.known(no)?;
        if visit.has_ended() {
            return Err("the visit has ended before");
        }
        let (frame_no, step) = (visit.frame, visit.step);
        let has_started = visit.attempts > 0 || visit.openings > 0;
        let undo_covers_it = match &self.chain.step(step).undo {
            Some(undo) => undo.if_started && has_started,
            None => self.owes_undo_of_children(no),
        };
        let came_to_nothing = matches!(end, VisitEnd::Failed { .. } | VisitEnd::Cancelled);
        if came_to_nothing && undo_covers_it && !self.is_aside(no) {
            self.undo_is_due(no);
        }
        let visit = self.visit_mut(no);
        visit.ended_at = Some(at);
        visit.last_failure = None;
        self.set_phase(no, VisitPhase::Ended(end));
        let position = self.chain.step(step).position;
        let asks = self.chain.step(step).next.is_some();
        let is_skipped = matches!(self.visit(no).phase, VisitPhase::Ended(VisitEnd::Skipped(_)));
        let delays = self.chain.step(step).delay_next_ms > 0 && !is_skipped;
        let frame = &mut self.record.frames[frame_no.index()];
        frame.open.remove(&no);
        if frame.graph.is_some() {
            self.node_ended(frame_no, no, delays);
        } else {
            frame.cursor = position + 1;
            frame.asks_next = asks.then_some(no);
            frame.asks_delay = delays.then_some(no);
        }
        self.touch_frame(frame_no);
        Ok(())
    }

    /// Remembers a visit for an undo, with the names as they are now: a later visit may give them other values,
    /// and an undo sees those of its own.
    fn undo_is_due(&mut self, no: VisitNo) {
        let frame = self.visit(no).frame;
        let mut seen = UndoSight::default();
        if let Some(undo) = &self.step_of(no).undo {
            for expr in self.chain.exprs_of(undo.block) {
                for root in expr.roots() {
                    if let Some(value) = self.name_in_frames(frame, root) {
                        seen.names.insert(root.to_owned(), value.clone());
                    }
                }
                for path in expr.paths("steps") {
                    let id = path.split('.').next().unwrap_or(path);
                    if let Some((step, visit)) = self
                        .chain
                        .step_by_id(id)
                        .and_then(|step| Some((step, self.nearest_visit(frame, step)?)))
                    {
                        seen.steps.insert(step, visit);
                    }
                }
            }
        }
        self.visit_mut(no).undo_sight = seen;
        self.record.undo_due.push(no);
    }

    fn touch_frames_of(&mut self, no: VisitNo) {
        if let VisitPhase::Open(nest) = &self.visit(no).phase {
            for frame in nest.frames.clone() {
                self.touch_frame(frame);
            }
        }
    }

    fn touch_root(&mut self) {
        if self.record.frames.is_empty() {
            // It waits for room or its first step, and has to begin in order to end.
            return self.touch_execution();
        }
        self.touch_frame(FrameNo::ROOT);
        // A cancel also answers for visits that wait for a person, wherever they are.
        for visit in self.agenda.halted().collect::<Vec<_>>() {
            self.touch_visit(visit);
        }
    }

    fn known(&self, no: VisitNo) -> Result<&Visit, Misfit> {
        self.record.visits.get(no.index()).ok_or("there is no such visit")
    }

    fn known_frame(&self, no: FrameNo) -> Result<&Frame, Misfit> {
        self.record.frames.get(no.index()).ok_or("there is no such frame")
    }

    fn open_frame_mut(&mut self, no: FrameNo) -> Result<&mut Frame, Misfit> {
        match self.record.frames.get_mut(no.index()) {
            Some(frame) if frame.phase == FramePhase::Open => Ok(frame),
            Some(_) => Err("the frame is not open"),
            None => Err("there is no such frame"),
        }
    }

    fn visit_mut(&mut self, no: VisitNo) -> &mut Visit {
        &mut self.record.visits[no.index()]
    }

    fn frame_of_mut(&mut self, no: VisitNo) -> &mut Frame {
        let frame = self.visit(no).frame;
        &mut self.record.frames[frame.index()]
    }

    fn nest_mut(&mut self, no: VisitNo) -> Result<&mut Nest, Misfit> {
        match self.record.visits.get_mut(no.index()).map(|visit| &mut visit.phase) {
            Some(VisitPhase::Open(nest)) => Ok(nest),
            Some(_) | None => Err("the visit has no open blocks"),
        }
    }

    fn expect_live(&self, no: VisitNo, attempt: AttemptNo) -> Result<(), Misfit> {
        match self.live_attempt(no) {
            Some(live) if live == attempt => Ok(()),
            Some(_) | None => Err("the attempt is not running"),
        }
    }

    fn expect_answered(&self, no: VisitNo) -> Result<(), Misfit> {
        match self.known(no)?.phase {
            VisitPhase::Answered(_) => Ok(()),
            _ => Err("no attempt of the visit has just ended"),
        }
    }
}
