//! Large values in an engine: what they cost, and that they outlive it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{Arc, Mutex, mpsc::channel},
    time::Duration,
};

use catena_core::{
    ExecutionId, Failure, FailureType, Timestamp, Value,
    chain::{ChainName, Draft, Param, Work},
    status::ExecutionStatus,
    template::Template,
};
use catena_engine::{Call, Config, Engine, Functions, ManualClock, StartRequest, load};
use catena_store::{
    Actor, Store, Version,
    sqlite::{SqliteStore, check},
    whole,
};
use catena_testkit::draft::{Change, Steps, expr, set, task};
use serde_json::{Value as Json, json};

const MIB: usize = 1024 * 1024;

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
}

fn request(steps: Steps, params: Json) -> StartRequest {
    let mut draft = Draft::new(ChainName::parse("test").unwrap(), steps);
    let params: BTreeMap<String, Json> = serde_json::from_value(params).unwrap();
    for name in params.keys() {
        draft.params.insert(name.clone(), Param { schema: json!({}), default: None });
    }
    let version = Arc::new(Version::new(draft.build().unwrap(), "test".into(), Vec::new()));
    let params = params.into_iter().map(|(name, json)| (name, Value::from(json))).collect();
    StartRequest::new(version, params, Actor::new("test"))
}

fn functions() -> Functions {
    Functions::default()
        .with("big", |_| Ok(Value::text("x".repeat(MIB))))
        .with("count", |call| Ok(json!(call.parameters.as_json()["text"].as_str().unwrap().len()).into()))
}

/// A function that is told what to count.
fn count(name: &str, what: &str) -> Steps {
    let parameters = Template::Map(vec![("text".into(), Template::Expr(expr(what)))]);
    let mut step = task("count").named(name);
    step.output_key = Some(name.into());
    step.work = Work::Function { function: "count".into(), parameters };
    vec![step]
}

/// What the steps leave, by id.
fn results(store: &SqliteStore, execution: ExecutionId) -> BTreeMap<String, Json> {
    let state = load(store, execution).unwrap();
    let result = |visit: &catena_core::state::Visit| visit.result().map(|value| whole(store, value).unwrap());
    let steps = state.visits().map(|(no, visit)| (state.step_of(no).id.to_string(), result(visit)));
    steps.filter_map(|(id, result)| Some((id, result?))).collect()
}

#[test]
fn what_is_read_costs_no_event_of_its_own() {
    let fixture = Fixture::new(functions());
    let engine = fixture.open();
    let mut steps = vec![task("big"), set("length", "big | length + (page | length)")];
    steps.extend(count("passed", "big"));
    steps.extend(count("given", "page"));
    steps.push(task("count").named("never").when("big | length < 5"));
    let execution = engine.start(request(steps, json!({ "page": "y".repeat(2 * MIB) }))).unwrap().execution;
    assert_eq!(engine.wait(execution).unwrap().status, ExecutionStatus::Completed);
    let results = results(engine.store(), execution);
    assert_eq!(results["length"], json!({ "length": 3 * MIB }));
    assert_eq!((&results["passed"], &results["given"]), (&json!(MIB), &json!(2 * MIB)));
    let journal = engine.store().journal(execution, 0).unwrap();
    let bytes: usize = journal.iter().map(|entry| serde_json::to_string(&entry.event).unwrap().len()).sum();
    assert!(bytes < 10_000, "{bytes} bytes in the journal");
    // Created, started, opened; entered, started, ended, completed for each function; entered for the rest; two ends.
    assert_eq!(journal.len(), 3 + 3 * 4 + 2 + 2);
    assert_eq!(engine.folds(), 0);
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn large_values_outlive_the_engine() {
    let fails = Mutex::new(true);
    let functions = functions().with("flaky", move |_: &Call| {
        let fails = std::mem::replace(&mut *fails.lock().unwrap(), false);
        let refused = Failure::new(FailureType::Raised("refused".into()), "not yet");
        if fails { Err(refused) } else { Ok(Value::null()) }
    });
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    let mut flaky = task("flaky").retry(2);
    flaky.retry.as_mut().unwrap().initial_delay_ms = 3_600_000;
    let mut steps = vec![task("big"), flaky, set("length", "big | length")];
    steps.extend(count("passed", "big"));
    let execution = engine.start(request(steps, json!({}))).unwrap().execution;
    let mut follower = engine.follow(execution, 0).unwrap();
    while follower.next_event().unwrap().unwrap().event.kind() != "retry_scheduled" {}
    drop(follower);
    engine.close();

    let engine = fixture.open();
    fixture.clock.advance(Duration::from_secs(3_601));
    engine.tick();
    assert_eq!(engine.wait(execution).unwrap().status, ExecutionStatus::Completed);
    let results = results(engine.store(), execution);
    assert_eq!(results["length"], json!({ "length": MIB }));
    assert_eq!(results["passed"], json!(MIB));
}

#[test]
fn a_value_that_is_gone_fails_what_reads_it() {
    let home = tempfile::tempdir().unwrap();
    let (path, (sender, receiver)) = (home.path().join("catena.db"), channel());
    let functions = functions().with("lose", move |_| {
        let store = rusqlite::Connection::open(&path).unwrap();
        store.busy_timeout(Duration::from_secs(60)).unwrap();
        store.execute("DELETE FROM blobs", []).unwrap();
        sender.send(()).unwrap();
        Ok(Value::null())
    });
    let fixture = Fixture { home, ..Fixture::new(functions) };
    let engine = fixture.open();
    for read in [vec![set("length", "big | length")], count("passed", "big")] {
        let steps = [task("big"), task("lose")].into_iter().chain(read).collect();
        let execution = engine.start(request(steps, json!({}))).unwrap().execution;
        receiver.recv().unwrap();
        let row = engine.wait(execution).unwrap();
        assert_eq!(row.status, ExecutionStatus::Failed);
        assert!(row.error.unwrap().message.contains("large value"));
    }
    assert_eq!(check(engine.store()).unwrap().len(), 2);
}
