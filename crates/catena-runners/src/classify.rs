//! The last phase of a process attempt: what its end means.

use catena_core::{Failure, FailureType, Value, chain::Parse, event::Answer, value::VALUE_MAX_BYTES};
use serde_json::{Value as Json, json};

use crate::{
    process::{CannotStart, Ended, Exit, Output, Reason},
    yaml,
};

/// What the step wants to know of a process's end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) parse: Option<Parse>,
    pub(crate) keeps_result: bool,
    pub(crate) timeout_ms: Option<u64>,
}

pub(crate) fn ended(ended: &Ended, expected: Expected) -> Answer {
    match ended.exit {
        Exit::Code(0) if expected.keeps_result => match result(ended, expected.parse) {
            Ok(value) => Answer::Succeeded { value: Some(value) },
            Err(failure) => Answer::Failed { failure },
        },
        Exit::Code(0) => Answer::Succeeded { value: None },
        Exit::Code(code) => {
            failed(FailureType::ExitCode, format!("exit code {code}"), json!({ "exit_code": code }))
        }
        Exit::Signal(signal) => {
            failed(FailureType::Signal, format!("ended by signal {signal}"), json!({ "signal": signal }))
        }
        Exit::TimedOut => Answer::TimedOut { limit_ms: expected.timeout_ms.unwrap_or(0) },
        Exit::Stopped => Answer::Cancelled {},
        Exit::Lost => Answer::Lost { message: "the helper that ran it ended".into() },
    }
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

/// What the output file holds wins over standard output.
fn result(ended: &Ended, parse: Option<Parse>) -> Result<Value, Failure> {
    let bytes = match &ended.output {
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
    if value.is_larger_than(VALUE_MAX_BYTES) { Err(too_large(bytes.len() as u64)) } else { Ok(value) }
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
