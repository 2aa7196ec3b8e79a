//! Problems as programs read them: those of a definition, at their places, and whatever else kept a command from
//! its work, in the same shape.

use catena_spec::dto::ProblemDto;
use serde::Serialize;

use crate::{
    document::{ExecutionDocument, SCHEMA},
    exit::Failure,
    output,
};

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

    pub(crate) fn is_error(&self) -> bool {
        let severity = match self {
            Self::Definition(problem) => problem.severity,
            Self::Elsewhere(problem) => problem.severity,
        };
        severity == catena_spec::Severity::Error.as_str()
    }

    /// What does not run yet is a warning of a check, and what a start failed of.
    pub(crate) fn into_refusal(self) -> Self {
        match self {
            Self::Definition(problem) => Self::Definition(problem.as_refusal()),
            Self::Elsewhere(problem) => Self::Elsewhere(problem),
        }
    }
}

/// The document that a command owes who asked for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    Execution,
    Problems,
}

impl Document {
    /// Prints it for a command that came to nothing.
    pub(crate) fn print(self, failure: &Failure) -> Result<(), Failure> {
        let problems = ProblemEntry::of_failure(failure, None);
        match self {
            Self::Execution => output::json(&ExecutionDocument::of_problems(problems)),
            Self::Problems => output::json(&ProblemsDocument::new(problems)),
        }
    }
}

/// What a command line that could not be read asks for, as far as one can tell.
pub(crate) fn document_asked_for(arguments: &[String]) -> Option<Document> {
    let document = arguments.iter().find_map(|argument| match argument.as_str() {
        "run" => Some(Document::Execution),
        "check" => Some(Document::Problems),
        _ => None,
    })?;
    let is_json = |format: &str| ["json", "jsonl"].contains(&format);
    let apart = arguments.windows(2).any(|pair| ["-o", "--output"].contains(&&*pair[0]) && is_json(&pair[1]));
    let together = arguments.iter().any(|argument| {
        let format = argument.strip_prefix("--output=").or_else(|| argument.strip_prefix("-o"));
        format.is_some_and(|format| is_json(format.trim_start_matches('=')))
    });
    (apart || together).then_some(document)
}
