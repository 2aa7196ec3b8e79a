//! `--context`: what an execution is given in place of what its steps would have from each other.

use catena_core::{Chain, StepIx};
use catena_spec::{
    Colour, ContextFile, Problem, Source, check_context, context_object, dto::ProblemDto, render,
};
use serde_json::{Map, Value as Json};

use super::definition::read_source;
use crate::{
    exit::{Code, Failure},
    output,
    problem::ProblemEntry,
};

const NEXT: &str = "--context @FILE, with an object such as `catena ps context ID` prints";
/// As much as a value may have, and what stands around it.
const CONTEXT_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads the option: JSON or YAML, or `@FILE`. What is wrong with it is told at its places, and added to `problems`.
pub(super) fn read(
    text: &str,
    chain: &Chain,
    step: Option<StepIx>,
    problems: &mut Vec<ProblemEntry>,
) -> Result<ContextFile, Failure> {
    let source = source(text)?;
    let (context, wrong) = check_context(&source, chain, step);
    tell(&wrong, &source);
    let dto = |problem: &Problem| ProblemEntry::Definition(ProblemDto::new(problem, &source));
    problems.extend(wrong.iter().map(dto));
    context.ok_or_else(|| Failure::told(Code::Usage).next(NEXT))
}

/// Any object, of which no chain is known.
pub(super) fn object(text: &str) -> Result<Map<String, Json>, Failure> {
    let source = source(text)?;
    let (object, wrong) = context_object(&source);
    tell(&wrong, &source);
    object.ok_or_else(|| Failure::told(Code::Usage).next("--context '{\"name\": value}', or --context @FILE"))
}

fn tell(problems: &[Problem], source: &Source) {
    let colour = if output::stderr_colour() { Colour::On } else { Colour::Off };
    if !problems.is_empty() {
        talk!("{}", render(problems, source, colour).trim_end());
    }
}

fn source(text: &str) -> Result<Source, Failure> {
    let source = match text.strip_prefix('@') {
        Some("-") => {
            let text = std::io::read_to_string(std::io::stdin());
            let text = text.map_err(|error| {
                Failure::new(Code::Usage, format!("cannot read standard input: {error}")).next(NEXT)
            })?;
            Source::new("standard input", &text)
        }
        Some(path) => read_source(path.as_ref(), CONTEXT_MAX_BYTES).map_err(|failure| failure.next(NEXT))?,
        None => Source::new("--context", text),
    };
    if source.text().trim().is_empty() {
        let message = format!("{}: a context with nothing in it is `{{}}`", source.name());
        return Err(Failure::new(Code::Usage, message).next(NEXT));
    }
    Ok(source)
}
