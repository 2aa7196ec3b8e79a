//! The last phase of a process attempt: what its end means.

use std::sync::Arc;

use catena_core::{
    Failure, FailureType, Value,
    chain::{
        Parse,
        schema::{Mismatch, mismatches},
    },
    event::Answer,
    value::VALUE_MAX_BYTES,
};
use serde_json::{Value as Json, json};

use crate::{
    code::{self, Left},
    process::{CannotStart, Ended, Exit, Output, Reason},
    yaml,
};

/// What the step wants to know of a process's end.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) parse: Option<Parse>,
    pub(crate) keeps_result: bool,
    /// The schema that the result must fit.
    pub(crate) output: Option<Arc<Json>>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) teller: Teller,
}

/// Who writes the output file last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Teller {
    Step,
    /// It leaves what the step's code returned or raised, if it did.
    Driver,
}

pub(crate) fn ended(ended: &Ended, expected: &Expected) -> Answer {
    let left = match (&ended.output, expected.teller) {
        (Output::Bytes(bytes), Teller::Driver) => code::left(bytes),
        _ => None,
    };
    match (ended.exit, left) {
        (Exit::Code(0), left) if expected.keeps_result => match result(ended, left, expected.parse) {
            Ok(value) => fitting(value, expected.output.as_deref()),
            Err(failure) => Answer::Failed { failure },
        },
        (Exit::Code(0), _) => Answer::Succeeded { value: None },
        (Exit::Code(code), Some(Ok(Left::Raised(raised)))) => {
            Answer::Failed { failure: raised.into_failure(code) }
        }
        (Exit::Code(code), _) => {
            failed(FailureType::ExitCode, format!("exit code {code}"), json!({ "exit_code": code }))
        }
        (Exit::Signal(signal), _) => {
            failed(FailureType::Signal, format!("ended by signal {signal}"), json!({ "signal": signal }))
        }
        (Exit::TimedOut, _) => Answer::TimedOut { limit_ms: expected.timeout_ms.unwrap_or(0) },
        (Exit::Stopped, _) => Answer::Cancelled {},
        (Exit::Lost, _) => Answer::Lost { message: "the helper that ran it ended".into() },
    }
}

/// A result, if it fits what the step declares. Another attempt may leave another one, so this may be retried.
pub(crate) fn fitting(value: Value, schema: Option<&Json>) -> Answer {
    let mismatches = schema.map(|schema| mismatches(schema, value.as_json())).unwrap_or_default();
    if mismatches.is_empty() {
        return Answer::Succeeded { value: Some(value) };
    }
    let list: Vec<String> =
        mismatches.iter().map(|Mismatch { path, message }| format!("`result{path}` {message}")).collect();
    let failure = Failure::new(FailureType::ResultMismatch, list.join("; "));
    Answer::Failed { failure }
}

pub(crate) fn cannot_start(refused: &CannotStart) -> Answer {
    let reason = match refused.reason {
        Reason::NotFound => "not_found",
        Reason::PermissionDenied => "permission_denied",
        Reason::WorkdirMissing => "workdir_missing",
        Reason::Other => "other",
    };
    let failure = Failure::lasting(FailureType::CannotStart, refused.message.clone());
    Answer::Failed { failure: failure.with_detail(json!({ "reason": reason })) }
}

fn failed(kind: FailureType, message: String, detail: Json) -> Answer {
    Answer::Failed { failure: Failure::new(kind, message).with_detail(detail) }
}

/// What the code returned wins over what the output file holds, and that over standard output.
fn result(
    ended: &Ended,
    left: Option<Result<Left, Failure>>,
    parse: Option<Parse>,
) -> Result<Value, Failure> {
    let file = match left.transpose()? {
        Some(Left::Returned(json)) => return small_enough(Value::from(json)),
        // The process says that all is well: somebody caught it.
        Some(Left::Raised(_)) => &Output::Absent,
        None => &ended.output,
    };
    let bytes = match file {
        Output::Bytes(bytes) => bytes,
        Output::Absent if ended.stdout_dropped == 0 => &ended.stdout,
        Output::Absent => return Err(too_large(ended.stdout.len() as u64 + ended.stdout_dropped)),
        Output::TooLarge { bytes } => return Err(too_large(*bytes)),
        Output::Unreadable { message } => {
            return Err(Failure::lasting(
                FailureType::ParseError,
                format!("cannot read CATENA_OUTPUT: {message}"),
            ));
        }
    };
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let value = match parse {
        None => Value::text(text),
        Some(Parse::Lines) => Value::from(Json::Array(text.lines().map(Json::from).collect())),
        Some(Parse::Json) => {
            let json = serde_json::from_str::<Json>(text);
            Value::from(json.map_err(|error| unreadable(text, "JSON", &error.to_string()))?)
        }
        Some(Parse::Yaml) => {
            Value::from(yaml::parse(text).map_err(|error| unreadable(text, "YAML", &error))?)
        }
    };
    small_enough(value)
}

fn small_enough(value: Value) -> Result<Value, Failure> {
    if value.is_larger_than(VALUE_MAX_BYTES) {
        return Err(too_large(value.as_json().to_string().len() as u64));
    }
    Ok(value)
}

fn unreadable(text: &str, what: &str, error: &str) -> Failure {
    let start: String = text.chars().take(80).collect();
    Failure::new(FailureType::ParseError, format!("the output is no {what}: {error}"))
        .with_detail(json!({ "output_begins": start }))
}

fn too_large(bytes: u64) -> Failure {
    let message = format!(
        "the result has {bytes} bytes, the limit is {VALUE_MAX_BYTES} as JSON; write larger data to a file in \
         CATENA_DIR and leave its path"
    );
    Failure::lasting(FailureType::ResultTooLarge, message)
}
