//! Single values, read. What does not fit its shape was reported by the structure check, and is not there.

use super::context::Context;
use crate::duration;
use crate::names::is_blank;
use crate::node::{Entry, Node, Value};

impl Context<'_> {
    pub(crate) fn text(&self, node: &Node) -> Option<String> {
        node.text(self.source)
    }

    /// Text that says something.
    pub(crate) fn full_text(&self, node: &Node) -> Option<String> {
        self.text(node).filter(|text| !is_blank(text))
    }
}

impl Node {
    pub(crate) fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(value) = self.value { Some(value) } else { None }
    }

    pub(crate) fn as_count(&self) -> Option<u32> {
        u32::try_from(self.whole_number()?).ok()
    }

    pub(crate) fn as_number(&self) -> Option<f64> {
        if let Value::Number(number) = &self.value { number.as_f64() } else { None }
    }

    /// A duration in milliseconds.
    pub(crate) fn as_duration_ms(&self) -> Option<u64> {
        let seconds = match &self.value {
            Value::Number(number) => number.as_f64()?,
            Value::String(text) => duration::seconds(text)?,
            Value::Null | Value::Bool(_) | Value::Seq(_) | Value::Map(_) => return None,
        };
        // A pattern of the schema cannot tell `0.0001s` from more: what is longer than nothing is a millisecond.
        let least = u64::from(seconds > 0.0);
        Some(((seconds * 1_000.0).round() as u64).max(least))
    }

    pub(crate) fn as_list(&self) -> Option<&[Node]> {
        if let Value::Seq(items) = &self.value { Some(items) } else { None }
    }

    pub(crate) fn as_object(&self) -> Option<&[Entry]> {
        if let Value::Map(entries) = &self.value { Some(entries) } else { None }
    }

    /// A value alone, or the values of a list.
    pub(crate) fn one_or_more(&self) -> &[Node] {
        self.as_list().unwrap_or(std::slice::from_ref(self))
    }
}
