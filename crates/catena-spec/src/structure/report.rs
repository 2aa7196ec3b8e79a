//! The messages of the structure check.

use super::{Structure, What};
use crate::code::Code;
use crate::language::{KINDS, Key, Rule, Since, Word};
use crate::node::{Entry, Node, Value};
use crate::problem::Problem;
use crate::source::Span;
use crate::suggest::{did_you_mean, elsewhere, word_elsewhere, written_here};

impl Structure<'_> {
    pub(super) fn wrong_type(&mut self, node: &Node, what: &dyn std::fmt::Display, expected: &str) {
        let message = format!("{what} must be {expected}, not {}", node.kind());
        self.add(Problem::new(Code::WrongType, node.span, message).label(format!("expected {expected}")));
    }

    /// Text was expected. `{weather}` without quotes is an object to YAML, with the key `weather` and no value.
    pub(super) fn no_text(&mut self, node: &Node, what: What<'_>) {
        match unquoted(node, self.source.slice(node.span)) {
            Some(problem) => self.add(problem),
            None => self.wrong_type(node, &what, "text"),
        }
    }

    pub(super) fn no_bool(&mut self, node: &Node, what: What<'_>) {
        let help = match node.text(self.source).unwrap_or_default().to_lowercase().as_str() {
            "yes" | "y" | "on" | "true" | "1" => Some("write `true`"),
            "no" | "n" | "off" | "false" | "0" => Some("write `false`"),
            _ => None,
        };
        let message = format!("{what} must be true or false, not {}", node.kind());
        let problem = Problem::new(Code::WrongType, node.span, message).label("expected true or false");
        self.add(problem.maybe_help(help.map(str::to_owned)));
    }

    pub(super) fn no_list(&mut self, node: &Node, what: What<'_>) {
        if let (What::Key("command"), Value::String(line)) = (what, &node.value) {
            let words = line.split_whitespace().map(in_flow).collect::<Vec<_>>().join(", ");
            // An empty list would be the next mistake.
            let words = if words.is_empty() { "echo, hello".to_owned() } else { words };
            let help = format!("write `command: [{words}]`, or `shell: …` for a line that a shell reads");
            let message = "`command` must be a list: the program and its arguments, one by one";
            return self.add(Problem::new(Code::WrongType, node.span, message).help(help));
        }
        self.wrong_type(node, &what, "a list");
    }

    pub(super) fn no_steps(&mut self, node: &Node, key: &str) {
        let message = format!("`{key}` must be a list of steps, not {}", node.kind());
        let help = "write each step behind a dash: `- shell: echo hello`";
        self.add(Problem::new(Code::WrongType, node.span, message).help(help));
    }

    pub(super) fn no_map(&mut self, node: &Node, what: What<'_>) {
        if let (What::Key("env"), Value::Seq(_)) = (what, &node.value) {
            let help = "write names and values: `env: {CITY: Rome}`";
            let message = "`env` must be an object, not a list";
            return self.add(Problem::new(Code::WrongType, node.span, message).help(help));
        }
        self.wrong_type(node, &what, "an object");
    }

    pub(super) fn no_schema(&mut self, node: &Node, what: What<'_>) {
        let message = format!("{what} must be a JSON Schema, not {}", node.kind());
        let written = what.to_string();
        let help = format!("write `{}: {{type: string}}`", written.trim_matches('`'));
        self.add(Problem::new(Code::WrongType, node.span, message).help(help));
    }

    pub(super) fn not_one_of(&mut self, node: &Node, what: What<'_>, words: &[Word]) {
        let found = match &node.value {
            Value::String(text) => text.as_str(),
            _ => self.source.slice(node.span),
        };
        let all = words.iter().map(|word| format!("`{}`", word.name)).collect::<Vec<_>>().join(", ");
        let help = word_elsewhere(found, words)
            .map(|word| format!("did you mean `{word}`?"))
            .or_else(|| did_you_mean(found, words.iter().map(|word| word.name)))
            .unwrap_or_else(|| format!("it can be {all}"));
        let message = format!("{what} cannot be `{found}`");
        self.add(Problem::new(Code::NotOneOf, node.span, message).label(format!("one of {all}")).help(help));
    }

    pub(super) fn empty(&mut self, node: &Node, entry: &Entry, what: What<'_>) {
        let problem = match what {
            What::Key("steps") => Problem::new(Code::EmptyValue, entry.key.span, "`steps` holds no step")
                .help("the smallest step is `shell: echo hello`"),
            What::Key("command") => {
                Problem::new(Code::EmptyValue, node.span, "`command` must at least name a program")
            }
            What::Key("set") => Problem::new(Code::EmptyValue, node.span, "`set` must set something")
                .help("write `set: {name: value}`"),
            _ => Problem::new(Code::EmptyValue, entry.key.span, format!("{what} must not be empty"))
                .help("give it something, or leave it out"),
        };
        self.add(problem);
    }

    pub(super) fn unknown_key(&mut self, entry: &Entry, what: &str, table: &[Key]) {
        let typed = &entry.key.text;
        let names = || table.iter().map(|key| key.name);
        let few = (table.len() <= 8)
            .then(|| names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
        let help = written_here(typed, &entry.value)
            .or_else(|| elsewhere(typed, names()))
            .or_else(|| did_you_mean(typed, names()))
            .or_else(|| few.map(|few| format!("it has {few}")));
        self.no_such_key(entry, what, help);
    }

    pub(super) fn no_such_key(&mut self, entry: &Entry, what: &str, help: Option<String>) {
        let message = format!("{what} has no key `{}`", entry.key.text);
        let problem = Problem::new(Code::UnknownKey, entry.key.span, message).label("unknown key");
        self.add(problem.maybe_help(help));
    }

    pub(super) fn rule(&mut self, node: &Node, what: &str, rule: &Rule) {
        let (Rule::ExactlyOne(names) | Rule::AtMostOne(names) | Rule::AtLeastOne(names)) = rule;
        let found: Vec<&Entry> = names.iter().filter_map(|name| node.get(name)).collect();
        let all = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        match (rule, found.as_slice()) {
            (Rule::ExactlyOne(_) | Rule::AtLeastOne(_), []) => {
                let message = format!("{what} needs one of {}", all.join(", "));
                self.add(Problem::new(Code::MissingKey, node.span, message));
            }
            (Rule::ExactlyOne(_) | Rule::AtMostOne(_), [first, second, ..]) => {
                let message = format!("{what} has one of {}, not several", all.join(", "));
                let problem = Problem::new(Code::ManyKinds, second.key.span, message);
                self.add(problem.related(first.key.span, "the first one").help("keep one of them"));
            }
            (Rule::ExactlyOne(_) | Rule::AtMostOne(_) | Rule::AtLeastOne(_), _) => {}
        }
    }
}

/// Something of the language that this version does not run yet.
pub(crate) fn key_later(span: Span, name: &str) -> Problem {
    let message = format!("`{name}` is part of the language but this version does not run it yet");
    Problem::new(Code::KeyLater, span, message).label("not yet").help(LATER_HELP)
}

pub(super) fn kind_later(span: Span, name: &str) -> Problem {
    let message = format!("`{name}` steps are part of the language but this version does not run them yet");
    let now = KINDS.iter().filter(|kind| kind.since == Since::Now).map(|kind| format!("`{}`", kind.name));
    let help = format!(
        "the chain can be checked and not started; what runs: {}",
        now.collect::<Vec<_>>().join(", ")
    );
    Problem::new(Code::KindLater, span, message).label("not yet").help(help)
}

pub(super) fn words_later(span: Span) -> Problem {
    let message =
        "a step in plain words is `execution_mode: orchestrated`, which this version does not run yet";
    Problem::new(Code::KindLater, span, message)
        .label("not yet")
        .help("to run it as a command, write `shell: …`")
}

const LATER_HELP: &str = "the chain can be checked and not started; leave the key out to run it without";

/// The problem of an object that braces made by accident.
pub(crate) fn unquoted(node: &Node, written: &str) -> Option<Problem> {
    let Value::Map(entries) = &node.value else { return None };
    let [Entry { key, value }] = entries.as_slice() else { return None };
    let bare = matches!(value.value, Value::Null) && value.span.start == value.span.end;
    let looks_like_a_name = key.text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
    (bare && looks_like_a_name && written.starts_with('{')).then(|| {
        Problem::new(Code::UnquotedTemplate, node.span, format!("`{written}` is read as an object here"))
            .label("needs quotes")
            .help(format!("quote it: {}", quoted(written)))
    })
}

/// In the quotes that what stands inside lets be.
fn quoted(written: &str) -> String {
    if written.contains('"') && !written.contains('\'') {
        format!("'{written}'")
    } else {
        format!("\"{written}\"")
    }
}

/// A word as an item of a list in brackets: quoted where a bracket, a comma or a brace would end it.
fn in_flow(word: &str) -> String {
    let is_plain = word.chars().all(|c| c.is_alphanumeric() || "-_./=+%@~:".contains(c))
        && !word.starts_with(['-', '@', '%', ':', '='])
        && !word.ends_with(':');
    let is_flag =
        word.starts_with('-') && word.len() > 1 && word[1..].chars().all(|c| c.is_alphanumeric() || c == '-');
    if is_plain || is_flag { word.to_owned() } else { serde_json::Value::from(word).to_string() }
}
