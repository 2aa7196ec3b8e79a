//! The helper of a world: it has the attempts that run, outlives engines, and keeps account of what it was asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use catena_core::{
    Event, ExecutionId, State, Timestamp, VisitNo,
    chain::EffectKind,
    event::{Answer, Trigger},
};
use catena_engine::{Clock, ManualClock};
use catena_runners::{Attempt, AttemptKey, Beginning, StepRunner};
use catena_store::{Entry, Store, sqlite::SqliteStore};

use crate::verdict::Violation;

/// How an attempt ends and how long it takes in milliseconds, by its address and the how manieth try it is.
pub(crate) type Script = Arc<dyn Fn(ExecutionId, &str, u32) -> (Answer, u64) + Send + Sync>;

/// One attempt that was started, as long as its end may have to be told.
#[derive(Debug)]
struct Process {
    lease: u64,
    ends_at: Duration,
    answer: Answer,
    /// It ends by itself, or was stopped; nobody can stop it any more.
    has_ended: bool,
    /// The engine that is there has asked for it, and was told its end so often.
    told: Option<u32>,
}

#[derive(Default)]
pub(crate) struct Helper {
    processes: BTreeMap<AttemptKey, Process>,
    /// Every attempt that was ever started here.
    started: BTreeSet<AttemptKey>,
    /// Visits of which an attempt was lost.
    lost: BTreeSet<(ExecutionId, VisitNo)>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) starts: u64,
}

impl Helper {
    /// Attempts of which the engine is to be told that they have ended.
    pub(crate) fn to_tell(&self, passed: Duration) -> Vec<AttemptKey> {
        let is_to_tell = |process: &Process| process.told == Some(0) && process.ends_at <= passed;
        self.processes.iter().filter(|(_, process)| is_to_tell(process)).map(|(key, _)| *key).collect()
    }

    /// Those that were told already, and can be told once more.
    pub(crate) fn told(&self) -> Vec<AttemptKey> {
        let is_told = |process: &Process| process.told.is_some_and(|times| times > 0);
        self.processes.iter().filter(|(_, process)| is_told(process)).map(|(key, _)| *key).collect()
    }

    pub(crate) fn next_end(&self, passed: Duration) -> Option<Duration> {
        let ends = self.processes.values().filter(|process| process.told == Some(0));
        ends.map(|process| process.ends_at).filter(|at| *at > passed).min()
    }

    /// The end of an attempt, to be told now.
    pub(crate) fn tell(&mut self, key: AttemptKey) -> Option<Answer> {
        let process = self.processes.get_mut(&key)?;
        process.has_ended = true;
        process.told = process.told.map(|times| times + 1);
        Some(process.answer.clone())
    }

    /// The engine has gone: what runs goes on.
    pub(crate) fn disconnect(&mut self) {
        self.processes.values_mut().for_each(|process| process.told = None);
    }

    /// The machine goes down, and all that runs on it.
    pub(crate) fn power_off(&mut self) {
        self.processes.clear();
    }

    /// The helper is killed with all that it has started; the next one knows what that was.
    pub(crate) fn die(&mut self, passed: Duration) {
        for (key, process) in &mut self.processes {
            if process.has_ended || process.ends_at <= passed {
                continue;
            }
            self.lost.insert((key.execution, key.visit));
            process.ends_at = passed;
            process.has_ended = true;
            process.answer = Answer::Lost { message: "the helper was killed".into() };
        }
    }

    /// A person wants it to run again.
    pub(crate) fn forgive(&mut self, execution: ExecutionId, visit: VisitNo) {
        self.lost.remove(&(execution, visit));
    }

    fn breach(&mut self, promise: &'static str, what: String) {
        self.violations.push(Violation { promise, what });
    }
}

/// What one engine has of the helper.
pub(crate) struct Link {
    pub(crate) helper: Arc<Mutex<Helper>>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) script: Script,
    /// The engine is down: what it still says is not heard.
    pub(crate) is_cut: Arc<AtomicBool>,
    /// After so many words more it goes down; below zero it does not.
    pub(crate) fuse: Arc<AtomicI64>,
}

impl Link {
    /// Whether the engine is still there to say this.
    fn is_heard(&self) -> bool {
        match self.fuse.load(Ordering::Relaxed) {
            0 => self.is_cut.store(true, Ordering::Relaxed),
            left if left > 0 => self.fuse.store(left - 1, Ordering::Relaxed),
            _ => {}
        }
        !self.is_cut.load(Ordering::Relaxed)
    }

    fn helper(&self) -> MutexGuard<'_, Helper> {
        lock(&self.helper)
    }

    fn spawn(&self, attempt: &Attempt) {
        let key = attempt.key;
        let entries = self.store.journal(key.execution, 0).unwrap_or_default();
        self.account(attempt, &entries);
        let (answer, takes_ms) = self.outcome(attempt, &entries);
        let limit_ms = attempt.step().timeout_ms.filter(|limit| *limit < takes_ms);
        let (answer, takes_ms) = match limit_ms {
            Some(limit_ms) => (Answer::TimedOut { limit_ms }, limit_ms),
            None => (answer, takes_ms),
        };
        let ends_at = self.clock.passed() + Duration::from_millis(takes_ms);
        let process = Process { lease: attempt.lease, ends_at, answer, has_ended: false, told: Some(0) };
        let mut helper = self.helper();
        helper.starts += 1;
        helper.processes.insert(key, process);
    }

    /// What must hold of every start.
    fn account(&self, attempt: &Attempt, entries: &[Entry]) {
        let key = attempt.key;
        let passed = self.clock.passed();
        let mut helper = self.helper();
        let is_journalled = entries.iter().any(|entry| {
            matches!(entry.event, Event::AttemptStarted { visit, attempt }
                if (visit, attempt) == (key.visit, key.attempt))
        });
        if !is_journalled {
            helper.breach("2", format!("attempt {key} runs and is not in the journal"));
        }
        if entries.iter().any(|entry| matches!(entry.event, Event::ExecutionEnded { .. })) {
            helper.breach("3", format!("attempt {key} starts after the end of its execution"));
        }
        let is_alive = |process: &Process| !process.has_ended && process.ends_at > passed;
        let beside = helper.processes.iter().find(|(other, process)| {
            (other.execution, other.visit) == (key.execution, key.visit) && is_alive(process)
        });
        if let Some((other, _)) = beside {
            let what = format!("attempt {key} starts while {other} is alive");
            helper.breach("2", what);
        }
        if !helper.started.insert(key) {
            helper.breach("2", format!("attempt {key} runs twice"));
        }
        let is_once = attempt.step().effect == EffectKind::AtMostOnce;
        if is_once && helper.lost.contains(&(key.execution, key.visit)) {
            helper.breach(
                "law",
                format!("attempt {key} of a step that may run once starts after one was lost"),
            );
        }
    }

    fn outcome(&self, attempt: &Attempt, entries: &[Entry]) -> (Answer, u64) {
        let key = attempt.key;
        match trigger_of(entries) {
            // A child does what the script says of the step that it is.
            Some(Trigger::Call { parent, visit, .. }) if attempt.step().id.as_str() == "work" => {
                let of_parent = self.store.journal(parent, 0).unwrap_or_default();
                let address = fold(&self.store, parent, &of_parent)
                    .map_or_else(String::new, |state| state.address(visit).to_string());
                (self.script)(parent, &address, tries(&of_parent, visit) + 1)
            }
            _ => (self.script)(key.execution, attempt.address.as_str(), tries(entries, key.visit) + 1),
        }
    }
}

/// The tries of a visit that have ended; lost ones are none.
fn tries(entries: &[Entry], of: VisitNo) -> u32 {
    let is_try = |entry: &&Entry| {
        matches!(&entry.event, Event::AttemptEnded { visit, answer, .. }
            if *visit == of && !matches!(answer, Answer::Lost { .. }))
    };
    u32::try_from(entries.iter().filter(is_try).count()).unwrap_or(u32::MAX)
}

fn trigger_of(entries: &[Entry]) -> Option<Trigger> {
    match entries.first().map(|entry| &entry.event) {
        Some(Event::ExecutionCreated { trigger, .. }) => Some(*trigger),
        _ => None,
    }
}

/// The state of an execution as far as it is stored.
pub(crate) fn fold(store: &SqliteStore, execution: ExecutionId, entries: &[Entry]) -> Option<State> {
    let Some(Event::ExecutionCreated { version, .. }) = entries.first().map(|entry| &entry.event) else {
        return None;
    };
    let mut state = State::new(execution, store.version(version).ok()?.chain);
    for entry in entries {
        state.apply(entry.at, &entry.event).ok()?;
    }
    Some(state)
}

impl StepRunner for Link {
    fn start(&self, attempt: Attempt) {
        if !self.is_heard() {
            return;
        }
        let key = attempt.key;
        {
            let mut helper = self.helper();
            if let Some(process) = helper.processes.get_mut(&key).filter(|known| known.lease == attempt.lease)
            {
                process.told = Some(0);
                return;
            }
        }
        if attempt.beginning == (Beginning::Recovered { same_boot: false }) {
            let message = "the machine was restarted".into();
            let mut helper = self.helper();
            helper.lost.insert((key.execution, key.visit));
            let gone = Process {
                lease: attempt.lease,
                ends_at: self.clock.passed(),
                answer: Answer::Lost { message },
                has_ended: true,
                told: Some(0),
            };
            helper.processes.insert(key, gone);
            return;
        }
        self.spawn(&attempt);
    }

    fn stop(&self, key: AttemptKey) {
        if !self.is_heard() {
            return;
        }
        let passed = self.clock.passed();
        let mut helper = self.helper();
        let Some(process) = helper.processes.get_mut(&key) else { return };
        // Every third one was about to end anyhow.
        if !process.has_ended && process.ends_at > passed && !passed.as_micros().is_multiple_of(3) {
            process.answer = Answer::Cancelled {};
            process.ends_at = process.ends_at.min(passed + Duration::from_millis(7));
        }
    }

    fn settle(&self, key: AttemptKey) {
        if !self.is_heard() {
            return;
        }
        let passed = self.clock.passed();
        let mut helper = self.helper();
        let Some(process) = helper.processes.remove(&key) else { return };
        if !process.has_ended && process.ends_at > passed {
            helper.breach("2", format!("attempt {key} is settled while it runs"));
        }
    }

    fn has_all(&self) {
        if !self.is_heard() {
            return;
        }
        let passed = self.clock.passed();
        let mut helper = self.helper();
        let is_alive = |process: &Process| !process.has_ended && process.ends_at > passed;
        let forgotten =
            helper.processes.iter().find(|(_, process)| process.told.is_none() && is_alive(process));
        if let Some((key, _)) = forgotten {
            let what = format!("attempt {key} runs, and the engine that came up does not ask for it");
            helper.breach("2", what);
        }
        helper.processes.retain(|_, process| process.told.is_some());
    }
}

/// For the trace: the time that has passed in milliseconds.
pub(crate) fn ms(passed: Duration) -> String {
    format!("{:.3}", passed.as_secs_f64() * 1_000.0)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When the clock of a world begins.
pub(crate) const BEGIN: Timestamp = Timestamp(1_790_000_000_000_000);
