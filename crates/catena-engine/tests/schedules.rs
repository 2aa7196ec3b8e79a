//! Schedules on a real store and a clock that the test moves: instants in, rows out.

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
    Event, ExecutionId, ScheduleId, Timestamp, Value,
    chain::{ChainName, Draft},
    event::Trigger,
    schedule::{CatchUp, Overlap, Schedule},
    status::{ExecutionStatus, FireOutcome, ScheduleStatus},
};
use catena_engine::{
    Begin, Change, Config, Engine, First, Functions, ManualClock, ScheduleRequest, Scheduled, Standing,
    error::Kind,
};
use catena_store::{Actor, ExecutionFilter, FireFilter, FireRow, ScheduleRow, Store, Version, sqlite::check};
use catena_testkit::draft::task;
use insta::assert_snapshot;

const MINUTE: Duration = Duration::from_secs(60);
/// Noon, so that times in tables are easy to read.
const NOON: i64 = 12 * 3_600 * 1_000_000;

struct Fixture {
    home: tempfile::TempDir,
    clock: Arc<ManualClock>,
    functions: Functions,
}

impl Fixture {
    fn new(functions: Functions) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(Timestamp(NOON))),
            functions,
        }
    }

    fn quick() -> Self {
        Self::new(Functions::default().with("a", |_| Ok(Value::null())))
    }

    fn open_dormant(&self) -> Engine {
        let mut config = Config::new(self.home.path(), Arc::new(|| Command::new("false")));
        config.functions = self.functions.clone();
        config.clock = Arc::clone(&self.clock) as _;
        Engine::open(config).unwrap()
    }

    fn open(&self) -> Engine {
        let engine = self.open_dormant();
        engine.host_schedules();
        engine
    }

    /// Moves the clock, and returns when what follows from that is committed.
    fn pass(&self, engine: &Engine, time: Duration) {
        self.clock.advance(time);
        settle(engine);
    }

    /// The same once for every minute, until every execution of the minute has ended.
    fn pass_minutes(&self, engine: &Engine, minutes: u32) {
        for _ in 0..minutes {
            self.pass(engine, MINUTE);
            wait_for_all(engine);
        }
    }
}

/// The answer comes behind everything that was decided before.
fn settle(engine: &Engine) {
    engine.tick();
    let refused = engine.change_chain("none", Standing::Paused).unwrap_err();
    assert_eq!(refused.kind(), Kind::NotFound);
}

fn wait_for_all(engine: &Engine) {
    loop {
        settle(engine);
        let unfinished = ExecutionFilter { unfinished_only: true, ..Default::default() };
        let Some(row) = engine.store().executions(&unfinished).unwrap().pop() else { return };
        engine.wait(row.id).unwrap();
    }
}

fn every_minute() -> Schedule {
    Schedule::every(60_000, None)
}

fn request(schedules: Vec<Schedule>, begin: Begin) -> ScheduleRequest {
    let mut draft = Draft::new(ChainName::parse("test").unwrap(), vec![task("a")]);
    draft.schedules = schedules.clone();
    let version = Arc::new(Version::new(draft.build().unwrap(), "test".into(), Vec::new()));
    ScheduleRequest { version, schedules, params: BTreeMap::new(), actor: Actor::new("test"), begin }
}

fn store(engine: &Engine, schedule: Schedule) -> ScheduleId {
    engine.schedule(request(vec![schedule], Begin::AtInstant)).unwrap().schedules[0].id
}

fn schedule_row(engine: &Engine, id: ScheduleId) -> ScheduleRow {
    engine.store().schedules().unwrap().into_iter().find(|row| row.id == id).unwrap()
}

/// The oldest first, a line each: instants as minutes after noon.
fn ledger(engine: &Engine) -> String {
    let rows = engine.store().fires(&FireFilter::default()).unwrap();
    rows.iter().rev().map(line).collect()
}

fn line(row: &FireRow) -> String {
    let minute = |at: Timestamp| (at.0 - NOON) / 60_000_000;
    let until = row.fire.until.map(|until| format!("..{}", minute(until))).unwrap_or_default();
    let count = match row.fire.count {
        Some(1) => String::new(),
        Some(count) => format!(" ×{count}"),
        None => " ×many".to_owned(),
    };
    let reason = row.fire.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let runs = if row.execution.is_some() { " →" } else { "" };
    let (at, kind, outcome) = (minute(row.fire.at), row.fire.kind, row.fire.outcome);
    format!("{at}{until}{count} {kind} {outcome}{reason}{runs}\n")
}

/// A function that tells when it is called and ends when it is told to; it hears of its cancellation.
struct Gate {
    called: Receiver<()>,
    let_go: Sender<()>,
}

fn gate() -> (Functions, Gate) {
    let ((call, called), (let_go, wait)) = (channel(), channel());
    let wait = Mutex::new(wait);
    let functions = Functions::default().with("a", move |_| {
        call.send(()).unwrap();
        let _ended = wait.lock().unwrap().recv();
        Ok(Value::null())
    });
    (functions, Gate { called, let_go })
}

impl Gate {
    fn called(&self) {
        self.called.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}

fn count_executions(engine: &Engine) -> usize {
    engine.store().executions(&ExecutionFilter::default()).unwrap().len()
}

#[test]
fn every_minute_starts_an_execution_from_start_to_start() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    let answer = engine.schedule(request(vec![every_minute()], Begin::AtOnce)).unwrap();
    let First::Started(first) = answer.first else { panic!("{answer:?}") };
    assert_eq!(answer.schedules[0].change, Change::Made);
    assert_eq!(answer.schedules[0].next_at, Some(Timestamp(NOON + 60_000_000)));
    assert_eq!(engine.wait(first).unwrap().status, ExecutionStatus::Completed);
    fixture.pass_minutes(&engine, 3);
    assert_snapshot!(ledger(&engine), @r"
    0 run_now started →
    1 scheduled started →
    2 scheduled started →
    3 scheduled started →
    ");
    let created = engine.store().journal(ExecutionId(first.0 + 1), 0).unwrap();
    let Event::ExecutionCreated { trigger, .. } = &created[0].event else { panic!("{created:?}") };
    let (schedule, at) = (answer.schedules[0].id, Timestamp(NOON + 60_000_000));
    assert_eq!(*trigger, Trigger::Schedule { schedule, at });
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn a_delayed_start_comes_once() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    let id = store(&engine, Schedule::every(0, Some(120_000)));
    fixture.pass_minutes(&engine, 5);
    assert_snapshot!(ledger(&engine), @"2 scheduled started →");
    assert_eq!(schedule_row(&engine, id).status, ScheduleStatus::Exhausted);
    assert_eq!(check(engine.store()).unwrap(), []);
}

/// Two minutes pass while the execution of the first runs.
fn overlapping(overlap: Overlap) -> String {
    let (functions, gate) = gate();
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    store(&engine, Schedule { overlap, ..every_minute() });
    fixture.pass(&engine, MINUTE);
    gate.called();
    fixture.pass(&engine, MINUTE);
    if overlap == Overlap::Allow {
        gate.called();
    }
    let during = ledger(&engine);
    gate.let_go.send(()).unwrap();
    gate.let_go.send(()).unwrap();
    wait_for_all(&engine);
    format!("{during}then\n{}", ledger(&engine))
}

#[test]
fn an_overlap_is_skipped() {
    assert_snapshot!(overlapping(Overlap::Skip), @r"
    1 scheduled started →
    2 scheduled skipped: running
    then
    1 scheduled started →
    2 scheduled skipped: running
    ");
}

#[test]
fn an_overlap_waits() {
    assert_snapshot!(overlapping(Overlap::Queue), @r"
    1 scheduled started →
    2 scheduled waiting: running
    then
    1 scheduled started →
    2 scheduled started →
    ");
}

#[test]
fn an_overlap_is_allowed() {
    assert_snapshot!(overlapping(Overlap::Allow), @r"
    1 scheduled started →
    2 scheduled started →
    then
    1 scheduled started →
    2 scheduled started →
    ");
}

#[test]
fn an_overlap_cancels_what_runs_and_starts_after_its_end() {
    let (functions, gate) = gate();
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    store(&engine, Schedule { overlap: Overlap::CancelRunning, ..every_minute() });
    fixture.pass(&engine, MINUTE);
    gate.called();
    fixture.pass(&engine, MINUTE);
    fixture.pass(&engine, MINUTE);
    assert_snapshot!(ledger(&engine), @r"
    1 scheduled started →
    2 scheduled skipped: superseded
    3 scheduled waiting: running
    ");
    gate.let_go.send(()).unwrap();
    gate.called();
    gate.let_go.send(()).unwrap();
    wait_for_all(&engine);
    let rows = engine.store().executions(&ExecutionFilter::default()).unwrap();
    let statuses: Vec<_> = rows.iter().rev().map(|row| row.status).collect();
    assert_eq!(statuses, [ExecutionStatus::Cancelled, ExecutionStatus::Completed]);
}

/// The host is away for five minutes.
fn away(catch_up: CatchUp, within_ms: Option<u64>) -> String {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    store(&engine, Schedule { catch_up, catch_up_within_ms: within_ms, ..every_minute() });
    drop(engine);
    fixture.clock.advance(5 * MINUTE + Duration::from_secs(30));
    let engine = fixture.open();
    settle(&engine);
    wait_for_all(&engine);
    fixture.pass(&engine, Duration::from_secs(30));
    wait_for_all(&engine);
    ledger(&engine)
}

#[test]
fn the_last_missed_start_is_made_up_for() {
    assert_snapshot!(away(CatchUp::Last, None), @r"
    1 scheduled missed: later_due
    2 scheduled missed: later_due
    3 scheduled missed: later_due
    4 scheduled missed: later_due
    5 catch_up late →
    6 scheduled started →
    ");
}

#[test]
fn missed_starts_are_skipped() {
    assert_snapshot!(away(CatchUp::Skip, None), @r"
    1 scheduled missed: too_late
    2 scheduled missed: too_late
    3 scheduled missed: too_late
    4 scheduled missed: too_late
    5 scheduled missed: too_late
    6 scheduled started →
    ");
}

#[test]
fn missed_starts_are_made_up_for_one_after_another_within_the_bound() {
    assert_snapshot!(away(CatchUp::All { max: 3 }, None), @r"
    1 scheduled missed: too_many
    2 scheduled missed: too_many
    3 catch_up late →
    4 catch_up late →
    5 catch_up late →
    6 scheduled started →
    ");
    assert_snapshot!(away(CatchUp::All { max: 9 }, Some(100_000)), @r"
    1 scheduled missed: too_late
    2 scheduled missed: too_late
    3 scheduled missed: too_late
    4 catch_up late →
    5 catch_up late →
    6 scheduled started →
    ");
}

#[test]
fn catch_up_fires_wait_for_each_other_across_hosts() {
    let (functions, gate) = gate();
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    store(&engine, Schedule { catch_up: CatchUp::All { max: 9 }, ..every_minute() });
    fixture.clock.advance(3 * MINUTE + Duration::from_secs(30));
    settle(&engine);
    gate.called();
    assert_snapshot!(ledger(&engine), @r"
    1 catch_up late →
    2 catch_up waiting: running
    3 catch_up waiting: running
    ");
    // The attempt of the first is lost with its host; it runs again, and the others have their turns.
    gate.let_go.send(()).unwrap();
    drop(engine);
    let engine = fixture.open();
    for _ in 0..3 {
        gate.let_go.send(()).unwrap();
    }
    wait_for_all(&engine);
    assert_snapshot!(ledger(&engine), @r"
    1 catch_up late →
    2 catch_up late →
    3 catch_up late →
    ");
    assert_eq!(count_executions(&engine), 3);
}

#[test]
fn what_is_paused_starts_nothing_and_says_so() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    let id = store(&engine, every_minute());
    fixture.pass_minutes(&engine, 1);
    engine.change_schedule(id, Standing::Paused).unwrap();
    fixture.pass_minutes(&engine, 2);
    engine.change_schedule(id, Standing::Active).unwrap();
    fixture.pass_minutes(&engine, 1);
    engine.change_chain("test", Standing::Paused).unwrap();
    fixture.pass_minutes(&engine, 1);
    drop(engine);
    fixture.clock.advance(MINUTE);
    let engine = fixture.open_dormant();
    engine.change_chain("test", Standing::Active).unwrap();
    engine.host_schedules();
    fixture.pass_minutes(&engine, 1);
    assert_snapshot!(ledger(&engine), @r"
    1 scheduled started →
    2 scheduled missed: paused
    3 scheduled missed: paused
    4 scheduled started →
    5 scheduled missed: chain_paused
    6 scheduled missed: chain_paused
    7 scheduled started →
    ");
}

#[test]
fn what_waits_when_it_is_paused_never_starts() {
    let (functions, gate) = gate();
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    let id = store(&engine, Schedule { overlap: Overlap::Queue, ..every_minute() });
    fixture.pass(&engine, MINUTE);
    gate.called();
    fixture.pass(&engine, MINUTE);
    engine.change_schedule(id, Standing::Paused).unwrap();
    engine.change_schedule(id, Standing::Active).unwrap();
    gate.let_go.send(()).unwrap();
    wait_for_all(&engine);
    assert_snapshot!(ledger(&engine), @r"
    1 scheduled started →
    2 scheduled missed: paused
    ");
}

#[test]
fn a_clock_that_goes_back_fires_nothing_twice() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    store(&engine, every_minute());
    fixture.pass_minutes(&engine, 2);
    fixture.clock.set(Timestamp(NOON - 3_600_000_000));
    settle(&engine);
    drop(engine);
    let engine = fixture.open();
    fixture.pass(&engine, 62 * MINUTE);
    wait_for_all(&engine);
    assert_snapshot!(ledger(&engine), @r"
    1 scheduled started →
    2 scheduled started →
    ");
    fixture.pass_minutes(&engine, 1);
    assert_eq!(count_executions(&engine), 3);
}

#[test]
fn a_clock_that_goes_a_year_ahead_is_little_work() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    store(&engine, every_minute());
    fixture.pass(&engine, 525_600 * MINUTE);
    wait_for_all(&engine);
    let rows = engine.store().fires(&FireFilter::default()).unwrap();
    assert_eq!(rows.len(), 101);
    assert_snapshot!(line(&rows[100]), @"1..525500 ×many scheduled missed: later_due");
    assert_snapshot!(line(&rows[0]), @"525600 scheduled started →");
    assert_eq!(count_executions(&engine), 1);
    fixture.pass_minutes(&engine, 1);
    assert_eq!(count_executions(&engine), 2);
}

#[test]
fn a_schedule_that_is_changed_after_the_clock_was_far_ahead_begins_anew() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    let id = store(&engine, every_minute());
    fixture.pass(&engine, 525_600 * MINUTE);
    wait_for_all(&engine);
    fixture.clock.set(Timestamp(NOON + 60_000_000));
    let kept = engine.schedule(request(vec![every_minute()], Begin::AtInstant)).unwrap();
    assert_eq!((kept.schedules[0].id, kept.schedules[0].change), (id, Change::Kept));
    let skip = Schedule { catch_up: CatchUp::Skip, ..every_minute() };
    let anew = engine.schedule(request(vec![skip], Begin::AtInstant)).unwrap();
    assert_eq!((anew.schedules[0].change, &anew.ended[..]), (Change::Made, &[id][..]));
    fixture.pass_minutes(&engine, 1);
    assert_eq!(count_executions(&engine), 2);
    assert_eq!(check(engine.store()).unwrap(), []);
}

#[test]
fn a_crash_before_the_commit_leaves_the_instant_to_the_next_host() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    store(&engine, every_minute());
    // The host dies when the instant has come and before it is told so.
    fixture.clock.advance(MINUTE);
    drop(engine);
    let engine = fixture.open();
    settle(&engine);
    wait_for_all(&engine);
    assert_snapshot!(ledger(&engine), @"1 scheduled started →");
}

#[test]
fn a_crash_after_the_commit_fires_nothing_again() {
    let (functions, gate) = gate();
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    let id = store(&engine, every_minute());
    fixture.pass(&engine, MINUTE);
    gate.called();
    gate.let_go.send(()).unwrap();
    drop(engine);
    let engine = fixture.open();
    gate.let_go.send(()).unwrap();
    wait_for_all(&engine);
    assert_eq!(
        (count_executions(&engine), schedule_row(&engine, id).considered_until),
        (1, Timestamp(NOON + 60_000_000))
    );
    assert_snapshot!(ledger(&engine), @"1 scheduled started →");
}

#[test]
fn a_definition_that_is_stored_again_keeps_restarts_and_ends_its_schedules() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    let two = vec![every_minute(), Schedule::every(3_600_000, None)];
    let first = engine.schedule(request(two.clone(), Begin::AtInstant)).unwrap();
    fixture.pass(&engine, Duration::from_secs(30));
    let again = engine.schedule(request(two, Begin::AtInstant)).unwrap();
    let changes = |answer: &Scheduled| answer.schedules.iter().map(|one| one.change).collect::<Vec<_>>();
    assert_eq!(changes(&again), [Change::Kept, Change::Kept]);
    assert_eq!(again.schedules[0].id, first.schedules[0].id);
    assert_eq!(again.schedules[0].next_at, first.schedules[0].next_at);
    let changed = engine.schedule(request(vec![Schedule::every(120_000, None)], Begin::AtInstant)).unwrap();
    assert_eq!(changes(&changed), [Change::Restarted]);
    assert_eq!(changed.schedules[0].id, first.schedules[0].id);
    assert_eq!(changed.schedules[0].next_at, Some(Timestamp(NOON + 150_000_000)));
    assert_eq!(changed.ended, [first.schedules[1].id]);
    assert_eq!(changed.chain, first.chain);
    drop(engine);
    let engine = fixture.open();
    fixture.pass_minutes(&engine, 60);
    assert!(
        engine
            .store()
            .fires(&FireFilter { schedule: Some(first.schedules[1].id), ..Default::default() })
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_start_at_once_stands_for_what_was_missed() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    store(&engine, every_minute());
    drop(engine);
    fixture.clock.advance(2 * MINUTE + Duration::from_secs(30));
    let engine = fixture.open_dormant();
    engine.schedule(request(vec![every_minute()], Begin::AtOnce)).unwrap();
    engine.host_schedules();
    wait_for_all(&engine);
    assert_snapshot!(ledger(&engine), @r"
    1 scheduled missed: started_by_run
    2 scheduled missed: started_by_run
    2 run_now started →
    ");
}

#[test]
fn run_now_starts_beside_what_runs() {
    let (functions, gate) = gate();
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    let id = store(&engine, every_minute());
    fixture.pass(&engine, MINUTE);
    gate.called();
    let started = engine.run_now(id, Actor::new("test")).unwrap();
    gate.called();
    gate.let_go.send(()).unwrap();
    gate.let_go.send(()).unwrap();
    engine.wait(started.execution).unwrap();
    wait_for_all(&engine);
    assert_snapshot!(ledger(&engine), @r"
    1 scheduled started →
    1 run_now started →
    ");
    assert_eq!(engine.run_now(ScheduleId(99), Actor::new("test")).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_backfill_starts_nothing_for_an_instant_that_has_an_execution() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    let id = store(&engine, Schedule { catch_up: CatchUp::Skip, ..every_minute() });
    fixture.pass_minutes(&engine, 1);
    fixture.pass(&engine, 3 * MINUTE + Duration::from_secs(30));
    wait_for_all(&engine);
    let span = (Timestamp(NOON), Timestamp(NOON + 3_600_000_000));
    let answer = engine.backfill(id, span, Actor::new("test")).unwrap();
    assert_eq!((answer.starts, answer.skipped), (3, 1));
    wait_for_all(&engine);
    let again = engine.backfill(id, span, Actor::new("test")).unwrap();
    assert_eq!((again.starts, again.skipped), (0, 4));
    assert_ne!(answer.trigger, again.trigger);
    assert_snapshot!(ledger(&engine), @"
    1 scheduled started →
    1 backfill skipped: has_execution
    1 backfill skipped: has_execution
    2 scheduled missed: too_late
    2 backfill late →
    2 backfill skipped: has_execution
    3 scheduled missed: too_late
    3 backfill late →
    3 backfill skipped: has_execution
    4 scheduled missed: too_late
    4 backfill late →
    4 backfill skipped: has_execution
    ");
    let long = engine.backfill(id, (Timestamp(NOON), Timestamp(NOON * 900)), Actor::new("test"));
    assert_eq!(long.unwrap().starts, 0);
}

#[test]
fn a_chain_goes_with_all_that_is_its_own_and_not_while_it_runs() {
    let (functions, gate) = gate();
    let fixture = Fixture::new(functions);
    let engine = fixture.open();
    store(&engine, every_minute());
    fixture.pass(&engine, MINUTE);
    gate.called();
    assert_eq!(engine.remove_chain("test").unwrap_err().kind(), Kind::Conflict);
    gate.let_go.send(()).unwrap();
    wait_for_all(&engine);
    engine.remove_chain("test").unwrap();
    fixture.pass(&engine, MINUTE);
    assert_eq!(count_executions(&engine), 0);
    assert!(engine.store().chains().unwrap().is_empty() && engine.store().schedules().unwrap().is_empty());
    assert_eq!(engine.remove_chain("test").unwrap_err().kind(), Kind::NotFound);
    assert_eq!(check(engine.store()).unwrap(), []);
    let made = engine.schedule(request(vec![every_minute()], Begin::NewChain)).unwrap();
    assert_eq!(made.schedules[0].change, Change::Made);
    let again = engine.schedule(request(vec![every_minute()], Begin::NewChain)).unwrap_err();
    assert_eq!(again.kind(), Kind::Conflict);
}

#[test]
fn a_fire_whose_parameters_no_longer_fit_is_missed() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    let id = store(&engine, every_minute());
    let mut draft = Draft::new(ChainName::parse("test").unwrap(), vec![task("a")]);
    let schema = serde_json::json!({"type": "string"});
    draft.params.insert("city".into(), catena_core::chain::Param { schema, default: None });
    let version = Arc::new(Version::new(draft.build().unwrap(), "test".into(), Vec::new()));
    let params = BTreeMap::from([("city".to_owned(), Value::text("Bern"))]);
    let start = catena_engine::StartRequest::new(version, params, Actor::new("test"));
    let execution = engine.start(start).unwrap().execution;
    engine.wait(execution).unwrap();
    fixture.pass(&engine, MINUTE);
    let rows = engine.store().fires(&FireFilter { schedule: Some(id), ..Default::default() }).unwrap();
    assert_eq!(rows[0].fire.outcome, FireOutcome::Missed);
    assert_eq!(rows[0].note.as_deref(), Some("parameter `city` is required and was not given"));
}

#[test]
fn followers_hear_of_starts_and_of_instants_without_one() {
    let fixture = Fixture::quick();
    let engine = fixture.open();
    let news = engine.follow_schedules().unwrap();
    let id = store(&engine, every_minute());
    fixture.pass_minutes(&engine, 1);
    engine.change_schedule(id, Standing::Paused).unwrap();
    fixture.pass(&engine, MINUTE);
    let heard: Vec<String> = (0..4).map(|_| format!("{:?}", news.next_news().unwrap().news)).collect();
    assert_snapshot!(heard.join("\n"), @r"
    Changed
    Started { execution: ExecutionId(3), at: Timestamp(43260000000) }
    Changed
    NothingStarted { at: Timestamp(43320000000) }
    ");
    drop(engine);
    assert!(news.next_news().is_err());
}
