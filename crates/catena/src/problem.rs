//! Problems as programs read them: those of a definition, at their places, and whatever else kept a command from
//! its work, in the same shape.

use catena_spec::dto::ProblemDto;
use serde::Serialize;

use crate::{document::SCHEMA, exit::Failure};

/// An entry of `problems`.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum ProblemEntry {
    Definition(ProblemDto),
    Elsewhere(ElsewhereDto),
}

/// The shape of [`ProblemDto`] for what has no code and no place in a definition.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ElsewhereDto {
    code: Option<&'static str>,
    severity: &'static str,
    pub(crate) message: String,
    pub(crate) file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    end_line: Option<usize>,
    end_column: Option<usize>,
    /// The next thing to try.
    help: Option<String>,
}

/// What `check -o json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct ProblemsDocument {
    schema: &'static str,
    problems: Vec<ProblemEntry>,
}

impl ProblemsDocument {
    pub(crate) fn new(problems: Vec<ProblemEntry>) -> Self {
        Self { schema: SCHEMA, problems }
    }
}

impl ProblemEntry {
    /// An entry for each thing that is wrong; `file` is the definition that it keeps from being read.
    pub(crate) fn of_failure(failure: &Failure, file: Option<&str>) -> Vec<Self> {
        let entry = |message: &String| ElsewhereDto {
            severity: catena_spec::Severity::Error.as_str(),
            message: message.clone(),
            file: file.map(str::to_owned),
            help: failure.next_try().map(str::to_owned),
            ..ElsewhereDto::default()
        };
        failure.messages().iter().map(|message| Self::Elsewhere(entry(message))).collect()
    }
}
