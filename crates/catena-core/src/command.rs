//! What an execution can be told, and what it answers when it refuses.

use std::collections::BTreeMap;

use crate::{
    chain::Pool,
    context::GivenContext,
    event::{Adopted, Answer, ApprovalAnswer, CacheHit, Duty, Event, Resolution, Trigger},
    failure::Failure,
    ids::{AttemptNo, ExecutionId, StepIx, VisitNo},
    time::Timestamp,
    value::{Blob, Stored, VALUE_MAX_BYTES, Value},
};

/// Signals of one name that are kept for steps to come.
pub const SIGNALS_MAX: usize = 1_000;

/// How a new execution starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Digest of the chain's version.
    pub version: String,
    /// Checked against the chain, defaults filled in.
    pub params: Value,
    pub trigger: Trigger,
    /// There is no room for it beside other executions of its chain.
    pub held: bool,
    /// Steps that are not to run.
    pub left_out: Vec<StepIx>,
    /// Steps that do not run because their results are given.
    pub pinned: Vec<(StepIx, Value)>,
    /// Of what an earlier execution has not left, only this step runs.
    pub only: Option<StepIx>,
    /// What its steps find in place of what others would have left.
    pub context: GivenContext,
    pub legacy: Legacy,
}

impl Start {
    pub fn new(version: impl Into<String>, params: Value, trigger: Trigger) -> Self {
        Self {
            version: version.into(),
            params,
            trigger,
            held: false,
            left_out: Vec::new(),
            pinned: Vec::new(),
            only: None,
            context: GivenContext::default(),
            legacy: Legacy::None,
        }
    }
}

/// What an earlier execution leaves to a new one.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Legacy {
    #[default]
    None,
    /// Its results, and the duty to undo them unless another one has that already.
    Results { from: ExecutionId, duty: bool, results: Vec<Adopted> },
    /// Only its undo.
    Duties { from: ExecutionId, duties: Vec<Duty> },
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
        /// Also in an undo or a handler, which are cut short then.
        force: bool,
    },
    PauseExecution,
    ResumeExecution,
    /// There is room for it now.
    AdmitExecution,
    /// Something that steps wait for has happened.
    SendSignal {
        name: String,
        value: Value,
    },
    /// A person answers what a step asks.
    AnswerApproval {
        visit: VisitNo,
        answer: ApprovalAnswer,
    },
    /// A live attempt is this execution.
    NoteChild {
        visit: VisitNo,
        attempt: AttemptNo,
        child: ExecutionId,
    },
    /// The execution that a live attempt is waits for a person, or for a signal.
    NoteChildHalted {
        visit: VisitNo,
        attempt: AttemptNo,
    },
    /// What the child of a visit has done is taken back, or cannot be.
    EndChildUndo {
        visit: VisitNo,
        nth: u32,
        failure: Option<Failure>,
    },
    /// The execution that takes back what a child of a visit has done waits for a person.
    NoteChildUndoHalted {
        visit: VisitNo,
        nth: u32,
        execution: ExecutionId,
    },
    /// Whether an earlier result holds for a visit.
    AnswerLookup {
        visit: VisitNo,
        key: String,
        hit: Option<CacheHit>,
    },
    /// A person answers for a visit that waits for that.
    ResolveVisit {
        visit: VisitNo,
        resolution: Resolution,
    },
    /// Whatever can go on goes on: after a crash, at a timer, with new slots.
    Advance,
}

/// How many attempts may start now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// Of steps without a pool.
    pub free: u32,
    pub pools: BTreeMap<Pool, u32>,
}

impl Slots {
    /// This many for steps without a pool, and none of any pool.
    pub fn of(free: u32) -> Self {
        Self { free, pools: BTreeMap::new() }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, pool: Option<&Pool>) -> bool {
        let left = match pool {
            None => Some(&mut self.free),
            Some(pool) => self.pools.get_mut(pool),
        };
        match left {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            Some(_) | None => false,
        }
    }
}

/// What a decision takes from outside; all of it ends up in events.
#[derive(Clone, Debug, PartialEq)]
pub struct Outside {
    pub now: Timestamp,
    pub slots: Slots,
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
    #[error("the end of the execution is known and its handlers run, and those are not cancelled on the way")]
    Handling,
    #[error("the execution is being cancelled already")]
    AlreadyCancelling,
    #[error("the execution is paused already")]
    AlreadyPaused,
    #[error("the execution is not paused")]
    NotPaused,
    #[error("the step waits for no answer, or does not any more")]
    NotAsking { visit: VisitNo },
    #[error("the execution waits for no turn")]
    NotHeld,
    #[error("no step of the chain waits for a signal `{name}`; {known}")]
    UnknownSignal { name: String, known: String },
    #[error("{} signals `{name}` wait already and nobody has taken them", SIGNALS_MAX)]
    TooManySignals { name: String },
    #[error("a signal has at most {} bytes; pass larger data as a file", VALUE_MAX_BYTES)]
    SignalTooLarge,
    #[error("`{by}` is not among those who may answer: {approvers}")]
    NotApprover { by: String, approvers: String },
    #[error("the answer does not fit the form: {0}")]
    FormUnfit(String),
    #[error("what takes it back is execution {execution}, and that waits for an answer")]
    ChildUndoHalted { execution: ExecutionId },
    #[error("no undo of a child of visit {visit} is under way")]
    NotUndoingChild { visit: VisitNo },
    #[error("visit {visit} asks for no earlier result")]
    NotLooking { visit: VisitNo },
}
