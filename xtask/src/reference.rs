//! The tables of the language reference, made from the table of the language.

use std::fmt::Write as _;

use catena_spec::language::{
    CASE_FILE_KEYS, CHAIN_KEYS, ELSEWHERE, KINDS, Key, Kind, Object, On, Rule, STEP_KEYS, Shape, Since,
};

const HEAD: &str = "# Keys and kinds\n\n\
    <!-- Made by `cargo xtask gen` from crates/catena-spec/src/language. -->\n\n\
    Every key of the language, with what it takes, what holds where it is absent, and what it does. What is marked \
    *later* is part of the language and not run by this version: `catena check` accepts it, `catena run` names it and \
    does not start. An editor reads all of this from `catena schema`; what it means together stands in \
    [the language](language.md).\n";

pub(crate) fn keys() -> String {
    let mut text = HEAD.to_owned();
    let mut objects = Vec::new();
    text.push_str("\n## A chain\n\n");
    table(&mut text, CHAIN_KEYS, &mut objects);
    text.push_str("\n## The kinds of a step\n\nA step has exactly one.\n\n| kind | takes | does |\n| --- | --- | --- |\n");
    for kind in KINDS {
        let takes = takes(&kind.shape, &mut objects);
        writeln!(
            text,
            "| `{}`{} | {takes} | {}{} |",
            kind.name,
            later(kind.since),
            cell(kind.doc),
            needs(kind)
        )
        .expect("a string");
    }
    text.push_str("\n## A step, beside its kind\n\n");
    table(&mut text, STEP_KEYS, &mut objects);
    text.push_str("\n## A file of cases, for `catena test`\n\n");
    table(&mut text, CASE_FILE_KEYS, &mut objects);
    text.push_str("\n## The objects within\n");
    let mut at = 0;
    while at < objects.len() {
        let object: &Object = objects[at];
        writeln!(text, "\n### {}\n", object.what).expect("a string");
        table(&mut text, object.keys, &mut objects);
        for rule in object.rules {
            writeln!(text, "\n{}", sentence(rule)).expect("a string");
        }
        at += 1;
    }
    text.push_str("\n## Under other names elsewhere\n\n| elsewhere | here |\n| --- | --- |\n");
    for (there, here) in ELSEWHERE {
        writeln!(text, "| `{there}` | `{here}` |").expect("a string");
    }
    text
}

fn table(text: &mut String, keys: &[Key], objects: &mut Vec<&'static Object>) {
    text.push_str("| key | takes | default | does |\n| --- | --- | --- | --- |\n");
    for key in keys {
        let default = match (key.is_required, key.default) {
            (true, _) => "must be there".to_owned(),
            (false, Some(default)) => format!("`{default}`"),
            (false, None) => String::new(),
        };
        let takes = takes(&key.shape, objects);
        writeln!(
            text,
            "| `{}`{} | {takes} | {default} | {}{} |",
            key.name,
            later(key.since),
            cell(key.doc),
            on(key.on)
        )
        .expect("a string");
    }
}

fn later(since: Since) -> &'static str {
    if since == Since::Later { " *later*" } else { "" }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn needs(kind: &Kind) -> String {
    kind.needs.iter().map(|key| format!("; needs `{key}`")).collect()
}

fn on(on: On) -> String {
    match on {
        On::Any => String::new(),
        On::Work | On::Effect => "; not on `set`, `wait`, `end`, `fail`".to_owned(),
        On::WorkOr(_) => "; not on `end`, `fail`".to_owned(),
        On::Attempt => "; not on `set`, `wait`, `end`, `fail`, later on blocks".to_owned(),
        On::Process => "; on steps that start a process".to_owned(),
        On::ProcessOr(kinds) => {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
            format!("; on steps that start a process, and on {}", kinds.join(", "))
        }
        On::Takers(kinds) | On::Kinds(kinds) => {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
            format!("; on {}", kinds.join(", "))
        }
    }
}

fn sentence(rule: &Rule) -> String {
    let list = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match rule {
        Rule::ExactlyOne(names) => format!("Exactly one of {}.", list(names)),
        Rule::AtMostOne(names) => format!("At most one of {}.", list(names)),
        Rule::AtLeastOne(names) => format!("At least one of {}.", list(names)),
    }
}

/// What a key takes, in words; objects are kept for a table of their own.
fn takes(shape: &Shape, objects: &mut Vec<&'static Object>) -> String {
    match shape {
        Shape::Data => "any value, with expressions".to_owned(),
        Shape::Constant => "any value, as it stands".to_owned(),
        Shape::Text | Shape::Note => "text".to_owned(),
        Shape::Template => "text with expressions".to_owned(),
        Shape::Script => "script text".to_owned(),
        Shape::Expr | Shape::TextExpr => "an expression".to_owned(),
        Shape::Bool => "true or false".to_owned(),
        Shape::Count { least, most } if *most >= u64::from(u32::MAX) => {
            format!("a whole number from {least}")
        }
        Shape::Count { least, most } => format!("a whole number from {least} to {most}"),
        Shape::Number { least } => format!("a number from {least}"),
        Shape::Duration | Shape::Time => "a duration".to_owned(),
        Shape::Word(words) => {
            let word = |word: &catena_spec::language::Word| format!("`{}`{}", word.name, later(word.since));
            words.iter().map(word).collect::<Vec<_>>().join(", ")
        }
        Shape::Name => "a name".to_owned(),
        Shape::Id => "an id".to_owned(),
        Shape::List { of, .. } => format!("a list: {}", takes(of, objects)),
        Shape::Map { of, .. } => format!("an object: {}", takes(of, objects)),
        Shape::Object(object) => {
            if !objects.iter().any(|known| std::ptr::eq(*known, *object) || known.what == object.what) {
                objects.push(object);
            }
            format!("[{}](#{})", object.what, anchor(object.what))
        }
        Shape::OneOf(shapes) => {
            let mut all: Vec<String> = shapes.iter().map(|shape| takes(shape, objects)).collect();
            all.dedup();
            all.join("; or ")
        }
        Shape::Steps => "a list of steps".to_owned(),
        Shape::Step => "a step".to_owned(),
        Shape::Undo => "a step, a list of steps, or `steps` with `if_started`".to_owned(),
        Shape::JsonSchema => "a JSON Schema".to_owned(),
        Shape::Form => "a JSON Schema, or one for each name".to_owned(),
    }
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    heading
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '_')
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
