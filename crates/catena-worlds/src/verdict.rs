//! What must hold when a world has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use catena_core::{
    Event, ExecutionId, State, Timestamp,
    event::Trigger,
    state::VisitPhase,
    status::{ExecutionStatus, StepStatus},
};
use catena_store::{Entry, ExecutionFilter, Store, sqlite, sqlite::SqliteStore};
use catena_testkit::Sim;

use crate::{helper::fold, plan::Part};

/// A promise that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number in the design, or the law.
    pub promise: &'static str,
    pub what: String,
}

/// What was acknowledged to somebody.
#[derive(Default)]
pub(crate) struct Promised {
    /// Starts of parts.
    pub(crate) starts: BTreeSet<(usize, ExecutionId)>,
    pub(crate) cancels: BTreeSet<ExecutionId>,
    /// How many signals.
    pub(crate) signals: BTreeMap<ExecutionId, usize>,
}

/// Looks at all that is stored.
pub(crate) fn judge(store: &SqliteStore, parts: &[Part], promised: &Promised) -> Vec<Violation> {
    let mut verdict = Verdict { violations: Vec::new() };
    verdict.findings(store);
    let mut known = BTreeMap::new();
    for row in store.executions(&ExecutionFilter::default()).unwrap_or_default() {
        let entries = store.journal(row.id, 0).unwrap_or_default();
        match fold(store, row.id, &entries) {
            None => verdict.breach("1", format!("the journal of execution {} does not fold", row.id)),
            Some(state) => {
                verdict.journal(row.id, &entries, &state);
                known.insert(row.id, state);
            }
        }
    }
    verdict.instants(&known);
    verdict.promises(&known, store, parts, promised);
    verdict.violations
}

struct Verdict {
    violations: Vec<Violation>,
}

impl Verdict {
    fn breach(&mut self, promise: &'static str, what: String) {
        self.violations.push(Violation { promise, what });
    }

    fn findings(&mut self, store: &SqliteStore) {
        match sqlite::check(store) {
            Ok(findings) => {
                findings.iter().for_each(|finding| self.breach("4", format!("doctor finds {finding:?}")));
            }
            Err(error) => self.breach("1", format!("the store cannot be looked at: {error}")),
        }
    }

    fn journal(&mut self, id: ExecutionId, entries: &[Entry], state: &State) {
        let mut attempts = BTreeSet::new();
        let mut ended = BTreeSet::new();
        let mut lease = catena_store::Lease(0);
        let mut is_paused = false;
        let mut before = State::new(id, std::sync::Arc::clone(state.chain()));
        for entry in entries {
            if entry.lease < lease {
                self.breach(
                    "2",
                    format!("event {} of execution {id} was written by an older host", entry.seq),
                );
            }
            lease = entry.lease;
            match &entry.event {
                Event::AttemptStarted { visit, attempt } => {
                    if !attempts.insert((*visit, *attempt)) {
                        self.breach(
                            "2",
                            format!("attempt {attempt} of visit {visit} of execution {id} starts twice"),
                        );
                    }
                    if is_paused {
                        self.breach(
                            "2",
                            format!("an attempt of execution {id} starts in a pause, event {}", entry.seq),
                        );
                    }
                }
                Event::AttemptEnded { visit, attempt, .. } if !ended.insert((*visit, *attempt)) => {
                    self.breach(
                        "2",
                        format!("attempt {attempt} of visit {visit} of execution {id} ends twice"),
                    );
                }
                Event::ExecutionPaused {} => is_paused = true,
                Event::ExecutionResumed {} | Event::CancelRequested { .. } | Event::StopForced {} => {
                    is_paused = false
                }
                Event::ExecutionEnded { .. } if entry.seq != entries.len() as u64 => {
                    self.breach("3", format!("something follows the end of execution {id}"));
                }
                _ => {}
            }
            self.timer(id, &before, entry);
            if before.apply(entry.at, &entry.event).is_err() {
                return;
            }
        }
        let asks = [ExecutionStatus::InDoubt, ExecutionStatus::Quarantined, ExecutionStatus::Stuck];
        if !state.has_ended() && !asks.contains(&state.status()) {
            self.breach("3", format!("execution {id} has not ended: {}", state.status()));
        }
    }

    /// Nothing that waits for an instant goes on before it.
    fn timer(&mut self, id: ExecutionId, before: &State, entry: &Entry) {
        let Event::TimerFired { .. } = entry.event else { return };
        match before.agenda().next_timer() {
            Some((at, _)) if at <= entry.at => {}
            Some((at, timer)) => {
                let early = seconds(entry.at, at);
                self.breach(
                    "timers",
                    format!("{timer:?} of execution {id} fires {early} s early, event {}", entry.seq),
                );
            }
            None => self.breach("timers", format!("a timer of execution {id} fires that there is not")),
        }
    }

    /// An instant of a schedule starts one execution at most.
    fn instants(&mut self, known: &BTreeMap<ExecutionId, State>) {
        let mut taken = BTreeMap::new();
        for (id, state) in known {
            let Some(Trigger::Schedule { schedule, at }) = state.trigger() else { continue };
            if let Some(first) = taken.insert((schedule, at), *id) {
                let what = format!("executions {first} and {id} are for one instant of schedule {schedule}");
                self.breach("5", what);
            }
        }
    }

    fn promises(
        &mut self,
        known: &BTreeMap<ExecutionId, State>,
        store: &SqliteStore,
        parts: &[Part],
        promised: &Promised,
    ) {
        for (part, id) in &promised.starts {
            let Some(state) = known.get(id) else {
                self.breach(
                    "1",
                    format!("the start of execution {id} was acknowledged, and it is not there"),
                );
                continue;
            };
            if parts[*part].has_one_end {
                self.end(*id, state, &parts[*part]);
            }
        }
        for part in (0..parts.len()).filter(|part| parts[*part].key.is_some()) {
            let answered = promised.starts.iter().filter(|(of, _)| *of == part).map(|(_, id)| *id);
            let version = &parts[part].version.digest;
            let stored = known.iter().filter(|(_, state)| state.version() == version).map(|(id, _)| *id);
            let ids: BTreeSet<ExecutionId> = answered.chain(stored).collect();
            if ids.len() > 1 {
                self.breach("1", format!("executions {ids:?} have one key"));
            }
        }
        for (id, count) in &promised.signals {
            let entries = store.journal(*id, 0).unwrap_or_default();
            let is_there = |entry: &&Entry| matches!(entry.event, Event::SignalReceived { .. });
            if entries.iter().filter(is_there).count() < *count {
                self.breach("1", format!("a signal to execution {id} was acknowledged, and is not there"));
            }
        }
        for id in &promised.cancels {
            let entries = store.journal(*id, 0).unwrap_or_default();
            let is_there =
                |entry: &Entry| matches!(entry.event, Event::CancelRequested { .. } | Event::StopForced {});
            if !entries.iter().any(is_there) {
                self.breach("1", format!("the cancel of execution {id} was acknowledged, and is not there"));
            }
        }
    }

    /// The law: an execution whose steps can be made again comes to the end that it comes to undisturbed.
    fn end(&mut self, id: ExecutionId, state: &State, part: &Part) {
        if is_doubtful(state) {
            return;
        }
        let script = |address: &str, number: u32| part.script(address, number);
        let alone = Sim::start(state.chain(), &script, 1_000).run();
        if is_doubtful(&alone.state) {
            return;
        }
        let (here, there) = (end_of(state), end_of(&alone.state));
        if here != there {
            let differs = there.1.iter().find(|(address, end)| here.1.get(*address) != Some(end));
            let more = here.1.iter().find(|(address, _)| !there.1.contains_key(*address));
            self.breach(
                "law",
                format!(
                    "execution {id} ended {} and undisturbed it ends {}; of its steps {differs:?} is {:?}, and {more:?} is there",
                    here.0,
                    there.0,
                    differs.and_then(|(address, _)| here.1.get(address)),
                ),
            );
        }
    }
}

/// What a user sees of an execution, without times and attempt numbers.
fn end_of(state: &State) -> (ExecutionStatus, BTreeMap<String, StepStatus>) {
    let steps = state.visits().map(|(no, _)| {
        let status = match state.step_status(no) {
            // What a child has done is taken back here; undisturbed, there are no children.
            StepStatus::Undone if state.step_of(no).work.is_call() => StepStatus::Completed,
            status => status,
        };
        (state.address(no).to_string(), status)
    });
    (state.status(), steps.collect())
}

/// Somebody answered, or has to, or the execution stood at a step that may run once.
fn is_doubtful(state: &State) -> bool {
    state.visits().any(|(_, visit)| {
        visit.losses > 0 && matches!(visit.phase, VisitPhase::InDoubt | VisitPhase::Quarantined)
            || visit.question().is_some()
    })
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.micros_since(from) as f64 / 1e6
}
