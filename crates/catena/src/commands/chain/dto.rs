//! What the commands about chains print for programs.

use std::collections::BTreeMap;

use catena_core::{
    ExecutionId, Timestamp,
    status::{ChainStatus, ScheduleStatus},
};
use catena_store::{ChainRow, ExecutionRow, ScheduleRow, Store, VersionRow};
use serde::Serialize;

use crate::{exit::Failure, output::rfc3339};

#[derive(Debug, Serialize)]
pub(super) struct ChainDto {
    pub(super) id: u64,
    pub(super) name: String,
    description: Option<String>,
    labels: BTreeMap<String, String>,
    pub(super) status: ChainStatus,
    /// Digest of the latest version.
    version: String,
    created_at: String,
    created_by: String,
    updated_at: String,
    last_execution: Option<LastDto>,
    next_at: Option<String>,
    /// The same as they are, for people.
    #[serde(skip)]
    pub(super) last: Option<ExecutionRow>,
    #[serde(skip)]
    pub(super) next: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct LastDto {
    id: ExecutionId,
    status: &'static str,
    started_at: Option<String>,
    finished_at: Option<String>,
}

impl ChainDto {
    pub(super) fn new(store: &dyn Store, row: ChainRow, schedules: &[ScheduleRow]) -> Result<Self, Failure> {
        let last = row.last_execution.map(|id| store.execution(id)).transpose()?.flatten();
        let starts = schedules.iter().filter(|schedule| {
            schedule.chain == row.name
                && schedule.status == ScheduleStatus::Active
                && row.status == ChainStatus::Active
        });
        let next = starts.filter_map(|schedule| schedule.next_at).min();
        Ok(Self {
            id: row.id,
            name: row.name,
            description: row.description,
            labels: row.labels,
            status: row.status,
            version: row.version,
            created_at: rfc3339(row.created_at),
            created_by: row.created_by.as_str().to_owned(),
            updated_at: rfc3339(row.updated_at),
            last_execution: last.as_ref().map(LastDto::from),
            next_at: next.map(rfc3339),
            last,
            next,
        })
    }
}

impl From<&ExecutionRow> for LastDto {
    fn from(row: &ExecutionRow) -> Self {
        Self {
            id: row.id,
            status: row.status.as_str(),
            started_at: row.started_at.map(rfc3339),
            finished_at: row.finished_at.map(rfc3339),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct VersionDto {
    pub(super) number: u32,
    pub(super) digest: String,
    created_at: String,
    created_by: String,
}

impl From<&VersionRow> for VersionDto {
    fn from(row: &VersionRow) -> Self {
        Self {
            number: row.number,
            digest: row.digest.clone(),
            created_at: rfc3339(row.created_at),
            created_by: row.created_by.as_str().to_owned(),
        }
    }
}
