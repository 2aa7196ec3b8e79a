//! Decisions: a command and the state give events or a rejection. One file per thing that is decided; the
//! decider applies each event as it gives it, so that the next decision sees it.
//!
//! Every decision goes on until only input from outside can help. Recovery is therefore one command,
//! `Advance`, and there is no second code path for it.

mod attempt;
mod begin;
mod block;
mod cancel;
mod child;
mod end;
mod enter;
mod iterate;
mod pause;
mod person;
mod read;
mod request;
mod resolve;
mod wait;

use std::sync::Arc;

use crate::{
    ENGINE_REV,
    chain::{Chain, Pool},
    command::{Command, Decision, Outside, Rejection, Start},
    event::{BlockEnd, Event, StopReason},
    failure::Failure,
    faults::{self, Fault},
    ids::{AttemptNo, ExecutionId, VisitNo},
    state::{HANDLER_LIMIT_MS, State, Timer, Todo, VisitPhase},
    value::{Blob, Loaded, Stored},
};

impl State {
    /// A new execution: its state and first events.
    pub fn start(id: ExecutionId, chain: Arc<Chain>, start: Start, outside: Outside) -> (Self, Decision) {
        let mut state = Self::new(id, chain);
        let loaded = Loaded::default();
        let mut decider = Decider::new(&mut state, outside, &loaded);
        let params = start.params.keep_fields(&mut decider.blobs);
        decider.emit(Event::ExecutionCreated {
            chain: decider.state.chain().name.as_str().to_owned(),
            version: start.version,
            engine_rev: ENGINE_REV,
            params,
            trigger: start.trigger,
        });
        decider.select(start.left_out, start.pinned, start.only, start.context);
        decider.begin(start.held, start.legacy);
        let decision = decider.advance();
        (state, decision)
    }

    /// Tells the execution something, with the stored values that are at hand. The events that it answers with are
    /// already folded into `self`; a rejection has changed nothing.
    pub fn decide(
        &mut self,
        command: Command,
        outside: Outside,
        loaded: &Loaded,
    ) -> Result<Decision, Rejection> {
        let mut decider = Decider::new(self, outside, loaded);
        match command {
            Command::EndAttempt { visit, attempt, answer } => decider.end_attempt(visit, attempt, answer)?,
            Command::RecordCheckpoint { visit, attempt, name, value } => {
                decider.expect_live(visit, attempt)?;
                decider.emit(Event::CheckpointRecorded { visit, attempt, name, value });
            }
            Command::CancelExecution { rollback, force } => decider.cancel(rollback, force)?,
            Command::PauseExecution => decider.pause()?,
            Command::ResumeExecution => decider.resume()?,
            Command::ResolveVisit { visit, resolution } => decider.resolve(visit, resolution)?,
            Command::AdmitExecution => decider.admit()?,
            Command::SendSignal { name, value } => decider.signal(name, value)?,
            Command::AnswerApproval { visit, answer } => decider.answer_approval(visit, answer)?,
            Command::NoteChild { visit, attempt, child } => {
                decider.expect_live(visit, attempt)?;
                // It may be told twice.
                if decider.state.visit(visit).child() != Some(child) {
                    decider.emit(Event::ChildStarted { visit, attempt, child });
                }
            }
            Command::NoteChildHalted { visit, attempt } => {
                decider.expect_live(visit, attempt)?;
                if !decider.state.visit(visit).child_halted {
                    decider.emit(Event::ChildHalted { visit, attempt });
                }
            }
            Command::EndChildUndo { visit, nth, failure } => decider.end_child_undo(visit, nth, failure)?,
            Command::NoteChildUndoHalted { visit, nth, execution } => {
                decider.note_child_undo_halted(visit, nth, execution)?;
            }
            Command::AnswerLookup { visit, key, hit } => decider.answer_lookup(visit, key, hit)?,
            Command::Advance => {}
        }
        Ok(decider.advance())
    }
}

/// One decision in progress.
struct Decider<'a> {
    state: &'a mut State,
    outside: Outside,
    loaded: &'a Loaded,
    events: Vec<Event>,
    blobs: Vec<Blob>,
    /// What the next decision reads, if not all of it is at hand.
    needs: Vec<Stored>,
}

impl<'a> Decider<'a> {
    fn new(state: &'a mut State, outside: Outside, loaded: &'a Loaded) -> Self {
        Self { state, outside, loaded, events: Vec::new(), blobs: Vec::new(), needs: Vec::new() }
    }

    fn emit(&mut self, event: Event) {
        self.state.apply(self.outside.now, &event).expect("a decision gives only events that fit");
        self.events.push(event);
    }

    fn expect_live(&self, visit: VisitNo, attempt: AttemptNo) -> Result<(), Rejection> {
        match self.state.live_attempt(visit) {
            Some(live) if live == attempt => Ok(()),
            Some(_) | None => Err(Rejection::NotRunning { visit, attempt }),
        }
    }

    /// Decides all that needs no input, fires what is due and fills the slots. What needs a value that is not at
    /// hand holds up all that comes after it: so the journal does not depend on what was at hand.
    fn advance(mut self) -> Decision {
        while self.needs.is_empty() {
            match self.state.agenda().next_todo() {
                Some(Todo::Visit(visit)) => self.decide_visit(visit),
                Some(Todo::Frame(frame)) => self.decide_frame(frame),
                Some(Todo::Execution) => self.decide_execution(),
                // A step that waits for nothing is due as soon as it is entered.
                None if self.fire_timer() => {}
                None => break,
            }
        }
        if self.needs.is_empty() {
            self.fill_slots();
        }
        Decision { events: self.events, blobs: self.blobs, needs: self.needs }
    }

    /// Fires the timer that is due first. False if none is.
    fn fire_timer(&mut self) -> bool {
        match self.state.agenda().next_timer() {
            Some((at, timer)) if at <= self.outside.now || is_fired_early(timer) => {
                self.fire(timer);
                true
            }
            Some(_) | None => false,
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Wake(visit) => self.emit(Event::TimerFired { visit }),
            Timer::Delay(frame) => self.emit(Event::DelayElapsed { frame, after: None }),
            Timer::Held(visit) => {
                let frame = self.state.visit(visit).frame;
                self.emit(Event::DelayElapsed { frame, after: Some(visit) });
            }
            Timer::Handler(frame) => {
                let cause = BlockEnd::Failed(Failure::timed_out("the handler", HANDLER_LIMIT_MS));
                self.emit(Event::BlockStopping { frame, cause });
            }
            Timer::Deadline(visit) => {
                let limit = self.state.step_of(visit).total_timeout_ms;
                let limit_ms = limit.expect("only a step with a limit has a deadline");
                self.emit(Event::VisitStopping { visit, reason: StopReason::TimedOut { limit_ms } });
            }
            Timer::Execution => {
                let limit = self.state.chain().timeout_ms;
                let limit_ms = limit.expect("only a chain with a limit has a deadline");
                self.emit(Event::ExecutionTimedOut { limit_ms });
            }
        }
    }

    fn fill_slots(&mut self) {
        if self.state.is_paused() {
            return;
        }
        while let Some(visit) = self.state.agenda().first_callable() {
            self.start_attempt(visit);
        }
        let pools: Vec<Option<Pool>> = self.state.wanted_pools().map(|pool| pool.cloned()).collect();
        for pool in pools {
            while self.state.has_room()
                && let Some(visit) = self.state.agenda().first_ready(pool.as_ref())
                && self.outside.slots.take(pool.as_ref())
            {
                self.start_attempt(visit);
            }
        }
    }

    fn start_attempt(&mut self, visit: VisitNo) {
        let attempt = AttemptNo(self.state.visit(visit).attempts + 1);
        self.emit(Event::AttemptStarted { visit, attempt });
    }

    fn decide_visit(&mut self, visit: VisitNo) {
        match &self.state.visit(visit).phase {
            VisitPhase::Answered(answer) => {
                let answer = answer.clone();
                self.decide_answer(visit, answer);
            }
            VisitPhase::Ready
            | VisitPhase::Backoff { .. }
            | VisitPhase::Interval { .. }
            | VisitPhase::Looking
            | VisitPhase::Asking { .. }
            | VisitPhase::Waiting { .. } => self.end_waiting(visit),
            VisitPhase::Awaiting { .. } => self.decide_awaiting(visit),
            VisitPhase::Iterated => self.decide_iterated(visit),
            VisitPhase::Due => self.decide_due(visit),
            VisitPhase::InDoubt | VisitPhase::Quarantined => self.emit(Event::VisitCancelled { visit }),
            VisitPhase::Attempting { .. } => self.stop_for_cancel(visit),
            VisitPhase::Open(_) => self.decide_nest(visit),
            VisitPhase::Ended(_) => unreachable!("an ended visit is never on the agenda"),
        }
    }
}

/// The planted fault: nobody waits who should.
fn is_fired_early(timer: Timer) -> bool {
    faults::is_on(Fault::TimerEarly) && matches!(timer, Timer::Wake(_) | Timer::Delay(_) | Timer::Held(_))
}
