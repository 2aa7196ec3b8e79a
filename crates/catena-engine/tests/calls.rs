//! Executions that wait for others, for people and for room, over the end of an engine and the begin of the next.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use catena_core::{
    Event, ExecutionId, State, Timestamp, Value, VisitNo,
    chain::{ChainName, Concurrency, Draft, ErrorPolicy, OnTimeout, Overload, StepDraft},
    event::{ApprovalAnswer, Resolution, Trigger},
    rerun::Again,
    status::ExecutionStatus,
};
use catena_engine::{Config, Engine, Functions, ManualClock, Reach, StartRequest, error::Kind, read_state};
use catena_store::{Actor, ExecutionFilter, InboxCommand, Store, Version, sqlite::check};
use catena_testkit::draft::{Change, Steps, approval, await_signal, call, task, wait};

/// Functions that tell when they are called, and end when they are let go.
struct Bench {
    home: tempfile::TempDir,
    clock: Arc<ManualClock>,
    functions: Functions,
    called: Receiver<String>,
    /// `broken` works from now on.
    mends: Arc<AtomicBool>,
    let_go: Sender<()>,
}

impl Bench {
    fn new() -> Self {
        let ((call, called), (let_go, wait)) = (channel(), channel());
        let wait = Mutex::new(wait);
        let free = |name: &'static str, call: Sender<String>| {
            move |_: &catena_engine::Call| {
                call.send(name.to_owned()).unwrap();
                Ok(Value::from(serde_json::json!(name)))
            }
        };
        let held = call.clone();
        let mends = Arc::new(AtomicBool::new(false));
        let is_mended = Arc::clone(&mends);
        let bad = || catena_core::Failure::new(catena_core::FailureType::Raised("bad".into()), "bad");
        let functions = Functions::default()
            .with("work", free("work", call.clone()))
            .with("back", free("back", call.clone()))
            .with("bad", move |_: &catena_engine::Call| Err(bad()))
            .with("broken", move |_: &catena_engine::Call| match is_mended.load(Ordering::SeqCst) {
                true => Ok(Value::null()),
                false => Err(bad()),
            })
            .with("held", move |_: &catena_engine::Call| {
                held.send("held".to_owned()).unwrap();
                // Without a word it is let go by the end of the test.
                let _gone = wait.lock().unwrap().recv();
                Ok(Value::from(serde_json::json!("held")))
            });
        let clock = Arc::new(ManualClock::at(Timestamp(1_000_000_000)));
        Self { home: tempfile::tempdir().unwrap(), clock, functions, called, mends, let_go }
    }

    fn open(&self) -> Engine {
        self.reach(Reach::All)
    }

    fn reach(&self, reach: Reach) -> Engine {
        let mut config = Config::new(self.home.path(), Arc::new(|| Command::new("false")));
        config.functions = self.functions.clone();
        config.clock = Arc::clone(&self.clock) as _;
        config.reach = reach;
        Engine::open(config).unwrap()
    }
}

fn version(name: &str, steps: Steps) -> Arc<Version> {
    version_of(Draft::new(ChainName::parse(name).unwrap(), steps))
}

fn version_of(draft: Draft) -> Arc<Version> {
    let name = draft.name.to_string();
    Arc::new(Version::new(draft.build().unwrap(), name, Vec::new()))
}

fn request(version: &Arc<Version>) -> StartRequest {
    StartRequest::new(Arc::clone(version), BTreeMap::new(), Actor::new("test"))
}

/// Runs the chain that others call once, so that it is stored.
fn store_child(engine: &Engine, steps: Steps) -> ExecutionId {
    let started = engine.start(request(&version("child", steps))).unwrap();
    started.execution
}

fn children(engine: &Engine) -> Vec<(ExecutionId, ExecutionStatus)> {
    let filter = ExecutionFilter { chain: Some("child".into()), ..ExecutionFilter::default() };
    let rows = engine.store().executions(&filter).unwrap();
    rows.into_iter().rev().map(|row| (row.id, row.status)).collect()
}

fn state(engine: &Engine, execution: ExecutionId) -> State {
    read_state(&**engine.store(), execution).unwrap().0
}

/// Follows until an event is of this kind.
fn until(engine: &Engine, execution: ExecutionId, kind: &str) {
    let mut follower = engine.follow(execution, 0).unwrap();
    while follower.next_event().unwrap().expect("it goes on").event.kind() != kind {}
}

#[test]
fn a_child_is_started_once_whatever_becomes_of_the_engine() {
    let bench = Bench::new();
    let engine = bench.open();
    let first = store_child(&engine, vec![task("held")]);
    bench.called.recv().unwrap();
    bench.let_go.send(()).unwrap();
    engine.wait(first).unwrap();
    let parent =
        engine.start(request(&version("parent", vec![call("one"), task("work")]))).unwrap().execution;
    assert_eq!(bench.called.recv().unwrap(), "held");
    until(&engine, parent, "child_started");
    drop(engine);
    // Its function has died with the engine, and is called again; the child is the same.
    bench.let_go.send(()).unwrap();
    let engine = bench.open();
    assert_eq!(bench.called.recv().unwrap(), "held");
    bench.let_go.send(()).unwrap();
    assert_eq!(engine.wait(parent).unwrap().status, ExecutionStatus::Completed);
    assert_eq!(children(&engine).len(), 2, "the one that was stored, and the one that was called");
    let state = state(&engine, parent);
    assert_eq!(state.visit(VisitNo(0)).result().unwrap().as_json(), &serde_json::Value::Null);
    assert_eq!(state.visit(VisitNo(0)).child(), Some(children(&engine)[1].0));
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn the_end_of_a_child_finds_a_parent_that_waits_in_the_store() {
    let bench = Bench::new();
    let engine = bench.open();
    let first = store_child(&engine, vec![wait("pause", 3_600_000)]);
    let parent = engine.start(request(&version("parent", vec![call("one")]))).unwrap().execution;
    until(&engine, parent, "child_started");
    drop(engine);
    let engine = bench.open();
    assert_eq!(engine.store().execution_row(parent).unwrap().status, ExecutionStatus::Waiting);
    bench.clock.advance(Duration::from_secs(3_601));
    engine.tick();
    assert_eq!(engine.wait(parent).unwrap().status, ExecutionStatus::Completed);
    assert_eq!(engine.wait(first).unwrap().status, ExecutionStatus::Completed);
}

#[test]
fn a_cancel_for_a_moment_reaches_the_child_too() {
    let bench = Bench::new();
    let engine = bench.open();
    let first = store_child(&engine, vec![await_signal("never", "never", None)]);
    let parent = engine.start(request(&version("parent", vec![call("one")]))).unwrap().execution;
    until(&engine, parent, "child_started");
    drop(engine);
    let engine = bench.reach(Reach::Only(parent));
    engine.cancel(parent, false, Actor::new("test")).unwrap();
    assert_eq!(engine.wait(parent).unwrap().status, ExecutionStatus::Cancelled);
    let of_parent = children(&engine)[1];
    assert_eq!(of_parent.1, ExecutionStatus::Cancelled);
    assert_eq!(
        engine.store().execution_row(first).unwrap().status,
        ExecutionStatus::Waiting,
        "it is no child"
    );
}

#[test]
fn a_rollback_undoes_a_child_by_an_execution_of_its_own_over_restarts() {
    let bench = Bench::new();
    let engine = bench.open();
    let undone: StepDraft = task("work").undo(vec![task("held").named("held_back")]);
    engine.wait(store_child(&engine, vec![undone])).unwrap();
    assert_eq!(bench.called.recv().unwrap(), "work");
    let steps = vec![call("one"), task("bad").policy(ErrorPolicy::Rollback)];
    let parent = engine.start(request(&version("parent", steps))).unwrap().execution;
    assert_eq!(bench.called.recv().unwrap(), "work");
    assert_eq!(bench.called.recv().unwrap(), "held");
    drop(engine);
    bench.let_go.send(()).unwrap();
    let engine = bench.open();
    assert_eq!(bench.called.recv().unwrap(), "held");
    bench.let_go.send(()).unwrap();
    assert_eq!(engine.wait(parent).unwrap().status, ExecutionStatus::RolledBack);
    let all = children(&engine);
    assert_eq!(all.len(), 3, "stored, called, undone: {all:?}");
    assert_eq!(all[2].1, ExecutionStatus::RolledBack);
    let trigger = state(&engine, all[2].0).trigger();
    assert!(matches!(trigger, Some(Trigger::Undo { of, .. }) if of == all[1].0), "{trigger:?}");
    assert_eq!(check(engine.store()).unwrap(), []);
}

/// A parent whose rollback waits for a child's undo, of which `broken` fails, and that undo.
fn stuck(bench: &Bench, engine: &Engine) -> (ExecutionId, ExecutionId) {
    let steps = vec![
        task("work").undo(vec![task("back")]),
        task("work").named("more").undo(vec![task("back").named("first"), task("broken")]),
    ];
    engine.wait(store_child(engine, steps)).unwrap();
    let steps = vec![call("one"), task("bad").policy(ErrorPolicy::Rollback)];
    let parent = engine.start(request(&version("parent", steps))).unwrap().execution;
    until(engine, parent, "child_undo_halted");
    assert_eq!(bench.called.try_iter().filter(|name| name == "back").count(), 1);
    let state = state(engine, parent);
    assert_eq!(state.status(), ExecutionStatus::Stuck);
    let (_, undo) = state.halted_undo().unwrap();
    assert_eq!(children(engine).pop(), Some((undo, ExecutionStatus::Stuck)));
    (parent, undo)
}

fn force(engine: &Engine, execution: ExecutionId) {
    engine
        .tell(execution, InboxCommand::Cancel { rollback: false, force: true }, Actor::new("test"))
        .unwrap();
}

fn resolve(engine: &Engine, execution: ExecutionId, visit: u32, resolution: Resolution) {
    let command = InboxCommand::Resolve { visit: VisitNo(visit), resolution };
    engine.tell(execution, command, Actor::new("test")).unwrap();
}

#[test]
fn an_undo_that_is_stuck_holds_up_its_parent_until_it_is_answered_for() {
    let bench = Bench::new();
    let engine = bench.open();
    let (parent, undo) = stuck(&bench, &engine);
    let command = InboxCommand::Resolve { visit: VisitNo(0), resolution: Resolution::RunAgain {} };
    let refused = engine.tell(parent, command, Actor::new("test")).unwrap_err();
    assert!(refused.to_string().contains(&format!("execution {undo}")), "{refused}");
    drop(engine);
    let engine = bench.open();
    resolve(&engine, undo, 1, Resolution::Completed { value: None });
    assert_eq!(engine.wait(parent).unwrap().status, ExecutionStatus::RolledBack);
    assert_eq!(bench.called.try_iter().collect::<Vec<_>>(), ["back"], "what came before it");
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn an_undo_that_is_given_up_is_asked_about_in_its_parent_and_goes_on_with_what_is_left() {
    let bench = Bench::new();
    let engine = bench.open();
    let (parent, undo) = stuck(&bench, &engine);
    bench.mends.store(true, Ordering::SeqCst);
    resolve(&engine, undo, 1, Resolution::GiveUp {});
    until(&engine, parent, "child_undo_ended");
    assert_eq!(state(&engine, parent).status(), ExecutionStatus::Stuck);
    resolve(&engine, parent, 0, Resolution::RunAgain {});
    assert_eq!(engine.wait(parent).unwrap().status, ExecutionStatus::RolledBack);
    assert_eq!(children(&engine).len(), 4, "stored, called, undone in part, undone");
}

#[test]
fn a_stop_by_force_reaches_a_child_and_its_undo() {
    let bench = Bench::new();
    let engine = bench.open();
    let (parent, undo) = stuck(&bench, &engine);
    force(&engine, parent);
    let row = engine.wait(parent).unwrap();
    assert_eq!(
        (row.status, row.error.unwrap().kind.to_string()),
        (ExecutionStatus::Failed, "given_up".into())
    );
    assert_eq!(engine.wait(undo).unwrap().status, ExecutionStatus::Failed);
    let steps = vec![
        task("work").undo(vec![await_signal("never", "never", None)]),
        task("bad").policy(ErrorPolicy::Rollback),
    ];
    let first = store_child(&engine, steps);
    let parent = engine.start(request(&version("parent", vec![call("one")]))).unwrap().execution;
    until(&engine, parent, "child_started");
    let child = state(&engine, parent).visit(VisitNo(0)).child().unwrap();
    for execution in [first, child] {
        until(&engine, execution, "undo_started");
    }
    engine.cancel(parent, false, Actor::new("test")).unwrap();
    assert_eq!(
        state(&engine, child).status(),
        ExecutionStatus::Undoing,
        "an undo is not cancelled on the way"
    );
    force(&engine, parent);
    assert_eq!(engine.wait(parent).unwrap().status, ExecutionStatus::Cancelled);
    assert_eq!(engine.wait(child).unwrap().status, ExecutionStatus::Failed);
    assert_eq!(state(&engine, first).status(), ExecutionStatus::Undoing);
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn a_question_and_a_signal_outlive_engines() {
    let bench = Bench::new();
    let engine = bench.open();
    let steps = vec![approval("ok", Some(30 * 86_400_000), OnTimeout::Fail), await_signal("go", "go", None)];
    let asked = engine.start(request(&version("ask", steps))).unwrap().execution;
    until(&engine, asked, "visit_entered");
    drop(engine);
    bench.clock.advance(Duration::from_secs(20 * 86_400));
    let engine = bench.open();
    let signal = InboxCommand::Signal { name: "go".into(), value: Value::text("early") };
    engine.tell(asked, signal, Actor::new("test")).unwrap();
    drop(engine);
    let engine = bench.reach(Reach::Only(asked));
    let answer = ApprovalAnswer { approved: true, by: "ann".into(), comment: None, form: None };
    let answer = InboxCommand::Answer { visit: VisitNo(0), answer };
    engine.tell(asked, answer.clone(), Actor::new("test")).unwrap();
    assert_eq!(engine.wait(asked).unwrap().status, ExecutionStatus::Completed);
    let late = engine.tell(asked, answer, Actor::new("test")).unwrap_err();
    assert_eq!(late.kind(), Kind::Conflict);
    assert_eq!(state(&engine, asked).visit(VisitNo(1)).result(), Some(&Value::text("early")));
}

#[test]
fn who_tells_one_something_for_a_moment_starts_nothing_of_it() {
    let bench = Bench::new();
    let engine = bench.open();
    let steps = vec![approval("ok", None, OnTimeout::Fail), task("work")];
    let asks = engine.start(request(&version("asks", steps))).unwrap().execution;
    let rests =
        engine.start(request(&version("rests", vec![wait("rest", 1_000), task("work")]))).unwrap().execution;
    for execution in [asks, rests] {
        until(&engine, execution, "visit_entered");
    }
    drop(engine);
    bench.clock.advance(Duration::from_secs(3_600));
    let engine = bench.reach(Reach::Only(asks));
    let answer = ApprovalAnswer { approved: true, by: "ann".into(), comment: None, form: None };
    engine.tell(asks, InboxCommand::Answer { visit: VisitNo(0), answer }, Actor::new("test")).unwrap();
    drop(engine);
    // Its pause was over long ago; what it is told comes before that.
    let engine = bench.reach(Reach::Only(rests));
    engine.cancel(rests, false, Actor::new("test")).unwrap();
    assert_eq!(engine.wait(rests).unwrap().status, ExecutionStatus::Cancelled);
    drop(engine);
    assert_eq!(bench.called.try_iter().count(), 0);
    let engine = bench.open();
    assert_eq!(engine.wait(asks).unwrap().status, ExecutionStatus::Completed);
    assert_eq!(bench.called.try_iter().collect::<Vec<_>>(), ["work"]);
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn who_waits_for_room_has_its_turn_after_a_restart() {
    let bench = Bench::new();
    let limited = |policy| {
        let concurrency = Some(Concurrency { limit: 1, policy });
        let name = ChainName::parse("limited").unwrap();
        version_of(Draft { concurrency, ..Draft::new(name, vec![await_signal("go", "go", None)]) })
    };
    let queue = limited(Overload::Queue);
    let engine = bench.open();
    let start = |engine: &Engine| engine.start(request(&queue)).unwrap().execution;
    let (one, two) = (start(&engine), start(&engine));
    until(&engine, two, "execution_held");
    drop(engine);
    let engine = bench.open();
    assert_eq!(engine.store().execution_row(two).unwrap().status, ExecutionStatus::Queued);
    let three = start(&engine);
    let go = |execution| {
        let signal = InboxCommand::Signal { name: "go".into(), value: Value::null() };
        engine.tell(execution, signal, Actor::new("test")).unwrap();
    };
    go(three);
    go(one);
    engine.wait(one).unwrap();
    until(&engine, two, "execution_started");
    assert_eq!(
        engine.store().execution_row(three).unwrap().status,
        ExecutionStatus::Queued,
        "in their order"
    );
    engine.cancel(two, false, Actor::new("test")).unwrap();
    assert_eq!(engine.wait(three).unwrap().status, ExecutionStatus::Completed);
}

#[test]
fn a_second_start_is_refused_and_the_same_key_is_no_second_start() {
    let bench = Bench::new();
    let concurrency = Some(Concurrency { limit: 1, policy: Overload::Skip });
    let name = ChainName::parse("limited").unwrap();
    let skip = version_of(Draft { concurrency, ..Draft::new(name, vec![await_signal("go", "go", None)]) });
    let engine = bench.open();
    let keyed = || StartRequest { key: Some("k".into()), ..request(&skip) };
    let first = engine.start(keyed()).unwrap();
    assert_eq!(engine.start(request(&skip)).unwrap_err().kind(), Kind::Conflict);
    let again = engine.start(keyed()).unwrap();
    assert_eq!((again.execution, again.is_new), (first.execution, false));
}

#[test]
fn a_rerun_keeps_what_was_done_and_only_the_first_one_has_to_undo_it() {
    let bench = Bench::new();
    let engine = bench.open();
    let steps = vec![
        task("work").undo(vec![task("back")]),
        task("bad"),
        task("bad").named("last").policy(ErrorPolicy::Rollback),
    ];
    let chain = version("night", steps);
    let first = engine.start(request(&chain)).unwrap().execution;
    assert_eq!(engine.wait(first).unwrap().status, ExecutionStatus::Failed);
    assert_eq!(bench.called.recv().unwrap(), "work");
    let early =
        engine.start(request(&version("open", vec![await_signal("go", "go", None)]))).unwrap().execution;
    let rerun = |of, again| StartRequest { rerun: Some((of, again)), ..request(&chain) };
    assert_eq!(engine.start(rerun(early, Again::Failed)).unwrap_err().kind(), Kind::Conflict);
    let last = chain.chain.step_by_id("last").unwrap();
    for has_duty in [true, false] {
        let again = engine.start(rerun(first, Again::Only(last))).unwrap().execution;
        assert_eq!(engine.wait(again).unwrap().status, ExecutionStatus::RolledBack);
        let (_, entries) = read_state(&**engine.store(), again).unwrap();
        let undone = entries.iter().any(|entry| {
            matches!(entry.event, Event::AttemptEnded { .. })
                && entry.event.visit().is_some_and(|visit| state(&engine, again).is_aside(visit))
        });
        assert_eq!(undone, has_duty);
    }
    assert_eq!(bench.called.try_iter().collect::<Vec<_>>(), ["back"]);
    assert!(engine.store().heir(first).unwrap().is_some());
}
