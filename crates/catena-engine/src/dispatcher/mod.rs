//! The dispatcher: one thread that alone changes executions. It takes inputs, decides at once, and hands
//! commits to the writer; it does no I/O and never waits for anything but its next input.

mod calls;
mod chains;
mod commit;
mod gates;
mod input;
mod outage;
mod pauses;
mod postponed;
mod recover;
mod schedules;
mod slots;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hasher},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use catena_core::{
    Command, Event, ExecutionId, Loaded, Outside, Rejection, State, Timestamp, Value, VisitNo,
    chain::Chain,
    command::{Legacy, Slots as Offer, Start},
    event::{Answer, CacheHit},
    faults::{self, Fault},
    value::Blob,
};
use catena_runners::{AttemptKey, Recorded};
use catena_store::{Actor, InboxCommand, Lease, Record, Store, Version};

pub(crate) use self::{
    calls::{CallNews, Caller, call_of, news_of},
    chains::Ask,
    input::{Deferred, Input, Reply},
    recover::Recovered,
};
use self::{
    commit::{Consequences, Decided},
    gates::{Entry, Gates},
    outage::Outage,
    pauses::Pauses,
    postponed::{Due, Postponed},
    schedules::Schedules,
    slots::{Moved, Slots},
};
use crate::{
    Error, Notify, Started,
    clock::Clock,
    follow::Hub,
    launch::{self, Launcher},
    load::Wanted,
    start::CheckedStart,
    trace,
};

/// Waits longer than this are not spent in memory.
const EVICT_AFTER_MS: u64 = 10_000;
/// When an execution that could not be read is tried again.
const LOAD_AGAIN_MS: u64 = 1_000;
/// Journals longer than this leave a snapshot when they are evicted.
const SNAPSHOT_MIN_EVENTS: u64 = 200;

/// What the dispatcher shares with the threads that carry out what it decides.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) launcher: Launcher,
    pub(crate) hub: Arc<Hub>,
    /// Executions and large values to read into memory.
    pub(crate) loads: Sender<Wanted>,
    pub(crate) inputs: Sender<Input>,
    pub(crate) lease: Lease,
    pub(crate) notify: Notify,
}

pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    inputs: Receiver<Input>,
    hot: HashMap<ExecutionId, State>,
    /// Those that the store has not accepted yet, because their key may have been used: nothing of them starts, and
    /// their version may never be stored.
    unaccepted: HashMap<ExecutionId, Option<Arc<Version>>>,
    loading: BTreeMap<ExecutionId, Vec<Deferred>>,
    postponed: Postponed,
    /// Those for which large values are being read.
    reading: HashSet<ExecutionId>,
    /// When executions want to be woken, in memory or not.
    timers: BTreeSet<(Timestamp, ExecutionId)>,
    armed: HashMap<ExecutionId, Timestamp>,
    pauses: Pauses,
    slots: Slots,
    /// Executions of chains that limit how many there are of them.
    gates: Gates,
    /// Executions whose duty to undo what they have done has gone to another one since this engine came up.
    inherited: HashSet<ExecutionId>,
    schedules: Schedules,
    slots_total: u32,
    pools: BTreeMap<String, u32>,
    next_number: u64,
    /// Why nothing is accepted any more.
    stopped: Option<String>,
    /// Nothing is accepted until the store takes commits again.
    outage: Option<Outage>,
    /// It is there to tell an execution something, and starts nothing of it.
    holds_back: bool,
    /// What is random follows from it.
    seed: u64,
    draws: u64,
}

impl Dispatcher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        inputs: Receiver<Input>,
        (slots, pools): (u32, BTreeMap<String, u32>),
        next_number: u64,
        seed: u64,
    ) -> Self {
        Self {
            shared,
            inputs,
            hot: HashMap::new(),
            unaccepted: HashMap::new(),
            loading: BTreeMap::new(),
            postponed: Postponed::default(),
            reading: HashSet::new(),
            timers: BTreeSet::new(),
            armed: HashMap::new(),
            pauses: Pauses::default(),
            slots: Slots::new(slots, &pools),
            gates: Gates::default(),
            inherited: HashSet::new(),
            schedules: Schedules::default(),
            slots_total: slots,
            pools,
            next_number,
            stopped: None,
            outage: None,
            holds_back: false,
            seed,
            draws: 0,
        }
    }

    pub(crate) fn run(mut self) {
        loop {
            match self.next_input() {
                Some(Input::Stop) => break,
                input => self.turn(input),
            }
        }
    }

    /// Does what one input asks for, or without one what is due, and what follows from it.
    pub(crate) fn turn(&mut self, input: Option<Input>) {
        match input {
            Some(input) => self.handle(input),
            None if self.outage.is_some() => self.look_again(),
            None => self.wake_due(),
        }
        self.go_on_after_ends();
        self.admit_held();
        self.grant_slots();
    }

    /// How long there is nothing due; `None` without a limit.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let (due, limit) = self.next_due();
        let patience = due.and_then(|at| self.shared.clock.time_until(at));
        let limit = limit.and_then(|limit| self.shared.clock.time_until_passed(limit));
        patience.into_iter().chain(limit).min()
    }

    /// When the first timer is due, by the clock of the wall and by time that passes.
    pub(crate) fn next_due(&self) -> (Option<Timestamp>, Option<Duration>) {
        if let Some(outage) = &self.outage {
            return (None, Some(outage.look_at()));
        }
        let timers = self.timers.first().map(|(at, _)| *at).into_iter();
        let limits = self.pauses.next_limit().into_iter().chain(self.postponed.next_at());
        (timers.chain(self.schedules.next_at()).min(), limits.min())
    }

    /// The next input, or `None` when a timer is due; what is due comes before what is queued.
    fn next_input(&self) -> Option<Input> {
        match self.patience() {
            Some(Duration::ZERO) => None,
            None => Some(self.inputs.recv().unwrap_or(Input::Stop)),
            Some(patience) => match self.inputs.recv_timeout(patience) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(Input::Stop),
            },
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Start { request, is_known, reply } => self.start(*request, is_known, reply),
            Input::Tell { execution, command, actor, reply } => {
                self.tell(execution, command, actor, reply);
            }
            Input::Ended { key, answer, blobs } => self.ended(key, answer, blobs),
            Input::Checkpoint { key, name, value, recorded } => self.checkpoint(key, name, value, recorded),
            Input::Loaded { execution, state } if self.outage.is_some() => {
                self.loaded_in_outage(execution, state);
            }
            Input::Loaded { execution, state } => self.loaded(execution, state),
            Input::Found { found } => self.found(found),
            Input::ValuesRead { execution, read } => self.values_read(execution, read),
            Input::Durable { execution, seq } => self.durable(execution, seq),
            Input::Accepted { execution } => self.accepted(execution),
            // What is unfinished is asked for again when the store takes commits.
            Input::Call { .. } | Input::LookedUp { .. } | Input::StopChild { .. } | Input::Later { .. }
                if self.outage.is_some() => {}
            Input::Later { .. } if self.stopped.is_some() => {}
            Input::Later { wanted } => self.postponed.read_again(wanted, self.shared.clock.passed()),
            Input::Call { caller, news } => self.call_news(caller, news),
            Input::LookedUp { execution, visit, found } => self.looked_up(execution, visit, found),
            Input::StopChild { child, force } => self.stop_child(child, force),
            Input::Schedules(ask) => self.asked(*ask),
            Input::Forget { execution } => self.forget(execution),
            Input::Failed { error } => self.fail(error),
            Input::Tick => self.wake_due(),
            Input::Stop => unreachable!("the loop ends there"),
        }
    }

    fn outside(&mut self, slots: Offer) -> Outside {
        self.draws += 1;
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write_u64(self.draws);
        // 53 bits make a number in [0, 1).
        let jitter = (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64;
        let slots = if self.holds_back { Offer::default() } else { slots };
        Outside { now: self.shared.clock.now(), slots, jitter }
    }

    fn start(&mut self, request: CheckedStart, is_known: bool, reply: Reply<Started>) {
        if let Some(why) = &self.stopped {
            return reply(Err(Error::Stopped(why.clone())));
        }
        if let Some(refusal) = self.refusal() {
            return reply(Err(refusal));
        }
        let fingerprint = request.key.is_some().then(|| request.fingerprint());
        let CheckedStart {
            version,
            params,
            blobs,
            key,
            actor,
            trigger,
            left_out,
            pinned,
            only,
            context,
            mut legacy,
        } = request;
        let entry = self.gates.look(&version.chain, trigger);
        if let Entry::Refused { running } = entry {
            return reply(Err(Error::Conflict(no_room(&version.chain, &running))));
        }
        let is_known = is_known && self.schedules.is_still_known(&version);
        if key.is_none() && !is_known {
            self.schedules.stored(&version);
        }
        let mut records: Vec<Record> = blobs.into_iter().map(Record::Value).collect();
        if !is_known {
            let (number, at) = (self.take_number(), self.shared.clock.now());
            let version = Arc::clone(&version);
            records.push(Record::Version { version, number, at, actor: actor.clone() });
        }
        let execution = ExecutionId(self.take_number());
        records.push(Record::NextNumber(self.next_number));
        if let (Some(key), Some(fingerprint)) = (&key, fingerprint) {
            records.push(Record::StartKey { key: key.clone(), fingerprint, execution });
        }
        if let Legacy::Results { from, duty, .. } = &mut legacy {
            *duty &= self.inherited.insert(*from);
            if *duty {
                records.push(Record::Legacy { source: *from, heir: execution });
            }
        }
        let held = matches!(entry, Entry::Held { .. });
        let start = Start {
            held,
            left_out,
            pinned,
            only,
            context,
            legacy,
            ..Start::new(&version.digest, params, trigger)
        };
        // Until the store has said that the key is new, no attempt may run.
        let slots = if key.is_some() { Offer::default() } else { self.slots.offer(execution, None) };
        if key.is_some() {
            self.unaccepted.insert(execution, (!is_known).then(|| Arc::clone(&version)));
        }
        let outside = self.outside(slots);
        let now = outside.now;
        let (state, decision) = State::start(execution, Arc::clone(&version.chain), start, outside);
        self.gates.add(&state);
        self.hot.insert(execution, state);
        if let Entry::Held { cancels: Some(running) } = entry {
            self.cancel_for_another(running);
        }
        let started = Started { execution, is_new: true };
        let consequences =
            Consequences { records, started: Some((started, key, reply)), ..Consequences::default() };
        let decided = Decided { at: now, decision, at_hand: Loaded::default() };
        self.commit(execution, decided, actor, consequences);
    }

    fn looked_up(
        &mut self,
        execution: ExecutionId,
        visit: VisitNo,
        found: Result<(String, Option<CacheHit>), catena_store::Error>,
    ) {
        // A store that cannot say it keeps nothing: the step does its work.
        let (key, hit) = found.unwrap_or_default();
        self.with_state(execution, Deferred::Command(Command::AnswerLookup { visit, key, hit }));
    }

    fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    fn ended(&mut self, key: AttemptKey, answer: Answer, blobs: Vec<Blob>) {
        let Some(state) = self.hot.get(&key.execution) else { return };
        let settle = launch::settle(state, key);
        let command = Command::EndAttempt { visit: key.visit, attempt: key.attempt, answer };
        match self.decide(key.execution, command) {
            Ok(decided) => {
                let records = blobs.into_iter().map(Record::Value).collect();
                let consequences = Consequences { records, acts: vec![settle], ..Consequences::default() };
                self.commit(key.execution, decided, Actor::engine(), consequences);
            }
            // Told twice: the end that was accepted stands, and the runner need not tell it again once that is durable.
            Err(Rejection::NotRunning { .. } | Rejection::Ended) => {
                let records = vec![Record::NextNumber(self.next_number)];
                let acts = vec![settle];
                self.commit_records(Consequences { records, acts, ..Consequences::default() });
            }
            Err(
                Rejection::NotHeld
                | Rejection::UnknownSignal { .. }
                | Rejection::TooManySignals { .. }
                | Rejection::SignalTooLarge
                | Rejection::NotApprover { .. }
                | Rejection::FormUnfit(_)
                | Rejection::NotUndoingChild { .. }
                | Rejection::ChildUndoHalted { .. }
                | Rejection::NotLooking { .. }
                | Rejection::Undoing
                | Rejection::Handling
                | Rejection::AlreadyCancelling
                | Rejection::AlreadyPaused
                | Rejection::NotPaused
                | Rejection::NotAsking { .. },
            ) => unreachable!("these answer somebody else"),
        }
    }

    fn checkpoint(&mut self, key: AttemptKey, name: String, value: Value, recorded: Recorded) {
        if let Some(refusal) = self.refusal() {
            return recorded(Err(refusal.to_string()));
        }
        let command = Command::RecordCheckpoint { visit: key.visit, attempt: key.attempt, name, value };
        match self.decide(key.execution, command) {
            Ok(decided) => {
                let consequences = Consequences { recorded: Some(recorded), ..Consequences::default() };
                self.commit(key.execution, decided, Actor::engine(), consequences);
            }
            Err(rejection) => recorded(Err(rejection.to_string())),
        }
    }

    /// Tells an execution in memory something.
    fn decide(&mut self, execution: ExecutionId, command: Command) -> Result<Decided, Rejection> {
        self.decide_with(execution, command, Loaded::default())
    }

    fn decide_with(
        &mut self,
        execution: ExecutionId,
        command: Command,
        at_hand: Loaded,
    ) -> Result<Decided, Rejection> {
        let state = self.hot.get(&execution).ok_or(Rejection::Ended)?;
        let freed = match &command {
            Command::EndAttempt { visit, .. } if visit.index() < state.visit_count() => {
                let step = state.step_of(*visit);
                (!step.work.is_call()).then_some(step.pool.as_ref())
            }
            _ => None,
        };
        let offer = self.slots.offer(execution, freed);
        let mut outside = self.outside(offer);
        let state = self.hot.get_mut(&execution).ok_or(Rejection::Ended)?;
        outside.now = self.pauses.now(state, outside.now);
        let at = outside.now;
        let decision = state.decide(command, outside, &at_hand)?;
        Ok(Decided { at, decision, at_hand })
    }

    fn tell(&mut self, execution: ExecutionId, command: InboxCommand, actor: Actor, reply: Reply<()>) {
        if let Some(why) = &self.stopped {
            return reply(Err(Error::Stopped(why.clone())));
        }
        if self.outage.is_some() {
            return self.tell_in_outage(execution, command, actor, reply);
        }
        // A cancel has an end, which may need undos.
        self.holds_back &= !matches!(command, InboxCommand::Cancel { .. });
        let deferred = Deferred::Tell { command, actor, inbox: None, reply: Some(reply) };
        self.with_state(execution, deferred);
    }

    /// Does something with an execution as soon as it is in memory.
    fn with_state(&mut self, execution: ExecutionId, deferred: Deferred) {
        if self.hot.contains_key(&execution) {
            return self.resume(execution, deferred);
        }
        let waiting = self.loading.entry(execution).or_default();
        waiting.push(deferred);
        if waiting.len() == 1 {
            // Reading is I/O, so it has a thread of its own; the answer comes as an input.
            let wanted = Wanted::Execution(execution);
            self.shared.loads.send(wanted).expect("the loader lives as long as what it shares");
        }
    }

    fn resume(&mut self, execution: ExecutionId, deferred: Deferred) {
        match deferred {
            Deferred::Advance => {
                if let Ok(decided) = self.decide(execution, Command::Advance) {
                    self.commit(execution, decided, Actor::engine(), Consequences::default());
                }
            }
            Deferred::Command(command) => {
                // What comes twice, or too late, changes nothing.
                if let Ok(decided) = self.decide(execution, command) {
                    self.commit(execution, decided, Actor::engine(), Consequences::default());
                }
            }
            Deferred::ChildIfStopped { visit, attempt, child } => {
                self.stop_child_if_stopped(execution, visit, attempt, child);
            }
            Deferred::UndoIfForced { undo } => self.stop_undo_if_forced(execution, undo),
            Deferred::Tell { command, actor, inbox, reply } => {
                let records = inbox.map(|id| Record::InboxTaken { id }).into_iter().collect();
                match (self.decide(execution, command.into()), reply) {
                    (Ok(decided), reply) => {
                        let consequences = Consequences { records, reply, ..Consequences::default() };
                        self.commit(execution, decided, actor, consequences);
                    }
                    (Err(rejection), reply) => {
                        self.submit_records(records);
                        if let Some(reply) = reply {
                            reply(Err(rejection.into()));
                        }
                    }
                }
            }
        }
    }

    fn loaded(&mut self, execution: ExecutionId, state: Result<Box<State>, catena_store::Error>) {
        match state {
            Err(error) => self.not_loaded(execution, &error),
            Ok(state) => {
                // One that was asked for in an outage which is over meanwhile is older than what is in memory.
                let Some(waiting) = self.loading.remove(&execution) else { return };
                let before = self.postponed.take(execution);
                let seq = state.seq();
                self.hot.insert(execution, *state);
                for deferred in before.into_iter().chain(waiting) {
                    self.resume(execution, deferred);
                }
                // What was committed meanwhile tells by itself when it is durable.
                self.durable(execution, seq);
            }
        }
    }

    fn not_loaded(&mut self, execution: ExecutionId, error: &catena_store::Error) {
        let waiting = self.loading.remove(&execution).unwrap_or_default();
        let is_answered = |deferred: &Deferred| matches!(deferred, Deferred::Tell { reply: Some(_), .. });
        let (answered, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_answered);
        match error {
            // Nobody says it again: in a moment once more.
            catena_store::Error::Unavailable { .. } if !others.is_empty() => {
                self.postponed.keep(execution, others, self.shared.clock.passed());
            }
            _ => self.shared.hub.stop_one(execution, &error.to_string()),
        }
        for deferred in answered {
            if let Deferred::Tell { reply: Some(reply), .. } = deferred {
                reply(Err(match error {
                    catena_store::Error::NotFound(_) => Error::UnknownExecution(execution),
                    other => other.clone().into(),
                }));
            }
        }
    }

    fn wake_due(&mut self) {
        let now = self.shared.clock.now();
        while let Some((at, execution)) = self.timers.first().copied()
            && at <= now
        {
            trace::due(execution, at, now);
            self.disarm(execution);
            self.with_state(execution, Deferred::Advance);
        }
        let passed = self.shared.clock.passed();
        while let Some(execution) = self.pauses.take_over(passed) {
            self.with_state(execution, Deferred::Advance);
        }
        while let Some(due) = self.postponed.next_due(passed) {
            match due {
                Due::Read(wanted) => drop(self.shared.loads.send(wanted)),
                // What it is to be told comes when it is read.
                Due::Execution(execution) => self.with_state(execution, Deferred::Advance),
            }
        }
        self.wake_schedules();
    }

    fn arm(&mut self, execution: ExecutionId, at: Timestamp) {
        self.disarm(execution);
        let at = if faults::is_on(Fault::TimerEarly) { Timestamp(0) } else { at };
        self.timers.insert((at, execution));
        self.armed.insert(execution, at);
        let Shared { clock, .. } = &*self.shared;
        let left = Duration::from_micros(at.micros_since(clock.now()));
        self.pauses.arm(execution, at, left, clock.passed());
    }

    fn disarm(&mut self, execution: ExecutionId) {
        if let Some(at) = self.armed.remove(&execution) {
            self.timers.remove(&(at, execution));
        }
        self.pauses.disarm(execution);
    }

    fn grant_slots(&mut self) {
        while self.stopped.is_none()
            && self.outage.is_none()
            && let Some((execution, slot)) = self.slots.next()
        {
            let outside = self.outside(slot);
            let at = outside.now;
            let Some(state) = self.hot.get_mut(&execution) else { continue };
            let at_hand = Loaded::default();
            let decision =
                state.decide(Command::Advance, outside, &at_hand).expect("an advance is never rejected");
            let decided = Decided { at, decision, at_hand };
            self.commit(execution, decided, Actor::engine(), Consequences::default());
        }
    }

    /// Memory says no more than the store: what has ended or only waits can leave it.
    fn durable(&mut self, execution: ExecutionId, seq: u64) {
        if self.hot.get(&execution).is_some_and(|state| state.seq() == seq) {
            self.drop_if_done(execution);
        }
    }

    fn drop_if_done(&mut self, execution: ExecutionId) {
        let Some(state) = self.hot.get(&execution) else { return };
        if !state.has_ended() && !is_evictable(state, self.shared.clock.now()) {
            return;
        }
        if !state.has_ended() && state.seq() >= SNAPSHOT_MIN_EVENTS {
            let snapshot = Record::Snapshot { execution, seq: state.seq(), state: state.to_snapshot() };
            self.submit_records(vec![snapshot]);
        }
        self.hot.remove(&execution);
    }

    /// The store has taken a start with a new key: now it may run.
    fn accepted(&mut self, execution: ExecutionId) {
        if let Some(Some(version)) = self.unaccepted.remove(&execution) {
            self.schedules.stored(&version);
        }
        if let Some(state) = self.hot.get(&execution) {
            state.wanted_pools().for_each(|pool| self.slots.wait(execution, pool));
        }
    }

    fn forget(&mut self, execution: ExecutionId) {
        self.unaccepted.remove(&execution);
        self.reading.remove(&execution);
        self.slots.forget(execution);
        self.gates.ended(execution);
        if let Some(state) = self.hot.remove(&execution) {
            let mut moved = Moved::default();
            state.agenda().live().for_each(|visit| moved.ended(state.step_of(visit).pool.as_ref()));
            self.slots.settle(moved);
            self.disarm(execution);
        }
    }

    /// A storage error: nothing is accepted any more, and what is in memory is not trusted. All that was
    /// acknowledged is in the store. Where the store may take commits later, this engine goes on then, else the next.
    fn fail(&mut self, error: catena_store::Error) {
        if self.stopped.is_some() || faults::is_on(Fault::StaleLease) {
            return;
        }
        trace::stopped(self.shared.lease, &error);
        match (&error, &self.outage) {
            // A commit that was under way when the first one failed, and rests on it.
            (catena_store::Error::Unavailable { .. } | catena_store::Error::Conflict { .. }, Some(_)) => {}
            (catena_store::Error::Unavailable { .. }, None) => self.suspend(error),
            (_, _) => self.stop(&error),
        }
    }

    fn stop(&mut self, error: &catena_store::Error) {
        self.outage = None;
        let why = error.to_string();
        self.shared.hub.stop(&why);
        self.stopped = Some(why);
        for execution in self.loading.keys().copied().collect::<Vec<_>>() {
            self.not_loaded(execution, error);
        }
        self.hot.clear();
        self.postponed.clear();
        self.reading.clear();
        self.timers.clear();
        self.armed.clear();
        self.pauses.clear();
        self.gates.clear();
        self.schedules.clear();
    }
}

/// Whether an execution only waits, and long enough that it need not wait in memory.
fn is_evictable(state: &State, now: Timestamp) -> bool {
    let works = state.is_at_work();
    let wakes_soon = state.agenda().next_timer().is_some_and(|(at, _)| at < now.plus_ms(EVICT_AFTER_MS));
    !works && !wakes_soon
}

/// What these events, which the state has folded, do to the slots. Attempts that are executions hold none.
fn slots_moved(state: &State, events: &[Event]) -> Moved {
    let mut moved = Moved::default();
    for event in events {
        let (Event::AttemptStarted { visit, .. } | Event::AttemptEnded { visit, .. }) = event else {
            continue;
        };
        let step = state.step_of(*visit);
        match event {
            _ if step.work.is_call() => {}
            Event::AttemptStarted { .. } => moved.began(step.pool.as_ref()),
            _ => moved.ended(step.pool.as_ref()),
        }
    }
    moved
}

fn no_room(chain: &Chain, running: &[ExecutionId]) -> String {
    let running: Vec<String> = running.iter().map(|id| format!("execution {id}")).collect();
    format!(
        "chain `{}` runs as often at once as its `concurrency` allows ({}), and its policy is `skip`",
        chain.name,
        running.join(", ")
    )
}
