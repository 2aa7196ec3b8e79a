//! The engine on a real store and a clock that the test moves, with Rust functions as steps.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use catena_core::{
    Event, ExecutionId, Failure, FailureType, Timestamp, Value,
    chain::{ChainName, Draft, EffectKind, Param},
    status::{ExecutionStatus, StepStatus},
};
use catena_engine::{
    Call, Config, Engine, Error, Functions, ManualClock, StartRequest, StreamError, error::Kind,
};
use catena_store::{
    Actor, Commit, ExecutionFilter, InboxCommand, Record, Store, Version,
    sqlite::{HostLock, SqliteStore, check},
};
use catena_testkit::draft::{Change, Steps, for_each, task};
use serde_json::json;

struct Fixture {
    home: tempfile::TempDir,
    clock: Arc<ManualClock>,
    functions: Functions,
}

impl Fixture {
    fn new(functions: Functions) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp(1_000_000_000)));
        Self { home: tempfile::tempdir().unwrap(), clock, functions }
    }

    fn open(&self) -> Engine {
        let mut config = Config::new(self.home.path(), Arc::new(|| Command::new("false")));
        config.functions = self.functions.clone();
        config.clock = Arc::clone(&self.clock) as _;
        Engine::open(config).unwrap()
    }

    fn pass(&self, engine: &Engine, time: Duration) {
        self.clock.advance(time);
        engine.tick();
    }
}

fn request(steps: Steps) -> StartRequest {
    let chain = Draft::new(ChainName::parse("test").unwrap(), steps).build().unwrap();
    let version = Arc::new(Version::new(chain, "test".into(), Vec::new()));
    StartRequest::new(version, BTreeMap::new(), Actor::new("test"))
}

fn with_key(steps: Steps, key: &str) -> StartRequest {
    StartRequest { key: Some(key.into()), ..request(steps) }
}

fn answer_one() -> Functions {
    Functions::default().with("a", |_| Ok(Value::from(json!(1))))
}

fn refuse(message: &str) -> Failure {
    Failure::new(FailureType::Raised("refused".into()), message)
}

/// A function that tells when it is called and ends when it is told how.
struct Gate {
    called: Receiver<()>,
    let_go: Sender<Result<Value, Failure>>,
}

fn gate(name: &str) -> (Functions, Gate) {
    let ((call, called), (let_go, wait)) = (channel(), channel());
    let wait = Mutex::new(wait);
    let functions = Functions::default().with(name, move |_: &Call| {
        call.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap_or_else(|_| Err(refuse("the test has ended")))
    });
    (functions, Gate { called, let_go })
}

/// A step that is tried again an hour after its first failure.
fn patient(name: &str) -> Steps {
    let mut step = task(name).retry(2);
    step.retry.as_mut().unwrap().initial_delay_ms = 3_600_000;
    vec![step]
}

/// Follows until an event is of this kind.
fn until(engine: &Engine, execution: ExecutionId, kind: &str) {
    let mut follower = engine.follow(execution, 0).unwrap();
    while follower.next_event().unwrap().expect("the execution ended before").event.kind() != kind {}
}

fn status(engine: &Engine, execution: ExecutionId) -> ExecutionStatus {
    engine.store().execution_row(execution).unwrap().status
}

#[test]
fn a_start_is_durable_when_it_is_answered() {
    let fixture = Fixture::new(answer_one());
    let engine = fixture.open();
    let started = engine.start(request(vec![task("a")])).unwrap();
    assert_eq!(engine.wait(started.execution).unwrap().status, ExecutionStatus::Completed);
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn a_key_names_one_execution() {
    let fixture = Fixture::new(answer_one());
    let engine = fixture.open();
    let first = engine.start(with_key(vec![task("a")], "k")).unwrap();
    let again = engine.start(with_key(vec![task("a")], "k")).unwrap();
    assert_eq!((again.execution, first.is_new, again.is_new), (first.execution, true, false));
    let other = engine.start(with_key(vec![task("a"), task("b")], "k")).unwrap_err();
    assert_eq!(other.kind(), Kind::Conflict);
    drop(engine);
    let again = fixture.open().start(with_key(vec![task("a")], "k")).unwrap();
    assert_eq!(again.execution, first.execution);
}

#[test]
fn parameters_are_checked_all_at_once_before_anything_starts() {
    let fixture = Fixture::new(answer_one());
    let engine = fixture.open();
    let mut draft = Draft::new(ChainName::parse("test").unwrap(), vec![task("a")]);
    for (name, schema) in [("city", json!({"type": "string"})), ("n", json!({"type": "integer"}))] {
        draft.params.insert(name.into(), Param { schema, default: None });
    }
    let version = Arc::new(Version::new(draft.build().unwrap(), String::new(), Vec::new()));
    let params = BTreeMap::from([("n".into(), Value::text("x")), ("m".into(), Value::null())]);
    let refused = engine.start(StartRequest::new(version, params, Actor::new("test")));
    let Err(Error::Params(problems)) = refused else { panic!("{refused:?}") };
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(engine.store().executions(&Default::default()).unwrap().is_empty());
}

#[test]
fn a_failure_and_a_panic_both_stop_the_chain() {
    let functions = answer_one().with("fail", |_| Err(refuse("no"))).with("panic", |_| panic!("broken"));
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    for name in ["fail", "panic"] {
        let started = engine.start(request(vec![task(name), task("a")])).unwrap();
        assert_eq!(engine.wait(started.execution).unwrap().status, ExecutionStatus::Failed, "{name}");
        assert_eq!(engine.store().steps(started.execution).unwrap().len(), 1);
    }
}

#[test]
fn a_running_step_is_cancelled_and_nothing_runs_after() {
    let (called, calls) = channel();
    let functions = answer_one().with("long", move |call: &Call| {
        called.send(()).unwrap();
        while !call.is_cancelled() {
            std::thread::yield_now();
        }
        Err(refuse("asked to end"))
    });
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    let execution = engine.start(request(vec![task("long"), task("a")])).unwrap().execution;
    calls.recv().unwrap();
    engine.cancel(execution, false, Actor::new("test")).unwrap();
    assert_eq!(engine.wait(execution).unwrap().status, ExecutionStatus::Cancelled);
    assert_eq!(engine.store().steps(execution).unwrap().len(), 1);
    let again = engine.cancel(execution, false, Actor::new("test")).unwrap_err();
    assert_eq!(again.kind(), Kind::Conflict);
    let unknown = engine.cancel(ExecutionId(99), false, Actor::new("test")).unwrap_err();
    assert_eq!(unknown.kind(), Kind::NotFound);
}

#[test]
fn what_ran_when_the_engine_ended_runs_again_with_its_checkpoints() {
    let ((left, checkpointed), (hold, held)) = (channel(), channel::<()>());
    let held = Mutex::new(held);
    let functions =
        Functions::default().with("work", move |call: &Call| match call.checkpoints.get("page") {
            Some(page) => Ok(page.clone()),
            None => {
                call.checkpoint("page", Value::from(json!(7))).map_err(|why| refuse(&why))?;
                left.send(()).unwrap();
                // The engine ends under it; what it answers then is nobody's.
                assert!(held.lock().unwrap().recv().is_err());
                Err(refuse("too late"))
            }
        });
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    let execution = engine.start(request(vec![task("work")])).unwrap().execution;
    checkpointed.recv().unwrap();
    engine.close();
    drop(hold);

    let engine = fixture.open();
    let row = engine.wait(execution).unwrap();
    assert_eq!(row.status, ExecutionStatus::Completed);
    assert_eq!(engine.store().steps(execution).unwrap()[0].attempts, 2);
}

#[test]
fn what_may_run_once_is_in_doubt_when_the_engine_ended_under_it() {
    let (functions, gate) = gate("pay");
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    let mut pay = task("pay");
    pay.effect = EffectKind::AtMostOnce;
    let execution = engine.start(request(vec![pay])).unwrap().execution;
    gate.called.recv().unwrap();
    engine.close();
    gate.let_go.send(Err(refuse("too late"))).unwrap();

    let engine = fixture.open();
    until(&engine, execution, "visit_in_doubt");
    assert_eq!(status(&engine, execution), ExecutionStatus::InDoubt);
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn a_long_pause_is_spent_outside_memory_and_survives_the_engine() {
    let (functions, gate) = gate("flaky");
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    let execution = engine.start(request(patient("flaky"))).unwrap().execution;
    gate.let_go.send(Err(refuse("not yet"))).unwrap();
    gate.called.recv().unwrap();
    until(&engine, execution, "retry_scheduled");
    let row = engine.store().execution_row(execution).unwrap();
    assert_eq!((row.status, row.owned), (ExecutionStatus::Waiting, false));
    assert_eq!(check(engine.store()).unwrap(), []);
    engine.close();

    let engine = fixture.open();
    assert_eq!(engine.recovered(), [execution]);
    fixture.pass(&engine, Duration::from_secs(3_599));
    assert_eq!(status(&engine, execution), ExecutionStatus::Waiting);
    gate.let_go.send(Ok(Value::null())).unwrap();
    fixture.pass(&engine, Duration::from_secs(2));
    assert_eq!(engine.wait(execution).unwrap().status, ExecutionStatus::Completed);
    assert_eq!(engine.store().steps(execution).unwrap()[0].attempts, 2);
}

#[test]
fn a_long_journal_leaves_a_snapshot_when_it_leaves_memory() {
    let fixture = Fixture::new(answer_one().with("flaky", |_| Err(refuse("no"))));
    let engine = fixture.open();
    let items: Vec<u32> = (0..60).collect();
    let mut steps = vec![for_each("each", &format!("{items:?}"), vec![task("a")])];
    steps.extend(patient("flaky"));
    let execution = engine.start(request(steps)).unwrap().execution;
    until(&engine, execution, "retry_scheduled");
    // Closing commits what was submitted, the snapshot too.
    engine.close();

    let engine = fixture.open();
    let (seq, _) = engine.store().snapshot(execution).unwrap().expect("there is a snapshot");
    assert_eq!(seq, engine.store().journal(execution, 0).unwrap().len() as u64);
    assert_eq!(engine.folds(), 0, "what only waits is not read when an engine comes up");
    fixture.pass(&engine, Duration::from_secs(3_601));
    assert_eq!(engine.wait(execution).unwrap().status, ExecutionStatus::Failed);
    assert_eq!(engine.folds(), 1);
    assert_eq!(engine.store().snapshot(execution).unwrap(), None);
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn an_execution_that_only_waits_can_be_cancelled() {
    let fixture = Fixture::new(Functions::default().with("flaky", |_| Err(refuse("no"))));
    let engine = fixture.open();
    let execution = engine.start(request(patient("flaky"))).unwrap().execution;
    until(&engine, execution, "retry_scheduled");
    engine.cancel(execution, false, Actor::new("test")).unwrap();
    assert_eq!(engine.wait(execution).unwrap().status, ExecutionStatus::Cancelled);
    assert_eq!(engine.store().steps(execution).unwrap()[0].status, StepStatus::Cancelled);
}

#[test]
fn a_follower_sees_every_event_once_from_any_point() {
    let fixture = Fixture::new(answer_one());
    let engine = fixture.open();
    let execution = engine.start(request(vec![task("a"), task("a").named("b")])).unwrap().execution;
    let read = |after| {
        let mut follower = engine.follow(execution, after).unwrap();
        let mut seqs = Vec::new();
        while let Some(entry) = follower.next_event().unwrap() {
            seqs.push(entry.seq);
        }
        seqs
    };
    let all = read(0);
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>());
    assert_eq!(read(5), all[5..]);
    let stream = engine.stream(execution);
    assert!(stream.has_events().unwrap());
    let after = stream.events_after(3).unwrap();
    assert!(matches!(after.last().unwrap().event, Event::ExecutionEnded { .. }));
    fixture.clock.advance(Duration::from_secs(3_601));
    assert!(matches!(stream.has_events(), Err(StreamError::Expired(_))));
}

#[test]
fn a_command_that_was_acknowledged_to_a_peer_is_carried_out_once() {
    let fixture = Fixture::new(Functions::default().with("flaky", |_| Err(refuse("no"))));
    let engine = fixture.open();
    let execution = engine.start(request(patient("flaky"))).unwrap().execution;
    until(&engine, execution, "retry_scheduled");
    engine.close();
    // What a host writes that acknowledges a command and ends before it can take it.
    let path = fixture.home.path().join("catena.db");
    let lock = HostLock::take(&path).unwrap();
    let store = SqliteStore::open(&path, &lock).unwrap();
    let command = InboxCommand::Cancel { rollback: false, force: false };
    let added = Record::InboxAdded { execution, at: Timestamp(1), actor: Actor::new("peer"), command };
    let (sender, receiver) = channel();
    let commit = Commit { lease: store.lease().unwrap(), records: vec![added], append: None };
    store.submit(commit, Box::new(move |result| sender.send(result).unwrap()));
    receiver.recv().unwrap().unwrap();
    store.close();
    drop(lock);

    let engine = fixture.open();
    assert_eq!(engine.wait(execution).unwrap().status, ExecutionStatus::Cancelled);
    assert_eq!(engine.store().inbox().unwrap(), []);
}

#[test]
fn a_follower_that_falls_behind_still_sees_everything() {
    let fixture = Fixture::new(answer_one());
    let engine = fixture.open();
    let steps: Steps = (0..1_000).map(|n| task("a").named(&format!("a{n}"))).collect();
    let execution = engine.start(request(steps)).unwrap().execution;
    let mut follower = engine.follow(execution, 0).unwrap();
    // It looks once at the start and then only when all is over.
    assert_eq!(follower.next_event().unwrap().unwrap().seq, 1);
    engine.wait(execution).unwrap();
    let mut last = 1;
    while let Some(entry) = follower.next_event().unwrap() {
        assert_eq!(entry.seq, last + 1);
        last = entry.seq;
    }
    assert_eq!(last, engine.store().journal(execution, 0).unwrap().last().unwrap().seq);
}

#[test]
fn many_starts_with_one_key_and_many_cancels_do_the_engine_no_harm() {
    let fixture = Fixture::new(answer_one().with("flaky", |_| Err(refuse("no"))));
    let engine = fixture.open();
    let steps = || (0..20).map(|n| task("a").named(&format!("a{n}"))).collect::<Steps>();
    let first = engine.start(with_key(steps(), "k")).unwrap().execution;
    let waiting = engine.start(request(patient("flaky"))).unwrap().execution;
    until(&engine, waiting, "retry_scheduled");
    let refused = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    engine.start(request(steps())).unwrap();
                    assert_eq!(engine.start(with_key(steps(), "k")).unwrap().execution, first);
                }
            });
        }
        let cancels: Vec<_> =
            (0..4).map(|_| scope.spawn(|| engine.cancel(waiting, false, Actor::new("test")))).collect();
        cancels.into_iter().map(|cancel| cancel.join().unwrap()).filter(Result::is_err).count()
    });
    assert_eq!(refused, 3, "one cancel is taken");
    let filter = ExecutionFilter { unfinished_only: true, ..Default::default() };
    for row in engine.store().executions(&filter).unwrap() {
        engine.wait(row.id).unwrap();
    }
    assert_eq!(check(engine.store()).unwrap(), []);
}
