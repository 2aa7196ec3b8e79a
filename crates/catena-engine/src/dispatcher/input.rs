//! All that can come to the dispatcher.

use catena_core::{
    AttemptNo, Command, ExecutionId, Loaded, State, Value, VisitNo,
    event::{Answer, CacheHit},
    value::Blob,
};
use catena_runners::{AttemptKey, Recorded};
use catena_store::{Actor, InboxCommand};

use super::{
    Recovered,
    calls::{CallNews, Caller},
};
use crate::{Error, Started, load::Wanted, start::CheckedStart};

/// Answers a request; called from whichever thread knows the answer.
pub(crate) type Reply<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

pub(crate) enum Input {
    Start {
        request: Box<CheckedStart>,
        is_known: bool,
        reply: Reply<Started>,
    },
    /// A command from outside.
    Tell {
        execution: ExecutionId,
        command: InboxCommand,
        actor: Actor,
        reply: Reply<()>,
    },
    Ended {
        key: AttemptKey,
        answer: Answer,
        /// Large values that the answer refers to.
        blobs: Vec<Blob>,
    },
    Checkpoint {
        key: AttemptKey,
        name: String,
        value: Value,
        recorded: Recorded,
    },
    /// An execution that was asked for has been read.
    Loaded {
        execution: ExecutionId,
        state: Result<Box<State>, catena_store::Error>,
    },
    /// Large values that a decision waits for have been read.
    ValuesRead {
        execution: ExecutionId,
        read: Result<Loaded, catena_store::Error>,
    },
    /// All that memory says of the execution up to `seq` is committed.
    Durable {
        execution: ExecutionId,
        seq: u64,
    },
    /// The commit that created the execution, under a key that is new, is durable.
    Accepted {
        execution: ExecutionId,
    },
    /// The commit that created the execution was refused for its key: it never was.
    Forget {
        execution: ExecutionId,
    },
    /// A commit failed.
    Failed {
        error: catena_store::Error,
    },
    /// The store could not be read for this; it may be in a moment.
    Later {
        wanted: Wanted,
    },
    /// Something about an execution that another one waits for.
    Call {
        caller: Caller,
        news: CallNews,
    },
    /// Whether an earlier result holds for a visit.
    LookedUp {
        execution: ExecutionId,
        visit: VisitNo,
        found: Result<(String, Option<CacheHit>), catena_store::Error>,
    },
    /// An execution that is a part of another one has to stop.
    StopChild {
        child: ExecutionId,
        force: bool,
    },
    /// Something about chains and schedules.
    Schedules(Box<super::Ask>),
    /// All that is unfinished in the store, which takes commits again; or why it does not.
    Found {
        found: Result<Box<Recovered>, catena_store::Error>,
    },
    /// Time has moved.
    Tick,
    Stop,
}

/// What waits for an execution to be read.
pub(crate) enum Deferred {
    Advance,
    /// What another execution, or the loader, has to say.
    Command(Command),
    /// Passes a stop on to the child that an attempt turned out to be.
    ChildIfStopped {
        visit: VisitNo,
        attempt: AttemptNo,
        child: ExecutionId,
    },
    /// The same for an undo that runs elsewhere, and a stop by force.
    UndoIfForced {
        undo: ExecutionId,
    },
    Tell {
        command: InboxCommand,
        actor: Actor,
        inbox: Option<u64>,
        reply: Option<Reply<()>>,
    },
}
