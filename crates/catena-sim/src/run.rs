//! One execution on simulated time: everything that happens is the next of a few things, and the clock jumps to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use catena_core::{
    AttemptNo, Chain, Command, Decision, Effect, Event, ExecutionId, Loaded, Outside, State, Timestamp,
    Value, VisitNo,
    command::{Rejection, Slots, Start},
    event::{Answer, ApprovalAnswer, Trigger},
    state::VisitPhase,
    value::{Blob, Stored},
};

use crate::script::{Asked, Outcome, Reply, Script};

/// How long the undo of what another chain has done takes.
const CHILD_UNDO_MS: u64 = 1_000;
/// Who answers, as the journal names it.
const ACTOR: &str = "simulation";

/// What happens from outside, when its time has come.
#[derive(Clone, Debug)]
enum Due {
    End { visit: VisitNo, attempt: AttemptNo, answer: Answer },
    Reply { visit: VisitNo, reply: Reply },
    ChildUndone { visit: VisitNo, nth: u32 },
    LookedUp { visit: VisitNo },
    Tell(Command),
}

/// An execution, and what is under way outside of it.
pub struct Run {
    pub state: State,
    pub journal: Vec<(Timestamp, Event)>,
    now: Timestamp,
    /// What comes from outside, in the order in which it comes.
    due: BTreeMap<(Timestamp, u64), Due>,
    /// Counts what was put in there, so that one thing comes after another.
    count: u64,
    /// Visits that wait for somebody and of which the script was asked.
    asked: BTreeSet<VisitNo>,
    /// Large values, as a store would have them.
    blobs: BTreeMap<String, Blob>,
    random: Random,
    next_child: u64,
}

impl Run {
    /// Starts an execution. What is random in it follows from the seed.
    pub fn start(
        id: ExecutionId,
        chain: &Arc<Chain>,
        params: Value,
        now: Timestamp,
        seed: u64,
        script: &dyn Script,
    ) -> Self {
        let start = Start::new("simulated", params, Trigger::Manual);
        Self::start_with(id, chain, start, now, seed, script)
    }

    /// The same with a start of its own: of a part of the chain, with what the rest would have left.
    pub fn start_with(
        id: ExecutionId,
        chain: &Arc<Chain>,
        start: Start,
        now: Timestamp,
        seed: u64,
        script: &dyn Script,
    ) -> Self {
        let mut random = Random::new(seed);
        let outside = outside(chain, now, &mut random);
        let (state, decision) = State::start(id, Arc::clone(chain), start, outside);
        let mut run = Self {
            state,
            journal: Vec::new(),
            now,
            due: BTreeMap::new(),
            count: 0,
            asked: BTreeSet::new(),
            blobs: BTreeMap::new(),
            random,
            next_child: id.0 * 1_000,
        };
        let needs = run.take(decision, script);
        run.serve(needs, script);
        run
    }

    /// An engine that comes up with the first `len` events of another run's journal; what ran then is lost.
    pub fn recover(full: &Self, len: usize, script: &dyn Script) -> Self {
        let journal = full.journal[..len].to_vec();
        let mut state = State::new(full.state.id(), Arc::clone(full.state.chain()));
        for (at, event) in &journal {
            state.apply(*at, event).expect("every prefix of a journal folds");
        }
        let now = journal.last().map_or(full.now, |(at, _)| *at);
        let mut run = Self {
            state,
            journal,
            now,
            due: BTreeMap::new(),
            count: 0,
            asked: BTreeSet::new(),
            blobs: full.blobs.clone(),
            random: Random::new(0),
            next_child: full.next_child + len as u64 * 1_000,
        };
        for effect in run.state.pending_effects() {
            match effect {
                Effect::StartAttempt { visit, attempt } => {
                    let answer = Answer::Lost { message: "the engine went down".to_owned() };
                    run.put(now, Due::End { visit, attempt, answer });
                }
                Effect::StopAttempt { .. } => {}
                other => run.perform(other, script),
            }
        }
        run.ask_for_replies(script);
        // It refuses nothing.
        drop(run.tell(Command::Advance, script));
        run
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When something happens next; `None` when nothing does any more, or only by somebody's doing.
    pub fn next_at(&self) -> Option<Timestamp> {
        let outside = self.due.keys().next().map(|(at, _)| *at);
        let timer = self.state.agenda().next_timer().map(|(at, _)| at);
        outside.into_iter().chain(timer).min().filter(|_| !self.state.has_ended())
    }

    /// Lets the next thing happen. False when there is none.
    pub fn step(&mut self, script: &dyn Script) -> bool {
        let Some(at) = self.next_at() else { return false };
        self.now = self.now.max(at);
        match self.due.first_key_value().map(|(key, _)| *key).filter(|(first, _)| *first == at) {
            // What comes from outside is there before a limit of the same instant is reached.
            Some(key) => {
                let Some(due) = self.due.remove(&key) else { return false };
                self.happen(due, script);
            }
            None => drop(self.tell(Command::Advance, script)),
        }
        true
    }

    /// Runs until nothing happens any more, or until an instant.
    pub fn run(&mut self, until: Option<Timestamp>, script: &dyn Script) {
        while self.next_at().is_some_and(|at| until.is_none_or(|until| at <= until)) && self.step(script) {}
    }

    /// Time passes, and nothing happens in it: an instant before anything is due.
    pub fn wait_until(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
    }

    /// Has the execution told something at an instant.
    pub fn tell_at(&mut self, at: Timestamp, command: Command) {
        self.put(at, Due::Tell(command));
    }

    /// Tells the execution something now; what it refuses changes nothing.
    pub fn tell(&mut self, command: Command, script: &dyn Script) -> Result<(), Rejection> {
        let needs = self.decide(command, &Loaded::default(), script)?;
        self.serve(needs, script);
        Ok(())
    }

    fn put(&mut self, at: Timestamp, due: Due) {
        self.count += 1;
        self.due.insert((at, self.count), due);
    }

    fn happen(&mut self, due: Due, script: &dyn Script) {
        let command = match due {
            Due::End { visit, attempt, answer } => {
                let mut blobs = Vec::new();
                let answer = answer.keep(&mut blobs);
                self.keep(blobs);
                Command::EndAttempt { visit, attempt, answer }
            }
            Due::Reply { visit, reply } => match self.reply(visit, reply) {
                Some(command) => command,
                None => return,
            },
            Due::ChildUndone { visit, nth } => Command::EndChildUndo { visit, nth, failure: None },
            // Nothing was ever done before.
            Due::LookedUp { visit } => Command::AnswerLookup { visit, key: String::new(), hit: None },
            Due::Tell(command) => command,
        };
        // What comes too late, to something that has ended meanwhile, changes nothing.
        drop(self.tell(command, script));
    }

    /// What somebody does for a visit that still waits for it.
    fn reply(&self, visit: VisitNo, reply: Reply) -> Option<Command> {
        match (&self.state.visit(visit).phase, reply) {
            (VisitPhase::Asking { .. }, reply) => {
                let approved = matches!(reply, Reply::Given(_));
                let form = match reply {
                    Reply::Given(value) if value.as_json().is_object() => Some(value),
                    Reply::Given(_) | Reply::Rejected => None,
                };
                let answer = ApprovalAnswer { approved, by: ACTOR.to_owned(), comment: None, form };
                Some(Command::AnswerApproval { visit, answer })
            }
            (VisitPhase::Awaiting { .. }, Reply::Given(value)) => {
                let (name, _) = self.state.agenda().awaiting().find(|(_, waiter)| *waiter == visit)?;
                Some(Command::SendSignal { name: name.to_owned(), value })
            }
            _ => None,
        }
    }

    fn decide(
        &mut self,
        command: Command,
        loaded: &Loaded,
        script: &dyn Script,
    ) -> Result<Vec<Stored>, Rejection> {
        let outside = outside(self.state.chain(), self.now, &mut self.random);
        let decision = self.state.decide(command, outside, loaded)?;
        Ok(self.take(decision, script))
    }

    /// Reads what a decision waits for, as often as it waits for more.
    fn serve(&mut self, mut needs: Vec<Stored>, script: &dyn Script) {
        let mut loaded = Loaded::default();
        while !needs.is_empty() {
            for stored in needs {
                match self.blobs.get(&stored.sha256).map(|blob| stored.open(&blob.bytes)) {
                    Some(Ok(value)) => loaded.insert(&stored, value),
                    Some(Err(_)) | None => loaded.insert_lost(&stored, "no such value".to_owned()),
                }
            }
            needs = self.decide(Command::Advance, &loaded, script).unwrap_or_default();
        }
    }

    fn keep(&mut self, blobs: Vec<Blob>) {
        self.blobs.extend(blobs.into_iter().map(|blob| (blob.stored.sha256.clone(), blob)));
    }

    /// Carries out what was decided; gives the values that the next decision reads.
    fn take(&mut self, decision: Decision, script: &dyn Script) -> Vec<Stored> {
        self.keep(decision.blobs);
        for effect in self.state.effects_of(&decision.events) {
            self.perform(effect, script);
        }
        self.journal.extend(decision.events.into_iter().map(|event| (self.now, event)));
        self.ask_for_replies(script);
        decision.needs
    }

    fn perform(&mut self, effect: Effect, script: &dyn Script) {
        match effect {
            Effect::StartAttempt { visit, attempt } => {
                if self.state.step_of(visit).work.is_call() {
                    self.next_child += 1;
                    let child = ExecutionId(self.next_child);
                    self.put(self.now, Due::Tell(Command::NoteChild { visit, attempt, child }));
                }
                let of = self.state.visit(visit);
                let asked = Asked { state: &self.state, visit, nth: of.attempts - of.losses };
                let Outcome { answer, takes_ms } = script.outcome(&asked);
                let limit = self.state.step_of(visit).timeout_ms.filter(|limit| takes_ms > *limit);
                let (answer, takes_ms) = match limit {
                    Some(limit_ms) => (Answer::TimedOut { limit_ms }, limit_ms),
                    None => (answer, takes_ms),
                };
                self.put(self.now.plus_ms(takes_ms), Due::End { visit, attempt, answer });
            }
            Effect::StopAttempt { visit, attempt } => {
                let is_its_end = |due: &Due| matches!(due, Due::End { visit: of, attempt: which, .. } if (*of, *which) == (visit, attempt));
                self.due.retain(|(at, _), due| *at <= self.now || !is_its_end(due));
                if !self.due.values().any(is_its_end) {
                    self.put(self.now, Due::End { visit, attempt, answer: Answer::Cancelled {} });
                }
            }
            Effect::LookUp { visit } => self.put(self.now, Due::LookedUp { visit }),
            Effect::UndoChild { visit, nth } => {
                self.put(self.now.plus_ms(CHILD_UNDO_MS), Due::ChildUndone { visit, nth });
            }
            // It is done as soon as it can be.
            Effect::StopChildUndo { .. } => {}
        }
    }

    /// Asks the script about visits that have come to wait for a person or a signal.
    fn ask_for_replies(&mut self, script: &dyn Script) {
        let agenda = self.state.agenda();
        let waiting = agenda.asking().chain(agenda.awaiting().map(|(_, visit)| visit));
        let new: Vec<VisitNo> = waiting.filter(|visit| !self.asked.contains(visit)).collect();
        for visit in new {
            self.asked.insert(visit);
            if let Some((reply, takes_ms)) = script.reply(&Asked { state: &self.state, visit, nth: 1 }) {
                self.put(self.now.plus_ms(takes_ms), Due::Reply { visit, reply });
            }
        }
    }
}

/// As many slots as anybody wants: how many there are is the configuration's business, and no chain's.
fn outside(chain: &Chain, now: Timestamp, random: &mut Random) -> Outside {
    let pools =
        chain.steps().filter_map(|(_, step)| step.pool.clone()).map(|pool| (pool, u32::MAX)).collect();
    Outside { now, slots: Slots { free: u32::MAX, pools }, jitter: random.next() }
}

/// SplitMix64: the same numbers everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// In [0, 1).
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
