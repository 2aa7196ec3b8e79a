//! The language as a table: every key and kind with its shape, default, limit and one sentence. The parser's structure
//! check, the JSON Schema and the tables of the reference are all read off it, so that none of them can differ.

pub(crate) mod cases;
mod chain;
mod kinds;
mod names;
mod objects;
mod step;

pub use cases::CASE_FILE_KEYS;
pub use chain::CHAIN_KEYS;
pub use kinds::{KINDS, TASK_SYNC_KINDS};
pub use names::{ELSEWHERE, PROVIDED_NAMES, RESERVED_NAMES};
pub use objects::{JSON_TYPES, POLICIES};
pub use step::STEP_KEYS;

/// Whether this version runs it, or only knows that the language has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    Now,
    Later,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Any value; its texts are searched for expressions.
    Data,
    /// Any value, taken as it stands.
    Constant,
    /// Text that says something, taken as it stands. A number or a boolean means the text that stands there.
    Text,
    /// Text that may be empty.
    Note,
    /// Text that is searched for expressions.
    Template,
    /// Text for an interpreter: constant, never searched for expressions.
    Script,
    /// A bare expression; a pair of braces around it is dropped.
    Expr,
    /// The same where a number or a boolean alone can be no sensible answer.
    TextExpr,
    Bool,
    /// A whole number within bounds, both included.
    Count {
        least: u64,
        most: u64,
    },
    /// A number that is at least so large.
    Number {
        least: f64,
    },
    /// Seconds as a number, or text like `1h30m`.
    Duration,
    /// A duration that is longer than nothing.
    Time,
    /// One of these words, in lower case or in capitals.
    Word(&'static [Word]),
    /// A name that expressions can say.
    Name,
    /// The id of a step.
    Id,
    List {
        of: &'static Shape,
        least: usize,
    },
    /// An object with keys of the author's own.
    Map {
        of: &'static Shape,
        keys: Keys,
        least: usize,
    },
    /// An object with the keys of the table.
    Object(&'static Object),
    /// Several shapes that differ in their type; the first one of the value's type is meant.
    OneOf(&'static [Shape]),
    /// A list of steps.
    Steps,
    /// One step.
    Step,
    /// A step, a list of steps, or an object with `steps` and `if_started`.
    Undo,
    /// A JSON Schema: its keywords are checked, and the rest of it is the author's.
    JsonSchema,
    /// A JSON Schema, or one for each name.
    Form,
}

/// What the author's own keys of an object may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    Any,
    /// Names that expressions can say.
    Names,
    /// Ids, because they stand in addresses.
    Ids,
    /// Names of environment variables.
    Variables,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    pub name: &'static str,
    pub since: Since,
}

/// An object of the language: its keys, and what must hold among them.
#[derive(Debug)]
pub struct Object {
    /// What a message calls it: `` `retry_config` ``, `a condition`.
    pub what: &'static str,
    pub keys: &'static [Key],
    pub rules: &'static [Rule],
}

#[derive(Clone, Copy, Debug)]
pub enum Rule {
    ExactlyOne(&'static [&'static str]),
    AtMostOne(&'static [&'static str]),
    AtLeastOne(&'static [&'static str]),
}

/// On which steps a key does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Every step.
    Any,
    /// Steps that run something and may fail.
    Work,
    /// The same, and these kinds.
    WorkOr(&'static [&'static str]),
    /// Steps that can have an effect: beside any other it is an error.
    Effect,
    /// Steps that make attempts.
    Attempt,
    /// Steps that start a process of the user's.
    Process,
    /// The same, and these kinds.
    ProcessOr(&'static [&'static str]),
    /// Steps of these kinds, which take something by name.
    Takers(&'static [&'static str]),
    /// It belongs to these kinds and is an error beside any other.
    Kinds(&'static [&'static str]),
}

#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub doc: &'static str,
    pub since: Since,
    pub is_required: bool,
    /// What holds where the key is absent, as it would be written.
    pub default: Option<&'static str>,
    pub on: On,
}

/// What a kind is, as far as the common keys are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Starts a process of the user's.
    Process,
    /// Makes attempts of another sort.
    Attempt,
    /// Holds blocks of steps.
    Block,
    /// Decided by the engine alone: no attempt, no failure of its own to retry.
    Pure,
}

#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub name: &'static str,
    pub shape: Shape,
    pub doc: &'static str,
    pub since: Since,
    pub family: Family,
    /// Keys that must stand beside it.
    pub needs: &'static [&'static str],
}

const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, doc, since: Since::Now, is_required: false, default: None, on: On::Any }
}

impl Key {
    const fn later(self) -> Key {
        Key { since: Since::Later, ..self }
    }

    const fn required(self) -> Key {
        Key { is_required: true, ..self }
    }

    const fn default(self, default: &'static str) -> Key {
        Key { default: Some(default), ..self }
    }

    const fn on(self, on: On) -> Key {
        Key { on, ..self }
    }
}

const fn kind(name: &'static str, family: Family, shape: Shape, doc: &'static str) -> Kind {
    Kind { name, shape, doc, since: Since::Now, family, needs: &[] }
}

impl Kind {
    const fn later(self) -> Kind {
        Kind { since: Since::Later, ..self }
    }

    const fn needs(self, needs: &'static [&'static str]) -> Kind {
        Kind { needs, ..self }
    }
}

const fn word(name: &'static str) -> Word {
    Word { name, since: Since::Now }
}

pub(crate) fn find<'a>(keys: &'a [Key], name: &str) -> Option<&'a Key> {
    keys.iter().find(|key| key.name == name)
}

pub(crate) fn find_kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// What a key does on a step of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    Yes,
    Later,
    /// Nothing: a warning.
    Idle,
    /// It belongs to other kinds: an error.
    No,
}

impl On {
    pub fn fits(self, kind: &Kind) -> Fit {
        let is_process = kind.family == Family::Process;
        let does_something = match self {
            On::Any => true,
            On::Work => kind.family != Family::Pure,
            On::WorkOr(names) => kind.family != Family::Pure || names.contains(&kind.name),
            // Lowering refuses it where there is none, with the place of the kind.
            On::Effect => true,
            On::Attempt if kind.family == Family::Block => return Fit::Later,
            On::Attempt => kind.family != Family::Pure,
            // What starts processes in another way may well have them, and says so when it comes.
            On::Process => is_process || kind.since == Since::Later,
            On::ProcessOr(names) => is_process || names.contains(&kind.name) || kind.since == Since::Later,
            On::Takers(names) => names.contains(&kind.name),
            On::Kinds(names) if names.contains(&kind.name) => true,
            On::Kinds(_) => return Fit::No,
        };
        if does_something { Fit::Yes } else { Fit::Idle }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check(keys: &[Key]) {
        let names: BTreeSet<_> = keys.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), keys.len());
        for key in keys {
            assert!(
                !key.doc.ends_with('.') && !key.doc.is_empty(),
                "{}: a fragment without a full stop",
                key.name
            );
            check_shape(&key.shape);
        }
    }

    fn check_shape(shape: &Shape) {
        match shape {
            Shape::List { of, .. } | Shape::Map { of, .. } => check_shape(of),
            Shape::Object(object) => {
                check(object.keys);
                for rule in object.rules {
                    let (Rule::ExactlyOne(names) | Rule::AtMostOne(names) | Rule::AtLeastOne(names)) = rule;
                    assert!(names.iter().all(|name| find(object.keys, name).is_some()), "{}", object.what);
                }
            }
            Shape::OneOf(shapes) => shapes.iter().for_each(check_shape),
            Shape::Word(words) => assert!(words.iter().all(|word| word.name == word.name.to_lowercase())),
            _ => {}
        }
    }

    #[test]
    fn no_key_stands_twice_and_every_one_is_described() {
        check(CHAIN_KEYS);
        check(STEP_KEYS);
        for kind in KINDS {
            check_shape(&kind.shape);
            assert!(kind.needs.iter().all(|name| find(STEP_KEYS, name).is_some()));
        }
        // These are common keys as well as kinds.
        let both = STEP_KEYS.iter().filter(|key| find_kind(key.name).is_some()).map(|key| key.name);
        assert_eq!(both.collect::<Vec<_>>(), ["notify", "wait", "execution_mode"]);
    }
}
