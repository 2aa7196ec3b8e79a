//! The context that a step's code can read: the seed's object, made only for steps that name it.

use catena_core::{
    State, StepIx,
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
        | Work::Set { .. }
        | Work::Group { .. }
        | Work::Parallel { .. }
        | Work::ForEach { .. } => false,
    }
}

pub(crate) fn of(state: &State, current: StepIx) -> Json {
    let results: serde_json::Map<String, Json> = state
        .visits()
        .filter_map(|(no, visit)| {
            let key = state.step_of(no).output_key.clone()?;
            Some((key, visit.result()?.as_json().clone()))
        })
        .collect();
    let completed: Vec<&str> = state
        .visits()
        .filter(|(_, visit)| matches!(visit.phase, VisitPhase::Ended(VisitEnd::Completed(_))))
        .map(|(no, _)| state.step_of(no).name.as_str())
        .collect();
    json!({
        "execution_id": state.id(),
        "chain": state.chain().name,
        "start_time": state.started_at().map(|at| at.0),
        "params": state.params(),
        "variables": state.chain().variables,
        "results": results,
        "current_step": state.chain().step(current).name,
        "completed_steps": completed,
        "errors": state.errors(),
    })
}
