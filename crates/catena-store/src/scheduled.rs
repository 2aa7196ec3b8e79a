//! Records of schedules and of what became of their instants.

use std::collections::BTreeMap;

use catena_core::{
    ExecutionId, ScheduleId, Timestamp, Value,
    schedule::{Schedule, due::Fire},
    status::{ChainStatus, FireOutcome, ScheduleStatus},
};

use crate::Actor;

/// A schedule of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleRow {
    pub id: ScheduleId,
    pub chain: String,
    /// Its place among the schedules of its definition, from 0.
    pub ordinal: u32,
    pub definition: Schedule,
    /// What its instants are counted from.
    pub anchor: Timestamp,
    /// What its executions are given; defaults are filled in when they start.
    pub params: BTreeMap<String, Value>,
    pub status: ScheduleStatus,
    /// Every instant up to here has its row.
    pub considered_until: Timestamp,
    pub next_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub created_by: Actor,
    pub updated_at: Timestamp,
}

/// What became of an instant of a schedule; of several, where nothing started for any of them.
#[derive(Clone, Debug, PartialEq)]
pub struct FireRow {
    pub schedule: ScheduleId,
    pub fire: Fire,
    /// 0 for what the schedule itself says, else the number of the request of a person.
    pub trigger: u64,
    /// What the reason does not say.
    pub note: Option<String>,
    pub execution: Option<ExecutionId>,
    pub decided_at: Timestamp,
    pub decided_by: Actor,
}

impl FireRow {
    pub fn is_waiting(&self) -> bool {
        self.fire.outcome == FireOutcome::Waiting
    }
}

/// Which fires to list.
#[derive(Clone, Debug, Default)]
pub struct FireFilter {
    pub schedule: Option<ScheduleId>,
    /// Only the fire that this execution belongs to.
    pub execution: Option<ExecutionId>,
    pub waiting_only: bool,
    /// Only fires whose execution has not ended.
    pub unfinished_only: bool,
    pub limit: Option<u32>,
}

/// A chain's standing, changed by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainChange {
    pub chain: String,
    pub status: ChainStatus,
    pub at: Timestamp,
}
