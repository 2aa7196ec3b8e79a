//! The structure of a definition against the table of the language: which keys there are, and what their values look
//! like. What they mean together (names, references, expressions) is the business of `lower`, which can rely on what
//! was found here and reports none of it again.

mod report;
mod step;
mod value;

pub(crate) use report::{key_later, unquoted};
pub(crate) use step::{StepKind, kind_of};
pub(crate) use value::{find_word, is_form_of_fields};

use crate::code::Code;
use crate::duration::duration_ms;
use crate::language::{CHAIN_KEYS, ELSEWHERE, Key, Object, Shape, Since, find, find_kind};
use crate::node::{Entry, Node, Value};
use crate::problem::{Problem, Problems};
use crate::source::{Source, Span};

/// Reports everything in the tree that does not fit the table.
pub(crate) fn check(node: &Node, source: &Source, problems: &mut Problems) {
    let mut structure = Structure { source, problems, is_later: false };
    match &node.value {
        Value::Map(_) => structure.chain(node),
        Value::Seq(steps) => structure.bare_list(node, steps),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let message = format!("a definition is an object with `steps`, not {}", node.kind());
            let help = "the smallest chain is `steps: [{shell: echo hello}]`";
            structure.add(Problem::new(Code::WrongType, node.span, message).help(help));
        }
    }
}

/// Reports everything in a tree that is no object of this table.
pub(crate) fn check_object(node: &Node, object: &Object, source: &Source, problems: &mut Problems) {
    Structure { source, problems, is_later: false }.object(node, object);
}

struct Structure<'a> {
    source: &'a Source,
    problems: &'a mut Problems,
    /// Within a step of a kind that comes later, which says it all.
    is_later: bool,
}

/// What a message calls a value.
#[derive(Clone, Copy)]
enum What<'n> {
    Key(&'n str),
    Item(&'n str),
    /// As it stands.
    The(&'static str),
}

impl std::fmt::Display for What<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            What::Key(name) => write!(out, "`{name}`"),
            What::Item(name) => write!(out, "an item of `{name}`"),
            What::The(text) => out.write_str(text),
        }
    }
}

impl Structure<'_> {
    fn add(&mut self, problem: Problem) {
        self.problems.add(problem);
    }

    /// What comes later is said once for a step.
    fn later(&mut self, problem: Problem) {
        if !self.is_later {
            self.add(problem);
        }
    }

    fn say(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.add(Problem::new(code, span, message));
    }

    fn chain(&mut self, node: &Node) {
        if node.get("steps").is_none()
            && let Some(entry) = kind_at_top(node)
        {
            let message = format!("`{}` is a step; a chain holds its steps under `steps`", entry.key.text);
            let help = format!("write `steps: [{{{}: …}}]`", entry.key.text);
            return self.add(Problem::new(Code::MissingKey, entry.key.span, message).help(help));
        }
        let object = Object { what: "a chain", keys: CHAIN_KEYS, rules: &[] };
        self.object(node, &object);
    }

    /// A list of strings, each a step in plain words; whole steps may stand among them.
    fn bare_list(&mut self, node: &Node, steps: &[Node]) {
        if steps.is_empty() {
            let help = "the smallest step is `shell: echo hello`";
            self.add(Problem::new(Code::EmptyValue, node.span, "the chain has no step").help(help));
        }
        for step in steps {
            if let Value::String(text) = &step.value {
                self.full(text, step, What::The("a step in plain words"));
                self.add(report::words_later(step.span));
            } else {
                self.step(step, &[]);
            }
        }
    }

    /// The entries of an object with the keys of a table.
    fn object(&mut self, node: &Node, object: &Object) {
        let Value::Map(entries) = &node.value else {
            return self.wrong_type(node, &object.what, "an object");
        };
        for entry in entries {
            match find(object.keys, &entry.key.text) {
                Some(key) => self.entry(entry, key),
                None => self.unknown_key(entry, object.what, object.keys),
            }
        }
        let is_missing = |key: &&Key| key.is_required && node.get(key.name).is_none();
        // What stands there under the name that another tool has for it was said.
        let is_elsewhere =
            |key: &&Key| entries.iter().any(|entry| ELSEWHERE.contains(&(entry.key.text.as_str(), key.name)));
        for key in object.keys.iter().filter(|key| is_missing(key) && !is_elsewhere(key)) {
            self.missing_key(node, object, key);
        }
        for rule in object.rules {
            self.rule(node, object.what, rule);
        }
    }

    fn entry(&mut self, entry: &Entry, key: &Key) {
        if key.since == Since::Later && !self.is_default(&entry.value, key) {
            self.later(key_later(entry.key.span, key.name));
        }
        self.value(&entry.value, &key.shape, What::Key(key.name), entry);
    }

    /// Whether a value says only what holds without it: nothing is asked for that would have to run.
    fn is_default(&self, node: &Node, key: &Key) -> bool {
        let Some(default) = key.default else { return false };
        match key.shape {
            Shape::Duration => node.as_duration_ms() == duration_ms(default),
            _ => node.text(self.source).is_some_and(|text| text.eq_ignore_ascii_case(default)),
        }
    }

    fn missing_key(&mut self, node: &Node, object: &Object, key: &Key) {
        let message = format!("{} needs the key `{}`", object.what, key.name);
        let problem = if key.name == "steps" && object.what == "a chain" {
            let help = "add `steps: [{shell: echo hello}]`";
            Problem::new(Code::MissingKey, Span::at(node.span.end), message).help(help)
        } else {
            Problem::new(Code::MissingKey, node.span, message)
        };
        self.add(problem);
    }
}

fn kind_at_top(node: &Node) -> Option<&Entry> {
    let Value::Map(entries) = &node.value else { return None };
    entries
        .iter()
        .find(|entry| find_kind(&entry.key.text).is_some() && find(CHAIN_KEYS, &entry.key.text).is_none())
}
