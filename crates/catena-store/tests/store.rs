//! What every store must do, run against SQLite; and what only a file can get wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc::channel},
};

use catena_core::{
    Command, Event, ExecutionId, Loaded, Outside, State, Timestamp, Value,
    command::Start,
    event::{Answer, Trigger},
    ids::{AttemptNo, VisitNo},
    status::ExecutionStatus,
    value::{Blob, INLINE_MAX_BYTES},
};
use catena_store::{
    Actor, Append, Cached, Commit, Error, ExecutionFilter, InboxCommand, Lease, Record, Store, Version,
    sqlite::{Finding, HostLock, SqliteStore, check, rebuild},
    whole,
};
use catena_testkit::draft::{chain, task};

struct Fixture {
    dir: tempfile::TempDir,
}

fn outside() -> Outside {
    Outside { now: Timestamp(1_000_000), slots: catena_core::command::Slots::of(1), jitter: 0.0 }
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

fn version() -> Arc<Version> {
    Arc::new(Version::new(chain(vec![task("a"), task("b")]), "steps: …".into(), Vec::new()))
}

fn start(version: &Version) -> (State, Vec<Event>) {
    let params = Value::from(serde_json::json!({}));
    let start = Start::new(&version.digest, params, Trigger::Manual);
    let (state, decision) = State::start(ExecutionId(2), Arc::clone(&version.chain), start, outside());
    (state, decision.events)
}

fn commit(store: &SqliteStore, records: Vec<Record>, append: Option<Append>) -> Result<(), Error> {
    submit(store, Commit { lease: store.lease().unwrap(), records, append })
}

fn submit(store: &SqliteStore, commit: Commit) -> Result<(), Error> {
    let (sender, receiver) = channel();
    store.submit(commit, Box::new(move |result| sender.send(result).unwrap()));
    receiver.recv().unwrap()
}

fn append(state: &State, events: Vec<Event>) -> Option<Append> {
    Some(Append::new(state, outside().now, Actor::engine(), events))
}

/// A store with a version and an execution whose first attempt runs.
fn filled(store: &SqliteStore) -> (Arc<Version>, State) {
    let version = version();
    let (state, events) = start(&version);
    let records = vec![
        Record::Version {
            version: Arc::clone(&version),
            number: 1,
            at: outside().now,
            actor: Actor::engine(),
        },
        Record::NextNumber(3),
    ];
    commit(store, records, append(&state, events)).unwrap();
    (version, state)
}

fn end_first(state: &mut State) -> Vec<Event> {
    let answer = Answer::Succeeded { value: Some(Value::text("done")) };
    let command = Command::EndAttempt { visit: VisitNo(0), attempt: AttemptNo(1), answer };
    state.decide(command, outside(), &Loaded::default()).unwrap().events
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let fixture = Fixture::new();
    let (lock, store) = fixture.open();
    let (version, mut state) = filled(&store);
    let events = end_first(&mut state);
    commit(&store, Vec::new(), append(&state, events)).unwrap();
    drop((store, lock));

    let (_lock, store) = fixture.open();
    assert_eq!(store.lease(), Some(Lease(2)));
    assert_eq!(store.next_number().unwrap(), 3);
    assert_eq!(store.version(&version.digest).unwrap(), *version);
    let mut folded = State::new(ExecutionId(2), Arc::clone(&version.chain));
    for entry in store.journal(ExecutionId(2), 0).unwrap() {
        folded.apply(entry.at, &entry.event).unwrap();
    }
    assert_eq!(folded, state);
    let rows = store.executions(&ExecutionFilter { unfinished_only: true, ..Default::default() }).unwrap();
    assert_eq!(rows.iter().map(|row| row.status).collect::<Vec<_>>(), [ExecutionStatus::Running]);
    assert_eq!(store.steps(ExecutionId(2)).unwrap().len(), 2);
    assert_eq!(store.chains().unwrap()[0].last_execution, Some(ExecutionId(2)));
    assert_eq!(check(&store).unwrap(), []);
}

#[test]
fn an_append_that_expects_another_event_is_refused_and_the_rest_is_written() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let (_, mut state) = filled(&store);
    let before = state.clone();
    let events = end_first(&mut state);
    commit(&store, Vec::new(), append(&state, events)).unwrap();
    let mut stale = before;
    let events = end_first(&mut stale);
    let refused = commit(&store, Vec::new(), append(&stale, events));
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert_eq!(check(&store).unwrap(), []);
}

#[test]
fn an_older_lease_writes_nothing() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let (_, mut state) = filled(&store);
    let events = end_first(&mut state);
    let append = append(&state, events);
    let refused = submit(&store, Commit { lease: Lease(0), records: Vec::new(), append });
    assert!(matches!(refused, Err(Error::LeaseLost)), "{refused:?}");
    assert_eq!(store.execution(ExecutionId(2)).unwrap().unwrap().status, ExecutionStatus::Running);
}

#[test]
fn a_writer_that_fails_by_a_bug_leaves_nobody_waiting() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let commit = |number| Commit {
        lease: store.lease().unwrap(),
        records: vec![Record::NextNumber(number)],
        append: None,
    };
    let (answers, answered) = channel();
    let (go, begin) = channel::<()>();
    // The writer stands in this answer until the others are queued.
    store.submit(
        commit(1),
        Box::new(move |_| {
            begin.recv().unwrap();
            panic!("planted");
        }),
    );
    for number in 2..5 {
        let answers = answers.clone();
        store.submit(commit(number), Box::new(move |result| answers.send(result).unwrap()));
    }
    drop((go.send(()), answers));
    let answered: Vec<_> = answered.iter().collect();
    assert_eq!(answered.len(), 3);
    assert!(answered.iter().all(|answer| matches!(answer, Err(Error::Unavailable { .. }))), "{answered:?}");
    assert!(matches!(submit(&store, commit(9)), Err(Error::Unavailable { .. })));
}

#[test]
fn a_key_starts_one_execution() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let key = |execution| Record::StartKey { key: "k".into(), fingerprint: "f".into(), execution };
    commit(&store, vec![key(ExecutionId(2))], None).unwrap();
    let taken = commit(&store, vec![key(ExecutionId(3))], None);
    assert!(
        matches!(taken, Err(Error::KeyTaken { execution: ExecutionId(2), same_input: true })),
        "{taken:?}"
    );
}

#[test]
fn results_are_kept_by_their_key_and_a_duty_goes_to_one_heir() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let cached = |result: u32, at: i64| Cached {
        execution: ExecutionId(2),
        at: Timestamp(at),
        result: Value::from(serde_json::json!(result)),
    };
    for (result, at) in [(1, 10), (2, 20)] {
        let cached = cached(result, at);
        commit(&store, vec![Record::Cached { key: "k".into(), cached }], None).unwrap();
    }
    assert_eq!(store.cached("k").unwrap(), Some(cached(2, 20)), "the newer one");
    assert_eq!(store.cached("other").unwrap(), None);
    let uncached = |execution, key: Option<&str>| Record::Uncached {
        execution: ExecutionId(execution),
        key: key.map(str::to_owned),
    };
    commit(&store, vec![uncached(3, None), uncached(2, Some("other"))], None).unwrap();
    assert_eq!(store.cached("k").unwrap(), Some(cached(2, 20)), "another's, and another key");
    commit(&store, vec![uncached(2, Some("k"))], None).unwrap();
    assert_eq!(store.cached("k").unwrap(), None);
    commit(&store, vec![Record::Cached { key: "k".into(), cached: cached(3, 30) }, uncached(2, None)], None)
        .unwrap();
    assert_eq!(store.cached("k").unwrap(), None, "all of an execution");
    for heir in [ExecutionId(7), ExecutionId(8)] {
        commit(&store, vec![Record::Legacy { source: ExecutionId(2), heir }], None).unwrap();
    }
    assert_eq!(store.heir(ExecutionId(2)).unwrap(), Some(ExecutionId(7)), "the first one");
    assert_eq!(store.heir(ExecutionId(3)).unwrap(), None);
}

#[test]
fn the_inbox_keeps_commands_in_order_until_they_are_taken() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let added = |execution| Record::InboxAdded {
        execution: ExecutionId(execution),
        at: outside().now,
        actor: Actor::new("someone"),
        command: InboxCommand::Cancel { rollback: false, force: false },
    };
    commit(&store, vec![added(7), added(5)], None).unwrap();
    let items = store.inbox().unwrap();
    assert_eq!(items.iter().map(|item| item.execution.0).collect::<Vec<_>>(), [7, 5]);
    commit(&store, vec![Record::InboxTaken { id: items[0].id }], None).unwrap();
    assert_eq!(store.inbox().unwrap(), items[1..]);
}

#[test]
fn a_changed_event_is_noticed() {
    let fixture = Fixture::new();
    let (lock, store) = fixture.open();
    filled(&store);
    drop((store, lock));
    sql(&fixture.path(), "UPDATE journal SET events = replace(events, 'visit_entered', 'visit_Entered')");
    let store = SqliteStore::open_for_reading(&fixture.path()).unwrap();
    let error = store.journal(ExecutionId(2), 0).unwrap_err();
    assert!(error.to_string().contains("does not have the checksum"), "{error}");
    assert!(matches!(check(&store).unwrap()[..], [Finding::Journal { .. }]));
}

#[test]
fn projections_are_rebuilt_from_the_journal() {
    let fixture = Fixture::new();
    let (lock, store) = fixture.open();
    filled(&store);
    drop((store, lock));
    sql(&fixture.path(), "DELETE FROM steps; UPDATE executions SET status = 'failed', seq = 0");
    let reading = SqliteStore::open_for_reading(&fixture.path()).unwrap();
    assert_eq!(check(&reading).unwrap(), [Finding::Projection { execution: ExecutionId(2) }]);
    let lock = HostLock::take(&fixture.path()).unwrap();
    assert_eq!(rebuild(&fixture.path(), &lock).unwrap(), 1);
    assert_eq!(check(&reading).unwrap(), []);
    // The journal goes on where it stood.
    let store = SqliteStore::open(&fixture.path(), &lock).unwrap();
    let (_, mut state) = start_state();
    let events = end_first(&mut state);
    commit(&store, Vec::new(), append(&state, events)).unwrap();
    assert_eq!(check(&store).unwrap(), []);
}

fn start_state() -> (Arc<Version>, State) {
    let version = version();
    let (state, _) = start(&version);
    (version, state)
}

#[test]
fn an_execution_without_owner_or_wake_up_is_found() {
    let fixture = Fixture::new();
    let (lock, store) = fixture.open();
    filled(&store);
    drop((store, lock));
    sql(&fixture.path(), "UPDATE executions SET owned = 0");
    let store = SqliteStore::open_for_reading(&fixture.path()).unwrap();
    let findings = check(&store).unwrap();
    assert!(findings.contains(&Finding::Forgotten { execution: ExecutionId(2) }), "{findings:?}");
}

#[test]
fn a_second_host_a_newer_store_and_a_foreign_file_are_refused() {
    let fixture = Fixture::new();
    let (lock, store) = fixture.open();
    let second = HostLock::take(&fixture.path());
    assert!(matches!(second, Err(Error::Locked { pid }) if pid == std::process::id()));
    drop((store, lock));
    sql(&fixture.path(), "PRAGMA user_version = 99");
    let newer = SqliteStore::open_for_reading(&fixture.path()).map(|_| ());
    assert!(matches!(newer, Err(Error::Newer { found: 99, .. })), "{newer:?}");
    let lock = HostLock::take(&fixture.path()).unwrap();
    assert!(matches!(SqliteStore::open(&fixture.path(), &lock).map(|_| ()), Err(Error::Newer { .. })));

    let foreign = fixture.dir.path().join("foreign.db");
    sql(&foreign, "CREATE TABLE t (a)");
    let refused = SqliteStore::open_for_reading(&foreign).map(|_| ());
    assert!(matches!(refused, Err(Error::NotAStore(_))), "{refused:?}");
}

/// Ends the first attempt with a list of large values, itself stored as one.
fn end_first_with_large_values(state: &mut State) -> (Vec<Event>, Vec<Blob>) {
    let mut blobs = Vec::new();
    let items: Vec<Value> =
        ["x", "y"].map(|item| Value::text(item.repeat(INLINE_MAX_BYTES)).keep(&mut blobs)).into();
    let padding = Value::text("z".repeat(INLINE_MAX_BYTES));
    let list = Value::list(items.into_iter().chain([padding])).keep(&mut blobs);
    let answer = Answer::Succeeded { value: Some(list) };
    let command = Command::EndAttempt { visit: VisitNo(0), attempt: AttemptNo(1), answer };
    (state.decide(command, outside(), &Loaded::default()).unwrap().events, blobs)
}

#[test]
fn a_large_value_is_stored_with_the_events_that_refer_to_it() {
    let fixture = Fixture::new();
    let (lock, store) = fixture.open();
    let (_, mut state) = filled(&store);
    let (events, blobs) = end_first_with_large_values(&mut state);
    assert_eq!(blobs.len(), 3);
    let records: Vec<Record> = blobs.iter().cloned().map(Record::Value).collect();
    // What is refused leaves no value either.
    let stale = Append { expected: 99, ..append(&state, events.clone()).unwrap() };
    assert!(matches!(commit(&store, records.clone(), Some(stale)), Err(Error::Conflict { .. })));
    assert!(matches!(store.value(&blobs[0].stored), Err(Error::NotFound(_))));

    commit(&store, records, append(&state, events)).unwrap();
    let result = state.visit(VisitNo(0)).result().unwrap().clone();
    let whole = whole(&store, &result).unwrap();
    assert_eq!(whole[1].as_str().map(str::len), Some(INLINE_MAX_BYTES));
    assert_eq!(check(&store).unwrap(), []);
    let sizes: Vec<usize> = store
        .journal(ExecutionId(2), 0)
        .unwrap()
        .iter()
        .map(|entry| serde_json::to_string(&entry.event).unwrap().len())
        .collect();
    assert!(sizes.iter().all(|size| *size < 1_000), "{sizes:?}");
    drop((store, lock));

    // One within the other is missing.
    sql(&fixture.path(), &format!("DELETE FROM blobs WHERE digest = '{}'", blobs[0].stored.sha256));
    let store = SqliteStore::open_for_reading(&fixture.path()).unwrap();
    let sha256 = blobs[2].stored.sha256.clone();
    assert_eq!(check(&store).unwrap(), [Finding::Value { execution: ExecutionId(2), sha256 }]);
    drop(store);
    sql(&fixture.path(), "UPDATE blobs SET bytes = x'00'");
    let store = SqliteStore::open_for_reading(&fixture.path()).unwrap();
    assert!(matches!(store.value(&blobs[1].stored), Err(Error::Corrupt(_))));
}

fn sql(path: &Path, script: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(script).unwrap();
}

#[test]
fn a_store_knows_which_leases_are_of_this_boot_and_that_it_is_itself() {
    let fixture = Fixture::new();
    let (lock, store) = fixture.open();
    let id = store.id().to_owned();
    assert_eq!((store.lease(), store.first_lease_of_boot()), (Some(Lease(1)), Lease(1)));
    drop((store, lock));
    sql(&fixture.path(), "UPDATE leases SET boot = 'an earlier one'");
    // However many hosts there have been since, what started under lease 1 is gone.
    for lease in 2..4 {
        let (_lock, store) = fixture.open();
        assert_eq!((store.lease(), store.first_lease_of_boot()), (Some(Lease(lease)), Lease(2)));
        assert_eq!(store.id(), id);
    }
    assert_ne!(Fixture::new().open().1.id(), id);
}

#[test]
fn a_journal_is_read_from_any_event_on_with_its_checksums() {
    let fixture = Fixture::new();
    let (_lock, store) = fixture.open();
    let (_, mut state) = filled(&store);
    let events = end_first(&mut state);
    commit(&store, Vec::new(), append(&state, events)).unwrap();
    let all = store.journal(ExecutionId(2), 0).unwrap();
    for after in 0..=all.len() {
        assert_eq!(store.journal(ExecutionId(2), after as u64).unwrap(), all[after..], "after {after}");
    }
    assert!(all.iter().all(|entry| entry.lease == Lease(1)));
}
