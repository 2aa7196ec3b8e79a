//! `command`: a program and its arguments, no shell between.

use catena_core::{Failure, Value, template::Template};

use crate::prepare::{Invocation, cannot_start};

/// `resolved` are the values of all arguments, or nothing where all are constant.
pub(crate) fn invocation(argv: &[Template], resolved: &[Value]) -> Result<Invocation, Failure> {
    let mut words = Vec::with_capacity(argv.len());
    for (position, template) in argv.iter().enumerate() {
        let word = match (template, resolved.get(position)) {
            (Template::Const(value), _) | (_, Some(value)) => value.to_text(),
            (_, None) => return Err(cannot_start("an argument was not resolved")),
        };
        words.push(word);
    }
    let mut words = words.into_iter();
    let program = words.next().ok_or_else(|| cannot_start("the command is empty"))?;
    Ok(Invocation { program, args: words.collect() })
}
