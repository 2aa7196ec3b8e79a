//! What a driver leaves in the output file: the value that the code returned, or what it raised. Where the step itself
//! has written the file, there is nothing of the driver in it.

use catena_core::{Failure, FailureType, Value};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// No output that is meant to be read begins so; the drivers know it, too.
const MARK: &[u8] = b"\x1ecatena ";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Left {
    Returned(Json),
    Raised(Raised),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Raised {
    /// The name of the class.
    #[serde(rename = "type")]
    kind: String,
    message: String,
    /// It would be raised again by the same text.
    lasting: bool,
    traceback: Option<String>,
    /// Of the step's own code.
    line: Option<u64>,
}

/// None where the file is the step's own. A child of the step may have written behind what the driver left.
pub(crate) fn left(bytes: &[u8]) -> Option<Result<Left, Failure>> {
    let line = bytes.strip_prefix(MARK)?.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Some(serde_json::from_slice(line).map_err(|error| {
        Failure::new(FailureType::ParseError, format!("what the step left cannot be read: {error}"))
    }))
}

impl Raised {
    pub(crate) fn into_failure(self, exit_code: i32) -> Failure {
        let mut detail = serde_json::Map::from_iter([("exit_code".to_owned(), json!(exit_code))]);
        detail.extend(self.line.map(|line| ("line".to_owned(), json!(line))));
        detail.extend(self.traceback.map(|text| ("traceback".to_owned(), json!(text))));
        // A class may be called as a type of Catena's own is, and means that then.
        let kind = FailureType::from(self.kind);
        let failure = if self.lasting {
            Failure::lasting(kind, self.message)
        } else {
            Failure::new(kind, self.message)
        };
        Failure { detail: Some(Value::from(Json::Object(detail))), ..failure }
    }
}
