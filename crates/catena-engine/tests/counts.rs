//! What a step costs, in things that can be counted: commits, events, folds. Unlike times they are the same on every
//! machine, so they are tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use catena_core::{
    ExecutionId, Value,
    chain::{ChainName, Draft, StepDraft, Work},
    ids::StepId,
    template::Template,
};
use catena_engine::{Config, Engine, Functions, StartRequest, load};
use catena_store::{Actor, Version};

const STEPS: usize = 1_000;
/// One for the start, one for the end of each step, one to spare.
const COMMITS_MAX: u64 = STEPS as u64 + 2;
/// The end of an attempt, of its visit, and the entering and start of the next one.
const EVENTS_PER_STEP: u64 = 4;
/// Created, started, opened, and the first step's entering and start.
const EVENTS_OF_START: u64 = 5;
/// A test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// A thousand steps that do nothing and one that says when they are durable; the first step does what it is told.
struct Run {
    engine: Engine,
    execution: ExecutionId,
    done: Receiver<()>,
    _home: tempfile::TempDir,
}

impl Run {
    fn start(first: impl Fn(&Path) + Send + Sync + 'static) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (call, done) = channel();
        let mut config = Config::new(home.path(), Arc::new(|| Command::new("false")));
        let path: PathBuf = config.store.clone();
        config.functions = Functions::default()
            .with("first", move |_| {
                first(&path);
                Ok(Value::null())
            })
            .with("noop", |_| Ok(Value::null()))
            .with("last", move |_| {
                call.send(()).unwrap();
                Ok(Value::null())
            });
        let engine = Engine::open(config).unwrap();
        let execution = engine.start(request()).unwrap().execution;
        Self { engine, execution, done, _home: home }
    }

    /// Returns when the last step is called: all before it are durable.
    fn wait_for_last(&self) {
        self.done.recv_timeout(PATIENCE).expect("the chain comes to its last step");
    }
}

fn request() -> StartRequest {
    let noops = std::iter::repeat_n("noop", STEPS - 1);
    let functions = ["first"].into_iter().chain(noops).chain(["last"]);
    let steps: Vec<StepDraft> = functions
        .enumerate()
        .map(|(position, function)| {
            let work = Work::Function { function: function.into(), parameters: Template::constant("input") };
            StepDraft::new(StepId::parse(&format!("step_{position}")).unwrap(), work)
        })
        .collect();
    let chain = Draft::new(ChainName::parse("counted").unwrap(), steps).build().unwrap();
    let version = Arc::new(Version::new(chain, "counted".into(), Vec::new()));
    StartRequest::new(version, BTreeMap::new(), Actor::new("test"))
}

#[test]
fn a_step_in_sequence_costs_one_commit() {
    let run = Run::start(|_| {});
    run.wait_for_last();
    let (commits, events) = run.engine.store().counts();
    assert!(commits <= COMMITS_MAX, "{commits} commits");
    let expected = EVENTS_OF_START + EVENTS_PER_STEP * STEPS as u64;
    // The end of the last step, which nobody holds back, may be among them: of attempt, visit, block and execution.
    assert!((expected..=expected + 4).contains(&events), "{events} events");
}

/// The first step damages the journal, so whatever reads it again would stop the execution.
#[test]
fn an_execution_in_memory_never_folds_its_journal_again() {
    let run = Run::start(|store| {
        let damaged = rusqlite::Connection::open(store).unwrap();
        damaged.busy_timeout(PATIENCE).unwrap();
        damaged.execute("UPDATE journal SET events = 'damaged'", []).unwrap();
    });
    run.wait_for_last();
    assert!(load(&**run.engine.store(), run.execution).is_err(), "the damage would be noticed");
}
