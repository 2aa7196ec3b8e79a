//! Reading what is committed.

use std::sync::Arc;

use catena_core::{
    ExecutionId, Timestamp, Value, VisitNo,
    status::{ExecutionStatus, StepStatus},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SqliteStore, schedules, write::to_json};
use crate::{
    Actor, Cached, ChainRow, Commit, Done, Entry, Error, ExecutionFilter, ExecutionRow, FireFilter, FireRow,
    Head, InboxItem, Lease, ScheduleRow, StepFile, StepRow, Store, Version, VersionRow, codec,
};

impl Store for SqliteStore {
    fn submit(&self, commit: Commit, done: Done) {
        self.submit_to_writer(commit, done);
    }

    fn journal(&self, execution: ExecutionId, after: u64) -> Result<Vec<Entry>, Error> {
        let entries = self.with_reader(|reader| read_journal(reader, execution, after))?;
        Ok(entries.1)
    }

    fn execution(&self, execution: ExecutionId) -> Result<Option<ExecutionRow>, Error> {
        self.with_reader(|reader| read_execution(reader, execution))
    }

    fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<ExecutionRow>, Error> {
        self.with_reader(|reader| {
            let unfinished = if filter.unfinished_only { "AND finished_at IS NULL" } else { "" };
            let sql = format!(
                "SELECT {EXECUTION_COLUMNS} FROM executions WHERE (?1 IS NULL OR chain = ?1) {unfinished}
                     AND (?3 IS NULL OR status = ?3) AND (?4 IS NULL OR created_at >= ?4) AND id > ?6
                     AND (?5 IS NULL OR NOT EXISTS (
                         SELECT 1 FROM json_each(?5) wanted WHERE NOT EXISTS (
                             SELECT 1 FROM chains c, json_each(c.labels) had
                             WHERE c.name = chain AND had.key = wanted.value ->> 0
                                 AND had.value = wanted.value ->> 1)))
                 ORDER BY id DESC LIMIT ?2"
            );
            let limit = filter.limit.map_or(-1, i64::from);
            let labels = (!filter.labels.is_empty()).then(|| to_json(&filter.labels));
            let after = filter.after.map_or(0, |id| id.0);
            let (status, since) = (filter.status.map(ExecutionStatus::as_str), filter.since.map(|at| at.0));
            let mut statement = reader.prepare_cached(&sql)?;
            let rows = statement
                .query_map(params![filter.chain, limit, status, since, labels, after], execution_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn steps(&self, execution: ExecutionId) -> Result<Vec<StepRow>, Error> {
        self.with_reader(|reader| read_steps(reader, execution))
    }

    fn chains(&self) -> Result<Vec<ChainRow>, Error> {
        self.with_reader(schedules::read_chains)
    }

    fn chain(&self, name: &str) -> Result<Option<ChainRow>, Error> {
        self.with_reader(|reader| schedules::read_chain(reader, name))
    }

    fn versions(&self, chain: &str) -> Result<Vec<VersionRow>, Error> {
        self.with_reader(|reader| schedules::read_versions(reader, chain))
    }

    fn schedules(&self) -> Result<Vec<ScheduleRow>, Error> {
        self.with_reader(schedules::read_schedules)
    }

    fn fires(&self, filter: &FireFilter) -> Result<Vec<FireRow>, Error> {
        self.with_reader(|reader| schedules::read_fires(reader, filter))
    }

    fn version(&self, digest: &str) -> Result<Version, Error> {
        self.with_reader(|reader| read_version(reader, digest))
    }

    fn has_version(&self, digest: &str) -> Result<bool, Error> {
        self.with_reader(|reader| {
            // A version that is not its chain's latest must be written again, to become that.
            Ok(reader.prepare_cached("SELECT 1 FROM chains WHERE latest = ?")?.exists([digest])?)
        })
    }

    fn blob(&self, digest: &str) -> Result<Vec<u8>, Error> {
        let found = self.with_reader(|reader| read_blob(reader, digest))?;
        found.ok_or_else(|| Error::NotFound(format!("stored file or value {digest}")))
    }

    fn snapshot(&self, execution: ExecutionId) -> Result<Option<(u64, Vec<u8>)>, Error> {
        self.with_reader(|reader| {
            Ok(reader
                .prepare_cached("SELECT seq, state FROM snapshots WHERE execution = ?")?
                .query_row([execution.0], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?)
        })
    }

    fn started(&self, key: &str) -> Result<Option<(ExecutionId, String)>, Error> {
        self.with_reader(|reader| {
            Ok(reader
                .prepare_cached("SELECT execution, fingerprint FROM start_keys WHERE key = ?")?
                .query_row([key], |row| Ok((ExecutionId(row.get(0)?), row.get(1)?)))
                .optional()?)
        })
    }

    fn cached(&self, key: &str) -> Result<Option<Cached>, Error> {
        self.with_reader(|reader| {
            Ok(reader
                .prepare_cached("SELECT execution, at, result FROM cache WHERE key = ?")?
                .query_row([key], |row| {
                    let result: String = row.get(2)?;
                    Ok(Cached {
                        execution: ExecutionId(row.get(0)?),
                        at: Timestamp(row.get(1)?),
                        result: from_json(2, &result)?,
                    })
                })
                .optional()?)
        })
    }

    fn heir(&self, source: ExecutionId) -> Result<Option<ExecutionId>, Error> {
        self.with_reader(|reader| {
            Ok(reader
                .prepare_cached("SELECT heir FROM legacies WHERE source = ?")?
                .query_row([source.0], |row| Ok(ExecutionId(row.get(0)?)))
                .optional()?)
        })
    }

    fn inbox(&self) -> Result<Vec<InboxItem>, Error> {
        self.with_reader(|reader| {
            let mut statement =
                reader.prepare_cached("SELECT id, execution, at, actor, command FROM inbox ORDER BY id")?;
            let rows = statement.query_map([], |row| {
                let command: String = row.get(4)?;
                Ok(InboxItem {
                    id: row.get(0)?,
                    execution: ExecutionId(row.get(1)?),
                    at: Timestamp(row.get(2)?),
                    actor: Actor::new(&row.get::<_, String>(3)?),
                    command: from_json(4, &command)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    fn next_number(&self) -> Result<u64, Error> {
        self.with_reader(|reader| Ok(reader.query_row("SELECT next FROM counter", [], |row| row.get(0))?))
    }
}

pub(super) fn read_blob(reader: &Connection, digest: &str) -> Result<Option<Vec<u8>>, Error> {
    let mut statement = reader.prepare_cached("SELECT bytes FROM blobs WHERE digest = ?")?;
    Ok(statement.query_row([digest], |row| row.get(0)).optional()?)
}

/// The events behind `after`, and the head of the journal. Reading begins at the row that holds the event behind
/// `after`, its checksums chained to what the row before says of its own last one.
pub(super) fn read_journal(
    reader: &Connection,
    execution: ExecutionId,
    after: u64,
) -> Result<(Head, Vec<Entry>), Error> {
    let mut head = head_before(reader, execution, after)?;
    let mut statement = reader.prepare_cached(
        "SELECT seq, at, actor, lease, events FROM journal WHERE execution = ? AND seq > ? ORDER BY seq",
    )?;
    let rows = statement.query_map(params![execution.0, head.seq], |row| {
        Ok(codec::Row {
            seq: row.get(0)?,
            at: Timestamp(row.get(1)?),
            actor: Actor::new(&row.get::<_, String>(2)?),
            lease: Lease(row.get(3)?),
            lines: row.get(4)?,
        })
    })?;
    let mut entries = Vec::new();
    for row in rows {
        let decoded = codec::decode(execution, &mut head, &row?)?;
        entries.extend(decoded.into_iter().filter(|entry| entry.seq > after));
    }
    Ok((head, entries))
}

/// The end of the last row that lies wholly at or before `after`.
fn head_before(reader: &Connection, execution: ExecutionId, after: u64) -> Result<Head, Error> {
    let row: Option<(u64, String)> = reader
        .prepare_cached(
            "SELECT last, events FROM journal WHERE execution = ?1 AND seq <= ?2 AND last <= ?2
             ORDER BY seq DESC LIMIT 1",
        )?
        .query_row(params![execution.0, after], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((seq, lines)) = row else { return Ok(Head::default()) };
    let sum = codec::last_sum(&lines)
        .ok_or_else(|| Error::Corrupt(format!("event {seq} of execution {execution} has no checksum")))?;
    Ok(Head { seq, sum })
}

const EXECUTION_COLUMNS: &str =
    "id, chain, version, status, created_at, started_at, finished_at, output, error, wake_at, owned";

pub(super) fn read_execution(
    reader: &Connection,
    execution: ExecutionId,
) -> Result<Option<ExecutionRow>, Error> {
    let sql = format!("SELECT {EXECUTION_COLUMNS} FROM executions WHERE id = ?");
    Ok(reader.prepare_cached(&sql)?.query_row([execution.0], execution_row).optional()?)
}

fn execution_row(row: &Row<'_>) -> rusqlite::Result<ExecutionRow> {
    let status: String = row.get(3)?;
    let output: Option<String> = row.get(7)?;
    let error: Option<String> = row.get(8)?;
    Ok(ExecutionRow {
        id: ExecutionId(row.get(0)?),
        chain: row.get(1)?,
        version: row.get(2)?,
        status: ExecutionStatus::parse(&status).ok_or_else(|| unreadable(3, &status))?,
        created_at: Timestamp(row.get(4)?),
        started_at: row.get::<_, Option<i64>>(5)?.map(Timestamp),
        finished_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
        output: output.map(|json| read_output(&json)).transpose()?,
        error: error.map(|json| from_json(8, &json)).transpose()?,
        wake_at: row.get::<_, Option<i64>>(9)?.map(Timestamp),
        owned: row.get(10)?,
    })
}

/// Rows of earlier versions have the plain JSON, also where it looks like more than that.
fn read_output(json: &str) -> rusqlite::Result<Value> {
    serde_json::from_str(json).or_else(|_| from_json::<serde_json::Value>(7, json).map(Value::from))
}

pub(super) fn read_steps(reader: &Connection, execution: ExecutionId) -> Result<Vec<StepRow>, Error> {
    let mut statement = reader.prepare_cached(
        "SELECT visit, address, step, status, attempts, started_at, finished_at, error
         FROM steps WHERE execution = ? ORDER BY visit",
    )?;
    let rows = statement.query_map([execution.0], |row| {
        let status: String = row.get(3)?;
        Ok(StepRow {
            execution,
            visit: VisitNo(row.get(0)?),
            address: row.get(1)?,
            step: row.get(2)?,
            status: StepStatus::parse(&status).ok_or_else(|| unreadable(3, &status))?,
            attempts: row.get(4)?,
            started_at: row.get::<_, Option<i64>>(5)?.map(Timestamp),
            finished_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
            error: row.get(7)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn read_version(reader: &Connection, digest: &str) -> Result<Version, Error> {
    let (source, compiled): (String, String) = reader
        .prepare_cached("SELECT source, compiled FROM versions WHERE digest = ?")?
        .query_row([digest], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or_else(|| Error::NotFound(format!("version {digest}")))?;
    let chain = serde_json::from_str(&compiled)
        .map_err(|error| Error::Corrupt(format!("version {digest} cannot be read: {error}")))?;
    let mut statement = reader.prepare_cached(
        "SELECT b.digest, b.bytes FROM version_files f JOIN blobs b ON b.digest = f.blob WHERE f.version = ?",
    )?;
    let files = statement
        .query_map([digest], |row| Ok(StepFile { digest: row.get(0)?, bytes: row.get(1)? }))?
        .collect::<Result<_, _>>()?;
    Ok(Version { digest: digest.to_owned(), chain: Arc::new(chain), source, files })
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(column: usize, json: &str) -> rusqlite::Result<T> {
    serde_json::from_str(json).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

pub(super) fn unreadable(column: usize, text: &str) -> rusqlite::Error {
    let message = format!("`{text}` is no status");
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, message.into())
}
