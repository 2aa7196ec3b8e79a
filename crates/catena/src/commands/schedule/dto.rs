//! What the commands about schedules print.

use catena_core::{ExecutionId, ScheduleId, schedule::Schedule, status::ScheduleStatus};
use catena_store::{FireRow, ScheduleRow};
use serde::Serialize;

use crate::{
    exit::Failure,
    output::{self, rfc3339},
};

#[derive(Debug, Serialize)]
pub(crate) struct ScheduleDto {
    id: ScheduleId,
    chain: String,
    /// In a few words.
    when: String,
    definition: Schedule,
    status: ScheduleStatus,
    /// What its instants are counted from.
    anchor: String,
    next_at: Option<String>,
    created_at: String,
    created_by: String,
}

impl From<&ScheduleRow> for ScheduleDto {
    fn from(row: &ScheduleRow) -> Self {
        Self {
            id: row.id,
            chain: row.chain.clone(),
            when: row.definition.to_string(),
            definition: row.definition.clone(),
            status: row.status,
            anchor: rfc3339(row.anchor),
            next_at: row.next_at.map(rfc3339),
            created_at: rfc3339(row.created_at),
            created_by: row.created_by.as_str().to_owned(),
        }
    }
}

/// What became of an instant, or of several.
#[derive(Debug, Serialize)]
pub(super) struct FireDto {
    at: String,
    /// The last of several.
    until: Option<String>,
    /// How many; absent where they were not counted.
    count: Option<u32>,
    kind: &'static str,
    outcome: &'static str,
    reason: Option<&'static str>,
    note: Option<String>,
    execution: Option<ExecutionId>,
    /// The request of a person that it belongs to.
    trigger: Option<u64>,
    decided_at: String,
    decided_by: String,
}

impl From<&FireRow> for FireDto {
    fn from(row: &FireRow) -> Self {
        Self {
            at: rfc3339(row.fire.at),
            until: row.fire.until.map(rfc3339),
            count: row.fire.count,
            kind: row.fire.kind.as_str(),
            outcome: row.fire.outcome.as_str(),
            reason: row.fire.reason.map(catena_core::status::FireReason::as_str),
            note: row.note.clone(),
            execution: row.execution,
            trigger: (row.trigger > 0).then_some(row.trigger),
            decided_at: rfc3339(row.decided_at),
            decided_by: row.decided_by.as_str().to_owned(),
        }
    }
}

/// A table of schedules; nothing where there are none.
pub(in crate::commands) fn print_table(rows: &[ScheduleRow]) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let heading = ["SCHEDULE", "CHAIN", "WHEN", "STATUS", "NEXT"].map(str::to_owned).to_vec();
    let line = |row: &ScheduleRow| {
        let next = row.next_at.filter(|_| row.status == ScheduleStatus::Active);
        vec![
            row.id.to_string(),
            row.chain.clone(),
            row.definition.to_string(),
            row.status.to_string(),
            next.map(output::local).unwrap_or_default(),
        ]
    };
    let lines: Vec<Vec<String>> = [heading].into_iter().chain(rows.iter().map(line)).collect();
    output::raw(output::table(&lines).as_bytes())
}
