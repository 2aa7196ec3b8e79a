//! `shell`: script text, handed to the interpreter as it stands.

use catena_core::chain::Interpreter;

use crate::prepare::Invocation;

pub(crate) fn invocation(script: &str, interpreter: Option<&Interpreter>) -> Invocation {
    let words: Vec<String> = match interpreter {
        Some(Interpreter(words)) if !words.is_empty() => words.clone(),
        Some(_) | None => ["/bin/sh", "-e", "-c"].map(str::to_owned).to_vec(),
    };
    let (program, before) = words.split_first().expect("an interpreter has at least its program");
    let args = before.iter().cloned().chain([script.to_owned()]).collect();
    Invocation { program: program.clone(), args }
}
