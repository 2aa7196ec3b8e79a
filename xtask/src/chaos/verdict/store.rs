//! What the store says: journals event by event, and under which lease each row was written.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result};
use catena_core::{
    Event,
    event::Answer,
    status::{End, ExecutionStatus},
};
use catena_store::{
    Entry, ExecutionFilter, Store,
    sqlite::{Finding, SqliteStore, check},
};
use rusqlite::{Connection, OpenFlags};

use super::{Findings, Promise};

#[derive(Default)]
pub(super) struct Stored {
    pub(super) executions: BTreeMap<u64, Execution>,
    /// The execution of each key.
    pub(super) keys: BTreeMap<String, u64>,
}

pub(super) struct Execution {
    pub(super) chain: String,
    pub(super) status: ExecutionStatus,
    pub(super) entries: Vec<Entry>,
    /// Addresses by visit.
    pub(super) addresses: BTreeMap<u32, String>,
}

/// One attempt as its journal has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempt {
    pub(super) started_us: Vec<i64>,
    pub(super) ended: Vec<(i64, Answer)>,
}

impl Stored {
    pub(super) fn read(path: &Path, findings: &mut Findings) -> Result<Self> {
        let store = SqliteStore::open_for_reading(path)?;
        doctor(&store, findings)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let raw = Connection::open_with_flags(path, flags).context("cannot open the store")?;
        check_leases(&raw, findings)?;
        let mut stored = Self { keys: keys(&raw)?, ..Self::default() };
        for row in store.executions(&ExecutionFilter::default())? {
            let entries = match store.journal(row.id, 0) {
                Ok(entries) => entries,
                Err(error) => {
                    findings.add(Promise::Survives, "journals can be read", error.to_string());
                    continue;
                }
            };
            let addresses =
                store.steps(row.id)?.into_iter().map(|step| (step.visit.0, step.address)).collect();
            let execution = Execution { chain: row.chain, status: row.status, entries, addresses };
            stored.executions.insert(row.id.0, execution);
        }
        Ok(stored)
    }

    pub(super) fn attempts(&self) -> usize {
        let starts = |entry: &&Entry| matches!(entry.event, Event::AttemptStarted { .. });
        self.executions.values().map(|execution| execution.entries.iter().filter(starts).count()).sum()
    }

    pub(super) fn lost(&self) -> usize {
        let is_lost =
            |entry: &&Entry| matches!(entry.event, Event::AttemptEnded { answer: Answer::Lost { .. }, .. });
        self.executions.values().map(|execution| execution.entries.iter().filter(is_lost).count()).sum()
    }
}

impl Execution {
    /// When and how it ended, as often as its journal says so.
    pub(super) fn ends(&self) -> Vec<(i64, End)> {
        let ends = self.entries.iter().filter_map(|entry| match entry.event {
            Event::ExecutionEnded { end, .. } => Some((entry.at.0, end)),
            _ => None,
        });
        ends.collect()
    }

    /// Its attempts by address and number; those that are executions of their own are seen as those.
    pub(super) fn attempts(&self) -> BTreeMap<(String, u32), Attempt> {
        let calls: BTreeSet<u32> = self
            .entries
            .iter()
            .filter_map(|entry| match entry.event {
                Event::ChildStarted { visit, .. } => Some(visit.0),
                _ => None,
            })
            .collect();
        let mut attempts: BTreeMap<(String, u32), Attempt> = BTreeMap::new();
        for Entry { at, event, .. } in &self.entries {
            match event {
                Event::AttemptStarted { visit, .. } | Event::AttemptEnded { visit, .. }
                    if calls.contains(&visit.0) => {}
                Event::AttemptStarted { visit, attempt } => {
                    let attempt = attempts.entry((self.address(visit.0), attempt.0)).or_default();
                    attempt.started_us.push(at.0);
                }
                Event::AttemptEnded { visit, attempt, answer } => {
                    let attempt = attempts.entry((self.address(visit.0), attempt.0)).or_default();
                    attempt.ended.push((at.0, answer.clone()));
                }
                _ => {}
            }
        }
        attempts
    }

    pub(super) fn address(&self, visit: u32) -> String {
        self.addresses.get(&visit).cloned().unwrap_or_else(|| format!("visit {visit}"))
    }
}

/// What `catena doctor` looks at.
fn doctor(store: &SqliteStore, findings: &mut Findings) -> Result<()> {
    for finding in check(store)? {
        let promise = match finding {
            Finding::File(_) | Finding::Value { .. } | Finding::Projection { .. } => Promise::Survives,
            Finding::Journal { .. } => Promise::EndsOnce,
            Finding::Forgotten { .. } | Finding::Asleep { .. } => Promise::NothingForgotten,
            Finding::Fire { .. } => Promise::Survives,
        };
        findings.add(promise, "doctor is content", format!("{finding:?}"));
    }
    Ok(())
}

/// Rows are written under the lease of their time: none after a later lease was taken.
fn check_leases(raw: &Connection, findings: &mut Findings) -> Result<()> {
    let mut statement = raw.prepare(
        "SELECT j.id, j.execution, j.seq, j.lease,
                coalesce((SELECT max(e.lease) FROM journal e WHERE e.id < j.id), 0), j.at,
                (SELECT min(l.at) FROM leases l WHERE l.lease > j.lease)
         FROM journal j ORDER BY j.id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, execution, seq): (u64, u64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (lease, latest): (u64, u64) = (row.get(3)?, row.get(4)?);
        let (at, next_at): (i64, Option<i64>) = (row.get(5)?, row.get(6)?);
        let event = format!("row {id}, event {seq} of execution {execution}, lease {lease}");
        if lease < latest {
            findings.add(Promise::AttemptsOnce, "leases never go back", format!("{event} after {latest}"));
        } else if next_at.is_some_and(|next_at| at > next_at) {
            let detail = format!("{event} was decided after the next lease was taken");
            findings.add(Promise::AttemptsOnce, "leases never go back", detail);
        }
    }
    Ok(())
}

fn keys(raw: &Connection) -> Result<BTreeMap<String, u64>> {
    let mut statement = raw.prepare("SELECT key, execution FROM start_keys")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
