//! What an engine answers when it cannot do what it was asked.

use catena_core::{ExecutionId, Rejection, ScheduleId, chain::ParamProblem};
use catena_runners::{ProgramMissing, SecretMissing};
use catena_store::Error as StoreError;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Rejected(#[from] Rejection),
    #[error("there is no execution {0}")]
    UnknownExecution(ExecutionId),
    #[error("{}", list(.0))]
    Params(Vec<ParamProblem>),
    #[error("{}", list(.0))]
    SecretsMissing(Vec<SecretMissing>),
    #[error("{}", list(.0))]
    ProgramsMissing(Vec<ProgramMissing>),
    #[error("key `{key}` was used for execution {execution} with another definition or input")]
    KeyConflict { key: String, execution: ExecutionId },
    /// A storage error stopped the engine; nothing acknowledged is lost.
    #[error("the engine has stopped: {0}")]
    Stopped(String),
    /// The store takes nothing now; the engine goes on by itself when it does.
    #[error(
        "nothing is started now: {why}; what runs goes on, and so does this engine as soon as the store takes something"
    )]
    Suspended { why: String, is_disk_full: bool },
    /// The same for a cancel.
    #[error(
        "what runs of it is stopped, and that it is cancelled is written as soon as the store takes something: {0}"
    )]
    CancelLater(String, bool),
    /// What the host of the store answered.
    #[error("{message}")]
    Host { kind: Kind, message: String },
    #[error("{0}")]
    Conflict(String),
    /// Slots of these pools are asked for, and nobody has said how many there are.
    #[error("{}", pools(.0))]
    PoolsMissing(Vec<String>),
    #[error("there is no schedule {0}")]
    UnknownSchedule(ScheduleId),
    #[error("cannot {doing}: {message}")]
    Io { doing: &'static str, message: String },
}

/// What a caller can make of an error, also where it comes from another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    NotFound,
    /// What was asked does not fit what is.
    Conflict,
    /// The parameters of a start.
    Input,
    Store,
    DiskFull,
    Environment,
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Store(StoreError::NotFound(_)) | Self::UnknownExecution(_) | Self::UnknownSchedule(_) => {
                Kind::NotFound
            }
            Self::Store(StoreError::Unavailable { disk_full: true, .. })
            | Self::Suspended { is_disk_full: true, .. }
            | Self::CancelLater(_, true) => Kind::DiskFull,
            Self::Store(
                StoreError::Locked { .. }
                | StoreError::KeyTaken { .. }
                | StoreError::FireTaken { .. }
                | StoreError::ChainExists(_)
                | StoreError::ChainBusy { .. },
            )
            | Self::Conflict(_) => Kind::Conflict,
            Self::Store(_) | Self::Stopped(_) | Self::Suspended { .. } | Self::CancelLater(..) => Kind::Store,
            Self::Rejected(_) | Self::KeyConflict { .. } => Kind::Conflict,
            Self::Params(_) => Kind::Input,
            Self::Host { kind, .. } => *kind,
            Self::Io { .. } | Self::SecretsMissing(_) | Self::ProgramsMissing(_) | Self::PoolsMissing(_) => {
                Kind::Environment
            }
        }
    }
}

fn pools(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let first = names.first().map(|name| name.trim_matches('`').to_owned()).unwrap_or_default();
    format!(
        "no slots are configured for the pool {}; write how many, as in `[pools]` `{first} = 2`",
        names.join(", ")
    )
}

fn list<T: ToString>(problems: &[T]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Error {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                let message = format!("cannot {doing}: {error}");
                Self::Store(StoreError::Unavailable { message, disk_full: true })
            }
            _ => Self::Io { doing, message: error.to_string() },
        }
    }
}
