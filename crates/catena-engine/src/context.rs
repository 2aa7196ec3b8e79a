//! The context that a step's code can read: the seed's object, made only for steps that name it.

use std::collections::BTreeMap;

use catena_core::{
    State, StepIx, Timestamp, Value, VisitNo,
    chain::{Step, Work},
    state::{VisitEnd, VisitPhase},
    template::Template,
};
use catena_runners::{CONTEXT_VARIABLE, Context};
use serde_json::json;

/// Whether a step asks for the context, or its text names it. The bytes of a script file are not looked at; whether
/// code names it was told when the definition was read.
pub(crate) fn is_wanted(step: &Step) -> bool {
    if step.work.process().is_some_and(|process| process.context) {
        return true;
    }
    match &step.work {
        Work::Shell { script, .. } => script.contains(CONTEXT_VARIABLE),
        Work::Command { argv, .. } => argv.iter().any(|argument| match argument {
            Template::Const(value) => value.to_text().contains(CONTEXT_VARIABLE),
            Template::Expr(_)
            | Template::Secret(_)
            | Template::Text(_)
            | Template::List(_)
            | Template::Map(_) => false,
        }),
        Work::File { .. }
        | Work::Code { .. }
        | Work::Function { .. }
        | Work::FileExists { .. }
        | Work::Http(_)
        | Work::Set { .. }
        | Work::Wait { .. }
        | Work::Group { .. }
        | Work::Parallel { .. }
        | Work::ForEach { .. }
        | Work::Chain(_)
        | Work::End(_)
        | Work::Fail(_) => false,
    }
}

/// Failures that were let pass, by the step's name; those that were given come first.
fn errors(state: &State) -> Value {
    let given = state.given_errors().map(|(step, error)| (state.chain().step(step).name.clone(), error));
    let of = |no: &VisitNo| (state.step_of(*no).name.clone(), json!(state.visit(*no).failure()).into());
    Value::object(given.chain(state.passed().iter().map(of)))
}

/// The chain's, and the day of the start under `date` where it has none of its own.
fn variables(state: &State, started: Timestamp) -> Value {
    let given = &state.selection().context.variables;
    let own = state.chain().variables.iter();
    let own = own.map(|(name, value)| (name.clone(), given.get(name).unwrap_or(value).clone()));
    let date = ("date".to_owned(), Value::text(state.day_of_start(started)));
    let missing = (!state.chain().variables.contains_key("date")).then_some(date);
    Value::object(own.chain(missing))
}

/// The context, with references to large values: they are read where the file is written.
pub(crate) fn of(state: &State, current: StepIx) -> Context {
    // The latest of each name, where the first stood.
    let mut results: Vec<(String, Value)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    // What was given stands for what others would have left; names of loops are no results.
    for (name, value) in &state.selection().context.names {
        if state.chain().steps().any(|(_, step)| step.output_key.as_ref() == Some(name)) {
            places.insert(name, results.len());
            results.push((name.clone(), value.clone()));
        }
    }
    for (no, visit) in state.visits() {
        let (Some(name), Some(value)) = (&state.step_of(no).output_key, visit.result()) else { continue };
        match places.get(name.as_str()) {
            Some(place) => results[*place].1 = value.clone(),
            None => {
                places.insert(name, results.len());
                results.push((name.clone(), value.clone()));
            }
        }
    }
    let completed: Vec<&str> = state
        .visits()
        .filter(|(_, visit)| matches!(visit.phase, VisitPhase::Ended(VisitEnd::Completed(_))))
        .map(|(no, _)| state.step_of(no).name.as_str())
        .collect();
    let started = state.started_at().unwrap_or(state.created_at());
    let fields = vec![
        ("execution_id", json!(state.id()).into()),
        ("chain", json!(state.chain().name).into()),
        ("start_time", json!(started.to_rfc3339()).into()),
        ("params", state.params().clone()),
        ("variables", variables(state, started)),
        ("current_step", json!(state.chain().step(current).name).into()),
        ("completed_steps", json!(completed).into()),
        ("errors", errors(state)),
    ];
    Context { fields, results }
}
