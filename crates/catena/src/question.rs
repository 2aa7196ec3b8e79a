//! What a person is asked about a step, in words.

use catena_core::state::Question;
use serde_json::Value as Json;

pub(crate) fn word(question: Question) -> &'static str {
    match question {
        Question::InDoubt => "in doubt",
        Question::Quarantined => "quarantined",
        Question::UndoFailed => "its undo failed",
    }
}

/// The fields of a form with their types, those that are required first; `*` marks them.
pub(crate) fn fields(form: &Json) -> Vec<String> {
    let properties = form.get("properties").and_then(Json::as_object);
    let required: Vec<&str> = form["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Json::as_str).collect())
        .unwrap_or_default();
    let field = |(name, schema): (&String, &Json)| {
        let is_required = required.contains(&name.as_str());
        let kind = schema["type"].as_str().map(|kind| format!(" ({kind})")).unwrap_or_default();
        (!is_required, format!("{name}{}{kind}", if is_required { "*" } else { "" }))
    };
    let mut fields: Vec<(bool, String)> = properties.into_iter().flatten().map(field).collect();
    fields.sort_by_key(|(is_optional, _)| *is_optional);
    fields.into_iter().map(|(_, field)| field).collect()
}

/// The options of `ps resolve` that a question may be answered with.
pub(crate) fn answers_to(question: Question) -> &'static str {
    match question {
        Question::InDoubt | Question::Quarantined => "--completed | --failed | --run-again | --give-up",
        Question::UndoFailed => "--completed | --run-again | --give-up",
    }
}
