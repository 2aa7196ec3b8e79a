//! `--context`: what an execution is given in place of what its steps would have from each other.

use catena_core::{Chain, StepIx};
use catena_spec::{Colour, ContextFile, Source, check_context, render};

use super::definition::read_source;
use crate::{
    exit::{Code, Failure},
    output,
};

const NEXT: &str = "--context @FILE, with an object such as `catena ps context ID` prints";
/// As much as a value may have, and what stands around it.
const CONTEXT_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads the option: JSON or YAML, or `@FILE`. What is wrong with it is told at its places.
pub(super) fn read(text: &str, chain: &Chain, step: Option<StepIx>) -> Result<ContextFile, Failure> {
    let source = source(text)?;
    let (context, problems) = check_context(&source, chain, step);
    if !problems.is_empty() {
        let colour = if output::stderr_colour() { Colour::On } else { Colour::Off };
        talk!("{}", render(&problems, &source, colour).trim_end());
    }
    context.ok_or_else(|| Failure::told(Code::Usage).next(NEXT))
}

pub(super) fn source(text: &str) -> Result<Source, Failure> {
    match text.strip_prefix('@') {
        Some("-") => {
            let text = std::io::read_to_string(std::io::stdin());
            let text = text.map_err(|error| {
                Failure::new(Code::Usage, format!("cannot read standard input: {error}")).next(NEXT)
            })?;
            Ok(Source::new("standard input", &text))
        }
        Some(path) => read_source(path.as_ref(), CONTEXT_MAX_BYTES).map_err(|failure| failure.next(NEXT)),
        None => Ok(Source::new("--context", text)),
    }
}
