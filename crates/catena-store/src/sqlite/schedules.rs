//! Chains as records, schedules, and what became of their instants.

use catena_core::{
    ExecutionId, ScheduleId, Timestamp,
    schedule::due::Fire,
    status::{ChainStatus, FireKind, FireOutcome, FireReason, ScheduleStatus},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    read::{from_json, unreadable},
    write::to_json,
};
use crate::{Actor, ChainChange, ChainRow, Error, FireFilter, FireRow, Record, ScheduleRow, VersionRow};

/// Why a record is refused, alone with its commit, before anything of that is written.
pub(super) fn refusal(
    connection: &Connection,
    record: &Record,
    in_batch: impl Fn(ExecutionId) -> Option<bool>,
) -> Result<Option<Error>, Error> {
    match record {
        Record::Fire(row) => fire_refusal(connection, row),
        Record::ChainIsNew { chain } => {
            Ok(chain_id(connection, chain)?.map(|_| Error::ChainExists(chain.clone())))
        }
        Record::ChainStatus(ChainChange { chain, .. }) => Ok(unknown_chain(connection, chain)?),
        Record::ChainRemoved { chain } => match unknown_chain(connection, chain)? {
            None => busy(connection, chain, in_batch),
            unknown => Ok(unknown),
        },
        Record::NextNumber(_)
        | Record::Version { .. }
        | Record::StartKey { .. }
        | Record::InboxAdded { .. }
        | Record::Value(_)
        | Record::InboxTaken { .. }
        | Record::Schedule(_)
        | Record::Snapshot { .. }
        | Record::Cached { .. }
        | Record::Uncached { .. }
        | Record::Legacy { .. } => Ok(None),
    }
}

fn unknown_chain(connection: &Connection, chain: &str) -> Result<Option<Error>, Error> {
    let found = chain_id(connection, chain)?;
    Ok(found.is_none().then(|| Error::NotFound(format!("chain `{chain}`"))))
}

fn chain_id(connection: &Connection, chain: &str) -> Result<Option<u64>, Error> {
    let mut statement = connection.prepare_cached("SELECT id FROM chains WHERE name = ?")?;
    Ok(statement.query_row([chain], |row| row.get(0)).optional()?)
}

fn busy(
    connection: &Connection,
    chain: &str,
    in_batch: impl Fn(ExecutionId) -> Option<bool>,
) -> Result<Option<Error>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM executions WHERE chain = ? AND finished_at IS NULL")?;
    let rows = statement.query_map([chain], |row| row.get(0))?;
    for id in rows {
        let execution = ExecutionId(id?);
        if in_batch(execution).unwrap_or(true) {
            return Ok(Some(Error::ChainBusy { chain: chain.to_owned(), execution }));
        }
    }
    Ok(None)
}

/// What was decided starts nothing any more, and one instant starts one execution.
fn fire_refusal(connection: &Connection, row: &FireRow) -> Result<Option<Error>, Error> {
    if row.execution.is_none() {
        return Ok(None);
    }
    let is_decided = connection
        .prepare_cached(
            "SELECT 1 FROM fires WHERE schedule = ? AND at = ? AND trigger_id = ? AND outcome <> 'waiting'",
        )?
        .exists(params![row.schedule.0, row.fire.at.0, row.trigger])?;
    let has_execution = row.fire.kind != FireKind::RunNow
        && connection
            .prepare_cached(
                "SELECT 1 FROM fires WHERE schedule = ? AND at = ? AND execution IS NOT NULL AND kind <> 'run_now'",
            )?
            .exists(params![row.schedule.0, row.fire.at.0])?;
    let taken = Error::FireTaken { schedule: row.schedule, at: row.fire.at };
    Ok((is_decided || has_execution).then_some(taken))
}

pub(super) fn write_schedule(connection: &Connection, row: &ScheduleRow) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO schedules VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET ordinal = excluded.ordinal, definition = excluded.definition,
                 anchor = excluded.anchor, params = excluded.params, status = excluded.status,
                 considered_until = max(considered_until, excluded.considered_until),
                 next_at = excluded.next_at, updated_at = excluded.updated_at",
        )?
        .execute(params![
            row.id.0,
            row.chain,
            row.ordinal,
            to_json(&row.definition),
            row.anchor.0,
            to_json(&row.params),
            row.status.as_str(),
            row.considered_until.0,
            row.next_at.map(|at| at.0),
            row.created_at.0,
            row.created_by.as_str(),
            row.updated_at.0,
        ])?;
    Ok(())
}

pub(super) fn write_fire(connection: &Connection, row: &FireRow) -> Result<(), Error> {
    let Fire { at, until, count, kind, outcome, reason } = row.fire;
    connection
        .prepare_cached(
            "INSERT INTO fires (schedule, at, trigger_id, until, count, kind, outcome, reason, note, execution,
                                decided_at, decided_by)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (schedule, at, trigger_id) DO UPDATE SET outcome = excluded.outcome,
                 reason = excluded.reason, note = excluded.note, execution = excluded.execution,
                 decided_at = excluded.decided_at, decided_by = excluded.decided_by
             WHERE outcome = 'waiting'",
        )?
        .execute(params![
            row.schedule.0,
            at.0,
            row.trigger,
            until.map(|at| at.0),
            count,
            kind.as_str(),
            outcome.as_str(),
            reason.map(FireReason::as_str),
            row.note,
            row.execution.map(|id| id.0),
            row.decided_at.0,
            row.decided_by.as_str(),
        ])?;
    Ok(())
}

pub(super) fn write_status(connection: &Connection, change: &ChainChange) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE chains SET status = ?, updated_at = ? WHERE name = ?")?
        .execute(params![change.status.as_str(), change.at.0, change.chain])?;
    Ok(())
}

/// Everything that belongs to the chain alone. Step files and values are shared by digest and stay.
pub(super) fn remove_chain(connection: &Connection, chain: &str) -> Result<(), Error> {
    const OF_EXECUTIONS: &str = "(SELECT id FROM executions WHERE chain = ?1)";
    const OF_CHAIN: &str = "(SELECT id FROM chains WHERE name = ?1)";
    let statements = [
        "DELETE FROM fires WHERE schedule IN (SELECT id FROM schedules WHERE chain = ?1)".to_owned(),
        "DELETE FROM schedules WHERE chain = ?1".to_owned(),
        format!("DELETE FROM journal WHERE execution IN {OF_EXECUTIONS}"),
        format!("DELETE FROM steps WHERE execution IN {OF_EXECUTIONS}"),
        format!("DELETE FROM snapshots WHERE execution IN {OF_EXECUTIONS}"),
        format!("DELETE FROM inbox WHERE execution IN {OF_EXECUTIONS}"),
        format!("DELETE FROM start_keys WHERE execution IN {OF_EXECUTIONS}"),
        "DELETE FROM executions WHERE chain = ?1".to_owned(),
        format!(
            "DELETE FROM version_files WHERE version IN (SELECT digest FROM versions WHERE chain IN {OF_CHAIN})"
        ),
        format!("DELETE FROM versions WHERE chain IN {OF_CHAIN}"),
        "DELETE FROM chains WHERE name = ?1".to_owned(),
    ];
    for statement in statements {
        connection.execute(&statement, [chain])?;
    }
    Ok(())
}

const CHAIN_COLUMNS: &str =
    "id, name, latest, (SELECT max(e.id) FROM executions e WHERE e.chain = name), status,
    description, labels, created_at, created_by, updated_at";

pub(super) fn read_chains(reader: &Connection) -> Result<Vec<ChainRow>, Error> {
    let mut statement = reader.prepare_cached(&format!("SELECT {CHAIN_COLUMNS} FROM chains ORDER BY id"))?;
    Ok(statement.query_map([], chain_row)?.collect::<Result<_, _>>()?)
}

pub(super) fn read_chain(reader: &Connection, name: &str) -> Result<Option<ChainRow>, Error> {
    let mut statement =
        reader.prepare_cached(&format!("SELECT {CHAIN_COLUMNS} FROM chains WHERE name = ?"))?;
    Ok(statement.query_row([name], chain_row).optional()?)
}

fn chain_row(row: &Row<'_>) -> rusqlite::Result<ChainRow> {
    let status: String = row.get(4)?;
    Ok(ChainRow {
        id: row.get(0)?,
        name: row.get(1)?,
        version: row.get(2)?,
        last_execution: row.get::<_, Option<u64>>(3)?.map(ExecutionId),
        status: ChainStatus::parse(&status).ok_or_else(|| unreadable(4, &status))?,
        description: row.get(5)?,
        labels: from_json(6, &row.get::<_, String>(6)?)?,
        created_at: Timestamp(row.get(7)?),
        created_by: Actor::new(&row.get::<_, String>(8)?),
        updated_at: Timestamp(row.get(9)?),
    })
}

pub(super) fn read_versions(reader: &Connection, chain: &str) -> Result<Vec<VersionRow>, Error> {
    let mut statement = reader.prepare_cached(
        "SELECT v.number, v.digest, v.created_at, v.created_by FROM versions v JOIN chains c ON c.id = v.chain
         WHERE c.name = ? ORDER BY v.number",
    )?;
    let rows = statement.query_map([chain], |row| {
        Ok(VersionRow {
            number: row.get(0)?,
            digest: row.get(1)?,
            created_at: Timestamp(row.get(2)?),
            created_by: Actor::new(&row.get::<_, String>(3)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn read_schedules(reader: &Connection) -> Result<Vec<ScheduleRow>, Error> {
    let mut statement = reader.prepare_cached(
        "SELECT id, chain, ordinal, definition, anchor, params, status, considered_until, next_at, created_at,
                created_by, updated_at FROM schedules ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| {
        let status: String = row.get(6)?;
        Ok(ScheduleRow {
            id: ScheduleId(row.get(0)?),
            chain: row.get(1)?,
            ordinal: row.get(2)?,
            definition: from_json(3, &row.get::<_, String>(3)?)?,
            anchor: Timestamp(row.get(4)?),
            params: from_json(5, &row.get::<_, String>(5)?)?,
            status: ScheduleStatus::parse(&status).ok_or_else(|| unreadable(6, &status))?,
            considered_until: Timestamp(row.get(7)?),
            next_at: row.get::<_, Option<i64>>(8)?.map(Timestamp),
            created_at: Timestamp(row.get(9)?),
            created_by: Actor::new(&row.get::<_, String>(10)?),
            updated_at: Timestamp(row.get(11)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn read_fires(reader: &Connection, filter: &FireFilter) -> Result<Vec<FireRow>, Error> {
    // What is not asked for stands in no condition: with `OR` in it no index would serve what is.
    let schedule = if filter.schedule.is_some() { "schedule = ?1" } else { "?1 IS NULL" };
    let execution = if filter.execution.is_some() { "AND execution = ?2" } else { "AND ?2 IS NULL" };
    let waiting = if filter.waiting_only { "AND outcome = 'waiting'" } else { "" };
    let unfinished = match filter.unfinished_only {
        true => "AND execution IN (SELECT id FROM executions WHERE finished_at IS NULL)",
        false => "",
    };
    let sql = format!(
        "SELECT schedule, at, trigger_id, until, count, kind, outcome, reason, note, execution, decided_at,
                decided_by FROM fires
         WHERE {schedule} {execution} {waiting} {unfinished}
         ORDER BY at DESC, id DESC LIMIT ?3"
    );
    let mut statement = reader.prepare_cached(&sql)?;
    let limit = filter.limit.map_or(-1, i64::from);
    let (schedule, execution) = (filter.schedule.map(|id| id.0), filter.execution.map(|id| id.0));
    let rows = statement.query_map(params![schedule, execution, limit], fire_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn fire_row(row: &Row<'_>) -> rusqlite::Result<FireRow> {
    let (kind, outcome): (String, String) = (row.get(5)?, row.get(6)?);
    let reason: Option<String> = row.get(7)?;
    let fire = Fire {
        at: Timestamp(row.get(1)?),
        until: row.get::<_, Option<i64>>(3)?.map(Timestamp),
        count: row.get(4)?,
        kind: FireKind::parse(&kind).ok_or_else(|| unreadable(5, &kind))?,
        outcome: FireOutcome::parse(&outcome).ok_or_else(|| unreadable(6, &outcome))?,
        reason: reason
            .map(|text| FireReason::parse(&text).ok_or_else(|| unreadable(7, &text)))
            .transpose()?,
    };
    Ok(FireRow {
        schedule: ScheduleId(row.get(0)?),
        fire,
        trigger: row.get(2)?,
        note: row.get(8)?,
        execution: row.get::<_, Option<u64>>(9)?.map(ExecutionId),
        decided_at: Timestamp(row.get(10)?),
        decided_by: Actor::new(&row.get::<_, String>(11)?),
    })
}
