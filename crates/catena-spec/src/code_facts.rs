//! What the text of a step's code says of its needs, so that nothing is made that it does not use. Told by parsing
//! where the grammars are built in; without them by the words that stand in it, which errs on the side of the code.

use catena_core::chain::CodeLanguage;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// It names `context` or `CATENA_CONTEXT`.
    pub(crate) names_context: bool,
    /// A call of the entry function stands somewhere outside that function.
    pub(crate) calls_entry: bool,
}

pub(crate) const CONTEXT_NAME: &str = "context";
pub(crate) const CONTEXT_VARIABLE: &str = "CATENA_CONTEXT";

pub(crate) fn facts(language: CodeLanguage, text: &str) -> Facts {
    let may_name = text.contains(CONTEXT_NAME) || text.contains(CONTEXT_VARIABLE);
    // Nothing to parse for; Python is watched while it runs.
    if !may_name && language == CodeLanguage::Python {
        return Facts::default();
    }
    let found = parsed(language, text);
    Facts { names_context: found.names_context && may_name, ..found }
}

#[cfg(feature = "concurrency")]
fn parsed(language: CodeLanguage, text: &str) -> Facts {
    crate::concurrency::facts(language, text)
}

#[cfg(not(feature = "concurrency"))]
fn parsed(_language: CodeLanguage, text: &str) -> Facts {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let words: Vec<&str> = text.split(|c| !is_part(c)).collect();
    let names = |name: &str| words.contains(&name);
    let calls = |name: &str| {
        text.match_indices(name).any(|(at, _)| {
            let before = text[..at].trim_end();
            let is_whole = !text[..at].ends_with(is_part);
            let is_called = text[at + name.len()..].trim_start().starts_with('(');
            let is_defined = before.ends_with("function") || before.ends_with('*') || before.ends_with('.');
            is_whole && is_called && !is_defined
        })
    };
    Facts {
        names_context: names(CONTEXT_NAME) || names(CONTEXT_VARIABLE),
        calls_entry: calls("async_task") || calls("main"),
    }
}
