//! `catena check`: every mistake in definitions, at its place.

use std::path::PathBuf;

use catena_spec::dto::CheckDocument;
use clap::Args;

use super::definition::Definition;
use crate::{
    args::Format,
    exit::{Code, Failure},
    output,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena check examples/data-pipeline/chain.yaml")]
pub(crate) struct CheckArgs {
    /// Definitions in YAML or JSON
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print the problems
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(args: &CheckArgs) -> Result<Code, Failure> {
    let definitions: Result<Vec<Definition>, Failure> =
        args.files.iter().map(|f| Definition::read(f)).collect();
    let definitions = definitions?;
    let problems = definitions.iter().flat_map(Definition::problems).collect();
    match args.output {
        Format::Text => definitions.iter().for_each(Definition::tell_problems),
        Format::Json | Format::Jsonl => output::json(&CheckDocument::new(problems))?,
    }
    if definitions.iter().any(|definition| definition.checked.has_error()) {
        return Err(
            Failure::told(Code::Definition).next_if(args.output == Format::Text, first_code(&definitions))
        );
    }
    if args.output == Format::Text && definitions.iter().all(|d| d.checked.problems.is_empty()) {
        eprintln!("{}: no problems", if definitions.len() == 1 { "1 definition" } else { "all definitions" });
    }
    Ok(Code::Completed)
}

/// The command that explains the first error.
pub(super) fn first_code(definitions: &[Definition]) -> Option<String> {
    let mut problems = definitions.iter().flat_map(|definition| &definition.checked.problems);
    let first = problems.find(|problem| problem.severity == catena_spec::Severity::Error)?;
    Some(format!("catena explain {}", first.code.as_str()))
}

impl Failure {
    pub(super) fn next_if(self, wanted: bool, next: Option<String>) -> Self {
        match next {
            Some(next) if wanted => self.next(next),
            Some(_) | None => self,
        }
    }
}
