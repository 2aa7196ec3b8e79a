//! `command`: a program and its arguments, no shell between.

use catena_core::{Failure, FailureType, Value, template::Template};

use crate::prepare::{Invocation, cannot_start};

/// `resolved` are the values of all arguments, or nothing where all are constant.
pub(crate) fn invocation(argv: &[Template], resolved: &[Value]) -> Result<Invocation, Failure> {
    let mut words = Vec::with_capacity(argv.len());
    for (position, template) in argv.iter().enumerate() {
        let word = match (template, resolved.get(position)) {
            (Template::Const(value), _) | (_, Some(value)) => value.to_text(),
            (_, None) => return Err(cannot_start("an argument was not resolved")),
        };
        refuse_option(template, position, &word)?;
        words.push(word);
    }
    let mut words = words.into_iter();
    let program = words.next().ok_or_else(|| cannot_start("the command is empty"))?;
    Ok(Invocation { program, args: words.collect() })
}

/// Data that begins with a dash would be taken for an option: data never becomes code.
fn refuse_option(template: &Template, position: usize, word: &str) -> Result<(), Failure> {
    let begins_with_data = match template {
        Template::Const(_) => false,
        Template::Text(parts) => !matches!(parts.first(), Some(catena_core::template::Part::Text(_))),
        Template::Expr(_) | Template::Secret(_) | Template::List(_) | Template::Map(_) => true,
    };
    if begins_with_data && word.starts_with('-') {
        let message = format!("argument {position} would be `{word}`: data may not begin with a dash");
        return Err(Failure::lasting(FailureType::TemplateError, message));
    }
    Ok(())
}
