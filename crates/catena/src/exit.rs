//! Exit codes, and how a command that failed says so: what, why, and the next command to try.

use std::{fmt, process::ExitCode};

use catena_core::status::ExecutionStatus;
use catena_engine::error::Kind;

use crate::problem::Document;

/// The exit codes, a contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Completed = 0,
    Failed = 1,
    Usage = 2,
    Definition = 3,
    NotFound = 4,
    Conflict = 5,
    Store = 6,
    Environment = 7,
    Cancelled = 8,
    /// Waits for a person, and `--no-wait` was given.
    Waits = 9,
    /// A bug of Catena's own.
    Bug = 70,
    Interrupted = 130,
}

/// Whether errors that were let pass count as failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    Lenient,
    Strict,
}

impl Code {
    pub(crate) fn of(status: ExecutionStatus, strictness: Strictness) -> Self {
        match status {
            ExecutionStatus::Completed => Self::Completed,
            ExecutionStatus::CompletedWithErrors if strictness == Strictness::Lenient => Self::Completed,
            ExecutionStatus::CompletedWithErrors
            | ExecutionStatus::Failed
            | ExecutionStatus::RolledBack
            | ExecutionStatus::Stuck => Self::Failed,
            ExecutionStatus::Cancelled => Self::Cancelled,
            ExecutionStatus::InDoubt | ExecutionStatus::Quarantined => Self::Waits,
            ExecutionStatus::Queued
            | ExecutionStatus::Running
            | ExecutionStatus::Waiting
            | ExecutionStatus::Paused
            | ExecutionStatus::Undoing => Self::Completed,
        }
    }
}

/// Why a command did not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    /// One for each thing that is wrong; none where everything has been said already.
    messages: Vec<String>,
    /// The next thing to try.
    next: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl fmt::Display) -> Self {
        Self::of_all(code, vec![message.to_string()])
    }

    /// Several things that are wrong at once.
    pub(crate) fn of_all(code: Code, messages: Vec<String>) -> Self {
        Self { code, messages, next: None }
    }

    #[must_use]
    pub(crate) fn next(mut self, next: impl fmt::Display) -> Self {
        self.next = Some(next.to_string());
        self
    }

    /// The same where there is a next thing to try, and somebody who wants to hear it.
    #[must_use]
    pub(crate) fn next_if(self, wanted: bool, next: Option<String>) -> Self {
        match next {
            Some(next) if wanted => self.next(next),
            Some(_) | None => self,
        }
    }

    /// Both failures: the code and the next step of the first, the messages of both.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.messages.extend(other.messages);
        self
    }

    pub(crate) fn bug() -> Self {
        Self::new(Code::Bug, "this is a bug of Catena's own; what was acknowledged is in the store")
            .next("catena doctor, and a report of what is printed above")
    }

    /// The failure has been told in full where it was found.
    pub(crate) fn told(code: Code) -> Self {
        Self::of_all(code, Vec::new())
    }

    /// Prints what went wrong on stderr.
    pub(crate) fn tell(&self) {
        for message in &self.messages {
            talk!("error: {message}");
        }
        if let Some(next) = &self.next {
            talk!("  next: {next}");
        }
    }

    pub(crate) fn messages(&self) -> &[String] {
        &self.messages
    }

    pub(crate) fn next_try(&self) -> Option<&str> {
        self.next.as_deref()
    }
}

impl From<catena_engine::Error> for Failure {
    fn from(error: catena_engine::Error) -> Self {
        let failure = |code| Self::new(code, &error);
        match error.kind() {
            Kind::NotFound => failure(Code::NotFound).next("catena ps ls"),
            Kind::Conflict => failure(Code::Conflict).next(match &error {
                catena_engine::Error::Conflict(_) => "catena chain ls",
                _ => "catena ps ls",
            }),
            Kind::Input => failure(Code::Usage).next("catena run FILE --set NAME=VALUE"),
            Kind::Environment => failure(Code::Environment).next(environment_advice(&error)),
            Kind::DiskFull => failure(Code::Store)
                .next("free some space, then run the same command again: nothing acknowledged is lost"),
            Kind::Store => failure(Code::Store).next(store_advice(&error)),
        }
    }
}

fn environment_advice(error: &catena_engine::Error) -> &'static str {
    match error {
        catena_engine::Error::SecretsMissing(_) | catena_engine::Error::PoolsMissing(_) => {
            "catena config show"
        }
        catena_engine::Error::ProgramsMissing(_) => "the same command, once the program is there",
        _ => "catena doctor",
    }
}

fn store_advice(error: &catena_engine::Error) -> &'static str {
    match error {
        catena_engine::Error::Store(catena_store::Error::Newer { .. }) => {
            "use the version of Catena that wrote it, or another store: --home DIR"
        }
        catena_engine::Error::Store(catena_store::Error::NotAStore(_)) => "name another file: --store FILE",
        _ => "catena doctor",
    }
}

impl From<catena_store::Error> for Failure {
    fn from(error: catena_store::Error) -> Self {
        catena_engine::Error::from(error).into()
    }
}

/// Prints what went wrong on stderr and gives the exit code.
pub(crate) fn report(result: Result<Code, Failure>) -> ExitCode {
    let code = result.unwrap_or_else(|failure| {
        failure.tell();
        failure.code
    });
    ExitCode::from(code as u8)
}

/// Help and version are no errors; everything else clap finds is one of usage, also for who asked for a document.
pub(crate) fn usage(error: &clap::Error, document: Option<Document>) -> ExitCode {
    let told = error.print();
    let code = match error.kind() {
        _ if told.is_err() => Code::Environment,
        clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion => Code::Completed,
        _ => Code::Usage,
    };
    if let (Code::Usage, Some(document)) = (code, document) {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let failure = Failure::new(code, message).next("the same command with --help");
        return report(document.print(&failure).and(Ok(code)));
    }
    ExitCode::from(code as u8)
}
