//! Parts of the engine that meet: timers and large values, keys and schedules, outages and impatient clients.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use catena_core::{
    Timestamp, Value,
    chain::{ChainName, Draft, WaitFor},
    schedule::Schedule,
    status::ExecutionStatus,
};
use catena_engine::{
    Begin, Config, Engine, Functions, ManualClock, Notice, ScheduleRequest, Standing, StartRequest,
    error::Kind,
};
use catena_store::{Actor, FireFilter, Store, Version, sqlite::check};
use catena_testkit::draft::{Steps, parallel, set, task, wait};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR_MS: u64 = 3_600_000;
const NOON: i64 = 12 * 3_600 * 1_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

struct Fixture {
    home: tempfile::TempDir,
    clock: Arc<ManualClock>,
    functions: Functions,
    notices: (Sender<Notice>, Receiver<Notice>),
}

impl Fixture {
    fn new(functions: Functions) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp(NOON)));
        Self { home: tempfile::tempdir().unwrap(), clock, functions, notices: channel() }
    }

    fn open(&self) -> Engine {
        let mut config = Config::new(self.home.path(), Arc::new(|| Command::new("false")));
        config.functions = self.functions.clone();
        config.clock = Arc::clone(&self.clock) as _;
        let notices = Mutex::new(self.notices.0.clone());
        config.notify = Arc::new(move |notice| drop(notices.lock().unwrap().send(notice.clone())));
        let engine = Engine::open(config).unwrap();
        engine.host_schedules();
        engine
    }

    fn pass(&self, engine: &Engine, time: Duration) {
        self.clock.advance(time);
        settle(engine);
    }

    /// Another hand in the store.
    fn sql(&self, text: &str) {
        let store = rusqlite::Connection::open(self.home.path().join("catena.db")).unwrap();
        store.busy_timeout(PATIENCE).unwrap();
        store.execute_batch(text).unwrap();
    }
}

/// The answer comes behind everything that was decided before.
fn settle(engine: &Engine) {
    engine.tick();
    assert_eq!(engine.change_chain("none", Standing::Paused).unwrap_err().kind(), Kind::NotFound);
}

fn version(steps: Steps) -> Arc<Version> {
    let draft = Draft::new(ChainName::parse("test").unwrap(), steps);
    Arc::new(Version::new(draft.build().unwrap(), "test".into(), Vec::new()))
}

fn request(steps: Steps, key: Option<&str>) -> StartRequest {
    let (version, key) = (version(steps), key.map(str::to_owned));
    StartRequest { key, ..StartRequest::new(version, BTreeMap::new(), Actor::new("test")) }
}

fn schedule(engine: &Engine, steps: Steps, schedule: Schedule) -> catena_core::ScheduleId {
    let (schedules, params) = (vec![schedule], BTreeMap::new());
    let (version, actor) = (version(steps), Actor::new("test"));
    let request = ScheduleRequest { version, schedules, params, actor, begin: Begin::AtInstant };
    engine.schedule(request).unwrap().schedules[0].id
}

fn quick() -> Functions {
    Functions::default().with("a", |_| Ok(Value::null())).with("b", |_| Ok(Value::null()))
}

#[test]
fn a_timer_that_is_due_while_a_large_value_is_read_waits_for_it() {
    let ((call, called), (let_go, held)) = (channel(), channel());
    let held = Mutex::new(held);
    let functions = quick().with("big", move |_| {
        call.send(()).unwrap();
        held.lock().unwrap().recv().unwrap();
        Ok(Value::text("x".repeat(1024 * 1024)))
    });
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    let branches = vec![
        ("reads", vec![task("big"), set("length", "big | length")]),
        ("waits", vec![wait("rest", 60_000), task("a")]),
    ];
    let steps = vec![parallel("both", WaitFor::All, branches)];
    let execution = engine.start(request(steps, None)).unwrap().execution;
    called.recv_timeout(PATIENCE).unwrap();
    // Nobody says that time has moved: the end of the attempt is what the engine hears of first.
    fixture.clock.advance(MINUTE);
    let (done, is_done) = channel();
    let_go.send(()).unwrap();
    std::thread::scope(|scope| {
        let engine = &engine;
        scope.spawn(move || done.send(engine.wait(execution).unwrap().status).unwrap());
        match is_done.recv_timeout(PATIENCE) {
            Ok(status) => assert_eq!(status, ExecutionStatus::Completed),
            // A dispatcher that turns in a circle lets nobody go: not the scope, and not the engine.
            Err(_) => std::process::abort(),
        }
    });
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn a_version_that_was_refused_with_its_key_is_no_version_of_a_schedule() {
    let fixture = Fixture::new(quick());
    let engine = fixture.open();
    engine.start(request(vec![task("a")], Some("k"))).unwrap();
    schedule(&engine, vec![task("a")], Schedule::every(60_000, None));
    let refused = engine.start(request(vec![task("b")], Some("k"))).unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict, "{refused}");
    fixture.pass(&engine, MINUTE);
    let fires = engine.store().fires(&FireFilter::default()).unwrap();
    let row = engine.wait(fires[0].execution.unwrap()).unwrap();
    engine.store().version(&row.version).unwrap();
    assert_eq!(row.version, version(vec![task("a")]).digest);
    engine.close();
    assert_eq!(check(fixture.open().store()).unwrap(), []);
}

#[test]
fn what_never_was_has_no_timer() {
    let fixture = Fixture::new(quick());
    let engine = fixture.open();
    let steps = || vec![wait("rest", 1_000), task("a")];
    let first = engine.start(request(steps(), Some("k"))).unwrap();
    // The writer is held up, so that the timer of the second is due before its key is looked at.
    let mut store = rusqlite::Connection::open(fixture.home.path().join("catena.db")).unwrap();
    let held = store.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let again = std::thread::scope(|scope| {
        let again = scope.spawn(|| engine.start(request(steps(), Some("k"))));
        std::thread::sleep(Duration::from_millis(300));
        fixture.clock.advance(MINUTE);
        engine.tick();
        std::thread::sleep(Duration::from_millis(300));
        drop(held);
        again.join().unwrap()
    });
    assert_eq!(again.unwrap().execution, first.execution);
    settle(&engine);
    assert_eq!(engine.wait(first.execution).unwrap().status, ExecutionStatus::Completed);
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn an_instant_that_a_backfill_has_started_is_taken_for_every_later_host() {
    let fixture = Fixture::new(quick());
    let engine = fixture.open();
    let jitter_ms = HOUR_MS / 2;
    let hourly = Schedule { jitter_ms, ..Schedule::every(HOUR_MS, None) };
    let id = schedule(&engine, vec![task("a")], hourly);
    let hour = Duration::from_millis(HOUR_MS);
    fixture.pass(&engine, hour);
    let span = (Timestamp(NOON), Timestamp(NOON + 3_600_000_000));
    let answer = engine.backfill(id, span, Actor::new("test")).unwrap();
    assert_eq!(answer.starts, 1, "its instant has come, and its delay is not over");
    settle(&engine);
    let started = engine.store().fires(&FireFilter::default()).unwrap().remove(0).execution.unwrap();
    engine.wait(started).unwrap();
    fixture.pass(&engine, hour / 2);
    settle(&engine);
    // Its own start is refused; how far the schedule has come is written all the same.
    let marks = |engine: &Engine| engine.store().schedules().unwrap().remove(0).considered_until;
    assert_eq!(marks(&engine), Timestamp(NOON + 3_600_000_000));
    engine.close();
    let engine = fixture.open();
    settle(&engine);
    fixture.pass(&engine, hour * 3 / 2);
    let fires = engine.store().fires(&FireFilter::default()).unwrap();
    assert!(fires.iter().any(|row| row.fire.at.0 == NOON + 2 * 3_600_000_000), "{fires:?}");
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn an_outage_is_over_however_often_somebody_asks() {
    let fixture = Fixture::new(quick());
    let engine = fixture.open();
    fixture.sql("CREATE TRIGGER no BEFORE UPDATE ON counter BEGIN SELECT RAISE(ABORT, 'no'); END");
    engine.start(request(vec![task("a")], None)).unwrap_err();
    assert!(matches!(fixture.notices.1.recv_timeout(PATIENCE), Ok(Notice::Suspended { .. })));
    fixture.sql("DROP TRIGGER no");
    // It looks again when time has passed, not when nobody asks for so long.
    let began = Instant::now();
    while engine.start(request(vec![task("a")], None)).is_err() {
        assert!(began.elapsed() < PATIENCE, "it is asked, and never looks");
        fixture.clock.advance(Duration::from_millis(50));
    }
    assert_eq!(fixture.notices.1.recv_timeout(PATIENCE), Ok(Notice::Resumed));
    assert_eq!(check(engine.store()).unwrap(), []);
}

/// As a store is in which an engine has died between the two.
#[test]
fn an_instant_that_is_decided_and_not_marked_stops_no_host() {
    let fixture = Fixture::new(quick());
    let engine = fixture.open();
    schedule(&engine, vec![task("a")], Schedule::every(60_000, None));
    fixture.pass(&engine, MINUTE);
    let fires = engine.store().fires(&FireFilter::default()).unwrap();
    engine.wait(fires[0].execution.unwrap()).unwrap();
    settle(&engine);
    engine.close();
    fixture.sql(&format!("UPDATE schedules SET considered_until = {NOON}, next_at = {NOON} + 60000000"));
    let engine = fixture.open();
    settle(&engine);
    // Behind the refusal, which the writer has told of before it answered.
    settle(&engine);
    fixture.pass(&engine, MINUTE);
    let fires = engine.store().fires(&FireFilter::default()).unwrap();
    let started = fires.iter().filter(|row| row.execution.is_some()).count();
    assert_eq!((fires.len(), started), (2, 2), "{fires:?}");
    assert_eq!(check(engine.store()).unwrap(), []);
}
