//! What every store must do with chains as records, with schedules and with what became of their instants; and how a
//! store of the first format comes to have them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, mpsc::channel},
};

use catena_core::{
    ExecutionId, Outside, ScheduleId, State, Timestamp, Value,
    chain::{ChainName, Draft},
    command::Start,
    event::Trigger,
    schedule::{Schedule, due::Fire},
    status::{ChainStatus, FireKind, FireOutcome, FireReason, ScheduleStatus},
};
use catena_store::{
    Actor, Append, ChainChange, Commit, Error, ExecutionFilter, FireFilter, FireRow, Record, ScheduleRow,
    Store, Version,
    sqlite::{Finding, HostLock, SqliteStore, check},
};
use catena_testkit::draft::task;

const NOW: Timestamp = Timestamp(1_000_000);
const ID: ScheduleId = ScheduleId(7);

struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("catena.db")
    }

    fn open(&self) -> (HostLock, SqliteStore) {
        let lock = HostLock::take(&self.path()).unwrap();
        let store = SqliteStore::open(&self.path(), &lock).unwrap();
        (lock, store)
    }
}

fn commit(store: &SqliteStore, records: Vec<Record>, append: Option<Append>) -> Result<(), Error> {
    let (sender, receiver) = channel();
    let commit = Commit { lease: store.lease().unwrap(), records, append };
    store.submit(commit, Box::new(move |result| sender.send(result).unwrap()));
    receiver.recv().unwrap()
}

fn write(store: &SqliteStore, records: Vec<Record>) {
    commit(store, records, None).unwrap();
}

fn version(text: &str) -> Arc<Version> {
    let mut draft = Draft::new(ChainName::parse("test").unwrap(), vec![task("a")]);
    draft.description = Some(format!("says {text}"));
    draft.labels.insert("team".into(), text.into());
    Arc::new(Version::new(draft.build().unwrap(), text.into(), Vec::new()))
}

fn version_record(version: &Arc<Version>, number: u64, at: i64) -> Record {
    Record::Version { version: Arc::clone(version), number, at: Timestamp(at), actor: Actor::new("ann") }
}

fn schedule() -> ScheduleRow {
    ScheduleRow {
        id: ID,
        chain: "test".into(),
        ordinal: 0,
        definition: Schedule::every(60_000, Some(5_000)),
        anchor: NOW,
        params: BTreeMap::from([("city".into(), Value::text("Bern"))]),
        status: ScheduleStatus::Active,
        considered_until: NOW,
        next_at: Some(Timestamp(6_000_000)),
        created_at: NOW,
        created_by: Actor::new("ann"),
        updated_at: NOW,
    }
}

fn fire(at: i64, outcome: FireOutcome, execution: Option<u64>) -> FireRow {
    FireRow {
        schedule: ID,
        fire: Fire::one(Timestamp(at), FireKind::Scheduled, outcome, None),
        trigger: 0,
        note: None,
        execution: execution.map(ExecutionId),
        decided_at: NOW,
        decided_by: Actor::engine(),
    }
}

fn record(row: &FireRow) -> Record {
    Record::Fire(Box::new(row.clone()))
}

/// The start of an execution, which runs from then on.
fn started(version: &Version, id: u64) -> Append {
    let params = Value::from(serde_json::json!({}));
    let start = Start::new(&version.digest, params, Trigger::Manual);
    let outside = Outside { now: NOW, slots: catena_core::command::Slots::of(1), jitter: 0.0 };
    let (state, decision) = State::start(ExecutionId(id), Arc::clone(&version.chain), start, outside);
    Append::new(&state, NOW, Actor::engine(), decision.events)
}

fn sql(path: &Path, script: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(script).unwrap();
}

#[test]
fn a_chain_knows_who_made_it_and_what_it_is() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let (first, second) = (version("home"), version("work"));
    write(&store, vec![version_record(&first, 1, 10)]);
    write(&store, vec![version_record(&second, 2, 20)]);
    let chain = store.chain("test").unwrap().unwrap();
    assert_eq!((chain.id, &chain.version, chain.status), (1, &second.digest, ChainStatus::Active));
    assert_eq!((chain.created_at, chain.updated_at), (Timestamp(10), Timestamp(20)));
    assert_eq!((chain.created_by.as_str(), chain.description.as_deref()), ("ann", Some("says work")));
    assert_eq!(chain.labels["team"], "work");
    assert_eq!(store.chains().unwrap(), std::slice::from_ref(&chain));
    let versions = store.versions("test").unwrap();
    let numbers: Vec<_> = versions.iter().map(|version| (version.number, version.digest.clone())).collect();
    assert_eq!(numbers, [(1, first.digest.clone()), (2, second.digest.clone())]);
    let (status, at) = (ChainStatus::Paused, Timestamp(30));
    write(&store, vec![Record::ChainStatus(ChainChange { chain: "test".into(), status, at })]);
    // Another version of a paused chain is one of a paused chain.
    write(&store, vec![version_record(&first, 3, 40)]);
    let chain = store.chain("test").unwrap().unwrap();
    assert_eq!((chain.status, chain.updated_at, &chain.version), (status, Timestamp(40), &first.digest));
    assert_eq!(store.chain("none").unwrap(), None);
}

#[test]
fn a_schedule_and_its_fires_are_what_was_written() {
    let fixture = Fixture::new();
    let (lock, store) = fixture.open();
    write(&store, vec![Record::Schedule(Box::new(schedule()))]);
    let waiting = fire(1, FireOutcome::Waiting, None);
    let missed = FireRow {
        fire: Fire {
            until: Some(Timestamp(9)),
            count: None,
            reason: Some(FireReason::Paused),
            ..fire(5, FireOutcome::Missed, None).fire
        },
        note: Some("so it is".into()),
        ..waiting.clone()
    };
    write(&store, vec![record(&waiting), record(&missed)]);
    drop((store, lock));
    let (_lock, store) = fixture.open();
    assert_eq!(store.schedules().unwrap(), [schedule()]);
    assert_eq!(store.fires(&FireFilter::default()).unwrap(), [missed, waiting.clone()]);
    let only = FireFilter { waiting_only: true, limit: Some(5), schedule: Some(ID), ..Default::default() };
    assert_eq!(store.fires(&only).unwrap(), [waiting]);
    let changed =
        ScheduleRow { status: ScheduleStatus::Paused, considered_until: Timestamp(0), ..schedule() };
    write(&store, vec![Record::Schedule(Box::new(changed))]);
    let kept = store.schedules().unwrap().remove(0);
    assert_eq!((kept.status, kept.considered_until), (ScheduleStatus::Paused, NOW), "it never goes back");
}

#[test]
fn an_instant_starts_one_execution_and_what_is_decided_stays() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let version = version("home");
    write(&store, vec![version_record(&version, 1, 10), Record::Schedule(Box::new(schedule()))]);
    write(&store, vec![record(&fire(1, FireOutcome::Waiting, None))]);
    let start = |row: &FireRow, id: u64| commit(&store, vec![record(row)], Some(started(&version, id)));
    start(&fire(1, FireOutcome::Late, Some(20)), 20).unwrap();
    let again = start(&fire(1, FireOutcome::Started, Some(21)), 21);
    assert!(matches!(again, Err(Error::FireTaken { schedule: ID, at: Timestamp(1) })), "{again:?}");
    commit(&store, vec![record(&fire(1, FireOutcome::Skipped, None))], None).unwrap();
    let kept = store.fires(&FireFilter::default()).unwrap();
    assert_eq!(kept, [fire(1, FireOutcome::Late, Some(20))]);
    let unfinished = FireFilter { unfinished_only: true, ..FireFilter::default() };
    assert_eq!(store.fires(&unfinished).unwrap(), kept);
    // Nor by another way: a backfill has a trigger of its own, and the instant has its execution.
    let mut backfill = FireRow { trigger: 30, ..fire(1, FireOutcome::Started, Some(22)) };
    backfill.fire.kind = FireKind::Backfill;
    assert!(matches!(start(&backfill, 22), Err(Error::FireTaken { .. })));
    assert_eq!(store.execution(ExecutionId(21)).unwrap(), None, "the start went with its row");
    assert_eq!(store.execution(ExecutionId(22)).unwrap(), None);
    // Who runs it now waits for no instant.
    let mut now = FireRow { trigger: 31, ..fire(1, FireOutcome::Started, Some(23)) };
    now.fire.kind = FireKind::RunNow;
    start(&now, 23).unwrap();
    assert_eq!(check(&store).unwrap(), []);
}

#[test]
fn the_database_itself_holds_an_instant_to_one_execution() {
    let fixture = Fixture::new();
    let (lock, store) = fixture.open();
    write(
        &store,
        vec![Record::Schedule(Box::new(schedule())), record(&fire(1, FireOutcome::Started, Some(20)))],
    );
    drop((store, lock));
    let connection = rusqlite::Connection::open(fixture.path()).unwrap();
    let columns = "schedule, at, kind, outcome, execution, decided_at, decided_by, trigger_id";
    for (kind, trigger, is_refused) in [("scheduled", 0, true), ("backfill", 5, true), ("run_now", 6, false)]
    {
        let insert =
            format!("INSERT INTO fires ({columns}) VALUES (7, 1, '{kind}', 'started', 21, 0, '', {trigger})");
        assert_eq!(connection.execute(&insert, []).is_err(), is_refused, "{kind}");
    }
}

#[test]
fn a_chain_is_removed_whole_and_not_while_it_runs() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let version = version("home");
    let records = vec![
        version_record(&version, 1, 10),
        Record::Schedule(Box::new(schedule())),
        record(&fire(1, FireOutcome::Started, Some(20))),
    ];
    commit(&store, records, Some(started(&version, 20))).unwrap();
    let remove = |chain: &str| commit(&store, vec![Record::ChainRemoved { chain: chain.into() }], None);
    let execution = ExecutionId(20);
    assert!(matches!(remove("test"), Err(Error::ChainBusy { execution: id, .. }) if id == execution));
    assert!(matches!(remove("none"), Err(Error::NotFound(_))));
    sql(&fixture.path(), "UPDATE executions SET finished_at = 5");
    remove("test").unwrap();
    assert!(store.chains().unwrap().is_empty() && store.schedules().unwrap().is_empty());
    assert!(store.fires(&FireFilter::default()).unwrap().is_empty());
    assert!(store.executions(&ExecutionFilter::default()).unwrap().is_empty());
    assert!(store.journal(execution, 0).unwrap().is_empty());
    assert!(matches!(store.version(&version.digest), Err(Error::NotFound(_))));
    assert_eq!(check(&store).unwrap(), []);
}

#[test]
fn a_chain_that_must_be_new_is_refused_where_it_is_not() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let (first, second) = (version("home"), version("work"));
    let new = Record::ChainIsNew { chain: "test".into() };
    write(&store, vec![new.clone(), version_record(&first, 1, 10)]);
    let refused = commit(&store, vec![new, version_record(&second, 2, 20)], None);
    assert!(matches!(refused, Err(Error::ChainExists(name)) if name == "test"));
    assert_eq!(store.versions("test").unwrap().len(), 1);
}

#[test]
fn executions_are_found_by_status_labels_time_and_number() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let version = version("home");
    commit(&store, vec![version_record(&version, 1, 10)], Some(started(&version, 20))).unwrap();
    let count = |filter: ExecutionFilter| store.executions(&filter).unwrap().len();
    let base = ExecutionFilter::default;
    let label = |value: &str| vec![("team".to_owned(), value.to_owned())];
    assert_eq!(count(ExecutionFilter { labels: label("home"), ..base() }), 1);
    assert_eq!(count(ExecutionFilter { labels: label("work"), ..base() }), 0);
    let two = [label("home"), vec![("tier".into(), "1".into())]].concat();
    assert_eq!(count(ExecutionFilter { labels: two, ..base() }), 0);
    assert_eq!(count(ExecutionFilter { since: Some(NOW), ..base() }), 1);
    assert_eq!(count(ExecutionFilter { since: Some(NOW.plus_ms(1)), ..base() }), 0);
    assert_eq!(count(ExecutionFilter { after: Some(ExecutionId(19)), ..base() }), 1);
    assert_eq!(count(ExecutionFilter { after: Some(ExecutionId(20)), ..base() }), 0);
    let status = |status| ExecutionFilter { status: Some(status), ..base() };
    assert_eq!(count(status(catena_core::status::ExecutionStatus::Running)), 1);
    assert_eq!(count(status(catena_core::status::ExecutionStatus::Failed)), 0);
}

#[test]
fn the_doctor_finds_what_sleeps_for_ever_and_what_started_nothing() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let asleep = ScheduleRow { next_at: None, ..schedule() };
    write(&store, vec![Record::Schedule(Box::new(asleep)), record(&fire(1, FireOutcome::Started, Some(20)))]);
    let found = [Finding::Asleep { schedule: ID }, Finding::Fire { schedule: ID, at: Timestamp(1) }];
    assert_eq!(check(&store).unwrap(), found);
}

/// A store as the first format had it: its own tables, filled with what a store of today has in them.
fn of_first_format(path: &Path, today: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch(include_str!("../src/sqlite/schema_1.sql")).unwrap();
    connection.execute("ATTACH ? AS today", [today.to_str().unwrap()]).unwrap();
    connection.execute("INSERT INTO chains SELECT id, name, latest FROM today.chains", []).unwrap();
    for table in ["versions", "journal", "executions", "steps"] {
        connection.execute(&format!("INSERT INTO {table} SELECT * FROM today.{table}"), []).unwrap();
    }
    connection
        .execute_batch(
            "UPDATE counter SET next = 21;
             PRAGMA application_id = 1128354894;
             PRAGMA user_version = 1;",
        )
        .unwrap();
}

#[test]
fn a_store_of_the_first_format_is_migrated_by_its_first_reader_or_host() {
    let today = Fixture::new();
    let (lock, store) = today.open();
    let version = version("home");
    commit(&store, vec![version_record(&version, 1, 10)], Some(started(&version, 20))).unwrap();
    drop((store, lock));
    for reads in [true, false] {
        let old = Fixture::new();
        of_first_format(&old.path(), &today.path());
        if reads {
            // Whoever holds the lock may be of the older version, and has to end first.
            let lock = HostLock::take(&old.path()).unwrap();
            let refused = SqliteStore::open_for_reading(&old.path()).map(|_| ());
            assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
            drop(lock);
            SqliteStore::open_for_reading(&old.path()).unwrap();
        }
        let (_lock, store) = old.open();
        let chain = store.chain("test").unwrap().unwrap();
        assert_eq!((chain.created_at, chain.created_by.as_str()), (Timestamp(10), "ann"));
        assert_eq!((chain.status, chain.labels["team"].as_str()), (ChainStatus::Active, "home"));
        assert_eq!(
            (chain.description.as_deref(), chain.last_execution),
            (Some("says home"), Some(ExecutionId(20)))
        );
        assert_eq!(store.next_number().unwrap(), 21);
        write(&store, vec![Record::Schedule(Box::new(schedule()))]);
        assert_eq!(check(&store).unwrap(), []);
    }
}
