//! What must hold of any one chain, whatever it is: every step fails in turn, every attempt is lost in turn, and so does
//! and is every undo; wherever the engine goes down, the end is the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use catena_core::{
    Chain, Command, Event, Value,
    command::Start,
    event::{Answer, Resolution, Trigger},
    ids::VisitNo,
    state::{Phase, Question, UndoPhase, VisitPhase},
    status::{ExecutionStatus, StepStatus},
};

use serde_json::json;

use crate::sim::{Recovery, Script, Sim, fail, succeed};

/// A slot for every attempt, so that none waits for another.
const SLOTS: u32 = 100;

/// How much was proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub runs: usize,
    /// Journals cut at every length count once for each.
    pub recoveries: usize,
}

/// Proves a chain, or panics.
pub fn prove(chain: &Arc<Chain>) -> Proof {
    let mut proof = Proof::default();
    let script = |_: &str, _: u32| (well(), 10);
    let full = start(chain, &script).run();
    proof.check(&full);
    for target in attempted(&full, |address| !address.contains(".undo")) {
        let fails = |address: &str, _: u32| (if address == target { fail("in turn") } else { well() }, 10);
        proof.check(&start(chain, &fails).run());
    }
    // Each undo fails once, wherever it is first.
    let mut failed = BTreeSet::new();
    for after in 0.. {
        let Some(undone) = rolled_back(chain, &script, after) else { break };
        proof.check(&undone);
        for target in attempted(&undone, |address| address.contains(".undo")) {
            if !failed.insert(target.clone()) {
                continue;
            }
            let fails =
                |address: &str, _: u32| (if address == target { fail("in turn") } else { well() }, 10);
            let stuck = rolled_back(chain, &fails, after).expect("it is the same as far as this");
            proof.check(&stuck);
            proof.check(&answered(stuck));
        }
    }
    proof
}

/// An execution with some value for each parameter.
fn start<'a>(chain: &Arc<Chain>, script: &'a Script<'a>) -> Sim<'a> {
    let given = chain
        .params
        .iter()
        .map(|(name, param)| (name.clone(), param.default.clone().unwrap_or_else(|| Value::from(json!(3)))));
    Sim::start_with(chain, Start::new("v1", Value::object(given), Trigger::Manual), script, SLOTS)
}

/// A result with what fixtures look for in one.
fn well() -> Answer {
    succeed(json!({ "temperature": 35, "city": "home", "id": 7, "items": [1, 2] }))
}

/// The addresses of visits that made attempts.
fn attempted(sim: &Sim<'_>, is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let started = sim.journal.iter().filter_map(|(_, event)| match event {
        Event::AttemptStarted { visit, .. } => Some(sim.state.address(*visit).to_string()),
        _ => None,
    });
    started.filter(|address| is_wanted(address)).collect()
}

/// Cancelled with all undone after so many things have happened; none if it has ended by then.
fn rolled_back<'a>(chain: &Arc<Chain>, script: &'a Script<'a>, after: usize) -> Option<Sim<'a>> {
    let mut sim = start(chain, script);
    for _ in 0..after {
        if !sim.step() {
            return None;
        }
    }
    if *sim.state.phase() != Phase::Running {
        return None;
    }
    sim.tell(Command::CancelExecution { rollback: true, force: false });
    Some(sim.run())
}

/// Each undo that failed is run again as often as somebody asks, then said to be done.
fn answered(mut sim: Sim<'_>) -> Sim<'_> {
    for resolution in [Resolution::RunAgain {}, Resolution::Completed { value: None }] {
        let failed = |(_, visit): &(VisitNo, &catena_core::state::Visit)| {
            visit.question() == Some(Question::UndoFailed)
        };
        let Some((visit, _)) = sim.state.visits().find(failed) else { break };
        sim.tell(Command::ResolveVisit { visit, resolution });
        sim = sim.run();
    }
    assert!(!sim.state.is_stuck(), "what was answered goes on");
    sim
}

impl Proof {
    /// One journal: nothing in it comes after its end, and every prefix of it recovers.
    fn check(&mut self, full: &Sim<'_>) {
        self.runs += 1;
        check_journal(full);
        for len in 1..=full.journal.len() {
            if was_told(full, len) {
                continue;
            }
            self.recoveries += 2;
            let again = Sim::recover(full, len, Recovery::Reattached).run();
            assert_eq!(again.journal, full.journal, "cut at {len}");
            let again = Sim::recover(full, len, Recovery::Lost).run();
            check_journal(&again);
            if is_doubtful(&again) {
                continue;
            }
            if is_race(full, len) {
                assert!(again.state.has_ended() || again.state.is_stuck(), "cut at {len}: {}", again.table());
            } else {
                assert_eq!(seen(&again), seen(full), "cut at {len}:\n{}\n{}", full.table(), again.table());
            }
        }
        assert_eq!(full.reread(), full.state);
    }
}

/// Whether somebody tells something behind this place: an engine that comes up before hears it too, and here nobody
/// says it again.
fn was_told(sim: &Sim<'_>, len: usize) -> bool {
    sim.journal[len..]
        .iter()
        .any(|(_, event)| matches!(event, Event::CancelRequested { .. } | Event::VisitResolved { .. }))
}

/// Whether attempts are stopped while they run: one that is lost is cancelled then, and otherwise may have been too late
/// for that. Where an undo has begun nothing runs beside it.
fn is_race(sim: &Sim<'_>, len: usize) -> bool {
    let stops = sim.journal.iter().any(|(_, event)| matches!(event, Event::VisitStopping { .. }));
    stops && !sim.journal[..len].iter().any(|(_, event)| matches!(event, Event::UndoStarted {}))
}

fn check_journal(sim: &Sim<'_>) {
    let mut attempts = BTreeSet::new();
    for (at, (_, event)) in sim.journal.iter().enumerate() {
        match event {
            Event::AttemptStarted { visit, attempt } => {
                assert!(
                    attempts.insert((*visit, *attempt)),
                    "attempt {attempt} of visit {visit} starts twice"
                );
            }
            Event::ExecutionEnded { .. } => {
                assert_eq!(at + 1, sim.journal.len(), "something comes after the end")
            }
            _ => {}
        }
    }
}

/// What may have its effect at most once, and what was lost too often, asks a person.
fn is_doubtful(sim: &Sim<'_>) -> bool {
    sim.state.visits().any(|(_, visit)| matches!(visit.phase, VisitPhase::InDoubt | VisitPhase::Quarantined))
}

type Seen = (ExecutionStatus, BTreeMap<String, (StepStatus, bool)>);

fn seen(sim: &Sim<'_>) -> Seen {
    let state = &sim.state;
    let visit = |no: VisitNo| {
        let is_undone = state.visit(no).undo == UndoPhase::Done;
        (state.address(no).to_string(), (state.step_status(no), is_undone))
    };
    (state.status(), state.visits().map(|(no, _)| visit(no)).collect())
}
