//! A step: its one kind, and its keys against that kind.

use super::{Structure, What, find_word, key_later, report::kind_later};
use crate::code::Code;
use crate::language::{Fit, KINDS, Key, Kind, POLICIES, STEP_KEYS, Since, find, find_kind};
use crate::node::{Entry, Node, Value};
use crate::problem::Problem;
use crate::suggest::{did_you_mean, elsewhere, kind_elsewhere, nearest, written_here};

/// The key that the undo of a step may have, written as a step itself.
const IF_STARTED: &str = "if_started";

/// What the keys of a step say about its kind.
pub(crate) enum StepKind<'n> {
    One(&'static Kind, &'n Entry),
    None,
    Several(Vec<&'n Entry>),
}

/// The kind of a step: `notify` and `execution_mode` are kinds only where nothing else is, and `wait` beside `chain`
/// says how that one is run.
pub(crate) fn kind_of(entries: &[Entry]) -> StepKind<'_> {
    let all: Vec<(&'static Kind, &Entry)> =
        entries.iter().filter_map(|entry| Some((find_kind(&entry.key.text)?, entry))).collect();
    let has = |name: &str| all.iter().any(|(kind, _)| kind.name == name);
    let is_soft = |kind: &Kind| match kind.name {
        "notify" | "execution_mode" => true,
        "wait" => has("chain"),
        _ => false,
    };
    let hard: Vec<_> = all.iter().filter(|(kind, _)| !is_soft(kind)).collect();
    match hard.as_slice() {
        [(kind, entry)] => StepKind::One(kind, entry),
        [_, _, ..] => StepKind::Several(hard.iter().map(|(_, entry)| *entry).collect()),
        [] => {
            let soft = |name: &str| all.iter().find(|(kind, _)| kind.name == name);
            match soft("execution_mode").or_else(|| soft("notify")) {
                Some((kind, entry)) => StepKind::One(kind, entry),
                None => StepKind::None,
            }
        }
    }
}

impl Structure<'_> {
    pub(super) fn steps(&mut self, node: &Node, what: What<'_>, entry: &Entry) {
        let Value::Seq(steps) = &node.value else { return self.no_steps(node, &entry.key.text) };
        if steps.is_empty() {
            let message = match what {
                What::Key(name) => format!("`{name}` holds no step"),
                What::Item(_) | What::The(_) => "this list holds no step".to_owned(),
            };
            let help = "the smallest step is `shell: echo hello`";
            self.add(Problem::new(Code::EmptyValue, entry.key.span, message).help(help));
        }
        for step in steps {
            self.step(step, &[]);
        }
    }

    /// One step, which may have some keys beside the usual ones.
    pub(super) fn step(&mut self, node: &Node, extra: &[&str]) {
        let Value::Map(entries) = &node.value else { return self.no_step(node) };
        let was_later = self.is_later;
        let kind = match kind_of(entries) {
            StepKind::One(kind, entry) => {
                if kind.since == Since::Later {
                    self.later(kind_later(entry.key.span, named(kind, entry)));
                    self.is_later = true;
                }
                self.kind_value(kind, entry, node);
                Some(kind)
            }
            StepKind::Several(kinds) => {
                self.many_kinds(&kinds);
                return self.keys_of_no_kind(entries, extra);
            }
            StepKind::None => {
                self.no_kind(entries, node);
                None
            }
        };
        let misspelt = kind.is_none().then(|| misspelt_kind(entries)).flatten().map(|(key, _)| key.span);
        for entry in entries.iter().filter(|entry| Some(entry.key.span) != misspelt) {
            self.step_key(entry, kind, extra);
        }
        self.alternative(node);
        self.is_later = was_later;
    }

    fn alternative(&mut self, node: &Node) {
        let Some(policy) = node.get("error_policy") else { return };
        let text = policy.value.text(self.source).unwrap_or_default();
        let is_alternative = find_word(&text, POLICIES).is_some_and(|word| word.name == "alternative");
        if is_alternative && node.get("alternative").is_none() {
            let message = "`error_policy: alternative` needs the key `alternative`";
            let problem = Problem::new(Code::MissingKey, policy.key.span, message);
            self.add(problem.help("write what runs instead: `alternative: {shell: …}`"));
        }
    }

    fn kind_value(&mut self, kind: &'static Kind, entry: &Entry, node: &Node) {
        self.value(&entry.value, &kind.shape, What::Key(kind.name), entry);
        for name in kind.needs.iter().filter(|name| node.get(name).is_none()) {
            let message = format!("a step of the kind `{}` needs the key `{name}`", kind.name);
            self.add(Problem::new(Code::MissingKey, entry.key.span, message));
        }
    }

    fn step_key(&mut self, entry: &Entry, kind: Option<&'static Kind>, extra: &[&str]) {
        let name = entry.key.text.as_str();
        if kind.is_some_and(|kind| kind.name == name) {
            return;
        }
        if extra.contains(&name) {
            return self.value(&entry.value, &crate::language::Shape::Bool, What::Key(name), entry);
        }
        match find(STEP_KEYS, name) {
            Some(key) => {
                if kind.is_none_or(|kind| self.key_fits(entry, key, kind)) {
                    self.entry(entry, key);
                }
            }
            None => self.unknown_step_key(entry),
        }
    }

    fn keys_of_no_kind(&mut self, entries: &[Entry], extra: &[&str]) {
        for entry in entries.iter().filter(|entry| find_kind(&entry.key.text).is_none()) {
            self.step_key(entry, None, extra);
        }
    }

    /// Whether a kind of step may have the key at all.
    fn key_fits(&mut self, entry: &Entry, key: &Key, kind: &'static Kind) -> bool {
        let fit = key.on.fits(kind);
        match fit {
            Fit::Yes => {}
            Fit::Later => self.later(key_later(entry.key.span, key.name)),
            Fit::Idle => {
                let message = format!("`{}` does nothing on a `{}` step", key.name, kind.name);
                let problem = Problem::new(Code::IdleKey, entry.key.span, message).label("does nothing");
                self.add(problem.help("leave it out"));
            }
            Fit::No => {
                let message = format!("a `{}` step has no `{}`", kind.name, key.name);
                let crate::language::On::Kinds(kinds) = key.on else { return false };
                let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
                let help = format!("`{}` belongs to {} steps", key.name, in_words(&kinds));
                let problem = Problem::new(Code::KeyNotForKind, entry.key.span, message);
                self.add(problem.label("not for this kind").help(help));
            }
        }
        fit != Fit::No
    }

    fn unknown_step_key(&mut self, entry: &Entry) {
        let names = || STEP_KEYS.iter().map(|key| key.name).chain(KINDS.iter().map(|kind| kind.name));
        let typed = &entry.key.text;
        let help = written_here(typed, &entry.value)
            .or_else(|| elsewhere(typed, names()))
            .or_else(|| did_you_mean(typed, names()));
        self.no_such_key(entry, "a step", help);
    }

    fn no_step(&mut self, node: &Node) {
        let problem = match &node.value {
            Value::String(_) => {
                let message = "a step in plain words stands in a list of its own, without `steps` around it";
                Problem::new(Code::WrongType, node.span, message).help(
                    "to run it as a command, write `shell: …`; for a language model, `execution_mode: orchestrated` with a `task_description`",
                )
            }
            _ => Problem::new(
                Code::WrongType,
                node.span,
                format!("a step must be an object, not {}", node.kind()),
            )
            .help("the smallest step is `shell: echo hello`"),
        };
        self.add(problem);
    }

    fn no_kind(&mut self, entries: &[Entry], node: &Node) {
        if let Some((key, kind)) = misspelt_kind(entries) {
            let message = format!("there is no kind of step `{}`", key.text);
            let problem = Problem::new(Code::UnknownKind, key.span, message).label("unknown kind");
            return self.add(problem.help(format!("did you mean `{kind}`?")));
        }
        let span = entries.first().map_or(node.span, |entry| entry.key.span);
        let help = "add what it does: `shell: …`, `command: […]`, `file: …`, `set: …`, `steps: […]`";
        self.add(Problem::new(Code::NoKind, span, "this step does not say what to do").help(help));
    }

    fn many_kinds(&mut self, kinds: &[&Entry]) {
        let names: Vec<String> = kinds.iter().map(|entry| format!("`{}`", entry.key.text)).collect();
        let message = format!("a step does one thing, this one has {}", names.join(" and "));
        let mut problem = Problem::new(Code::ManyKinds, kinds[1].key.span, message)
            .help("make a step of each")
            .related(kinds[0].key.span, "the first kind");
        for entry in &kinds[2..] {
            problem = problem.related(entry.key.span, "another one");
        }
        self.add(problem);
    }

    /// A step, a list of steps, or an object with `steps`.
    pub(super) fn undo(&mut self, node: &Node, entry: &Entry) {
        match (&node.value, node.get("steps")) {
            (Value::Seq(_), _) => self.steps(node, What::Key("undo"), entry),
            (Value::Map(entries), Some(_)) => {
                for entry in entries {
                    match entry.key.text.as_str() {
                        "steps" => self.steps(&entry.value, What::Key("steps"), entry),
                        IF_STARTED => {
                            self.value(
                                &entry.value,
                                &crate::language::Shape::Bool,
                                What::Key(IF_STARTED),
                                entry,
                            );
                        }
                        typed => {
                            let names = ["steps", IF_STARTED];
                            let help = did_you_mean(typed, names)
                                .unwrap_or("it has `steps`, `if_started`".to_owned());
                            self.no_such_key(entry, "`undo`", Some(help));
                        }
                    }
                }
            }
            (Value::Map(_), None) => self.step(node, &[IF_STARTED]),
            _ => self.wrong_type(node, &What::Key("undo"), "a step or a list of steps"),
        }
    }
}

/// What a message calls a kind: of `settings` it is the one within.
fn named<'n>(kind: &Kind, entry: &'n Entry) -> &'n str {
    let inner = entry.value.as_object().and_then(<[Entry]>::first).filter(|_| kind.name == "settings");
    match (kind.name, inner) {
        (_, Some(inner)) => &inner.key.text,
        ("execution_mode", None) => "execution_mode: orchestrated",
        (_, None) => &entry.key.text,
    }
}

/// A key that is no key but nearly a kind.
fn misspelt_kind(entries: &[Entry]) -> Option<(&crate::node::Key, &'static str)> {
    let unknown = entries.iter().filter(|entry| find(STEP_KEYS, &entry.key.text).is_none());
    // What comes later is a kind all the same, but a misspelt key is rather one that runs.
    let kinds = |since: Since| KINDS.iter().filter(move |kind| kind.since == since).map(|kind| kind.name);
    let near = |entry: &'_ Entry| {
        let typed = &entry.key.text;
        kind_elsewhere(typed)
            .or_else(|| nearest(typed, kinds(Since::Now)))
            .or_else(|| nearest(typed, kinds(Since::Later)))
    };
    unknown.filter_map(|entry| Some((&entry.key, near(entry)?))).next()
}

/// `a`, `b and c`, `a, b and c`.
fn in_words(names: &[String]) -> String {
    match names {
        [before @ .., second, last] => {
            before.iter().map(|name| format!("{name}, ")).collect::<String>() + second + " and " + last
        }
        _ => names.concat(),
    }
}
