//! What an engine answers when it cannot do what it was asked.

use catena_core::{ExecutionId, Rejection, chain::ParamProblem};

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] catena_store::Error),
    #[error("{0}")]
    Rejected(#[from] Rejection),
    #[error("there is no execution {0}")]
    UnknownExecution(ExecutionId),
    #[error("{}", list(.0))]
    Params(Vec<ParamProblem>),
    #[error("key `{key}` was used for execution {execution} with another definition or input")]
    KeyConflict { key: String, execution: ExecutionId },
    /// A storage error stopped the engine; nothing acknowledged is lost.
    #[error("the engine has stopped: {0}")]
    Stopped(String),
    #[error("cannot {doing}: {message}")]
    Io { doing: &'static str, message: String },
}

fn list(problems: &[ParamProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Error {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Io { doing, message: error.to_string() }
    }
}
