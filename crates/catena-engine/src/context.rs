//! The context that a step's code can read: the seed's object, made only for steps that name it.

use catena_core::{
    State, StepIx, Value,
    chain::{Step, Work},
    state::{VisitEnd, VisitPhase},
    template::Template,
};
use catena_runners::CONTEXT_VARIABLE;
use serde_json::{Value as Json, json};

/// Whether a step's text names the context. The bytes of a file are not looked at.
pub(crate) fn is_wanted(step: &Step) -> bool {
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
        | Work::Function { .. }
        | Work::FileExists { .. }
        | Work::Http(_)
        | Work::Set { .. }
        | Work::Wait { .. }
        | Work::Group { .. }
        | Work::Parallel { .. }
        | Work::ForEach { .. } => false,
    }
}

/// The context, with references to large values: they are read where the file is written.
pub(crate) fn of(state: &State, current: StepIx) -> Value {
    let results = state
        .visits()
        .filter_map(|(no, visit)| Some((state.step_of(no).output_key.clone()?, visit.result()?.clone())));
    let completed: Vec<&str> = state
        .visits()
        .filter(|(_, visit)| matches!(visit.phase, VisitPhase::Ended(VisitEnd::Completed(_))))
        .map(|(no, _)| state.step_of(no).name.as_str())
        .collect();
    let fields = [
        ("execution_id", json!(state.id()).into()),
        ("chain", json!(state.chain().name).into()),
        ("start_time", json!(state.started_at().map(|at| at.0)).into()),
        ("params", state.params().clone()),
        ("variables", json!(state.chain().variables).into()),
        ("results", Value::object(results)),
        ("current_step", json!(state.chain().step(current).name).into()),
        ("completed_steps", json!(completed).into()),
        ("errors", Json::Object(state.errors()).into()),
    ];
    Value::object(fields.map(|(name, value)| (name.to_owned(), value)))
}
