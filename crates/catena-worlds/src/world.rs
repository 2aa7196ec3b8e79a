//! One world from its beginning to its rest.

use std::{
    collections::{BTreeSet, VecDeque},
    hash::{DefaultHasher, Hasher},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use catena_core::{
    Event, ExecutionId, Timestamp,
    event::{Resolution, Trigger},
    state::Question,
    status::{ExecutionStatus, ScheduleStatus},
};
use catena_engine::{
    Begin, Clock, ManualClock, ScheduleRequest, StartRequest,
    stepped::{Parts, SteppedEngine},
};
use catena_runners::AttemptKey;
use catena_store::{
    Actor, Commit, ExecutionFilter, InboxCommand, Lease, Record, Store,
    sqlite::{HostLock, SqliteStore},
};
use tempfile::TempDir;

use crate::{
    helper::{BEGIN, Helper, Link, Script, fold, lock, ms},
    plan::{self, Deed, Plan},
    random::Random,
    store::{QueuedStore, Writing},
    trouble::Trouble,
    verdict::{Promised, Violation, judge},
};

/// More than this happens in no world that comes to rest.
const HAPPENINGS_MAX: u64 = 60_000;
/// About one of so many happenings is a trouble, as long as there are some left.
const TROUBLE_EVERY: u64 = 30;
/// How often people look after what waits for them.
const ROUNDS_MAX: u32 = 40;

/// What became of a world.
#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    pub violations: Vec<Violation>,
    /// All that happened, in order.
    pub trace: Vec<String>,
    pub happenings: u64,
    pub crashes: u64,
    pub troubles: u64,
    pub attempts: u64,
    pub executions: usize,
}

impl Report {
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// The same for the same seed, whatever else there is.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.trace.iter().for_each(|line| hasher.write(line.as_bytes()));
        hasher.finish()
    }
}

/// Lets the world of a seed happen.
pub fn run(seed: u64) -> Result<Report> {
    let mut world = World::new(seed)?;
    world.happen()?;
    world.end()
}

/// Something that can happen next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Write,
    Answer,
    Input,
    Load,
    Wake,
    Told(AttemptKey),
    Deed,
}

/// What is asked of the engine, and its answers.
#[derive(Default)]
struct Answers {
    promised: Promised,
    /// The execution of each part that has one.
    of_parts: Vec<Option<ExecutionId>>,
    lines: Vec<String>,
}

struct World {
    seed: u64,
    random: Random,
    // Before the folder that it is in.
    engine: Option<Running>,
    sqlite: Arc<SqliteStore>,
    lock: HostLock,
    path: PathBuf,
    _folder: TempDir,
    clock: Arc<ManualClock>,
    helper: Arc<Mutex<Helper>>,
    plan: Plan,
    deeds: VecDeque<(Duration, Deed)>,
    first_of_boot: Lease,
    answers: Arc<Mutex<Answers>>,
    troubles_left: u64,
    /// When the disk works again.
    disk_until: Option<Duration>,
    /// Until then nothing is written, rather than nothing read.
    is_refusing: bool,
    violations: Vec<Violation>,
    trace: Vec<String>,
    happenings: u64,
    crashes: u64,
    troubles: u64,
}

/// An engine that is up.
struct Running {
    engine: SteppedEngine,
    store: Arc<QueuedStore>,
    is_cut: Arc<AtomicBool>,
    fuse: Arc<AtomicI64>,
}

impl World {
    fn new(seed: u64) -> Result<Self> {
        let mut random = Random::new(seed);
        let memory = std::path::Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => TempDir::new_in(memory),
            false => TempDir::new(),
        };
        let folder = folder.context("make the folder of a world")?;
        let path = folder.path().join("world.db");
        let host = HostLock::take(&path)?;
        let sqlite = Arc::new(SqliteStore::open(&path, &host)?);
        let plan = Plan::of(&mut random);
        let of_parts = vec![None; plan.parts.len()];
        let mut world = Self {
            seed,
            engine: None,
            lock: host,
            path,
            _folder: folder,
            clock: Arc::new(ManualClock::at(BEGIN)),
            helper: Arc::default(),
            deeds: plan.deeds.iter().cloned().collect(),
            plan,
            first_of_boot: sqlite.lease().context("it was opened for writing")?,
            sqlite,
            answers: Arc::new(Mutex::new(Answers { of_parts, ..Answers::default() })),
            troubles_left: random.below(9),
            disk_until: None,
            is_refusing: false,
            random,
            violations: Vec::new(),
            trace: Vec::new(),
            happenings: 0,
            crashes: 0,
            troubles: 0,
        };
        world.store_child()?;
        world.open()?;
        Ok(world)
    }

    /// The chain that the others call is there from the beginning.
    fn store_child(&self) -> Result<()> {
        let lease = self.sqlite.lease().context("it was opened for writing")?;
        let (sender, written) = std::sync::mpsc::channel();
        let version = plan::child();
        let records = vec![
            Record::Version { version, number: 1, at: BEGIN, actor: Actor::new("world") },
            Record::NextNumber(2),
        ];
        let commit = Commit { lease, records, append: None };
        self.sqlite.submit(commit, Box::new(move |result| drop(sender.send(result))));
        written.recv().context("the writer is there")?.context("store the child")
    }

    fn script(&self) -> Script {
        let answers = Arc::clone(&self.answers);
        let parts = self.plan.parts.clone();
        let sqlite = Arc::clone(&self.sqlite);
        Arc::new(move |execution, address, number| {
            let of_part = lock(&answers).of_parts.iter().position(|of| *of == Some(execution));
            // One whose start was not heard of is known by its chain.
            let of_part = of_part.or_else(|| {
                let version = sqlite.execution(execution).ok()??.version;
                parts.iter().position(|part| part.version.digest == version)
            });
            match of_part {
                Some(part) => parts[part].script(address, number),
                None => (catena_testkit::sim::succeed(1), 5),
            }
        })
    }

    fn open(&mut self) -> Result<()> {
        let store = Arc::new(QueuedStore::new(Arc::clone(&self.sqlite)));
        store.set_refusing(self.disk_until.is_some() && self.is_refusing);
        let (is_cut, fuse) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(-1)));
        let link = Link {
            helper: Arc::clone(&self.helper),
            clock: Arc::clone(&self.clock),
            store: Arc::clone(&self.sqlite),
            script: self.script(),
            is_cut: Arc::clone(&is_cut),
            fuse: Arc::clone(&fuse),
        };
        let parts = Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            lease: self.sqlite.lease().context("it was opened for writing")?,
            first_of_boot: self.first_of_boot,
            path: &self.path,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            runner: Arc::new(link),
            slots: self.plan.slots,
            seed: self.seed,
            notify: Arc::new(|_| {}),
        };
        let engine = SteppedEngine::open(parts).context("open the engine of a world")?;
        let taken_up: Vec<String> = engine.recovered().iter().map(ToString::to_string).collect();
        engine.host_schedules();
        self.engine = Some(Running { engine, store, is_cut, fuse });
        self.note(&format!("an engine comes up and takes up [{}]", taken_up.join(", ")));
        Ok(())
    }

    fn happen(&mut self) -> Result<()> {
        let mut rounds = 0;
        loop {
            self.hear();
            if self.running().is_cut.load(Ordering::Relaxed) {
                self.crash("between two effects", false)?;
            }
            if self.happenings > HAPPENINGS_MAX {
                self.breach("4", "the world does not come to rest".to_owned());
                return Ok(());
            }
            self.happenings += 1;
            if self.troubles_left > 0 && self.random.one_in(TROUBLE_EVERY) {
                self.troubles_left -= 1;
                self.troubles += 1;
                let trouble = Trouble::draw(&mut self.random);
                self.befall(trouble)?;
                continue;
            }
            let all = self.possible();
            if !all.is_empty() {
                let next = all[self.random.place(all.len())];
                self.take(next);
            } else if let Some(at) = self.next_moment() {
                self.pass_until(at);
            } else if rounds < ROUNDS_MAX && self.look_after_what_waits() {
                rounds += 1;
            } else {
                return Ok(());
            }
        }
    }

    fn running(&mut self) -> &mut Running {
        self.engine.as_mut().expect("one is up between two happenings")
    }

    fn possible(&mut self) -> Vec<Next> {
        let passed = self.clock.passed();
        let deed = self.deeds.front().is_some_and(|(at, _)| *at <= passed);
        let told = lock(&self.helper).to_tell(passed);
        let running = self.running();
        let mut all = Vec::new();
        all.extend((running.store.waiting() > 0).then_some(Next::Write));
        all.extend((running.store.unanswered() > 0).then_some(Next::Answer));
        all.extend(running.engine.has_input().then_some(Next::Input));
        all.extend(running.engine.has_load().then_some(Next::Load));
        all.extend(running.engine.is_due().then_some(Next::Wake));
        all.extend(told.into_iter().map(Next::Told));
        all.extend(deed.then_some(Next::Deed));
        all
    }

    fn take(&mut self, next: Next) {
        match next {
            Next::Write => {
                let count = 1 + self.random.place(3);
                self.note(&format!("the store writes {count}"));
                self.running().store.write(count, Writing::Well);
            }
            Next::Answer => {
                self.note("the store answers");
                self.running().store.answer();
            }
            Next::Input => {
                self.note("the engine takes an input");
                self.running().engine.take_input();
            }
            Next::Load => {
                self.note("the loader reads");
                let running = self.running();
                running.store.set_awaited(true);
                running.engine.load();
                running.store.set_awaited(false);
            }
            Next::Wake => {
                self.note("the engine does what is due");
                self.running().engine.wake();
            }
            Next::Told(key) => self.tell_end(key),
            Next::Deed => {
                if let Some((_, deed)) = self.deeds.pop_front() {
                    self.do_deed(&deed);
                }
            }
        }
    }

    fn tell_end(&mut self, key: AttemptKey) {
        let answer = lock(&self.helper).tell(key);
        if let Some(answer) = answer {
            self.note(&format!("the helper tells that {key} has ended: {answer:?}"));
            self.running().engine.tell_end(key, answer);
        }
    }

    fn do_deed(&mut self, deed: &Deed) {
        let words = deed.words(&lock(&self.answers).of_parts);
        self.note(&format!("somebody says: {words}"));
        let actor = Actor::new("somebody");
        let answers = Arc::clone(&self.answers);
        match deed {
            Deed::Start(part) => {
                let (part, of) = (*part, &self.plan.parts[*part]);
                let mut request =
                    StartRequest::new(Arc::clone(&of.version), std::collections::BTreeMap::new(), actor);
                request.key.clone_from(&of.key);
                let reply = move |started: Result<catena_engine::Started, catena_engine::Error>| {
                    let mut answers = lock(&answers);
                    answers.lines.push(format!("part {part} is answered: {started:?}"));
                    if let Ok(started) = started {
                        answers.promised.starts.insert((part, started.execution));
                        answers.of_parts[part].get_or_insert(started.execution);
                    }
                };
                // A store that cannot be read refuses it.
                if let Err(error) = self.running().engine.start(request, reply) {
                    self.note(&format!("it is refused: {error}"));
                }
            }
            Deed::Schedule => self.schedule(actor, true),
            Deed::EndSchedule => {
                self.schedule(actor, false);
                // Until it is heard.
                let again = self.clock.passed() + Duration::from_millis(700);
                let rows = self.sqlite.schedules().unwrap_or_default();
                if rows.iter().any(|row| row.status != ScheduleStatus::Ended) {
                    self.deeds.push_back((again, Deed::EndSchedule));
                }
            }
            Deed::Tell(part, command) => {
                let Some(execution) = lock(&self.answers).of_parts[*part] else { return };
                self.say(execution, command.clone());
            }
        }
    }

    /// Stores the chain with its schedule, or without, which ends that.
    fn schedule(&mut self, actor: Actor, has_schedule: bool) {
        let Some((version, schedule)) = self.plan.scheduled.clone() else { return };
        let answers = Arc::clone(&self.answers);
        let reply = move |scheduled: Result<catena_engine::Scheduled, catena_engine::Error>| {
            lock(&answers)
                .lines
                .push(format!("the schedule is answered: {:?}", scheduled.map(|of| of.first)));
        };
        let request = ScheduleRequest {
            version,
            schedules: if has_schedule { vec![schedule] } else { Vec::new() },
            params: std::collections::BTreeMap::new(),
            actor,
            begin: Begin::AtInstant,
        };
        if let Err(error) = self.running().engine.schedule(request, reply) {
            self.note(&format!("it is refused: {error}"));
        }
    }

    fn say(&mut self, execution: ExecutionId, command: InboxCommand) {
        let answers = Arc::clone(&self.answers);
        let is_cancel = matches!(command, InboxCommand::Cancel { .. });
        let is_signal = matches!(command, InboxCommand::Signal { .. });
        let reply = move |told: Result<(), catena_engine::Error>| {
            let mut answers = lock(&answers);
            answers.lines.push(format!("execution {execution} answers: {told:?}"));
            if is_cancel && told.is_ok() {
                answers.promised.cancels.insert(execution);
            }
            if is_signal && told.is_ok() {
                *answers.promised.signals.entry(execution).or_default() += 1;
            }
        };
        self.running().engine.tell(execution, command, Actor::new("somebody"), reply);
    }

    /// Notes what was answered since.
    fn hear(&mut self) {
        let lines = std::mem::take(&mut lock(&self.answers).lines);
        lines.iter().for_each(|line| self.note(line));
    }

    /// When something happens by itself, in time that passes.
    fn next_moment(&mut self) -> Option<Duration> {
        let (passed, now) = (self.clock.passed(), self.clock.now());
        let (at, limit) = self.running().engine.next_due();
        let at = at.map(|at| passed + Duration::from_micros(at.micros_since(now)));
        let deed = self.deeds.front().map(|(at, _)| *at);
        let end = lock(&self.helper).next_end(passed);
        [at, limit, deed, end, self.disk_until].into_iter().flatten().min()
    }

    fn pass_until(&mut self, at: Duration) {
        self.clock.advance(at.saturating_sub(self.clock.passed()));
        self.note("time passes");
        if self.disk_until.is_some_and(|until| until <= at) {
            (self.disk_until, self.is_refusing) = (None, false);
            self.running().store.set_refusing(false);
            self.running().store.set_blind(false);
            self.note("the disk works again");
        }
    }

    fn befall(&mut self, trouble: Trouble) -> Result<()> {
        let passed = self.clock.passed();
        match trouble {
            Trouble::Crash => return self.crash("the engine is killed", false),
            Trouble::PowerCut => return self.crash("the power is cut", true),
            Trouble::CrashMidway => {
                let after = i64::try_from(self.random.below(4)).unwrap_or(0);
                self.note(&format!("the engine is about to be killed, after {after} effects"));
                self.running().fuse.store(after, Ordering::Relaxed);
            }
            Trouble::HelperDies => {
                self.note("the helper is killed");
                lock(&self.helper).die(passed);
            }
            Trouble::DiskRefuses => {
                self.note("the disk takes nothing");
                self.running().store.set_refusing(true);
                self.fail_disk(true);
            }
            Trouble::DiskLies => {
                self.note("the disk takes what it says it does not");
                let waiting = self.running().store.waiting();
                self.running().store.write(waiting, Writing::Unsaid);
                self.running().store.set_refusing(true);
                self.fail_disk(true);
            }
            Trouble::DiskBlind => {
                self.note("the disk gives nothing");
                self.running().store.set_blind(true);
                self.fail_disk(false);
            }
            Trouble::ClockSet => {
                let by = i64::try_from(self.random.below(7_200_000_000)).unwrap_or(0) - 3_600_000_000;
                self.clock.set(Timestamp(self.clock.now().0 + by));
                self.note(&format!("the clock is set by {by} µs"));
            }
            Trouble::ToldTwice => {
                let told = lock(&self.helper).told();
                if !told.is_empty() {
                    let place = self.random.place(told.len());
                    self.tell_end(told[place]);
                }
            }
        }
        Ok(())
    }

    fn fail_disk(&mut self, refuses: bool) {
        self.is_refusing |= refuses;
        let lasts = Duration::from_millis(1 + self.random.below(3_000));
        self.disk_until = Some(self.clock.passed() + lasts);
    }

    fn crash(&mut self, how: &str, with_power: bool) -> Result<()> {
        self.crashes += 1;
        self.note(how);
        // What is not written, and what is not answered, goes with the engine.
        if let Some(running) = self.engine.take() {
            running.is_cut.store(true, Ordering::Relaxed);
        }
        self.sqlite.close();
        lock(&self.helper).disconnect();
        if with_power {
            lock(&self.helper).power_off();
        }
        if self.random.one_in(3) {
            let later = Duration::from_millis(self.random.below(500));
            self.clock.advance(later);
        }
        self.sqlite = Arc::new(SqliteStore::open(&self.path, &self.lock)?);
        if with_power {
            self.first_of_boot = self.sqlite.lease().context("it was opened for writing")?;
        }
        // A disk that takes nothing does so after a restart; one that gives nothing lets no engine come up.
        if !self.is_refusing {
            self.disk_until = None;
        }
        self.open()
    }

    /// People answer what waits for them. False if nothing does.
    fn look_after_what_waits(&mut self) -> bool {
        let filter = ExecutionFilter { unfinished_only: true, ..ExecutionFilter::default() };
        let rows = self.sqlite.executions(&filter).unwrap_or_default();
        let mut said = BTreeSet::new();
        for row in rows {
            let entries = self.sqlite.journal(row.id, 0).unwrap_or_default();
            let Some(state) = fold(&self.sqlite, row.id, &entries) else { continue };
            let asks = state.visits().find_map(|(no, visit)| Some((no, visit.question()?)));
            let command = match (asks, state.status()) {
                (Some((visit, question)), _) => {
                    self.forget_end_of(row.id);
                    let resolution = match (question, self.random.below(3)) {
                        (Question::UndoFailed, 0) | (_, 1) => Resolution::Completed { value: None },
                        (Question::UndoFailed, _) | (_, 0) => Resolution::RunAgain {},
                        _ => Resolution::Failed {},
                    };
                    if matches!(resolution, Resolution::RunAgain {}) {
                        lock(&self.helper).forgive(row.id, visit);
                    }
                    InboxCommand::Resolve { visit, resolution }
                }
                (None, ExecutionStatus::Paused) => InboxCommand::Resume {},
                // A step that waits for a signal which nobody sends, without a limit.
                (None, ExecutionStatus::Waiting)
                    if state.agenda().next_timer().is_none() && !state.is_at_work() =>
                {
                    InboxCommand::Cancel { rollback: false, force: false }
                }
                _ => continue,
            };
            self.note(&format!("somebody says to execution {}: {command:?}", row.id));
            self.say(row.id, command);
            said.insert(row.id);
        }
        !said.is_empty()
    }

    /// What a person has answered has an end of its own, and so has who called it.
    fn forget_end_of(&mut self, execution: ExecutionId) {
        let mut of = Some(execution);
        while let Some(id) = of {
            let version = self.sqlite.execution(id).ok().flatten().map(|row| row.version);
            for part in &mut self.plan.parts {
                part.has_one_end &= version.as_ref() != Some(&part.version.digest);
            }
            let entries = self.sqlite.journal(id, 0).unwrap_or_default();
            of = match entries.first().map(|entry| &entry.event) {
                Some(Event::ExecutionCreated {
                    trigger: Trigger::Call { parent, .. } | Trigger::Undo { parent, .. },
                    ..
                }) => Some(*parent),
                _ => None,
            };
        }
    }

    fn end(mut self) -> Result<Report> {
        self.hear();
        drop(self.engine.take());
        self.sqlite.close();
        let sqlite = SqliteStore::open_for_reading(&self.path)?;
        let executions = sqlite.executions(&ExecutionFilter::default())?.len();
        let promised = std::mem::take(&mut lock(&self.answers).promised);
        let mut violations = std::mem::take(&mut self.violations);
        let attempts = {
            let mut helper = lock(&self.helper);
            violations.append(&mut helper.violations);
            helper.starts
        };
        violations.extend(judge(&sqlite, &self.plan.parts, &promised));
        Ok(Report {
            seed: self.seed,
            violations,
            trace: self.trace,
            happenings: self.happenings,
            crashes: self.crashes,
            troubles: self.troubles,
            attempts,
            executions,
        })
    }

    fn note(&mut self, what: &str) {
        let line = format!("{:>12} {what}", ms(self.clock.passed()));
        self.trace.push(line);
    }

    fn breach(&mut self, promise: &'static str, what: String) {
        self.violations.push(Violation { promise, what });
    }
}
