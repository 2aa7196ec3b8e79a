//! Looking whether a store is whole, and making its projections anew.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use catena_core::{Chain, ExecutionId, ScheduleId, State, Timestamp, Value, value::Stored};
use rusqlite::{Connection, TransactionBehavior};

use super::{
    HostLock, SqliteStore, connect_writer,
    read::{read_blob, read_execution, read_journal, read_steps, read_version},
    schema,
    write::{rewrite_execution, write_step},
};
use crate::{Error, Head, project_execution, project_step};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The database file itself is damaged.
    File(String),
    /// A journal that cannot be read or folded: its execution stops.
    Journal { execution: ExecutionId, why: String },
    /// A large value that a journal refers to is not there, or is not what was stored.
    Value { execution: ExecutionId, sha256: String },
    /// Rows that are not what the journal says; a rebuild mends them.
    Projection { execution: ExecutionId },
    /// An unfinished execution that nothing would ever bring on.
    Forgotten { execution: ExecutionId },
    /// A schedule that is active and has no next start.
    Asleep { schedule: ScheduleId },
    /// An instant that says of an execution that it started, and there is none.
    Fire { schedule: ScheduleId, at: Timestamp },
}

/// Reads the whole store: the file, every journal with its checksums, every projection, and whether anything
/// unfinished is without an owner or a wake-up.
pub fn check(store: &SqliteStore) -> Result<Vec<Finding>, Error> {
    store.with_reader(|reader| {
        // One read transaction: a host that writes meanwhile does not make rows and journals disagree.
        let reading = reader.unchecked_transaction()?;
        let mut findings = file_findings(&reading)?;
        let mut chains = Chains::default();
        let mut values = Values::default();
        for execution in executions(&reading)? {
            match fold(&reading, &mut chains, execution) {
                Err(error) => findings.push(Finding::Journal { execution, why: error.to_string() }),
                Ok(Folded { state, references, .. }) => {
                    for stored in references {
                        if !values.is_whole(&reading, &stored)? {
                            findings.push(Finding::Value { execution, sha256: stored.sha256 });
                        }
                    }
                    if !rows_agree(&reading, &state)? {
                        findings.push(Finding::Projection { execution });
                    }
                }
            }
        }
        findings.extend(forgotten(&reading)?);
        findings.extend(schedule_findings(&reading)?);
        Ok(findings)
    })
}

/// Drops all projections and makes them from the journals. Returns how many executions there are.
pub fn rebuild(path: &Path, _lock: &HostLock) -> Result<usize, Error> {
    let mut connection = connect_writer(path)?;
    schema::migrate(&mut connection, path)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let all = executions(&transaction)?;
    transaction.execute_batch("DELETE FROM steps; DELETE FROM executions; DELETE FROM snapshots;")?;
    let mut chains = Chains::default();
    for execution in &all {
        let Folded { head, state, .. } = fold(&transaction, &mut chains, *execution)?;
        rewrite_execution(&transaction, &project_execution(&state), head)?;
        for (visit, _) in state.visits() {
            write_step(&transaction, &project_step(&state, visit))?;
        }
    }
    transaction.commit()?;
    Ok(all.len())
}

/// The one query of the promise that nothing unfinished is without an owner or a wake-up.
fn forgotten(reader: &Connection) -> Result<Vec<Finding>, Error> {
    let mut statement = reader.prepare(
        "SELECT id FROM executions e WHERE finished_at IS NULL AND NOT owned AND wake_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.execution = e.id)",
    )?;
    let rows =
        statement.query_map([], |row| Ok(Finding::Forgotten { execution: ExecutionId(row.get(0)?) }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The same promise for schedules: what is active has a next start, and what started has its execution.
fn schedule_findings(reader: &Connection) -> Result<Vec<Finding>, Error> {
    let mut asleep =
        reader.prepare("SELECT id FROM schedules WHERE status = 'active' AND next_at IS NULL")?;
    let rows = asleep.query_map([], |row| Ok(Finding::Asleep { schedule: ScheduleId(row.get(0)?) }))?;
    let mut findings = rows.collect::<Result<Vec<_>, _>>()?;
    let mut fires = reader.prepare(
        "SELECT schedule, at FROM fires f WHERE outcome IN ('started', 'late')
         AND NOT EXISTS (SELECT 1 FROM executions e WHERE e.id = f.execution)",
    )?;
    let rows = fires.query_map([], |row| {
        Ok(Finding::Fire { schedule: ScheduleId(row.get(0)?), at: Timestamp(row.get(1)?) })
    })?;
    for row in rows {
        findings.push(row?);
    }
    Ok(findings)
}

fn file_findings(reader: &Connection) -> Result<Vec<Finding>, Error> {
    let mut statement = reader.prepare("PRAGMA integrity_check(10)")?;
    let lines: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").map(Finding::File).collect())
}

/// Every execution that has a journal or a row.
fn executions(reader: &Connection) -> Result<Vec<ExecutionId>, Error> {
    let mut statement =
        reader.prepare("SELECT execution FROM journal UNION SELECT id FROM executions ORDER BY 1")?;
    let rows = statement.query_map([], |row| Ok(ExecutionId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[derive(Default)]
struct Chains(HashMap<String, Arc<Chain>>);

impl Chains {
    fn get(&mut self, reader: &Connection, digest: &str) -> Result<Arc<Chain>, Error> {
        if let Some(chain) = self.0.get(digest) {
            return Ok(Arc::clone(chain));
        }
        let chain = read_version(reader, digest)?.chain;
        self.0.insert(digest.to_owned(), Arc::clone(&chain));
        Ok(chain)
    }
}

/// Large values that were looked at, and whether they and what they refer to are there.
#[derive(Default)]
struct Values(HashMap<String, bool>);

impl Values {
    fn is_whole(&mut self, reader: &Connection, stored: &Stored) -> Result<bool, Error> {
        if let Some(known) = self.0.get(&stored.sha256) {
            return Ok(*known);
        }
        let mut is_whole = true;
        match read_blob(reader, &stored.sha256)?.and_then(|bytes| stored.open(&bytes).ok()) {
            None => is_whole = false,
            Some(value) => {
                for inner in value.references() {
                    is_whole &= self.is_whole(reader, &inner)?;
                }
            }
        }
        self.0.insert(stored.sha256.clone(), is_whole);
        Ok(is_whole)
    }
}

struct Folded {
    head: Head,
    state: State,
    /// The large values that the journal refers to, each once.
    references: BTreeSet<Stored>,
}

fn fold(reader: &Connection, chains: &mut Chains, execution: ExecutionId) -> Result<Folded, Error> {
    let (head, entries) = read_journal(reader, execution, 0)?;
    let Some(catena_core::Event::ExecutionCreated { version, .. }) = entries.first().map(|e| &e.event) else {
        return Err(Error::Corrupt(format!("execution {execution} does not begin with its creation")));
    };
    let mut state = State::new(execution, chains.get(reader, version)?);
    let mut references = BTreeSet::new();
    for entry in &entries {
        state.apply(entry.at, &entry.event)?;
        references.extend(entry.event.values().into_iter().flat_map(Value::references));
    }
    Ok(Folded { head, state, references })
}

fn rows_agree(reader: &Connection, state: &State) -> Result<bool, Error> {
    let row = read_execution(reader, state.id())?;
    let steps = read_steps(reader, state.id())?;
    let expected = state.visits().map(|(visit, _)| project_step(state, visit));
    Ok(row == Some(project_execution(state)) && steps.into_iter().eq(expected))
}
