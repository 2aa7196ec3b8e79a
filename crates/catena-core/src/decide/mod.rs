//! Decisions: a command and the state give events or a rejection. One file per thing that is decided; the
//! decider applies each event as it gives it, so that the next decision sees it.
//!
//! Every decision goes on until only input from outside can help. Recovery is therefore one command,
//! `Advance`, and there is no second code path for it.

mod attempt;
mod block;
mod cancel;
mod end;
mod enter;
mod read;

use std::sync::Arc;

use crate::{
    ENGINE_REV,
    chain::Chain,
    command::{Command, Decision, Outside, Rejection, Start},
    event::Event,
    ids::{AttemptNo, ExecutionId, VisitNo},
    state::{State, Todo, VisitPhase},
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
            Command::CancelExecution { rollback } => decider.cancel(rollback)?,
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
        self.fire_timers();
        while self.needs.is_empty()
            && let Some(todo) = self.state.agenda().next_todo()
        {
            match todo {
                Todo::Visit(visit) => self.decide_visit(visit),
                Todo::Frame(frame) => self.decide_frame(frame),
                Todo::Execution => self.decide_execution(),
            }
        }
        if self.needs.is_empty() {
            self.fill_slots();
        }
        Decision { events: self.events, blobs: self.blobs, needs: self.needs }
    }

    fn fire_timers(&mut self) {
        while let Some((wake_at, visit)) = self.state.agenda().next_timer() {
            if wake_at > self.outside.now {
                break;
            }
            self.emit(Event::TimerFired { visit });
        }
    }

    fn fill_slots(&mut self) {
        while self.outside.slots > 0 {
            let Some(visit) = self.state.agenda().ready().next() else { break };
            let attempt = AttemptNo(self.state.visit(visit).attempts + 1);
            self.emit(Event::AttemptStarted { visit, attempt });
            self.outside.slots -= 1;
        }
    }

    fn decide_visit(&mut self, visit: VisitNo) {
        match &self.state.visit(visit).phase {
            VisitPhase::Answered(answer) => {
                let answer = answer.clone();
                self.decide_answer(visit, answer);
            }
            VisitPhase::Ready
            | VisitPhase::Backoff { .. }
            | VisitPhase::InDoubt
            | VisitPhase::Quarantined => {
                self.emit(Event::VisitCancelled { visit });
            }
            VisitPhase::Attempting { .. } => self.stop_for_cancel(visit),
            VisitPhase::Open(_) => self.decide_nest(visit),
            VisitPhase::Ended(_) => unreachable!("an ended visit is never on the agenda"),
        }
    }
}
