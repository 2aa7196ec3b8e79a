//! One value against its shape.

use catena_core::chain::schema::{ANNOTATIONS, KEYWORDS};
use catena_core::ids::StepId;

use super::{Structure, What, key_later};
use crate::code::Code;
use crate::duration;
use crate::language::{JSON_TYPES, Keys, RESERVED_NAMES, Shape, Since, Word};
use crate::limits;
use crate::names::{self, is_identifier};
use crate::node::{Entry, Node, Value};
use crate::problem::Problem;
use crate::source::Span;

impl Structure<'_> {
    /// `entry` is the key that the value stands under, or the one around it.
    pub(super) fn value(&mut self, node: &Node, shape: &Shape, what: What<'_>, entry: &Entry) {
        match shape {
            Shape::Data | Shape::Constant => {}
            Shape::Text | Shape::Script | Shape::Expr | Shape::TextExpr => {
                if let Some(text) = self.text(node, what) {
                    self.full(&text, node, what);
                }
            }
            Shape::Note | Shape::Template => _ = self.text(node, what),
            Shape::Bool => {
                if !matches!(node.value, Value::Bool(_)) {
                    self.no_bool(node, what);
                }
            }
            Shape::Count { least, most } => self.count(node, what, *least, *most),
            Shape::Number { least } => self.number(node, what, *least),
            Shape::Duration => self.duration(node, what, 0.0),
            Shape::Time => self.duration(node, what, 0.001),
            Shape::Word(words) => self.word(node, what, words),
            Shape::Name => {
                if let Some(text) = self.text(node, what) {
                    self.name(&text, node.span, &what.to_string());
                }
            }
            Shape::Id => match node.id_text(self.source) {
                Some(text) => self.id(&text, node.span),
                None => self.no_text(node, what),
            },
            Shape::List { of, least } => self.list(node, of, *least, what, entry),
            Shape::Map { of, keys, least } => self.map(node, of, *keys, *least, what, entry),
            Shape::Object(object) => self.object(node, object),
            Shape::OneOf(shapes) => self.one_of(node, shapes, what, entry),
            Shape::Steps => self.steps(node, what, entry),
            Shape::Step => self.step(node, &[]),
            Shape::Undo => self.undo(node, entry),
            Shape::JsonSchema => self.json_schema(node, what),
            Shape::Form if is_form_of_fields(node) => {
                self.map(node, &Shape::JsonSchema, Keys::Any, 0, what, entry);
            }
            Shape::Form => self.json_schema(node, what),
        }
    }

    fn text(&mut self, node: &Node, what: What<'_>) -> Option<String> {
        let text = node.text(self.source);
        if text.is_none() {
            self.no_text(node, what);
        }
        text
    }

    pub(super) fn full(&mut self, text: &str, node: &Node, what: What<'_>) {
        if names::is_blank(text) {
            self.say(Code::EmptyValue, node.span, format!("{what} must not be empty"));
        }
    }

    fn count(&mut self, node: &Node, what: What<'_>, least: u64, most: u64) {
        let Value::Number(number) = &node.value else {
            return self.wrong_type(node, &what, "a whole number");
        };
        if node.whole_number().is_some_and(|value| (least..=most).contains(&value)) {
            return;
        }
        let bounds = if most >= u64::from(u32::MAX) {
            format!("at least {least}")
        } else {
            format!("from {least} to {most}")
        };
        self.say(
            Code::OutOfRange,
            node.span,
            format!("{what} must be a whole number, {bounds}, not {number}"),
        );
    }

    fn number(&mut self, node: &Node, what: What<'_>, least: f64) {
        let Value::Number(number) = &node.value else { return self.wrong_type(node, &what, "a number") };
        if number.as_f64().is_none_or(|value| value < least) {
            self.say(Code::OutOfRange, node.span, format!("{what} must be at least {least}, not {number}"));
        }
    }

    fn duration(&mut self, node: &Node, what: What<'_>, least: f64) {
        let seconds = match &node.value {
            Value::Number(number) => number.as_f64().filter(|seconds| *seconds >= 0.0),
            Value::String(text) => duration::seconds(text),
            Value::Map(_) if self.is_unquoted(node) => return,
            Value::Null | Value::Bool(_) | Value::Seq(_) | Value::Map(_) => {
                return self.wrong_type(node, &what, "a duration");
            }
        };
        let text = node.text(self.source).unwrap_or_default();
        let Some(seconds) = seconds else {
            let message = format!("{what} is no duration: `{text}`");
            let help = match duration::in_words(&text) {
                Some(written) => format!("write `{written}`"),
                None => {
                    "durations are seconds as a number, or text like `90s`, `5m`, `1h30m`, `2d`".to_owned()
                }
            };
            return self.add(Problem::new(Code::BadDuration, node.span, message).help(help));
        };
        // A pattern cannot compare `0.0001s`, so that a text must only be more than nothing.
        let is_number = matches!(node.value, Value::Number(_));
        if seconds * 1_000.0 > limits::MAX_DURATION_MS as f64 {
            self.say(Code::TooLong, node.span, format!("{what} is longer than ten years: `{text}`"));
        } else if seconds <= 0.0 && least > 0.0 || is_number && seconds < least {
            self.say(Code::OutOfRange, node.span, format!("{what} must be longer than nothing"));
        }
    }

    fn is_unquoted(&mut self, node: &Node) -> bool {
        let problem = super::report::unquoted(node, self.source.slice(node.span));
        let found = problem.is_some();
        problem.into_iter().for_each(|problem| self.add(problem));
        found
    }

    fn word(&mut self, node: &Node, what: What<'_>, words: &[Word]) {
        let Some(text) = self.text(node, what) else { return };
        match find_word(&text, words) {
            None => self.not_one_of(node, what, words),
            Some(word) if word.since == Since::Later => self.later(key_later(node.span, word.name)),
            Some(_) => {}
        }
    }

    fn list(&mut self, node: &Node, of: &Shape, least: usize, what: What<'_>, entry: &Entry) {
        let Value::Seq(items) = &node.value else { return self.no_list(node, what) };
        if items.len() < least {
            self.empty(node, entry, what);
        }
        for item in items {
            self.value(item, of, What::Item(&entry.key.text), entry);
        }
    }

    fn map(&mut self, node: &Node, of: &Shape, keys: Keys, least: usize, what: What<'_>, entry: &Entry) {
        let Value::Map(entries) = &node.value else {
            return if self.is_unquoted(node) {
            } else {
                self.no_map(node, what)
            };
        };
        if entries.len() < least {
            self.empty(node, entry, what);
        }
        for item in entries {
            self.own_key(item, keys, &entry.key.text);
            self.value(&item.value, of, What::Key(&item.key.text), item);
        }
    }

    fn own_key(&mut self, entry: &Entry, keys: Keys, around: &str) {
        let name = &entry.key.text;
        match keys {
            Keys::Any => {}
            Keys::Names => self.name(name, entry.key.span, &format!("a name in `{around}`")),
            Keys::Ids => self.id(name, entry.key.span),
            Keys::Variables if name.is_empty() || name.contains(['=', '\0']) => {
                let message = format!("`{name}` cannot be the name of an environment variable");
                self.say(Code::NotAnIdentifier, entry.key.span, message);
            }
            Keys::Variables => {}
        }
    }

    /// A name that data of the chain gets: expressions must be able to say it, and it must hide nothing.
    fn name(&mut self, name: &str, span: Span, what: &str) {
        if RESERVED_NAMES.contains(&name) {
            let message = format!("{what} cannot be `{name}`: the language keeps that name for itself");
            self.add(Problem::new(Code::ReservedName, span, message).help("choose another name"));
        } else if !is_identifier(name) || name.len() > limits::MAX_NAME_BYTES {
            let message = format!("{what} must be an identifier, `{name}` is none");
            let help = "use letters from a to z, digits and `_`, not beginning with a digit";
            let problem = Problem::new(Code::NotAnIdentifier, span, message);
            self.add(
                problem.help(
                    names::as_identifier(name).map_or(help.to_owned(), |name| format!("write `{name}`")),
                ),
            );
        }
    }

    fn id(&mut self, text: &str, span: Span) {
        if let Err(error) = StepId::parse(text) {
            let help = StepId::from_name(text).ok().map(|id| format!("write `{id}`"));
            self.add(Problem::new(Code::NotAnIdentifier, span, error.to_string()).maybe_help(help));
        }
    }

    fn one_of(&mut self, node: &Node, shapes: &[Shape], what: What<'_>, entry: &Entry) {
        match shapes.iter().find(|shape| shape.is_of_type(node)) {
            Some(shape) => self.value(node, shape, what, entry),
            None if self.is_unquoted(node) => {}
            None => {
                if let (What::Key("command"), Value::String(_)) = (what, &node.value) {
                    return self.no_list(node, what);
                }
                let expected: Vec<&str> = shapes.iter().map(Shape::expected).collect();
                self.wrong_type(node, &what, &expected.join(" or "));
            }
        }
    }

    fn json_schema(&mut self, node: &Node, what: What<'_>) {
        let Value::Map(entries) = &node.value else { return self.no_schema(node, what) };
        for keyword in entries {
            match keyword.key.text.as_str() {
                "type" => self.schema_type(&keyword.value),
                "properties" => {
                    self.map(
                        &keyword.value,
                        &Shape::JsonSchema,
                        Keys::Any,
                        0,
                        What::Key("properties"),
                        keyword,
                    );
                }
                "items" if matches!(keyword.value.value, Value::Map(_)) => {
                    self.json_schema(&keyword.value, What::Key("items"));
                }
                "enum" => self.list(&keyword.value, &Shape::Constant, 1, What::Key("enum"), keyword),
                "required" => self.list(&keyword.value, &Shape::Text, 0, What::Key("required"), keyword),
                name if KEYWORDS.contains(&name) || ANNOTATIONS.contains(&name) => {}
                name => {
                    let message = format!("`{name}` is not checked");
                    let help = "values are held to the other keywords; what must fit this one, a step has to look at";
                    let problem =
                        Problem::new(Code::IdleKeyword, keyword.key.span, message).label("not checked");
                    self.add(problem.help(help));
                }
            }
        }
    }

    fn schema_type(&mut self, node: &Node) {
        let one = std::slice::from_ref(node);
        let types = if let Value::Seq(types) = &node.value { types } else { one };
        for item in types {
            let known = matches!(&item.value, Value::String(text) if JSON_TYPES.contains(&text.as_str()));
            if !known {
                let words: Vec<Word> =
                    JSON_TYPES.iter().map(|name| Word { name, since: Since::Now }).collect();
                self.not_one_of(item, What::Key("type"), &words);
            }
        }
        if types.is_empty() {
            self.say(Code::EmptyValue, node.span, "`type` must not be empty");
        }
    }
}

/// The word of a list that a text is, in lower case or in capitals.
pub(crate) fn find_word<'w>(text: &str, words: &'w [Word]) -> Option<&'w Word> {
    words.iter().find(|word| word.name == text || word.name.to_uppercase() == text)
}

impl Shape {
    /// Whether a value is of the type that the shape has, whatever else may be wrong with it.
    pub(crate) fn is_of_type(&self, node: &Node) -> bool {
        let is_scalar = matches!(node.value, Value::String(_) | Value::Number(_) | Value::Bool(_));
        match self {
            Shape::Data | Shape::Constant => true,
            Shape::Text
            | Shape::Note
            | Shape::Template
            | Shape::Script
            | Shape::Expr
            | Shape::Word(_)
            | Shape::Name
            | Shape::Id => is_scalar,
            Shape::TextExpr => matches!(node.value, Value::String(_)),
            Shape::Bool => matches!(node.value, Value::Bool(_)),
            Shape::Count { .. } | Shape::Number { .. } => matches!(node.value, Value::Number(_)),
            Shape::Duration | Shape::Time => matches!(node.value, Value::Number(_) | Value::String(_)),
            Shape::List { .. } | Shape::Steps => matches!(node.value, Value::Seq(_)),
            Shape::Map { .. } | Shape::Object(_) | Shape::Step | Shape::JsonSchema | Shape::Form => {
                matches!(node.value, Value::Map(_))
            }
            Shape::Undo => matches!(node.value, Value::Seq(_) | Value::Map(_)),
            Shape::OneOf(shapes) => shapes.iter().any(|shape| shape.is_of_type(node)),
        }
    }

    fn expected(&self) -> &'static str {
        match self {
            Shape::Data | Shape::Constant => "a value",
            Shape::Text
            | Shape::Note
            | Shape::Template
            | Shape::Script
            | Shape::Word(_)
            | Shape::Name
            | Shape::Id => "text",
            Shape::Expr | Shape::TextExpr => "an expression",
            Shape::Bool => "true or false",
            Shape::Count { .. } => "a whole number",
            Shape::Number { .. } => "a number",
            Shape::Duration | Shape::Time => "a duration",
            Shape::List { .. } => "a list",
            Shape::Steps => "a list of steps",
            Shape::Map { .. } | Shape::Object(_) | Shape::JsonSchema | Shape::Form => "an object",
            Shape::Step => "a step",
            Shape::Undo => "a step or a list of steps",
            Shape::OneOf(_) => "one of several things",
        }
    }
}

/// Whether a form is written as a schema for each name, rather than as one schema.
pub(crate) fn is_form_of_fields(node: &Node) -> bool {
    let Value::Map(fields) = &node.value else { return false };
    let is_field =
        |field: &Entry| field.key.text != "properties" && matches!(field.value.value, Value::Map(_));
    !fields.is_empty() && fields.iter().all(is_field)
}
