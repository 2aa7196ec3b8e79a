//! The core on simulated time: every attempt takes as long and ends as a script says, the clock jumps from one
//! thing that happens to the next. Checks after each decision what must always hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use catena_core::{
    Chain, Command, Effect, Event, ExecutionId, Loaded, Outside, State, Timestamp, Value,
    command::{Slots, Start},
    event::{Answer, Trigger},
    failure::{Failure, FailureType},
    ids::{AttemptNo, VisitNo},
    state::VisitPhase,
    value::{Blob, Stored},
};

use crate::transitions;

/// How an attempt ends and how long it takes, given its address and the how manieth try of its visit it is
/// (lost attempts are no tries).
pub type Script<'a> = dyn Fn(&str, u32) -> (Answer, u64) + 'a;

/// No event of a test has more than this, however large its values are.
const EVENT_MAX_BYTES: usize = 300 * 1024;

/// What becomes of the attempts that run when the engine goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// They go on and are attached to again.
    Reattached,
    /// Nobody knows their end.
    Lost,
}

pub struct Sim<'a> {
    pub state: State,
    pub journal: Vec<(Timestamp, Event)>,
    /// What is stored beside the journal.
    pub blobs: BTreeMap<String, Blob>,
    /// How often a decision had to wait for stored values.
    pub waits: u32,
    script: &'a Script<'a>,
    slots: u32,
    now: Timestamp,
    /// When each live attempt will end.
    running: BTreeMap<(VisitNo, AttemptNo), Timestamp>,
    /// The undo of a child that is under way, and when it will end.
    undoing: Option<(VisitNo, u32, Timestamp, Option<Failure>)>,
    /// Visits that ask for an earlier result.
    looking: BTreeSet<VisitNo>,
}

pub fn succeed(result: impl Into<serde_json::Value>) -> Answer {
    Answer::Succeeded { value: Some(Value::from(result.into())) }
}

pub fn fail(message: &str) -> Answer {
    Answer::Failed { failure: Failure::new(FailureType::Raised("scripted".into()), message) }
}

impl<'a> Sim<'a> {
    /// Starts an execution of `chain` with room for `slots` attempts at a time.
    pub fn start(chain: &Arc<Chain>, script: &'a Script<'a>, slots: u32) -> Self {
        let start = Start::new("v1", Value::from(serde_json::json!({})), Trigger::Manual);
        Self::start_with(chain, start, script, slots)
    }

    /// The same with a start of its own.
    pub fn start_with(chain: &Arc<Chain>, start: Start, script: &'a Script<'a>, slots: u32) -> Self {
        let now = Timestamp::ZERO;
        let outside = Outside { now, slots: Slots::of(slots), jitter: 0.5 };
        let (state, decision) = State::start(ExecutionId(1), Arc::clone(chain), start, outside);
        let fresh = State::new(ExecutionId(1), Arc::clone(chain));
        let mut sim = Self::of(fresh, script, slots);
        sim.keep(decision.blobs);
        sim.take(state, decision.events);
        sim.serve(decision.needs);
        sim
    }

    /// An engine that comes up with the first `len` events of a journal.
    pub fn recover(full: &Sim<'a>, len: usize, recovery: Recovery) -> Self {
        let journal = full.journal[..len].to_vec();
        let mut state = State::new(full.state.id(), Arc::clone(full.state.chain()));
        for (at, event) in &journal {
            state.apply(*at, event).expect("every prefix of a journal folds");
        }
        let now = journal.last().expect("an execution has a first event").0;
        let blobs = full.blobs.clone();
        let mut sim = Self { journal, blobs, now, ..Self::of(state, full.script, full.slots) };
        sim.attach();
        if recovery == Recovery::Lost {
            for (visit, attempt) in sim.running.keys().copied().collect::<Vec<_>>() {
                sim.running.remove(&(visit, attempt));
                let answer = Answer::Lost { message: "the engine went down".into() };
                sim.tell(Command::EndAttempt { visit, attempt, answer });
            }
        }
        sim.tell(Command::Advance);
        sim
    }

    fn of(state: State, script: &'a Script<'a>, slots: u32) -> Self {
        Self {
            state,
            journal: Vec::new(),
            blobs: BTreeMap::new(),
            waits: 0,
            script,
            slots,
            now: Timestamp::ZERO,
            running: BTreeMap::new(),
            undoing: None,
            looking: BTreeSet::new(),
        }
    }

    /// With room for so many attempts at a time from here on.
    #[must_use]
    pub fn with_slots(mut self, slots: u32) -> Self {
        self.slots = slots;
        self
    }

    /// Runs until nothing happens without a person.
    pub fn run(mut self) -> Self {
        while self.step() {}
        assert!(self.state.agenda().is_idle(), "something is due and nothing brings it on");
        self
    }

    /// The state as it comes back from its serial form.
    pub fn reread(&self) -> State {
        State::from_snapshot(self.state.id(), Arc::clone(self.state.chain()), &self.state.to_snapshot())
            .expect("a snapshot can be read")
    }

    /// One thing happens: an attempt ends or a timer is due. False when nothing is left to happen.
    pub fn step(&mut self) -> bool {
        // What has ended since wants no answer any more.
        self.looking.retain(|visit| self.state.visit(*visit).phase == VisitPhase::Looking);
        if let Some(visit) = self.looking.pop_first() {
            // Nothing was ever done before.
            self.tell(Command::AnswerLookup { visit, key: format!("key of {visit}"), hit: None });
            return true;
        }
        let next = self.running.values().min().copied();
        if let Some((visit, nth, at, failure)) =
            self.undoing.take_if(|(_, _, at, _)| next.is_none_or(|next| *at <= next))
        {
            self.now = self.now.max(at);
            self.tell(Command::EndChildUndo { visit, nth, failure });
            return true;
        }
        let attempt = self.running.iter().map(|(key, at)| (*at, *key)).min();
        let timer = self.state.agenda().next_timer().map(|(at, _)| at);
        match (attempt, timer) {
            (None, None) => false,
            (Some((end, (visit, attempt))), timer) if timer.is_none_or(|at| end <= at) => {
                self.now = self.now.max(end);
                self.running.remove(&(visit, attempt));
                let answer = self.scripted(visit).0;
                self.tell(Command::EndAttempt { visit, attempt, answer });
                true
            }
            (_, Some(at)) => {
                self.now = self.now.max(at);
                self.tell(Command::Advance);
                true
            }
            (Some(_), None) => unreachable!("covered by the second arm"),
        }
    }

    pub fn tell(&mut self, command: Command) {
        let command = self.kept(command);
        let needs = self.decide(command, &Loaded::default());
        self.serve(needs);
    }

    /// A command as it comes to the core: what is large in it is stored.
    fn kept(&mut self, command: Command) -> Command {
        match command {
            Command::EndAttempt { visit, attempt, answer } => {
                let mut blobs = Vec::new();
                let answer = answer.keep(&mut blobs);
                self.keep(blobs);
                Command::EndAttempt { visit, attempt, answer }
            }
            other => other,
        }
    }

    fn keep(&mut self, blobs: Vec<Blob>) {
        self.blobs.extend(blobs.into_iter().map(|blob| (blob.stored.sha256.clone(), blob)));
    }

    /// Reads what a decision waits for, as often as it waits for more.
    fn serve(&mut self, mut needs: Vec<Stored>) {
        let mut loaded = Loaded::default();
        while !needs.is_empty() {
            self.waits += 1;
            assert!(self.state.agenda().waits_for_values(), "what waits for values is on the agenda");
            loaded.retain(&needs);
            assert!(needs.iter().any(|stored| !loaded.contains(stored)), "it waits for what it has");
            for stored in needs {
                let bytes = &self.blobs[&stored.sha256].bytes;
                loaded.insert(&stored, stored.open(bytes).expect("it is what was stored"));
            }
            needs = self.decide(Command::Advance, &loaded);
        }
        assert!(!self.state.agenda().waits_for_values(), "everything is decided");
    }

    fn decide(&mut self, command: Command, loaded: &Loaded) -> Vec<Stored> {
        let live = u32::try_from(self.state.agenda().live().count()).expect("few");
        // An attempt that ends gives its slot back within the same decision.
        let freed = match command {
            Command::EndAttempt { visit, .. } => u32::from(!self.state.step_of(visit).work.is_call()),
            _ => 0,
        };
        let free = (self.slots + freed).saturating_sub(live);
        // Pools are as large as what is outside of them.
        let pools = self.state.chain().steps().filter_map(|(_, step)| step.pool.clone());
        let slots = Slots { free, pools: pools.map(|pool| (pool, free)).collect() };
        let mut state = self.state.clone();
        let outside = Outside { now: self.now, slots, jitter: 0.5 };
        let decision = state.decide(command, outside, loaded).expect("the simulation gives legal commands");
        self.keep(decision.blobs);
        self.take(state, decision.events);
        decision.needs
    }

    /// Folds what was decided and checks what must hold after every decision.
    fn take(&mut self, decided: State, events: Vec<Event>) {
        for event in &events {
            transitions::record(&self.state, event);
            self.state.apply(self.now, event).expect("what was decided folds");
            assert_eq!(*self.state.agenda(), self.state.recomputed_agenda(), "after {event:?}");
            for stored in event.values().into_iter().flat_map(Value::references) {
                assert!(self.blobs.contains_key(&stored.sha256), "nothing is stored for {event:?}");
            }
            let json = serde_json::to_string(event).expect("an event is JSON");
            assert!(json.len() < EVENT_MAX_BYTES, "an event of {} bytes", json.len());
        }
        assert_eq!(self.state, decided, "deciding and folding give the same state");
        for effect in self.state.effects_of(&events) {
            self.perform(effect);
        }
        self.journal.extend(events.into_iter().map(|event| (self.now, event)));
        let pending: BTreeSet<_> = self.state.pending_effects().into_iter().filter_map(started).collect();
        assert!(pending.iter().eq(self.running.keys()), "what runs is what the state says");
    }

    fn attach(&mut self) {
        for effect in self.state.pending_effects() {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::StartAttempt { visit, attempt } => {
                let VisitPhase::Attempting { started_at, .. } = self.state.visit(visit).phase else {
                    unreachable!("only live attempts are started")
                };
                let end = started_at.plus_ms(self.scripted(visit).1);
                let old = self.running.insert((visit, attempt), end);
                assert_eq!(old, None, "an attempt is started once");
            }
            // A stopped attempt ends as scripted: it may have been too late to stop it.
            Effect::StopAttempt { .. } => {}
            Effect::LookUp { visit } => {
                self.looking.insert(visit);
            }
            Effect::UndoChild { visit, nth } => self.undoing = Some((visit, nth, self.now.plus_ms(5), None)),
            Effect::StopChildUndo { visit, nth } => {
                let failure = Failure::new(FailureType::GivenUp, "it was stopped by force");
                self.undoing = Some((visit, nth, self.now, Some(failure)));
            }
        }
    }

    fn scripted(&self, visit: VisitNo) -> (Answer, u64) {
        let of = self.state.visit(visit);
        (self.script)(self.state.address(visit).as_str(), of.attempts - of.losses)
    }

    /// The journal as a text table, one line per event.
    pub fn table(&self) -> String {
        self.journal.iter().map(|(at, event)| format!("{:>6} {}\n", at.0 / 1_000, self.line(event))).collect()
    }

    fn line(&self, event: &Event) -> String {
        let place = event.visit().map(|visit| self.state.address(visit).to_string());
        let what = match event {
            Event::VisitEntered { plan, .. } => match plan {
                catena_core::event::Plan::Attempt(_) => String::new(),
                other => format!("{other:?}"),
            },
            Event::AttemptStarted { attempt, .. } => attempt.to_string(),
            Event::AttemptEnded { attempt, answer, .. } => match answer {
                Answer::Succeeded { value } => {
                    format!("{attempt} {}", value.clone().unwrap_or_else(Value::null).as_json())
                }
                other => format!("{attempt} {other:?}"),
            },
            Event::VisitCompleted { result: Some(result), .. } => result.as_json().to_string(),
            Event::VisitFailed { failure, consequence, .. } => format!("{consequence:?}: {failure}"),
            Event::BlockOpened { frame, origin, .. } => format!("{frame} {origin:?}"),
            Event::BlockEnded { frame, end } => format!("{frame} {}", end_word(end)),
            Event::BlockStopping { frame, cause } => format!("{frame} {}", end_word(cause)),
            Event::RetryScheduled { wake_at, .. } => format!("at {}", wake_at.0 / 1_000),
            Event::ExecutionEnded { end, .. } => end.to_string(),
            _ => String::new(),
        };
        [event.kind().to_owned(), place.unwrap_or_default(), what]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn end_word(end: &catena_core::event::BlockEnd) -> &'static str {
    match end {
        catena_core::event::BlockEnd::Completed => "completed",
        catena_core::event::BlockEnd::Failed(_) => "failed",
        catena_core::event::BlockEnd::Cancelled => "cancelled",
    }
}

fn started(effect: Effect) -> Option<(VisitNo, AttemptNo)> {
    match effect {
        Effect::StartAttempt { visit, attempt } => Some((visit, attempt)),
        Effect::StopAttempt { .. }
        | Effect::LookUp { .. }
        | Effect::UndoChild { .. }
        | Effect::StopChildUndo { .. } => None,
    }
}
