//! What a person is asked about a step, in words.

use catena_core::state::Question;

pub(crate) fn word(question: Question) -> &'static str {
    match question {
        Question::InDoubt => "in doubt",
        Question::Quarantined => "quarantined",
        Question::UndoFailed => "its undo failed",
    }
}

/// The options of `ps resolve` that a question may be answered with.
pub(crate) fn answers_to(question: Question) -> &'static str {
    match question {
        Question::InDoubt | Question::Quarantined => "--completed | --failed | --run-again | --give-up",
        Question::UndoFailed => "--completed | --run-again | --give-up",
    }
}
