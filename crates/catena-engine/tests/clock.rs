//! Clocks that jump: nothing fires twice, nothing is lost, and nobody waits longer because a clock was set back.

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
    chain::{ChainName, Draft, StepDraft, Wait, Work},
    status::ExecutionStatus,
};
use catena_engine::{Clock, Config, Engine, Functions, ManualClock, StartRequest, SystemClock};
use catena_store::{Actor, Store, Version, sqlite::check};
use catena_testkit::draft::{Change, id, set, task, wait};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY_US: i64 = 24 * 3_600_000_000;
/// Some day of this century.
const NOON: Timestamp = Timestamp(1_800_000_000_000_000);

/// An engine on a clock that the test sets, and steps that fail until the test has them succeed.
struct Fixture {
    home: tempfile::TempDir,
    clock: Arc<ManualClock>,
    answers: Sender<bool>,
    functions: Functions,
}

impl Fixture {
    fn new() -> Self {
        let (answers, wait) = channel();
        let wait: Mutex<Receiver<bool>> = Mutex::new(wait);
        let refused = || Failure::new(FailureType::Raised("refused".into()), "not yet");
        let functions = Functions::default().with("flaky", move |_| {
            let succeeds = wait.lock().unwrap().recv().unwrap_or(false);
            if succeeds { Ok(Value::null()) } else { Err(refused()) }
        });
        let clock = Arc::new(ManualClock::at(NOON));
        Self { home: tempfile::tempdir().unwrap(), clock, answers, functions }
    }

    fn open(&self) -> Engine {
        let mut config = Config::new(self.home.path(), Arc::new(|| Command::new("false")));
        config.functions = self.functions.clone();
        config.clock = Arc::clone(&self.clock) as _;
        Engine::open(config).unwrap()
    }

    /// An execution that has failed once and is tried again an hour later.
    fn start(&self, engine: &Engine) -> ExecutionId {
        let mut step = task("flaky").retry(2);
        let retry = step.retry.as_mut().unwrap();
        retry.initial_delay_ms = 3_600_000;
        let chain = Draft::new(ChainName::parse("test").unwrap(), vec![step]).build().unwrap();
        let version = Arc::new(Version::new(chain, "test".into(), Vec::new()));
        let actor = Actor::new("test");
        self.answers.send(false).unwrap();
        let started = engine.start(StartRequest::new(version, BTreeMap::new(), actor)).unwrap();
        until(engine, started.execution, "retry_scheduled");
        started.execution
    }

    fn pass(&self, engine: &Engine, time: Duration) {
        self.clock.advance(time);
        engine.tick();
    }

    /// Somebody sets the clock to so much later, or earlier.
    fn jump(&self, engine: &Engine, by_us: i64) {
        self.clock.set(Timestamp(self.clock.now().0 + by_us));
        engine.tick();
    }

    /// It is still waiting, and goes on now.
    fn expect_on_time(&self, engine: &Engine, execution: ExecutionId, time: Duration) {
        settle(engine);
        assert_eq!(fired(engine, execution), 0);
        self.answers.send(true).unwrap();
        self.pass(engine, time);
        assert_eq!(engine.wait(execution).unwrap().status, ExecutionStatus::Completed);
        assert_eq!(fired(engine, execution), 1);
        assert_eq!(check(engine.store()).unwrap(), []);
    }
}

fn until(engine: &Engine, execution: ExecutionId, kind: &str) {
    let mut follower = engine.follow(execution, 0).unwrap();
    while follower.next_event().unwrap().expect("the execution ended before").event.kind() != kind {}
}

/// The engine takes one input after the other: when this one is answered, those before it have been taken.
fn settle(engine: &Engine) {
    drop(engine.cancel(ExecutionId(u64::MAX >> 1), false, Actor::new("test")));
}

fn fired(engine: &Engine, execution: ExecutionId) -> usize {
    let journal = engine.store().journal(execution, 0).unwrap();
    journal.iter().filter(|entry| matches!(entry.event, Event::TimerFired { .. })).count()
}

#[test]
fn a_clock_that_is_set_back_makes_no_pause_longer() {
    let fixture = Fixture::new();
    let engine = fixture.open();
    let execution = fixture.start(&engine);
    fixture.pass(&engine, HOUR / 2);
    fixture.jump(&engine, -DAY_US);
    fixture.pass(&engine, HOUR / 2);
    fixture.expect_on_time(&engine, execution, Duration::from_secs(1));
    // What is begun by the new clock goes by it.
    let execution = fixture.start(&engine);
    fixture.pass(&engine, HOUR - Duration::from_micros(1));
    fixture.expect_on_time(&engine, execution, Duration::from_micros(1));
}

#[test]
fn a_clock_that_is_set_forward_fires_once() {
    let fixture = Fixture::new();
    let engine = fixture.open();
    let executions = [(); 3].map(|()| fixture.start(&engine));
    executions.iter().for_each(|_| fixture.answers.send(true).unwrap());
    fixture.jump(&engine, 365 * DAY_US);
    for execution in executions {
        assert_eq!(engine.wait(execution).unwrap().status, ExecutionStatus::Completed);
    }
    fixture.jump(&engine, -365 * DAY_US);
    fixture.pass(&engine, 2 * HOUR);
    settle(&engine);
    assert_eq!(executions.map(|execution| fired(&engine, execution)), [1; 3]);
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn after_a_nights_sleep_all_that_was_due_fires_once() {
    let fixture = Fixture::new();
    let engine = fixture.open();
    let executions = [(); 3].map(|()| fixture.start(&engine));
    executions.iter().for_each(|_| fixture.answers.send(true).unwrap());
    // Nothing is told while the machine sleeps.
    fixture.clock.advance(8 * HOUR);
    engine.tick();
    engine.tick();
    for execution in executions {
        assert_eq!(engine.wait(execution).unwrap().status, ExecutionStatus::Completed);
        assert_eq!(fired(&engine, execution), 1);
    }
}

#[test]
fn a_clock_that_jumps_about_neither_repeats_nor_loses_a_timer() {
    let fixture = Fixture::new();
    let engine = fixture.open();
    let execution = fixture.start(&engine);
    for _ in 0..40 {
        fixture.jump(&engine, -3 * DAY_US);
        fixture.pass(&engine, HOUR / 50);
        fixture.jump(&engine, 3 * DAY_US - 1_000_000);
    }
    fixture.expect_on_time(&engine, execution, HOUR / 5 + Duration::from_secs(1));
    fixture.pass(&engine, HOUR);
    settle(&engine);
    assert_eq!(fired(&engine, execution), 1);
}

/// Only the instant is in the store: an engine that comes up goes by the clock that it finds.
#[test]
fn a_clock_that_was_set_between_two_engines_loses_nothing() {
    let fixture = Fixture::new();
    let engine = fixture.open();
    let execution = fixture.start(&engine);
    engine.close();
    fixture.clock.set(Timestamp(NOON.0 - 3_600_000_000));
    let engine = fixture.open();
    fixture.pass(&engine, 2 * HOUR - Duration::from_micros(1));
    fixture.expect_on_time(&engine, execution, Duration::from_micros(1));
}

#[test]
fn a_watch_of_the_clock_ends_with_who_keeps_it() {
    let (moved, told) = channel();
    let watch = SystemClock.watch(Box::new(move || moved.send(()).unwrap())).unwrap();
    assert!(watch.is_some());
    drop(watch);
    // Its thread is over, and nothing has moved.
    assert!(told.recv().is_err());
}

/// A pause, a pause between steps and an instant, one execution each: `rest`, `next` and `until`.
fn waiting(fixture: &Fixture, engine: &Engine) -> [ExecutionId; 3] {
    let instant = Wait::Until(Timestamp(fixture.clock.now().0 + 3_600_000_000));
    let until_then = StepDraft::new(id("until"), Work::Wait { wait: instant });
    [
        vec![wait("rest", 3_600_000)],
        vec![set("first", "1").delays(3_600_000), set("second", "2")],
        vec![until_then],
    ]
    .map(|steps| {
        let chain = Draft::new(ChainName::parse("waits").unwrap(), steps).build().unwrap();
        let version = Arc::new(Version::new(chain, "test".into(), Vec::new()));
        let request = StartRequest::new(version, BTreeMap::new(), Actor::new("test"));
        engine.start(request).unwrap().execution
    })
}

fn statuses(engine: &Engine, executions: [ExecutionId; 3]) -> [ExecutionStatus; 3] {
    settle(engine);
    executions.map(|id| engine.store().execution(id).unwrap().unwrap().status)
}

#[test]
fn a_clock_that_is_set_back_moves_instants_and_no_pauses() {
    use ExecutionStatus::{Completed, Waiting};
    let fixture = Fixture::new();
    let engine = fixture.open();
    let executions = waiting(&fixture, &engine);
    fixture.jump(&engine, -3_600_000_000);
    fixture.pass(&engine, HOUR / 2);
    assert_eq!(statuses(&engine, executions), [Waiting; 3]);
    fixture.pass(&engine, HOUR / 2 + Duration::from_secs(1));
    for pause in &executions[..2] {
        assert_eq!(engine.wait(*pause).unwrap().status, Completed);
    }
    // The instant comes when the clock says so.
    assert_eq!(statuses(&engine, executions), [Completed, Completed, Waiting]);
    fixture.pass(&engine, HOUR);
    assert_eq!(engine.wait(executions[2]).unwrap().status, Completed);
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn a_year_forward_or_a_nights_sleep_ends_each_wait_once() {
    for jump in [365 * DAY_US, DAY_US / 3] {
        let fixture = Fixture::new();
        let engine = fixture.open();
        let executions = waiting(&fixture, &engine);
        fixture.jump(&engine, jump);
        for execution in executions {
            assert_eq!(engine.wait(execution).unwrap().status, ExecutionStatus::Completed);
        }
        fixture.jump(&engine, -jump);
        fixture.pass(&engine, 2 * HOUR);
        settle(&engine);
        let ends = |id| {
            let journal = engine.store().journal(id, 0).unwrap();
            let is_over =
                |event: &Event| matches!(event, Event::TimerFired { .. } | Event::DelayElapsed { .. });
            journal.iter().filter(|entry| is_over(&entry.event)).count()
        };
        assert_eq!(executions.map(ends), [1; 3]);
    }
}
