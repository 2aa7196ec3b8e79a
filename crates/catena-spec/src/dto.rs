//! The wire form of a problem, as `check -o json` lists them. Its shape is a contract; the domain types may change without it.

use serde::Serialize;

use crate::code::Code;
use crate::problem::{Problem, Severity};
use crate::source::Source;

/// Positions from 1, columns in characters; the end is the place after the last character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProblemDto {
    pub code: &'static str,
    pub severity: &'static str,
    pub message: String,
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
    pub help: Option<String>,
}

impl ProblemDto {
    pub fn new(problem: &Problem, source: &Source) -> ProblemDto {
        let (start, end) = (source.position(problem.span.start), source.position(problem.span.end));
        ProblemDto {
            code: problem.code.as_str(),
            severity: problem.severity.as_str(),
            message: problem.message.clone(),
            file: source.name().to_owned(),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            help: problem.help.clone(),
        }
    }

    /// What is a warning for a check and the reason why a start was refused: something that does not run yet.
    #[must_use]
    pub fn as_refusal(self) -> ProblemDto {
        let is_later = Code::parse(self.code).is_some_and(Code::is_later);
        if is_later { ProblemDto { severity: Severity::Error.as_str(), ..self } } else { self }
    }
}
