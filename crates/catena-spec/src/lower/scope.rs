//! Which names an expression can use where it stands: parameters and variables everywhere, results and `set` names in
//! their block and below, item names inside their loop, and the names that the language provides.

use std::collections::BTreeMap;

use crate::keys::{self, Since};
use crate::source::Span;

/// What each round of a `for_each` knows about itself.
pub(crate) const LOOP_NAME: &str = "loop";

/// What the steps of an undo see of the visit that they take back.
pub(crate) const UNDO_NAMES: [&str; 2] = ["result", "input"];

#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Outermost first.
    frames: Vec<Frame>,
    /// The text that is looked at reaches a process and nobody else: secrets may stand in it.
    pub(crate) takes_secrets: bool,
}

/// The names of one block, loop or chain.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    names: BTreeMap<String, Origin>,
    /// The place of the step that is looked at.
    position: usize,
    /// Steps may be come back to, so that a later one's result can be there.
    pub(crate) has_jumps: bool,
}

/// Who gives a name its value first.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// There from the beginning.
    Start,
    Step {
        position: usize,
        place: Span,
    },
}

impl Frame {
    /// Names that have their values from the beginning.
    pub(crate) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Frame {
        let names = names.into_iter().map(|name| (name.to_owned(), Origin::Start)).collect();
        Frame { names, ..Frame::default() }
    }

    /// A name that a step of the block leaves; the first one counts.
    pub(crate) fn add(&mut self, name: String, position: usize, place: Span) {
        self.names.entry(name).or_insert(Origin::Step { position, place });
    }
}

/// What a name is, seen from one place of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A parameter, a variable, a result or an item.
    Data,
    /// The result of a step that cannot have run yet; its place.
    TooEarly(Span),
    /// One of the language's own.
    Provided,
    /// One of the language's own that this version does not fill.
    Later,
    Unknown,
}

impl Frame {
    fn meaning(&self, origin: Origin) -> Meaning {
        match origin {
            Origin::Step { position, place } if position >= self.position && !self.has_jumps => {
                Meaning::TooEarly(place)
            }
            Origin::Step { .. } | Origin::Start => Meaning::Data,
        }
    }
}

impl Scope {
    pub(crate) fn enter(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    pub(crate) fn leave(&mut self) {
        self.frames.pop();
    }

    /// Moves on to a step of the innermost block.
    pub(crate) fn at(&mut self, position: usize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.position = position;
        }
    }

    pub(crate) fn meaning(&self, name: &str) -> Meaning {
        let found = self.frames.iter().filter_map(|frame| Some(frame.meaning(*frame.names.get(name)?)));
        // A name that an outer block has already is there, even if an inner one gives it anew later.
        if let Some(data) = found.min_by_key(|meaning| *meaning != Meaning::Data) {
            return data;
        }
        match keys::PROVIDED_NAMES.iter().find(|(provided, _)| *provided == name) {
            Some((_, Since::Now)) => Meaning::Provided,
            Some((_, Since::Later)) => Meaning::Later,
            None => Meaning::Unknown,
        }
    }

    /// All names that can be used here, for suggestions; the nearest blocks first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let data = self.frames.iter().rev().flat_map(|frame| frame.names.keys()).map(String::as_str);
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
