//! The definition as a tree in which every value and every key knows its place in the text.
//! It is what YAML and JSON have in common; what the keys mean is the business of `lower`.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{Location, Spanned};

use crate::source::{Source, Span};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Seq(Vec<Node>),
    Map(Vec<Entry>),
}

/// One pair of an object, in the order of the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) value: Node,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Node {
    /// The type in the words of a message: `expected text, found a list`.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Seq(_) => "a list",
            Value::Map(_) => "an object",
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key.text == key),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Seq(_) => None,
        }
    }

    /// Text, or a scalar that YAML took for something else: `name: 2024` means the text that stands there.
    pub(crate) fn text(&self, source: &Source) -> Option<String> {
        match &self.value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(source.slice(self.span).to_owned()),
            Value::Null | Value::Seq(_) | Value::Map(_) => None,
        }
    }

    /// The text of an id, which may be a number.
    pub(crate) fn id_text(&self, source: &Source) -> Option<String> {
        self.whole_number().map(|number| number.to_string()).or_else(|| self.text(source))
    }

    /// `3` and `3.0` are one number.
    pub(crate) fn whole_number(&self) -> Option<u64> {
        let Value::Number(number) = &self.value else { return None };
        let whole = |value: &f64| value.fract() == 0.0 && (0.0..18_446_744_073_709_551_616.0).contains(value);
        number.as_u64().or_else(|| number.as_f64().filter(whole).map(|value| value as u64))
    }

    /// The plain JSON value, places forgotten.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => number.clone().into(),
            Value::String(text) => text.as_str().into(),
            Value::Seq(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.key.text.clone(), entry.value.to_json())).collect()
            }
        }
    }
}

/// A node as the parser delivers it: its own place, the places of what it holds, but no ends yet.
pub(crate) struct RawNode(Spanned<RawValue>);

enum RawValue {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Seq(Vec<RawNode>),
    Map(Vec<(Spanned<KeyText>, RawNode)>),
}

/// A key is text even where YAML would read a number or a boolean: `on:` and `1:` are what stands there.
struct KeyText(String);

impl RawNode {
    /// Turns places into spans of the source. A list or an object reaches to the end of what it holds.
    pub(crate) fn into_node(self, source: &Source) -> Node {
        let start = span_of(&self.0.defined, source);
        match self.0.value {
            RawValue::Null => Node { value: Value::Null, span: start },
            RawValue::Bool(value) => Node { value: Value::Bool(value), span: start },
            RawValue::Number(value) => Node { value: Value::Number(value), span: start },
            RawValue::String(value) => Node { value: Value::String(value), span: start },
            RawValue::Seq(items) => seq(items, start, source),
            RawValue::Map(pairs) => map(pairs, start, source),
        }
    }
}

fn seq(items: Vec<RawNode>, start: Span, source: &Source) -> Node {
    let items: Vec<Node> = items.into_iter().map(|item| item.into_node(source)).collect();
    let end = reach(start, items.iter().map(|item| item.span), "[", "]", source);
    Node { value: Value::Seq(items), span: Span::new(start.start, end) }
}

fn map(pairs: Vec<(Spanned<KeyText>, RawNode)>, start: Span, source: &Source) -> Node {
    let entry = |(key, value): (Spanned<KeyText>, RawNode)| Entry {
        key: Key { span: span_of(&key.defined, source), text: key.value.0 },
        value: value.into_node(source),
    };
    let entries: Vec<Entry> = pairs.into_iter().map(entry).collect();
    let spans = entries.iter().map(|entry| entry.key.span.to(entry.value.span));
    let end = reach(start, spans, "{", "}", source);
    Node { value: Value::Map(entries), span: Span::new(start.start, end) }
}

/// Where a collection ends: after its last item, and after the bracket that closes it if one opened it.
fn reach(start: Span, items: impl Iterator<Item = Span>, open: &str, close: &str, source: &Source) -> usize {
    // What came through an alias or a merge stands elsewhere, perhaps before the collection.
    let last = items.map(|span| span.end).fold(start.start, usize::max);
    let rest = source.text().get(start.start..).unwrap_or_default();
    if !rest.starts_with(open) {
        return last.max(start.end);
    }
    let after = last.max(start.start + open.len());
    let tail = source.text().get(after..).unwrap_or_default();
    let between = tail.len() - tail.trim_start_matches([' ', '\t', '\r', '\n', ',']).len();
    let closed = tail[between..].starts_with(close);
    if closed { after + between + close.len() } else { after }
}

pub(crate) fn span_of(location: &Location, source: &Source) -> Span {
    let (Some(start), Some(length)) = (location.span().byte_offset(), location.span().byte_len()) else {
        // Syntax errors carry a line and a column only.
        let position = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        return Span::at(source.offset(position(location.line()), position(location.column())));
    };
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    let span = source.clamp(Span::new(start, end));
    // A block scalar's span reaches over the line ends that follow it: no caret belongs there.
    let text = source.slice(span);
    Span::new(span.start, span.start + text.trim_end_matches([' ', '\t', '\r', '\n']).len())
}

impl<'de> Deserialize<'de> for RawNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawNode, D::Error> {
        Spanned::deserialize(deserializer).map(RawNode)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawValue, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KeyText, D::Error> {
        String::deserialize(deserializer).map(KeyText)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = RawValue;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<RawValue, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("the number is not finite"))?;
        Ok(RawValue::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<RawValue, E> {
        Ok(RawValue::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(RawValue::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawValue, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(RawValue::Map(pairs))
    }
}
