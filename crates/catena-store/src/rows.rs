//! Projections: what lists and searches read, made from a state alone, so that they can be rebuilt.

use std::collections::BTreeMap;

use catena_core::{
    ExecutionId, Failure, State, Timestamp, Value, VisitNo,
    state::{Phase, VisitPhase},
    status::{ChainStatus, ExecutionStatus, StepStatus},
};

use crate::Actor;

#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionRow {
    pub id: ExecutionId,
    pub chain: String,
    pub version: String,
    pub status: ExecutionStatus,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub output: Option<Value>,
    pub error: Option<Failure>,
    /// When the next timer is due.
    pub wake_at: Option<Timestamp>,
    /// What keeps an unfinished execution from being forgotten: attempts that run or wait for a slot, a decision
    /// that waits for large values, another execution that has to end first, or a person that has to answer. Without that, and without `wake_at`, nothing would ever bring it on.
    pub owned: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StepRow {
    pub execution: ExecutionId,
    pub visit: VisitNo,
    pub address: String,
    /// The step's id.
    pub step: String,
    pub status: StepStatus,
    pub attempts: u32,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Type of the failure.
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRow {
    pub id: u64,
    pub name: String,
    /// Digest of the latest version.
    pub version: String,
    pub last_execution: Option<ExecutionId>,
    pub status: ChainStatus,
    pub description: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub created_at: Timestamp,
    pub created_by: Actor,
    /// When a version was added or the status changed.
    pub updated_at: Timestamp,
}

/// A version of a chain, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// From 1, in the order in which they were stored.
    pub number: u32,
    pub digest: String,
    pub created_at: Timestamp,
    pub created_by: Actor,
}

/// Which executions to list.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    pub chain: Option<String>,
    pub unfinished_only: bool,
    pub status: Option<ExecutionStatus>,
    /// Only executions of chains whose latest version has all these labels.
    pub labels: Vec<(String, String)>,
    /// Only executions with higher numbers.
    pub after: Option<ExecutionId>,
    /// Only executions that were created then or later.
    pub since: Option<Timestamp>,
    pub limit: Option<u32>,
}

pub fn project_execution(state: &State) -> ExecutionRow {
    let (finished_at, output, error) = match state.phase() {
        Phase::Ended { at, output, error, .. } => (Some(*at), Some(output.clone()), error.clone()),
        Phase::Created | Phase::Running | Phase::Undoing | Phase::Handling(_) => (None, None, None),
    };
    let agenda = state.agenda();
    let asks = agenda.halted().next().is_some()
        || agenda.asking().next().is_some()
        || agenda.awaiting().next().is_some()
        || state.is_stuck()
        || state.is_paused();
    // Another execution brings it on when that has ended.
    let follows = agenda.calls().next().is_some() || state.undoes_child() || state.is_held();
    let owned = state.is_at_work() || asks || follows;
    ExecutionRow {
        id: state.id(),
        chain: state.chain().name.as_str().to_owned(),
        version: state.version().to_owned(),
        status: state.status(),
        created_at: state.created_at(),
        started_at: state.started_at(),
        finished_at,
        output: output.filter(|output| !output.is_null()),
        error,
        wake_at: agenda.next_timer().map(|(at, _)| at),
        owned,
    }
}

pub fn project_step(state: &State, no: VisitNo) -> StepRow {
    let visit = state.visit(no);
    let error = match &visit.phase {
        VisitPhase::Ended(_) => visit.failure().map(|failure| failure.kind.to_string()),
        _ => None,
    };
    StepRow {
        execution: state.id(),
        visit: no,
        address: state.address(no).to_string(),
        step: state.step_of(no).id.to_string(),
        status: state.step_status(no),
        attempts: visit.attempts,
        started_at: visit.started_at,
        finished_at: visit.ended_at,
        error,
    }
}
