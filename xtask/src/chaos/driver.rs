//! The driver: starts chains with keys, kills the engine, and only the engine, at moments from the seed, and
//! starts it again. Everything is chosen by the seed before a round begins; only time is left to the machine.

use std::{
    collections::BTreeMap,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use catena_core::{Event, event::Answer, status::ExecutionStatus};
use catena_store::{ExecutionFilter, Store, sqlite::SqliteStore};
use rustix::process::Signal;

use super::{
    chains::{CHILD, Draft, KEEPER, Kind, Reporting, Ticks},
    engine::{Engines, Heard, Purpose, Site},
    helper, ledger,
    options::Options,
    oracle,
    random::Random,
    round::{HelperFate, Moment, Order, Orders, Round, RoundClock},
    verdict::{self, Outcome, Promise, Violation},
};
use crate::cargo::cargo;

/// Unfinished executions beyond which no more are started.
const LIVE_MAX: usize = 6;
/// What is unfinished after the last kill has this long to end.
const END_MAX: Duration = Duration::from_secs(45);
/// With a fault planted something may well never end.
const END_MAX_FAULTY: Duration = Duration::from_secs(20);
/// Rounds without an engine that comes up, after which there is no point in going on.
const DEAD_ROUNDS_MAX: u32 = 4;

/// A start, from the first time it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) key: String,
    pub(super) kind: Kind,
    pub(super) file: PathBuf,
    /// The number that was acknowledged.
    pub(super) acknowledged: Option<u64>,
    /// Asked for, and neither answered nor refused.
    pending: bool,
}

/// When what was killed, in microseconds since 1970.
#[derive(Clone, Debug, Default)]
pub(super) struct Kills {
    pub(super) engines: Vec<i64>,
    pub(super) helpers: Vec<i64>,
}

/// What is known when all is over, for the verdict.
pub(super) struct Account {
    pub(super) store: PathBuf,
    pub(super) home: PathBuf,
    pub(super) ledger: PathBuf,
    pub(super) effects: PathBuf,
    pub(super) starts: Vec<Start>,
    pub(super) cancelled: Vec<u64>,
    /// Executions of which an answer to a question was acknowledged.
    pub(super) answered: Vec<u64>,
    pub(super) kills: Kills,
    /// What was found wrong on the way.
    pub(super) violations: Vec<Violation>,
}

/// Runs the test and gives the verdict; the folder stays if there is something to see in it.
pub(super) fn run(options: &Options, fault: Option<&str>) -> Result<Outcome> {
    let work =
        std::env::temp_dir().join(format!("catena-chaos-{}-{}", std::process::id(), fault.unwrap_or("none")));
    for folder in ["home", "chains", "effects", "oracle"] {
        std::fs::create_dir_all(work.join(folder))?;
    }
    let catena = build(&work)?;
    let site = Site { home: work.join("home"), catena, fault: fault.map(str::to_owned), work: work.clone() };
    let mut driver = Driver::new(site, options)?;
    driver.kill_often(options.kills())?;
    driver.let_end()?;
    let account = driver.finish()?;
    let outcome = verdict::of(&account)?;
    if options.keep || (!outcome.violations.is_empty() && fault.is_none()) {
        eprintln!("everything of this run is in {}", work.display());
    } else {
        std::fs::remove_dir_all(&work)?;
    }
    Ok(outcome)
}

/// `catena` with the faults in it, copied so that nothing replaces it while the test runs.
fn build(work: &Path) -> Result<PathBuf> {
    let mut build = cargo(&["build", "--quiet", "--package", "catena", "--features", "faults"]);
    let status = build.status().context("cannot run cargo")?;
    ensure!(status.success(), "catena does not build");
    // This program lies beside it.
    let built = std::env::current_exe()?.with_file_name("catena");
    let own = work.join("catena");
    std::fs::copy(&built, &own).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(own)
}

struct Driver {
    site: Site,
    engines: Engines,
    oracle: Child,
    reports: Tail,
    reporting: Reporting,
    random: Random,
    kinds: usize,
    keeper: PathBuf,
    stop: PathBuf,
    tick: PathBuf,
    /// Executions that were asked to pause, and not to go on.
    held: Vec<u64>,
    keeper_number: Option<u64>,
    starts: Vec<Start>,
    cancelled: Vec<u64>,
    answered: Vec<u64>,
    logs: BTreeMap<PathBuf, u64>,
    kills: Kills,
    violations: Vec<Violation>,
    end_max: Duration,
    /// The last thing that a process said which ended by itself without success.
    last_complaint: Option<String>,
}

/// `Purpose::Start` of the keeper, which stands in no list.
const KEEPER_START: usize = usize::MAX;

impl Driver {
    fn new(site: Site, options: &Options) -> Result<Self> {
        // A copy, too: whoever builds meanwhile replaces the original.
        let program = site.work.join("xtask");
        std::fs::copy(std::env::current_exe()?, &program).context("cannot copy this program")?;
        let folder = site.work.join("oracle");
        let oracle = Command::new(&program)
            .args(["chaos", "oracle"])
            .args([&folder, &site.store()])
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start the oracle")?;
        let reporting =
            Reporting { program, socket: folder.join(oracle::SOCKET), effects: site.work.join("effects") };
        let begun = Instant::now();
        while !reporting.socket.exists() {
            ensure!(begun.elapsed() < Duration::from_secs(10), "the oracle does not listen");
            std::thread::sleep(Duration::from_millis(2));
        }
        let stop = site.work.join("stop");
        let keeper =
            Draft::keeper(&stop, options.kills(), &reporting).write(&site.work.join("chains"), KEEPER)?;
        let child = Draft::child(&reporting).write(&site.work.join("chains"), CHILD)?;
        let stored = site.command().args(["chain", "create"]).arg(child).status()?;
        ensure!(stored.success(), "the chain that others call is not stored");
        let tick = Draft::ticking(Ticks::EverySecond, &reporting).write(&site.work.join("chains"), "tick")?;
        Ok(Self {
            tick,
            held: Vec::new(),
            engines: Engines::new(site.clone()),
            reports: Tail { path: folder.join(oracle::LEDGER), at: 0 },
            end_max: if site.fault.is_some() { END_MAX_FAULTY } else { END_MAX },
            random: Random::new(options.seed),
            site,
            oracle,
            reporting,
            kinds: 0,
            keeper,
            stop,
            keeper_number: None,
            starts: Vec::new(),
            cancelled: Vec::new(),
            answered: Vec::new(),
            logs: BTreeMap::new(),
            kills: Kills::default(),
            violations: Vec::new(),
            last_complaint: None,
        })
    }

    fn kill_often(&mut self, kills: u32) -> Result<()> {
        let mut dead_rounds = 0;
        // A round whose engine ends before its moment counts for nothing.
        for number in 0.. {
            if self.kills() >= kills {
                break;
            }
            let round = Round::draw(number, &mut self.kinds, &mut self.random, &self.reporting);
            let killed = self.live_through(round)?;
            dead_rounds = if killed { 0 } else { dead_rounds + 1 };
            self.look_at_logs()?;
            if dead_rounds == DEAD_ROUNDS_MAX {
                let said = self.last_complaint.clone().unwrap_or_default();
                self.violate(Promise::Survives, "the engine comes up", said);
                return Ok(());
            }
            if (number + 1) % 10 == 0 {
                eprintln!("  {} of {kills} kills, {} starts", self.kills(), self.starts.len());
            }
        }
        Ok(())
    }

    /// One life of the engine; whether there was one to kill.
    fn live_through(&mut self, round: Round) -> Result<bool> {
        let mut orders = self.orders(&round)?;
        let mut clock = RoundClock::new(round.moment);
        self.reports.skip()?;
        loop {
            while let Some((_, order)) = orders.pop_first_due(clock.begun.elapsed()) {
                self.carry_out(order)?;
            }
            if clock.has_come(self.reports.count()?) {
                break;
            }
            if let Some(Heard::Started(purpose, _)) = self.hear(Duration::from_millis(1))? {
                clock.acknowledged(purpose != Purpose::Start(KEEPER_START));
            }
        }
        if round.helper == HelperFate::KilledToo {
            self.kill_helper()?;
        }
        let killed = match round.moment {
            Moment::Overtaken(held) => self.overtake(held, round.late.as_ref())?,
            _ => self.kill_host()?,
        };
        self.hear_for(round.pause)?;
        Ok(killed)
    }

    fn orders(&mut self, round: &Round) -> Result<Orders> {
        let mut orders = Orders::default();
        // Whoever got no answer asks again, with the same key.
        for (number, start) in self.starts.iter().enumerate() {
            if start.acknowledged.is_none() && !start.pending {
                orders.add(Duration::ZERO, Order::Start(number));
            }
        }
        if let Some(which) = round.repeat.filter(|_| !self.starts.is_empty()) {
            let number = which as usize % self.starts.len();
            orders.add(Duration::from_millis(150), Order::Start(number));
        }
        if self.unfinished().len() < LIVE_MAX {
            for (delay, draft) in &round.starts {
                let number = self.add_start(draft)?;
                let delay = if round.is_direct { Duration::ZERO } else { *delay };
                orders.add(delay, Order::Start(number));
            }
        }
        let keeper_delay = if round.is_direct { 5 } else { 0 };
        orders.add(Duration::from_millis(keeper_delay), Order::Start(KEEPER_START));
        if let Some((delay, which)) = round.cancel {
            orders.add(delay, Order::Cancel(which));
        }
        if !self.held.is_empty() {
            orders.add(Duration::from_millis(500), Order::Resume);
        }
        if let Some((delay, which)) = round.hold {
            orders.add(delay, Order::Pause(which));
        }
        if let Some((delay, which)) = round.answer {
            orders.add(delay, Order::Answer(which));
        }
        if let Some(delay) = round.tick {
            orders.add(delay, Order::Tick);
        }
        if let HelperFate::Killed(delay) = round.helper {
            orders.add(delay, Order::KillHelper);
        }
        Ok(orders)
    }

    fn add_start(&mut self, draft: &Draft) -> Result<usize> {
        let number = self.starts.len();
        let key = format!("chain-{number}");
        let file = draft.write(&self.site.work.join("chains"), &key)?;
        self.starts.push(Start { key, kind: draft.kind, file, acknowledged: None, pending: false });
        Ok(number)
    }

    fn carry_out(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Start(KEEPER_START) => {
                self.engines.run(Purpose::Start(KEEPER_START), &self.keeper, KEEPER)?;
            }
            Order::Start(number) => {
                let start = &mut self.starts[number];
                start.pending = true;
                self.engines.run(Purpose::Start(number), &start.file, &start.key)?;
            }
            Order::Cancel(which) => {
                let unfinished = self.unfinished();
                if !unfinished.is_empty() {
                    self.engines.cancel(unfinished[which as usize % unfinished.len()])?;
                }
            }
            Order::Answer(which) => {
                let waiting = self.unfinished_with(|status| status == ExecutionStatus::Waiting);
                if !waiting.is_empty() {
                    let execution = waiting[which as usize % waiting.len()];
                    self.engines.answer(execution)?;
                    self.engines.say(execution)?;
                }
            }
            Order::KillHelper => self.kill_helper()?,
            Order::Tick => drop(self.engines.tick(&self.tick)?),
            Order::Pause(which) => {
                let unfinished = self.unfinished();
                if !unfinished.is_empty() {
                    let execution = unfinished[which as usize % unfinished.len()];
                    self.engines.steer("pause", execution)?;
                    self.held.push(execution);
                }
            }
            Order::Resume => {
                for execution in std::mem::take(&mut self.held) {
                    self.engines.steer("resume", execution)?;
                }
            }
        }
        Ok(())
    }

    /// Executions that have not ended, as far as can be seen from here; without the keeper.
    fn unfinished(&self) -> Vec<u64> {
        self.unfinished_with(|_| true)
    }

    fn unfinished_with(&self, is_meant: impl Fn(ExecutionStatus) -> bool) -> Vec<u64> {
        let filter = ExecutionFilter { unfinished_only: true, ..ExecutionFilter::default() };
        let rows =
            SqliteStore::open_for_reading(&self.site.store()).and_then(|store| store.executions(&filter));
        let rows = rows.unwrap_or_default();
        // What is done to a part of an execution would be its failure.
        let is_whole = |chain: &str| chain != KEEPER && chain != CHILD;
        let meant = rows.iter().filter(|row| is_whole(&row.chain) && is_meant(row.status));
        meant.map(|row| row.id.0).collect()
    }

    fn hear(&mut self, patience: Duration) -> Result<Option<Heard>> {
        let heard = self.engines.hear(patience)?;
        match &heard {
            None => {}
            Some(Heard::Started(purpose, execution)) => self.started(*purpose, *execution),
            Some(Heard::Left { purpose, status, was_killed, said }) => {
                match purpose {
                    Purpose::Start(number) => {
                        if let Some(start) = self.starts.get_mut(*number) {
                            start.pending = false;
                        }
                    }
                    Purpose::Cancel { execution } if status.success() => self.cancelled.push(*execution),
                    Purpose::Answer { execution } if status.success() => self.answered.push(*execution),
                    Purpose::Cancel { .. } | Purpose::Answer { .. } | Purpose::Steer | Purpose::Tick => {}
                }
                let said = said.iter().rev().take(6).rev().cloned().collect::<Vec<_>>().join(" | ");
                if status.code() == Some(70) || said.contains("panicked at") {
                    let detail = format!("a process of {purpose:?} left with {status}: {said}");
                    self.violate(Promise::Survives, "no panic", detail);
                } else if !was_killed && !status.success() {
                    self.last_complaint = Some(format!("{status}: {said}"));
                }
            }
        }
        Ok(heard)
    }

    fn started(&mut self, purpose: Purpose, execution: u64) {
        let Purpose::Start(number) = purpose else { return };
        let (key, known) = match self.starts.get_mut(number) {
            Some(start) => (start.key.clone(), &mut start.acknowledged),
            None => (KEEPER.to_owned(), &mut self.keeper_number),
        };
        let before = *known.get_or_insert(execution);
        if before != execution {
            let detail = format!("the key {key} was answered with {before}, later with {execution}");
            self.violate(Promise::Survives, "one execution per key", detail);
        }
    }

    fn hear_for(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.hear(until.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// Kills the process that hosts the store, by its own id; whether there was one.
    fn kill_host(&mut self) -> Result<bool> {
        let begun = Instant::now();
        loop {
            if let Some(host) = self.engines.host() {
                self.kill(host)?;
                return Ok(true);
            }
            if begun.elapsed() > Duration::from_millis(500) {
                return Ok(false);
            }
            self.hear(Duration::from_millis(2))?;
        }
    }

    fn kills(&self) -> u32 {
        u32::try_from(self.kills.engines.len()).unwrap_or(u32::MAX)
    }

    /// What runs is lost with it: the engine makes it again once the next helper has seen the rest of it dead.
    fn kill_helper(&mut self) -> Result<()> {
        let at = ledger::now_us();
        if self.is_nearly_quarantined() {
            return Ok(());
        }
        if helper::kill(&self.site)? {
            self.kills.helpers.push(at);
        }
        Ok(())
    }

    /// Whether one more loss would put a step into quarantine, where it would wait for a person.
    fn is_nearly_quarantined(&self) -> bool {
        let filter = ExecutionFilter { unfinished_only: true, ..ExecutionFilter::default() };
        let Ok(store) = SqliteStore::open_for_reading(&self.site.store()) else { return true };
        let Ok(rows) = store.executions(&filter) else { return true };
        let mut losses: BTreeMap<(u64, u32), u32> = BTreeMap::new();
        for row in rows {
            for entry in store.journal(row.id, 0).unwrap_or_default() {
                match entry.event {
                    Event::AttemptEnded { visit, answer: Answer::Lost { .. }, .. } => {
                        *losses.entry((row.id.0, visit.0)).or_default() += 1;
                    }
                    Event::AttemptEnded { visit, .. } => drop(losses.remove(&(row.id.0, visit.0))),
                    _ => {}
                }
            }
        }
        losses.values().any(|count| *count >= 2)
    }

    fn kill(&mut self, pid: u32) -> Result<()> {
        self.kills.engines.push(ledger::now_us());
        self.engines.signal(pid, Signal::KILL)?;
        let begun = Instant::now();
        while self.engines.pids().contains(&pid) {
            ensure!(begun.elapsed() < Duration::from_secs(10), "process {pid} does not die");
            self.hear(Duration::from_millis(2))?;
        }
        Ok(())
    }

    /// The host is held up, another one takes the store, the first wakes up and must not write any more.
    fn overtake(&mut self, held: Duration, late: Option<&Draft>) -> Result<bool> {
        let Some(first) = self.engines.host() else { return Ok(false) };
        self.engines.signal(first, Signal::STOP)?;
        // Knocks at the first one's door, and is let in by it when it wakes up.
        if let Some(late) = late {
            let number = self.add_start(late)?;
            self.carry_out(Order::Start(number))?;
        }
        self.hear_for(Duration::from_millis(80))?;
        let second = self.engines.overtake(Purpose::Start(KEEPER_START), &self.keeper, KEEPER)?;
        self.hear_for(held)?;
        self.engines.signal(first, Signal::CONT)?;
        self.hear_for(Duration::from_millis(1_000))?;
        for pid in [first, second] {
            if self.engines.pids().contains(&pid) {
                self.kill(pid)?;
            }
        }
        Ok(true)
    }

    /// Logs only grow.
    fn look_at_logs(&mut self) -> Result<()> {
        let seen = verdict::log_sizes(&self.site.home)?;
        let shrunk: Vec<String> = self
            .logs
            .iter()
            .filter(|(path, size)| seen.get(*path).copied().unwrap_or(0) < **size)
            .map(|(path, size)| format!("{} had {size} bytes and has fewer", path.display()))
            .collect();
        for detail in shrunk {
            self.violate(Promise::EndsOnce, "logs only grow", detail);
        }
        self.logs = seen;
        Ok(())
    }

    /// After the last kill everything ends by itself, in an engine that nobody disturbs.
    fn let_end(&mut self) -> Result<()> {
        std::fs::write(&self.stop, "")?;
        self.end_ticks()?;
        let begun = Instant::now();
        let mut is_asked = false;
        let mut resumed = 0;
        loop {
            // A pause may have been carried out after the resume, and a resume may have been killed.
            if begun.elapsed().as_secs() >= resumed {
                resumed = begun.elapsed().as_secs() + 2;
                self.held = self.unfinished_with(|status| status == ExecutionStatus::Paused);
                self.carry_out(Order::Resume)?;
                // Kills of the helper can lose one step three times: a person has it run again.
                for execution in self.unfinished_with(|status| status == ExecutionStatus::Quarantined) {
                    self.engines.run_again(execution)?;
                }
            }
            let unanswered: Vec<usize> =
                (0..self.starts.len()).filter(|number| self.starts[*number].acknowledged.is_none()).collect();
            if is_asked && self.engines.pids().is_empty() && unanswered.is_empty() && self.all_ended() {
                break;
            }
            if begun.elapsed() > self.end_max {
                let left = self.unfinished();
                let detail = format!(
                    "not ended {:?} after the last kill: {left:?}; unanswered {unanswered:?}, processes {:?}; {}",
                    self.end_max,
                    self.engines.pids(),
                    self.last_complaint.as_deref().unwrap_or_default()
                );
                self.violate(Promise::NothingForgotten, "everything ends", detail);
                break;
            }
            if self.engines.pids().is_empty() {
                self.carry_out(Order::Start(KEEPER_START))?;
                for number in unanswered {
                    self.carry_out(Order::Start(number))?;
                }
                is_asked = true;
            }
            self.hear_for(Duration::from_millis(100))?;
        }
        self.look_at_logs()
    }

    /// The schedule ends with a version of its chain that has none. Before, whoever would store the other one again is
    /// gone.
    fn end_ticks(&mut self) -> Result<()> {
        for pid in self.engines.of_tick() {
            self.kill(pid)?;
        }
        let number = self.add_start(&Draft::ticking(Ticks::NoMore, &self.reporting))?;
        self.carry_out(Order::Start(number))
    }

    fn all_ended(&self) -> bool {
        let filter = ExecutionFilter { unfinished_only: true, ..ExecutionFilter::default() };
        let rows =
            SqliteStore::open_for_reading(&self.site.store()).and_then(|store| store.executions(&filter));
        rows.is_ok_and(|rows| rows.is_empty())
    }

    fn finish(mut self) -> Result<Account> {
        // Processes that are dying get the time to be seen dead.
        self.hear_for(Duration::from_millis(700))?;
        for pid in self.engines.pids() {
            self.engines.signal(pid, Signal::KILL)?;
        }
        self.hear_for(Duration::from_millis(100))?;
        let ledger = self.reports.path.clone();
        let living = ledger::read(&ledger)?.into_iter().filter(|life| life.died.is_none());
        for life in living {
            let who = &life.who;
            let detail = format!("{} {}.{}, process {}", who.execution, who.address, who.attempt, who.pid);
            self.violate(Promise::EndsOnce, "no process is left", detail);
            end_process(who.pid);
        }
        drop(self.oracle.stdin.take());
        self.oracle.wait()?;
        Ok(Account {
            store: self.site.store(),
            home: self.site.home.clone(),
            ledger,
            effects: self.reporting.effects.clone(),
            starts: self.starts,
            cancelled: self.cancelled,
            answered: self.answered,
            kills: self.kills,
            violations: self.violations,
        })
    }

    fn violate(&mut self, promise: Promise, check: &'static str, detail: String) {
        self.violations.push(Violation { promise, check, detail });
    }
}

/// A process that the oracle still hears: its number is its own as long as the connection stands.
fn end_process(pid: u32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid.cast_signed()) {
        // Dead by now is as good.
        let _gone = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Counts what the oracle writes.
struct Tail {
    path: PathBuf,
    at: u64,
}

impl Tail {
    fn skip(&mut self) -> Result<()> {
        self.at = std::fs::metadata(&self.path)?.len();
        Ok(())
    }

    fn count(&mut self) -> Result<u32> {
        let mut file = std::fs::File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.at))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(u32::try_from(text.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX))
    }
}
