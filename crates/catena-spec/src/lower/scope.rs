//! Which names an expression can use where it stands: parameters and variables everywhere, results and `set` names in
//! their block and below, item names inside their loop, and the names that the language provides.

use std::collections::BTreeSet;

use crate::keys::{self, Since};

#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Outermost first.
    frames: Vec<BTreeSet<String>>,
}

/// What a name is, seen from one place of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A parameter, a variable, a result or an item.
    Data,
    /// One of the language's own.
    Provided,
    /// One of the language's own that this version does not fill.
    Later,
    Unknown,
}

impl Scope {
    pub(crate) fn enter(&mut self, names: BTreeSet<String>) {
        self.frames.push(names);
    }

    pub(crate) fn leave(&mut self) {
        self.frames.pop();
    }

    pub(crate) fn meaning(&self, name: &str) -> Meaning {
        if self.frames.iter().any(|frame| frame.contains(name)) {
            return Meaning::Data;
        }
        match keys::PROVIDED_NAMES.iter().find(|(provided, _)| *provided == name) {
            Some((_, Since::Now)) => Meaning::Provided,
            Some((_, Since::Later)) => Meaning::Later,
            None => Meaning::Unknown,
        }
    }

    /// All names that can be used here, for suggestions; the nearest blocks first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let data = self.frames.iter().rev().flatten().map(String::as_str);
        let provided = keys::PROVIDED_NAMES.iter().filter(|(_, since)| *since == Since::Now);
        data.chain(provided.map(|(name, _)| *name))
    }
}

/// Whether expressions can say the name.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !matches!(
            name,
            "not"
                | "and"
                | "or"
                | "in"
                | "is"
                | "if"
                | "else"
                | "true"
                | "false"
                | "none"
                | "True"
                | "False"
                | "None"
        )
}
