//! The SQL of one batch. Journal rows and records are written as they come; projections are written once per
//! execution and once per step, however often the batch changes them.

use std::collections::HashMap;

use catena_core::{
    ExecutionId, VisitNo,
    faults::{self, Fault},
};
use rusqlite::{Connection, OptionalExtension, params};

use super::schedules;
use crate::{
    Append, Commit, Error, ExecutionRow, Head, Lease, Record, StepRow, codec::encode, version::Version,
};

pub(super) struct Batch<'a> {
    connection: &'a Connection,
    heads: &'a mut HashMap<ExecutionId, Head>,
    /// Rows as they are behind the batch, with the head that the row in the table must have now.
    executions: HashMap<ExecutionId, (ExecutionRow, Head)>,
    steps: HashMap<(ExecutionId, VisitNo), StepRow>,
    next_number: Option<u64>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(connection: &'a Connection, heads: &'a mut HashMap<ExecutionId, Head>) -> Self {
        let (executions, steps) = (HashMap::new(), HashMap::new());
        Self { connection, heads, executions, steps, next_number: None }
    }

    /// Writes one commit. The outer error spoils the batch; the inner one refuses this commit alone, before
    /// anything of it was written.
    pub(super) fn add(&mut self, commit: Commit) -> Result<Result<(), Error>, Error> {
        if let Some(append) = &commit.append {
            let head = self.head(append.execution)?;
            if head.seq != append.expected {
                let (execution, expected) = (append.execution, append.expected);
                return Ok(Err(Error::Conflict { execution, expected, found: head.seq }));
            }
        }
        for record in &commit.records {
            if let Some(refusal) = self.refusal(record)? {
                return Ok(Err(refusal));
            }
        }
        for record in &commit.records {
            self.record(record)?;
        }
        if let Some(append) = commit.append {
            self.append(append, commit.lease)?;
        }
        Ok(Ok(()))
    }

    /// Writes the projections.
    pub(super) fn finish(self) -> Result<(), Error> {
        for (row, before) in self.executions.values() {
            let head = self.heads.get(&row.id).copied().unwrap_or_default();
            write_execution(self.connection, row, *before, head)?;
        }
        for row in self.steps.values() {
            write_step(self.connection, row)?;
        }
        if let Some(next) = self.next_number {
            self.connection
                .prepare_cached("UPDATE counter SET next = max(next, ?)")?
                .execute(params![next])?;
        }
        for (row, _) in self.executions.values().filter(|(row, _)| row.finished_at.is_some()) {
            self.heads.remove(&row.id);
            self.connection
                .prepare_cached("DELETE FROM snapshots WHERE execution = ?")?
                .execute([row.id.0])?;
        }
        Ok(())
    }

    fn head(&mut self, execution: ExecutionId) -> Result<Head, Error> {
        if let Some(head) = self.heads.get(&execution) {
            return Ok(*head);
        }
        let head = read_head(self.connection, execution)?;
        self.heads.insert(execution, head);
        Ok(head)
    }

    fn append(&mut self, append: Append, lease: Lease) -> Result<(), Error> {
        let before = self.heads.get(&append.execution).copied().unwrap_or_default();
        let mut head = before;
        let lines = encode(&mut head, append.at, &append.actor, &append.events);
        self.connection
            .prepare_cached(
                "INSERT INTO journal (execution, seq, last, at, lease, actor, events)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                append.execution.0,
                before.seq + 1,
                head.seq,
                append.at.0,
                lease.0,
                append.actor.as_str(),
                lines
            ])?;
        self.heads.insert(append.execution, head);
        let in_table = self.executions.get(&append.execution).map_or(before, |(_, in_table)| *in_table);
        self.executions.insert(append.execution, (append.row, in_table));
        for step in append.steps {
            self.steps.insert((step.execution, step.visit), step);
        }
        Ok(())
    }

    fn refusal(&self, record: &Record) -> Result<Option<Error>, Error> {
        let Record::StartKey { key, fingerprint, .. } = record else {
            return schedules::refusal(self.connection, record, |id| self.is_unfinished(id));
        };
        let found: Option<(u64, String)> = self
            .connection
            .prepare_cached("SELECT execution, fingerprint FROM start_keys WHERE key = ?")?
            .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(found.map(|(execution, of)| Error::KeyTaken {
            execution: ExecutionId(execution),
            same_input: of == *fingerprint,
        }))
    }

    fn record(&mut self, record: &Record) -> Result<(), Error> {
        match record {
            Record::NextNumber(next) => self.next_number = self.next_number.max(Some(*next)),
            Record::Version { version, number, at, actor } => {
                write_version(self.connection, version, *number, (at.0, actor.as_str()))?;
            }
            Record::StartKey { key, fingerprint, execution } => {
                self.connection
                    .prepare_cached("INSERT INTO start_keys VALUES (?, ?, ?)")?
                    .execute(params![key, fingerprint, execution.0])?;
            }
            Record::Value(blob) => write_blob(self.connection, &blob.stored.sha256, &blob.bytes)?,
            Record::InboxAdded { execution, at, actor, command } => {
                let command = serde_json::to_string(command).expect("a command is plain data");
                self.connection
                    .prepare_cached("INSERT INTO inbox (execution, at, actor, command) VALUES (?, ?, ?, ?)")?
                    .execute(params![execution.0, at.0, actor.as_str(), command])?;
            }
            Record::InboxTaken { id } => {
                self.connection.prepare_cached("DELETE FROM inbox WHERE id = ?")?.execute([id])?;
            }
            Record::Schedule(row) => schedules::write_schedule(self.connection, row)?,
            Record::Fire(row) => schedules::write_fire(self.connection, row)?,
            Record::ChainStatus(change) => schedules::write_status(self.connection, change)?,
            Record::ChainRemoved { chain } => schedules::remove_chain(self.connection, chain)?,
            // It refuses or is nothing.
            Record::ChainIsNew { .. } => {}
            Record::Snapshot { execution, seq, state } => {
                self.connection
                    .prepare_cached("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?)")?
                    .execute(params![execution.0, seq, state])?;
            }
            Record::Cached { key, cached } => {
                let result = serde_json::to_string(&cached.result).expect("a value is JSON");
                self.connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO cache (key, execution, at, result) VALUES (?, ?, ?, ?)",
                    )?
                    .execute(params![key, cached.execution.0, cached.at.0, result])?;
            }
            Record::Uncached { execution, key } => {
                self.connection
                    .prepare_cached("DELETE FROM cache WHERE execution = ? AND key = ifnull(?, key)")?
                    .execute(params![execution.0, key])?;
            }
            Record::Legacy { source, heir } => {
                self.connection
                    .prepare_cached("INSERT OR IGNORE INTO legacies (source, heir) VALUES (?, ?)")?
                    .execute(params![source.0, heir.0])?;
            }
        }
        Ok(())
    }
}

impl Batch<'_> {
    /// What this batch says of an execution, if it says anything: its row is not written yet.
    fn is_unfinished(&self, execution: ExecutionId) -> Option<bool> {
        self.executions.get(&execution).map(|(row, _)| row.finished_at.is_none())
    }
}

fn read_head(connection: &Connection, execution: ExecutionId) -> Result<Head, Error> {
    let head = connection
        .prepare_cached("SELECT seq, sum FROM executions WHERE id = ?")?
        .query_row([execution.0], |row| {
            Ok(Head { seq: row.get(0)?, sum: row.get::<_, i64>(1)?.cast_unsigned() })
        })
        .optional()?;
    Ok(head.unwrap_or_default())
}

/// Moves an execution's row on from the head it was read with. That nothing else has moved it meanwhile is
/// what the lock and the lease are for; here it is checked once more, by the database itself.
fn write_execution(
    connection: &Connection,
    row: &ExecutionRow,
    before: Head,
    head: Head,
) -> Result<(), Error> {
    let changed = connection
        .prepare_cached(
            "INSERT INTO executions (id, chain, version, status, created_at, started_at, finished_at, output,
                                     error, wake_at, owned, seq, sum)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, started_at = excluded.started_at,
                 finished_at = excluded.finished_at, output = excluded.output, error = excluded.error,
                 wake_at = excluded.wake_at, owned = excluded.owned, seq = excluded.seq, sum = excluded.sum
             WHERE seq = ?",
        )?
        .execute(params![
            row.id.0,
            row.chain,
            row.version,
            row.status.as_str(),
            row.created_at.0,
            row.started_at.map(|at| at.0),
            row.finished_at.map(|at| at.0),
            row.output.as_ref().map(to_json),
            row.error.as_ref().map(to_json),
            row.wake_at.map(|at| at.0),
            row.owned,
            head.seq,
            head.sum.cast_signed(),
            before.seq,
        ])?;
    if changed == 1 || faults::is_on(Fault::StaleLease) { Ok(()) } else { Err(Error::LeaseLost) }
}

pub(super) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("rows hold only what JSON can say")
}

pub(super) fn write_step(connection: &Connection, row: &StepRow) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (execution, visit) DO UPDATE SET status = excluded.status,
                 attempts = excluded.attempts, started_at = excluded.started_at,
                 finished_at = excluded.finished_at, error = excluded.error",
        )?
        .execute(params![
            row.execution.0,
            row.visit.0,
            row.address,
            row.step,
            row.status.as_str(),
            row.attempts,
            row.started_at.map(|at| at.0),
            row.finished_at.map(|at| at.0),
            row.error,
        ])?;
    Ok(())
}

/// Writes an execution's row anew, head and all: for a rebuild of the projections.
pub(super) fn rewrite_execution(
    connection: &Connection,
    row: &ExecutionRow,
    head: Head,
) -> Result<(), Error> {
    connection.execute("DELETE FROM executions WHERE id = ?", [row.id.0])?;
    write_execution(connection, row, Head::default(), head)
}

fn write_version(
    connection: &Connection,
    version: &Version,
    number: u64,
    (at, actor): (i64, &str),
) -> Result<(), Error> {
    let name = version.chain.name.as_str();
    connection
        .prepare_cached(
            "INSERT INTO chains (id, name, latest, description, labels, created_at, created_by, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6) ON CONFLICT (name) DO UPDATE SET latest = excluded.latest,
                 description = excluded.description, labels = excluded.labels, updated_at = excluded.updated_at",
        )?
        .execute(params![
            number,
            name,
            version.digest,
            version.chain.description,
            to_json(&version.chain.labels),
            at,
            actor
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO versions
             SELECT ?1, id, 1 + (SELECT count(*) FROM versions WHERE chain = chains.id), ?2, ?3, ?4, ?5
             FROM chains WHERE name = ?6 ON CONFLICT (digest) DO NOTHING",
        )?
        .execute(params![version.digest, version.source, to_json(&*version.chain), at, actor, name])?;
    for file in &version.files {
        write_blob(connection, &file.digest, &file.bytes)?;
        connection
            .prepare_cached("INSERT INTO version_files VALUES (?, ?) ON CONFLICT DO NOTHING")?
            .execute(params![version.digest, file.digest])?;
    }
    Ok(())
}

/// Step files and large values, by digest: what is there already is the same.
fn write_blob(connection: &Connection, digest: &str, bytes: &[u8]) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT INTO blobs VALUES (?, ?) ON CONFLICT DO NOTHING")?
        .execute(params![digest, bytes])?;
    Ok(())
}
