//! Every transition there is, is taken by some test: whoever adds one adds the test that takes it.

use std::{collections::BTreeSet, sync::Arc};

use catena_core::{
    Chain, Command, Value,
    chain::{
        Cache, ChainName, Draft, EffectKind, ErrorPolicy, Handlers, Interval, OnTimeout, StepDraft, WaitFor,
    },
    command::{Legacy, Start},
    event::{Adopted, Answer, ApprovalAnswer, Duty, Input, Resolution, Sight, Trigger},
    ids::{AttemptNo, ExecutionId, StepIx, VisitNo},
    state::Phase,
    status::End,
    status::ExecutionStatus,
};
use catena_testkit::{
    Recovery, Sim,
    draft::{
        Change, Steps, approval, await_signal, call, chain, end, group, parallel, raise, set, task, wait,
    },
    modelled,
    random::{self, Mood},
    sim::{Script, fail, succeed},
    transitions::{self, Transition},
};
use proptest::{
    prelude::Strategy,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

#[test]
fn every_transition_is_taken() {
    modelled_chains();
    random_chains();
    persons();
    beginnings();
    limits();
    stops();
    children();
    let (taken, possible) = (transitions::taken(), transitions::possible());
    let untold: Vec<&Transition> = taken.difference(&possible).collect();
    assert!(untold.is_empty(), "taken, and not in the table: {untold:#?}");
    let never: BTreeSet<&Transition> = possible.difference(&taken).collect();
    assert!(never.is_empty(), "in the table, and never taken: {never:#?}");
}

/// The same random values in every run.
fn runner() -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

fn modelled_chains() {
    let mut runner = runner();
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 0..400);
    for seed in 0..400 {
        let bytes = bytes.new_tree(&mut runner).expect("bytes").current();
        let chain = Arc::new(modelled::draft(&bytes).build().expect("a chain"));
        let script = modelled::script(seed, 20);
        drop(Sim::start(&chain, &script, 1_000).run());
    }
}

fn random_chains() {
    let mut runner = runner();
    for seed in 0..100 {
        let steps = random::steps(Mood::Racy).new_tree(&mut runner).expect("steps").current();
        let chain = Arc::new(chain(steps));
        let script = random::script_with_failing_undo(seed, 20);
        let full = Sim::start(&chain, &script, 2).run();
        let len = 1 + full.journal.len() * usize::try_from(seed).expect("small") / 100;
        drop(Sim::recover(&full, len, Recovery::Lost).run());
    }
}

fn ok(_: &str, _: u32) -> (Answer, u64) {
    (succeed(1), 10)
}

fn start<'a>(steps: Steps, script: &'a Script<'a>) -> Sim<'a> {
    Sim::start(&Arc::new(chain(steps)), script, 4)
}

fn cancel() -> Command {
    Command::CancelExecution { rollback: false, force: false }
}

fn force() -> Command {
    Command::CancelExecution { rollback: false, force: true }
}

fn signal(name: &str) -> Command {
    Command::SendSignal { name: name.to_owned(), value: Value::null() }
}

fn once(name: &str) -> StepDraft {
    StepDraft { effect: EffectKind::AtMostOnce, ..task(name) }
}

/// An execution whose attempts are lost as often as it takes.
fn lost<'a>(step: StepDraft, times: u32, script: &'a Script<'a>) -> Sim<'a> {
    let mut sim = start(vec![step], script);
    for _ in 0..times {
        sim = Sim::recover(&sim, sim.journal.len(), Recovery::Lost);
    }
    sim
}

/// Doubts, quarantine, stuck undos, signals, approvals, checkpoints.
fn persons() {
    for (step, times) in [(once("a"), 1), (task("a"), 3)] {
        let mut sim = lost(step.clone(), times, &ok);
        sim.tell(Command::ResolveVisit { visit: VisitNo(0), resolution: Resolution::RunAgain {} });
        drop(sim.run());
        let mut sim = lost(step, times, &ok);
        sim.tell(cancel());
        drop(sim.run());
    }
    let script = |address: &str, _| (if address == "a" { succeed(1) } else { fail("no") }, 1);
    let steps = || vec![task("a").undo(vec![task("back")]), task("b").policy(ErrorPolicy::Rollback)];
    let mut sim = start(steps(), &script).run();
    sim.tell(Command::ResolveVisit { visit: VisitNo(0), resolution: Resolution::Completed { value: None } });
    let mut sim = start(vec![await_signal("a", "go", None), approval("b", None, OnTimeout::Fail)], &ok);
    sim.tell(signal("go"));
    let answer = ApprovalAnswer { approved: true, by: "me".into(), comment: None, form: None };
    sim.tell(Command::AnswerApproval { visit: VisitNo(1), answer });
    drop(sim.run());
    let mut sim = start(vec![task("a")], &ok);
    sim.tell(Command::PauseExecution);
    sim.tell(Command::ResumeExecution);
    sim.tell(force());
    drop(sim.run());
    let mut sim = start(vec![task("a")], &ok);
    let (visit, attempt) = (VisitNo(0), AttemptNo(1));
    let value = Value::null();
    sim.tell(Command::RecordCheckpoint { visit, attempt, name: "at".into(), value });
    drop(sim.run());
}

fn fresh() -> Start {
    Start::new("v1", Value::from(serde_json::json!({})), Trigger::Manual)
}

/// Held back, cancelled, paused and signalled before it begins; with steps left out, results and duties taken over.
fn beginnings() {
    let waits = Arc::new(chain(vec![await_signal("a", "go", Some(5)), task("b")]));
    let held = || Sim::start_with(&waits, Start { held: true, ..fresh() }, &ok, 1);
    let mut sim = held();
    sim.tell(signal("go"));
    sim.tell(Command::PauseExecution);
    sim.tell(Command::ResumeExecution);
    sim.tell(Command::AdmitExecution);
    drop(sim.run());
    let mut sim = held();
    sim.tell(force());
    drop(sim.run());
    let from = ExecutionId(7);
    let selected = Start { left_out: vec![StepIx(1)], ..fresh() };
    let legacy = Legacy::Results { from, duty: true, results: Vec::new() };
    drop(Sim::start_with(&waits, Start { legacy, ..selected }, &ok, 1).run());
    let undone = Arc::new(chain(vec![task("a").undo(vec![task("back")])]));
    let duty = Duty {
        step: StepIx(0),
        result: Value::null(),
        input: Input::default(),
        names: std::collections::BTreeMap::new(),
        steps: std::collections::BTreeMap::new(),
        children: Vec::new(),
    };
    let legacy = Legacy::Duties { from, duties: vec![duty] };
    drop(Sim::start_with(&undone, Start { legacy, ..fresh() }, &ok, 1).run());
    let adopted = Adopted {
        address: "a".into(),
        result: Value::null(),
        input: Input::default(),
        children: Vec::new(),
        is_free: false,
        place: 0,
        sight: Sight::default(),
        items: None,
    };
    let legacy = Legacy::Results { from, duty: true, results: vec![adopted] };
    drop(Sim::start_with(&undone, Start { legacy, ..fresh() }, &ok, 1).run());
}

fn cached(name: &str) -> StepDraft {
    StepDraft { cache: Some(Cache::default()), ..task(name) }
}

/// Steps of every kind that waits, in each way in which they can wait.
fn waiting() -> Vec<StepDraft> {
    vec![
        task("ready"),
        cached("looking"),
        wait("waiting", 1_000),
        await_signal("awaiting", "go", None),
        approval("asking", None, OnTimeout::Fail),
        task("backoff").retry(9),
        group("backoff_of_a_block", vec![task("in")]).retry(9),
        group("interval", vec![set("x", "1")]).until("false", 9),
        group("due", vec![set("y", "1")]).until("false", 9),
    ]
}

/// What is to wait for its next try fails.
fn backs_off(address: &str, _: u32) -> (Answer, u64) {
    (if address.contains("back") { fail("no") } else { succeed(1) }, 1)
}

/// The time of whatever waits is over, while it may start something and while it may not.
fn limits() {
    for limit_ms in [0, 1, 5] {
        for step in waiting() {
            for step in [step.clone().within(limit_ms), step.within(limit_ms).otherwise(task("instead"))] {
                let mut step = step;
                if let Some(iterations) = &mut step.iterations {
                    iterations.interval = Interval::Ms(if step.id.as_str() == "due" { 2 } else { 9 });
                }
                for slots in [0, 1] {
                    let mut sim = Sim::start(&Arc::new(chain(vec![step.clone()])), &backs_off, slots);
                    if slots == 0 && !sim.state.has_ended() {
                        sim.tell(Command::PauseExecution);
                    }
                    while sim.step() {}
                }
            }
        }
    }
}

/// A cancel at each moment of whatever waits; pauses, signals and force in an undo and in a handler.
fn stops() {
    for step in waiting() {
        for after in 0..6 {
            for slots in [0, 1] {
                let mut sim = Sim::start(&Arc::new(chain(vec![step.clone()])), &backs_off, slots);
                for _ in 0..after {
                    sim.step();
                }
                if !sim.state.has_ended() {
                    sim.tell(cancel());
                }
                drop(sim.run());
            }
        }
    }
    // An iteration is due and may not start, and then what runs beside it fails.
    let mut due = group("due", vec![set("y", "1")]).until("false", 9);
    if let Some(iterations) = &mut due.iterations {
        iterations.interval = Interval::Ms(2);
    }
    let beside = parallel("both", WaitFor::All, vec![("left", vec![due]), ("right", vec![task("b")])]);
    let script = |_: &str, _| (fail("no"), 5);
    let mut sim = start(vec![beside], &script);
    sim.tell(Command::PauseExecution);
    drop(sim.run());
    for ends in [raise("end"), end("end", End::Failed)] {
        in_aside(vec![
            task("a").undo(vec![task("back"), wait("long", 9)]),
            task("b").policy(ErrorPolicy::Rollback),
        ]);
        in_aside(vec![ends]);
    }
}

/// What may be told to an execution that undoes, or whose handlers run.
fn in_aside(mut steps: Steps) {
    let script = |address: &str, _| (if address == "b" { fail("no") } else { succeed(1) }, 1);
    steps.push(await_signal("sign", "go", Some(1)));
    let name = ChainName::parse("test").expect("a name");
    let handlers = Handlers { finally: Some(vec![task("last"), wait("rest", 9)]), ..Handlers::default() };
    let chain: Arc<Chain> = Arc::new(Draft { handlers, ..Draft::new(name, steps) }.build().expect("a chain"));
    let is_aside = |sim: &Sim<'_>| *sim.state.phase() != Phase::Running;
    let begun = || {
        let mut sim = Sim::start(&chain, &script, 1);
        while !is_aside(&sim) && sim.step() {}
        sim
    };
    let mut sim = begun();
    sim.tell(signal("go"));
    sim.tell(Command::PauseExecution);
    sim.tell(Command::ResumeExecution);
    drop(sim.run());
    let mut sim = begun();
    sim.tell(force());
    drop(sim.run());
}

/// A child, and the undo of what it has done.
fn children() {
    let script = |address: &str, _| (if address == "b" { fail("no") } else { succeed(1) }, 1);
    let mut sim = start(vec![call("a"), task("b").policy(ErrorPolicy::Rollback)], &script);
    sim.tell(Command::NoteChild { visit: VisitNo(0), attempt: AttemptNo(1), child: ExecutionId(9) });
    sim.tell(Command::NoteChildHalted { visit: VisitNo(0), attempt: AttemptNo(1) });
    assert!(sim.state.waits_for_somebody());
    while sim.state.status() != ExecutionStatus::Undoing {
        assert!(sim.step());
    }
    let execution = ExecutionId(10);
    sim.tell(Command::NoteChildUndoHalted { visit: VisitNo(0), nth: 1, execution });
    drop(sim.run());
}
