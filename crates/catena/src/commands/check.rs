//! `catena check`: every mistake in definitions, at its place.

use std::path::PathBuf;

use clap::Args;

use super::definition::Definition;
use crate::{
    annotation,
    args::Format,
    exit::{Code, Failure},
    output,
    problem::{ProblemEntry, ProblemsDocument},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena check examples/data-pipeline/chain.yaml\n  \
                        catena check *.yaml -o json | jq '.problems[].message'")]
pub(crate) struct CheckArgs {
    /// Definitions in YAML or JSON
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print the problems
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(args: &CheckArgs) -> Result<Code, Failure> {
    let mut definitions = Vec::new();
    let mut problems: Vec<ProblemEntry> = Vec::new();
    // One that cannot be read keeps nobody from checking the others.
    let mut unreadable: Vec<Failure> = Vec::new();
    for path in &args.files {
        match Definition::read(path) {
            Ok(definition) => {
                problems.extend(definition.problems());
                definitions.push(definition);
            }
            Err(failure) => {
                problems.extend(ProblemEntry::of_failure(&failure, Some(&path.display().to_string())));
                unreadable.push(failure);
            }
        }
    }
    match args.output {
        Format::Text => tell(&definitions, &problems)?,
        Format::Json | Format::Jsonl => output::json(&ProblemsDocument::new(problems))?,
    }
    if let Some(failure) = unreadable.into_iter().reduce(Failure::and) {
        return Err(failure);
    }
    if definitions.iter().any(|definition| definition.checked.has_error()) {
        return Err(
            Failure::told(Code::Definition).next_if(args.output == Format::Text, first_code(&definitions))
        );
    }
    if args.output == Format::Text && definitions.iter().all(|d| d.checked.problems.is_empty()) {
        talk!("{}: no problems", if definitions.len() == 1 { "1 definition" } else { "all definitions" });
    }
    Ok(Code::Completed)
}

fn tell(definitions: &[Definition], problems: &[ProblemEntry]) -> Result<(), Failure> {
    definitions.iter().for_each(Definition::tell_problems);
    if annotation::is_wanted() {
        problems.iter().try_for_each(|problem| output::line(&annotation::annotation(problem)))?;
    }
    Ok(())
}

/// The command that explains the first error.
pub(super) fn first_code(definitions: &[Definition]) -> Option<String> {
    let mut problems = definitions.iter().flat_map(|definition| &definition.checked.problems);
    let first = problems.find(|problem| problem.severity == catena_spec::Severity::Error)?;
    Some(format!("catena explain {}", first.code.as_str()))
}
