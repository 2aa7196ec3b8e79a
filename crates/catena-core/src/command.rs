//! What an execution can be told, and what it answers when it refuses.

use crate::{
    event::{Answer, Event, Resolution, Trigger},
    ids::{AttemptNo, VisitNo},
    time::Timestamp,
    value::{Blob, Stored, Value},
};

/// How a new execution starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Digest of the chain's version.
    pub version: String,
    /// Checked against the chain, defaults filled in.
    pub params: Value,
    pub trigger: Trigger,
}

/// What an execution is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// An attempt has ended.
    EndAttempt {
        visit: VisitNo,
        attempt: AttemptNo,
        answer: Answer,
    },
    /// A live attempt leaves a named value for its successor.
    RecordCheckpoint {
        visit: VisitNo,
        attempt: AttemptNo,
        name: String,
        value: Value,
    },
    CancelExecution {
        rollback: bool,
    },
    PauseExecution,
    ResumeExecution,
    /// A person answers for a visit that waits for that.
    ResolveVisit {
        visit: VisitNo,
        resolution: Resolution,
    },
    /// Whatever can go on goes on: after a crash, at a timer, with new slots.
    Advance,
}

/// What a decision takes from outside; all of it ends up in events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outside {
    pub now: Timestamp,
    /// How many attempts may start now.
    pub slots: u32,
    /// A number in [0, 1), for pauses with jitter.
    pub jitter: f64,
}

/// What a command came to.
#[derive(Debug, Default, PartialEq)]
pub struct Decision {
    /// What happened; it is folded into the state already.
    pub events: Vec<Event>,
    /// Large values that the events refer to: they are stored with them.
    pub blobs: Vec<Blob>,
    /// What is decided next reads these values, and not all of them were at hand: nothing more is decided until the
    /// execution is told to advance with them.
    pub needs: Vec<Stored>,
}

/// Why a command was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the execution has ended")]
    Ended,
    #[error("attempt {attempt} of visit {visit} is not running")]
    NotRunning { visit: VisitNo, attempt: AttemptNo },
    #[error("the execution is being undone, and that is not cancelled on the way")]
    Undoing,
    #[error("the execution is being cancelled already")]
    AlreadyCancelling,
    #[error("the execution is paused already")]
    AlreadyPaused,
    #[error("the execution is not paused")]
    NotPaused,
    #[error("visit {visit} waits for no answer")]
    NotAsking { visit: VisitNo },
}
