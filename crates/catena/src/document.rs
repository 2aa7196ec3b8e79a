//! The JSON that scripts hold on to: executions, steps and events, as the contracts say.

use std::collections::BTreeSet;

use catena_core::{
    BlockIx, Chain, Event, ExecutionId, Failure, ScheduleId, State, StepIx, Timestamp,
    chain::{Handlers, Step},
    event::Trigger,
    state::Phase,
    status::StepStatus,
};
use catena_store::{Entry, Error as StoreError, ExecutionRow, Store, whole};
use serde::Serialize;
use serde_json::Value as Json;

use crate::{commands::schedule::ScheduleDto, output::rfc3339, problem::ProblemEntry};

pub(crate) const SCHEMA: &str = "catena/v1";

/// What `run` and `ps show` say of one execution.
#[derive(Debug, Serialize)]
pub(crate) struct ExecutionDocument {
    schema: &'static str,
    pub(crate) execution: Option<ExecutionDto>,
    pub(crate) steps: Vec<StepDto>,
    problems: Vec<ProblemEntry>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ExecutionDto {
    pub(crate) id: ExecutionId,
    pub(crate) chain: String,
    version: String,
    pub(crate) status: &'static str,
    started_at: Option<String>,
    finished_at: Option<String>,
    output: Json,
    pub(crate) error: Option<ErrorDto>,
    /// Who started it, and what for: where its journal is at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<TriggerDto>,
}

/// What an execution was started for.
#[derive(Debug, Serialize)]
struct TriggerDto {
    kind: &'static str,
    schedule: Option<ScheduleId>,
    /// The instant of the schedule.
    at: Option<String>,
    /// The one whose step it is, that it is a rerun of, or that it undoes.
    execution: Option<ExecutionId>,
}

impl From<Trigger> for TriggerDto {
    fn from(trigger: Trigger) -> Self {
        let (kind, at) = match trigger {
            Trigger::Manual => ("manual", None),
            Trigger::Schedule { at, .. } => ("schedule", Some(at)),
            Trigger::RunNow { .. } => ("run_now", None),
            Trigger::Backfill { at, .. } => ("backfill", Some(at)),
            Trigger::Call { .. } => ("call", None),
            Trigger::Rerun { .. } => ("rerun", None),
            Trigger::Undo { .. } => ("undo", None),
        };
        let execution = match trigger {
            Trigger::Call { parent, .. } => Some(parent),
            Trigger::Rerun { of } | Trigger::Undo { of, .. } => Some(of),
            Trigger::Manual
            | Trigger::Schedule { .. }
            | Trigger::RunNow { .. }
            | Trigger::Backfill { .. } => None,
        };
        Self { kind, schedule: trigger.schedule(), at: at.map(rfc3339), execution }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct StepDto {
    pub(crate) address: String,
    id: String,
    pub(crate) name: String,
    kind: &'static str,
    pub(crate) status: StepStatus,
    pub(crate) attempts: u32,
    started_at: Option<String>,
    finished_at: Option<String>,
    result: Json,
    pub(crate) error: Option<ErrorDto>,
    /// Start and end as they are, for people.
    #[serde(skip)]
    pub(crate) times: (Option<Timestamp>, Option<Timestamp>),
}

#[derive(Debug, Serialize)]
pub(crate) struct ErrorDto {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) message: String,
    detail: Json,
}

#[derive(Debug, Serialize)]
pub(crate) struct ExecutionsDocument {
    schema: &'static str,
    executions: Vec<ExecutionDto>,
    schedules: Vec<ScheduleDto>,
}

/// One line of `ps events` and `run -o jsonl`.
#[derive(Debug, Serialize)]
pub(crate) struct EventDto {
    seq: u64,
    pub(crate) at: String,
    actor: String,
    pub(crate) kind: &'static str,
    pub(crate) address: Option<String>,
    attempt: Option<u32>,
    pub(crate) data: Json,
}

impl ExecutionDocument {
    /// With large values whole, as the store has them.
    pub(crate) fn new(
        store: &dyn Store,
        state: &State,
        problems: Vec<ProblemEntry>,
    ) -> Result<Self, StoreError> {
        let execution = Some(ExecutionDto::new(store, &catena_store::project_execution(state))?);
        Ok(Self { schema: SCHEMA, execution, steps: steps(store, state)?, problems })
    }

    /// Says who started it, and what for.
    pub(crate) fn with_origin(mut self, entries: &[Entry]) -> Self {
        if let (Some(execution), Some(first)) = (&mut self.execution, entries.first())
            && let Event::ExecutionCreated { trigger, .. } = &first.event
        {
            execution.created_by = Some(first.actor.as_str().to_owned());
            execution.trigger = Some(TriggerDto::from(*trigger));
        }
        self
    }

    /// For a definition that cannot run.
    pub(crate) fn of_problems(problems: Vec<ProblemEntry>) -> Self {
        Self { schema: SCHEMA, execution: None, steps: Vec::new(), problems }
    }
}

impl ExecutionsDocument {
    pub(crate) fn none() -> Self {
        Self { schema: SCHEMA, executions: Vec::new(), schedules: Vec::new() }
    }

    pub(crate) fn new(store: &dyn Store, rows: &[ExecutionRow]) -> Result<Self, StoreError> {
        let executions: Result<_, StoreError> =
            rows.iter().map(|row| ExecutionDto::new(store, row)).collect();
        Ok(Self { schema: SCHEMA, executions: executions?, schedules: Vec::new() })
    }

    pub(crate) fn with_schedules(self, schedules: impl Iterator<Item = ScheduleDto>) -> Self {
        Self { schedules: schedules.collect(), ..self }
    }
}

impl ExecutionDto {
    fn new(store: &dyn Store, row: &ExecutionRow) -> Result<Self, StoreError> {
        let output = row.output.as_ref().map(|output| whole(store, output)).transpose()?;
        Ok(Self {
            id: row.id,
            chain: row.chain.clone(),
            version: row.version.clone(),
            status: row.status.as_str(),
            started_at: row.started_at.map(rfc3339),
            finished_at: row.finished_at.map(rfc3339),
            output: output.unwrap_or_default(),
            error: row.error.as_ref().map(ErrorDto::from),
            created_by: None,
            trigger: None,
        })
    }
}

impl From<&Failure> for ErrorDto {
    fn from(failure: &Failure) -> Self {
        let detail = failure.detail.as_ref().map_or(Json::Null, |detail| detail.as_json().clone());
        Self { kind: failure.kind.to_string(), message: failure.message.clone(), detail }
    }
}

/// Steps in order of definition, those that were skipped or not reached too, then by visit.
fn steps(store: &dyn Store, state: &State) -> Result<Vec<StepDto>, StoreError> {
    let in_undo = steps_aside(state.chain());
    let mut visits: Vec<Vec<StepDto>> = state.chain().steps().map(|_| Vec::new()).collect();
    for (no, visit) in state.visits() {
        let step = state.chain().step(visit.step);
        visits[visit.step.index()].push(StepDto {
            address: state.address(no).to_string(),
            id: step.id.to_string(),
            name: step.name.clone(),
            kind: step.work.kind(),
            status: state.step_status(no),
            attempts: visit.attempts,
            started_at: visit.started_at.map(rfc3339),
            finished_at: visit.ended_at.map(rfc3339),
            result: visit.result().map(|result| whole(store, result)).transpose()?.unwrap_or_default(),
            error: visit.failure().map(ErrorDto::from),
            times: (visit.started_at, visit.ended_at),
        });
    }
    let with_unreached = state.chain().steps().flat_map(|(ix, _)| {
        let visited = std::mem::take(&mut visits[ix.index()]);
        match visited.is_empty() {
            true if in_undo.contains(&ix) => Vec::new(),
            true => vec![unreached(state, ix)],
            false => visited,
        }
    });
    Ok(with_unreached.collect())
}

fn unreached(state: &State, ix: StepIx) -> StepDto {
    let step = state.chain().step(ix);
    let has_ended = matches!(state.phase(), Phase::Ended { .. });
    StepDto {
        address: step.id.to_string(),
        id: step.id.to_string(),
        name: step.name.clone(),
        kind: step.work.kind(),
        status: if has_ended { StepStatus::Skipped } else { StepStatus::Pending },
        attempts: 0,
        started_at: None,
        finished_at: None,
        result: Json::Null,
        error: None,
        times: (None, None),
    }
}

/// Steps that only an undo, an alternative or a handler would run: not reached is their ordinary lot.
pub(crate) fn steps_aside(chain: &Chain) -> BTreeSet<StepIx> {
    let mut found = BTreeSet::new();
    let aside = |step: &Step| step.undo.as_ref().map(|undo| undo.block).into_iter().chain(step.alternative);
    let mut blocks: Vec<BlockIx> = chain.steps().flat_map(|(_, step)| aside(step)).collect();
    let Handlers { on_failure, on_success, finally } = chain.handlers;
    blocks.extend([on_failure, on_success, finally].into_iter().flatten());
    while let Some(block) = blocks.pop() {
        for ix in &chain.block(block).steps {
            if found.insert(*ix) {
                blocks.extend(chain.step(*ix).work.blocks());
            }
        }
    }
    found
}

impl EventDto {
    /// `state` has folded the event.
    pub(crate) fn new(state: &State, entry: &Entry) -> Self {
        Self {
            seq: entry.seq,
            at: rfc3339(entry.at),
            actor: entry.actor.as_str().to_owned(),
            kind: entry.event.kind(),
            address: entry.event.visit().map(|visit| state.address(visit).to_string()),
            attempt: entry.event.attempt().map(|attempt| attempt.0),
            data: data(&entry.event),
        }
    }
}

/// What the event says beyond the columns of its line.
fn data(event: &Event) -> Json {
    let mut json = serde_json::to_value(event).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        for column in ["kind", "visit", "attempt"] {
            fields.remove(column);
        }
    }
    for pointer in TIMES {
        if let Some(time) = json.pointer_mut(pointer)
            && let Some(at) = time.as_i64()
        {
            *time = rfc3339(Timestamp(at)).into();
        }
    }
    json
}

/// Where instants stand in the data of an event. The journal has them as numbers.
const TIMES: [&str; 4] = ["/wake_at", "/plan/wait/until", "/trigger/schedule/at", "/trigger/backfill/at"];
