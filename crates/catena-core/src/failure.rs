//! Failures: the closed set of types that Catena itself gives, and those that a step's code raises.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    event::ApprovalAnswer,
    value::{Value, some},
};

/// What kind of failure it is; `retry_config.on` names these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum FailureType {
    Timeout,
    ExitCode,
    /// A process ended by a signal that Catena did not send.
    Signal,
    /// A process that could not be started: no such program, no permission, no such folder.
    CannotStart,
    TemplateError,
    /// A secret that the step needs has no value where the engine runs.
    SecretMissing,
    /// A file that a `file_exists` step asks for is not there.
    FileMissing,
    /// A response whose status the step does not expect.
    HttpStatus,
    /// A request that got no response, or not the whole of it.
    HttpError,
    /// `parse` could not read what the step wrote.
    ParseError,
    /// The result does not fit the schema that the step declares for it.
    ResultMismatch,
    ResultTooLarge,
    /// What the step's code returned is no JSON.
    ResultNotJson,
    /// The attempt's end is not known and never will be.
    Lost,
    /// A jump entered a step more often than `max_visits` allows.
    VisitLimit,
    /// A repeated step has had all its iterations, and its condition was never met.
    RepeatLimit,
    /// A person gave the execution up.
    GivenUp,
    /// A person did not approve.
    Rejected,
    /// The type that a step's code raised, or that `fail` gives.
    Raised(String),
}

impl FailureType {
    const NAMED: [(Self, &'static str); 18] = [
        (Self::Timeout, "timeout"),
        (Self::ExitCode, "exit_code"),
        (Self::Signal, "signal"),
        (Self::CannotStart, "cannot_start"),
        (Self::TemplateError, "template_error"),
        (Self::SecretMissing, "secret_missing"),
        (Self::FileMissing, "file_missing"),
        (Self::HttpStatus, "http_status"),
        (Self::HttpError, "http_error"),
        (Self::ParseError, "parse_error"),
        (Self::ResultMismatch, "result_mismatch"),
        (Self::ResultTooLarge, "result_too_large"),
        (Self::ResultNotJson, "result_not_json"),
        (Self::Lost, "lost"),
        (Self::RepeatLimit, "repeat_limit"),
        (Self::VisitLimit, "visit_limit"),
        (Self::GivenUp, "given_up"),
        (Self::Rejected, "rejected"),
    ];

    pub fn as_str(&self) -> &str {
        match self {
            Self::Raised(name) => name,
            named => Self::NAMED.iter().find(|(t, _)| t == named).map_or("", |(_, name)| name),
        }
    }
}

impl From<String> for FailureType {
    fn from(text: String) -> Self {
        match Self::NAMED.iter().find(|(_, name)| *name == text) {
            Some((named, _)) => named.clone(),
            None => Self::Raised(text),
        }
    }
}

impl From<FailureType> for String {
    fn from(failure: FailureType) -> Self {
        failure.as_str().to_owned()
    }
}

impl fmt::Display for FailureType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the detail of an `http_status` failure has the pause that the server asked for.
pub const RETRY_AFTER_MS: &str = "retry_after_ms";

/// Why a step did not do its work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    #[serde(rename = "type")]
    pub kind: FailureType,
    /// A sentence for a person.
    pub message: String,
    /// What a program may want to know more: an exit code, the last lines of output.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// False where another attempt cannot help.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub retriable: bool,
}

fn yes() -> bool {
    true
}

// serde passes the field by reference.
fn is_true(value: &bool) -> bool {
    *value
}

impl Failure {
    pub fn new(kind: FailureType, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None, retriable: true }
    }

    /// A failure that would come again in the same way.
    pub fn lasting(kind: FailureType, message: impl Into<String>) -> Self {
        Self { retriable: false, ..Self::new(kind, message) }
    }

    /// `what` was not done in its time.
    pub fn timed_out(what: &str, limit_ms: u64) -> Self {
        let seconds = limit_ms as f64 / 1_000.0;
        Self::new(FailureType::Timeout, format!("{what} was not done after {seconds} s"))
    }

    pub(crate) fn given_up() -> Self {
        Self::lasting(FailureType::GivenUp, "the execution was given up")
    }

    pub(crate) fn undo_cut_short() -> Self {
        Self::lasting(FailureType::GivenUp, "the undo was stopped by force, and not all was taken back")
    }

    pub(crate) fn rejected(title: &str, answer: &ApprovalAnswer) -> Self {
        let who = if answer.by.is_empty() { "nobody has approved" } else { answer.by.as_str() };
        let verb = if answer.by.is_empty() { " in time:" } else { " has rejected" };
        let message = match &answer.comment {
            Some(comment) => format!("{who}{verb} `{title}`: {comment}"),
            None => format!("{who}{verb} `{title}`"),
        };
        Self::lasting(FailureType::Rejected, message)
    }

    pub(crate) fn answered_failed() -> Self {
        Self::lasting(FailureType::Lost, "nobody saw its end, and a person answered that it failed")
    }

    /// As an expression sees it.
    pub fn to_value(&self) -> Value {
        let detail = self.detail.as_ref().map(|detail| ("detail".to_owned(), detail.clone()));
        let fields = [("type", self.kind.as_str()), ("message", self.message.as_str())];
        let fields = fields.map(|(name, text)| (name.to_owned(), Value::text(text)));
        Value::object(fields.into_iter().chain(detail))
    }

    #[must_use]
    pub fn with_detail(mut self, detail: serde_json::Value) -> Self {
        self.detail = Some(Value::from(detail));
        self
    }
}

impl Failure {
    /// The pause that a server asked for before the next attempt, in the detail of its failure.
    pub fn retry_after_ms(&self) -> Option<u64> {
        let detail = self.detail.as_ref().filter(|_| self.kind == FailureType::HttpStatus)?;
        detail.as_json().get(RETRY_AFTER_MS)?.as_u64()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}
