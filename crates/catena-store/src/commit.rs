//! What is written together or not at all.

use catena_core::{
    Command, Event, ExecutionId, State, Timestamp, Value, VisitNo,
    event::{ApprovalAnswer, Resolution},
    value::Blob,
};
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    rows::{ExecutionRow, StepRow, project_execution, project_step},
    scheduled::{ChainChange, FireRow, ScheduleRow},
    version::Version,
};

/// The right to write journals, renewed with every host; an older one is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease(pub u64);

/// Who caused an event: `engine`, or a person at a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(std::sync::Arc<str>);

impl Actor {
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    pub fn engine() -> Self {
        Self::new("engine")
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Called once, on the writer's thread, when the commit is durable or refused.
pub type Done = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// One unit of writing.
#[derive(Clone, Debug)]
pub struct Commit {
    pub lease: Lease,
    pub records: Vec<Record>,
    pub append: Option<Append>,
}

/// Events at the end of one execution's journal, with the projections as they are behind them.
#[derive(Clone, Debug)]
pub struct Append {
    pub execution: ExecutionId,
    /// Sequence number of the last event before these.
    pub expected: u64,
    pub at: Timestamp,
    pub actor: Actor,
    pub events: Vec<Event>,
    pub row: ExecutionRow,
    pub steps: Vec<StepRow>,
}

impl Append {
    /// The append of `events`, which `state` has already folded.
    pub fn new(state: &State, at: Timestamp, actor: Actor, events: Vec<Event>) -> Self {
        let expected = state.seq() - events.len() as u64;
        let mut touched: Vec<VisitNo> = events.iter().flat_map(|event| touched(state, event)).collect();
        touched.sort_unstable();
        touched.dedup();
        let steps = touched.into_iter().map(|visit| project_step(state, visit)).collect();
        Self { execution: state.id(), expected, at, actor, events, row: project_execution(state), steps }
    }
}

/// The visits whose rows an event changes.
fn touched(state: &State, event: &Event) -> Vec<VisitNo> {
    let one = match event {
        // What another execution has done are the first visits of this one.
        Event::DutiesAdopted { .. } => return state.visits().map(|(no, _)| no).collect(),
        Event::BlockEnded { frame, .. } => match state.frame(*frame).origin {
            catena_core::state::Origin::Undo { visit } => Some(visit),
            _ => None,
        },
        other => other.visit(),
    };
    one.into_iter().collect()
}

/// A change of what is not a journal.
#[derive(Clone, Debug)]
pub enum Record {
    /// Numbers below this one have been given out.
    NextNumber(u64),
    /// A version that may be there already; the chain gets `number` if its name is new.
    Version {
        version: std::sync::Arc<Version>,
        number: u64,
        at: Timestamp,
        actor: Actor,
    },
    /// Ties a start to its key; refused with `KeyTaken` if the key was used.
    StartKey {
        key: String,
        fingerprint: String,
        execution: ExecutionId,
    },
    InboxAdded {
        execution: ExecutionId,
        at: Timestamp,
        actor: Actor,
        command: InboxCommand,
    },
    /// A large value that events of the same commit refer to; it may be there already.
    Value(Blob),
    InboxTaken {
        id: u64,
    },
    /// A schedule as it is now, whole.
    Schedule(Box<ScheduleRow>),
    /// What became of an instant. A row that waits is replaced, any other stays as it was decided; an execution for an
    /// instant that has one or is decided is refused with `FireTaken`.
    Fire(Box<FireRow>),
    /// Refused with `NotFound` where there is no such chain.
    ChainStatus(ChainChange),
    /// The chain, its versions, schedules and past executions; refused with `ChainBusy` while one is unfinished.
    ChainRemoved {
        chain: String,
    },
    /// Refuses the whole commit with `ChainExists` where there is a chain of that name.
    ChainIsNew {
        chain: String,
    },
    Snapshot {
        execution: ExecutionId,
        seq: u64,
        state: Vec<u8>,
    },
    /// A result that holds for its key again; a newer one takes its place.
    Cached {
        key: String,
        cached: Cached,
    },
    /// An execution takes back what it has done: its result under this key, or under any, holds no more.
    Uncached {
        execution: ExecutionId,
        key: Option<String>,
    },
    /// The duty to undo what `source` has done is `heir`'s. The first one stays.
    Legacy {
        source: ExecutionId,
        heir: ExecutionId,
    },
}

/// A result as it is kept for another time.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    pub execution: ExecutionId,
    pub at: Timestamp,
    pub result: Value,
}

/// A command from outside for one execution. Its stored form is fixed, as that of events is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InboxCommand {
    Cancel {
        rollback: bool,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
    },
    Pause {},
    Resume {},
    Resolve {
        visit: VisitNo,
        resolution: Resolution,
    },
    Signal {
        name: String,
        #[serde(default = "Value::null", skip_serializing_if = "Value::is_null")]
        value: Value,
    },
    Answer {
        visit: VisitNo,
        answer: ApprovalAnswer,
    },
}

impl From<InboxCommand> for Command {
    fn from(command: InboxCommand) -> Self {
        match command {
            InboxCommand::Cancel { rollback, force } => Self::CancelExecution { rollback, force },
            InboxCommand::Pause {} => Self::PauseExecution,
            InboxCommand::Resume {} => Self::ResumeExecution,
            InboxCommand::Resolve { visit, resolution } => Self::ResolveVisit { visit, resolution },
            InboxCommand::Signal { name, value } => Self::SendSignal { name, value },
            InboxCommand::Answer { visit, answer } => Self::AnswerApproval { visit, answer },
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct InboxItem {
    pub id: u64,
    pub execution: ExecutionId,
    pub at: Timestamp,
    pub actor: Actor,
    pub command: InboxCommand,
}
