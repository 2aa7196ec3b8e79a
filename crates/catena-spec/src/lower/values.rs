//! Single values: text, numbers, booleans, durations, words of a list. Each reader answers with the value or reports
//! what it found instead.

use super::context::Context;
use crate::code::Code;
use crate::limits;
use crate::node::{Entry, Node, Value};
use crate::problem::Problem;
use crate::suggest::did_you_mean;

impl Context<'_> {
    pub(crate) fn wrong_type(&mut self, node: &Node, what: &str, expected: &str) {
        let message = format!("{what} must be {expected}, not {}", node.kind());
        self.add(Problem::new(Code::WrongType, node.span, message).label(format!("expected {expected}")));
    }

    /// Text, or a scalar that YAML took for something else: `name: 2024` means the text that stands there.
    pub(crate) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(self.source.slice(node.span).to_owned()),
            Value::Null | Value::Seq(_) | Value::Map(_) => {
                self.no_text(node, what);
                None
            }
        }
    }

    /// Text that says something.
    pub(crate) fn full_text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        if text.trim().is_empty() {
            self.say(Code::EmptyValue, node.span, format!("{what} must not be empty"));
            return None;
        }
        Some(text)
    }

    pub(crate) fn no_text(&mut self, node: &Node, what: &str) {
        if !self.report_unquoted(node) {
            self.wrong_type(node, what, "text");
        }
    }

    /// `{weather}` without quotes is an object to YAML, with the key `weather` and no value.
    pub(crate) fn report_unquoted(&mut self, node: &Node) -> bool {
        let Some(text) = unquoted_template(node, self.source.slice(node.span)) else { return false };
        let problem =
            Problem::new(Code::UnquotedTemplate, node.span, format!("`{text}` is read as an object here"))
                .label("needs quotes")
                .help(format!("quote it: \"{text}\""));
        self.add(problem);
        true
    }

    pub(crate) fn bool(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Value::Bool(value) = node.value {
            return Some(value);
        }
        self.wrong_type(node, what, "true or false");
        None
    }

    /// A whole number within bounds, both included.
    pub(crate) fn count(&mut self, node: &Node, what: &str, least: u64, most: u64) -> Option<u64> {
        let Value::Number(number) = &node.value else {
            self.wrong_type(node, what, "a whole number");
            return None;
        };
        match number.as_u64().filter(|value| (least..=most).contains(value)) {
            Some(value) => Some(value),
            None => {
                let message = format!("{what} must be a whole number from {least} to {most}, not {number}");
                self.say(Code::OutOfRange, node.span, message);
                None
            }
        }
    }

    pub(crate) fn small_count(&mut self, node: &Node, what: &str, least: u32, most: u32) -> Option<u32> {
        self.count(node, what, least.into(), most.into()).and_then(|value| u32::try_from(value).ok())
    }

    pub(crate) fn float(&mut self, node: &Node, what: &str, least: f64) -> Option<f64> {
        let Value::Number(number) = &node.value else {
            self.wrong_type(node, what, "a number");
            return None;
        };
        let value = number.as_f64().filter(|value| *value >= least);
        if value.is_none() {
            self.say(Code::OutOfRange, node.span, format!("{what} must be at least {least}, not {number}"));
        }
        value
    }

    /// A duration in milliseconds.
    pub(crate) fn duration(&mut self, node: &Node, what: &str) -> Option<u64> {
        let text = match &node.value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            Value::Null | Value::Bool(_) | Value::Seq(_) | Value::Map(_) => {
                self.wrong_type(node, what, "a duration");
                return None;
            }
        };
        let Some(seconds) = seconds(&text) else {
            let message = format!("{what} is no duration: `{text}`");
            let help = "durations are seconds as a number, or text like `90s`, `5m`, `1h30m`, `2d`";
            self.add(Problem::new(Code::BadDuration, node.span, message).help(help));
            return None;
        };
        let milliseconds = (seconds * 1_000.0).round();
        if milliseconds > limits::MAX_DURATION_MS as f64 {
            self.say(Code::OutOfRange, node.span, format!("{what} is longer than ten years: `{text}`"));
            return None;
        }
        Some(milliseconds as u64)
    }

    /// One word of a closed list, in lower case or in capitals.
    pub(crate) fn word<'w>(&mut self, node: &Node, what: &str, words: &[&'w str]) -> Option<&'w str> {
        let text = self.text(node, what)?;
        let found = words.iter().find(|word| **word == text || word.to_uppercase() == text);
        if found.is_none() {
            self.not_one_of(node, what, &text, words);
        }
        found.copied()
    }

    pub(crate) fn not_one_of(&mut self, node: &Node, what: &str, found: &str, words: &[&str]) {
        let all = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let help = did_you_mean(found, words.iter().copied()).unwrap_or(format!("it can be {all}"));
        let message = format!("{what} cannot be `{found}`");
        self.add(Problem::new(Code::NotOneOf, node.span, message).label(format!("one of {all}")).help(help));
    }

    pub(crate) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        if let Value::Seq(items) = &node.value {
            return Some(items);
        }
        self.wrong_type(node, what, "a list");
        None
    }

    pub(crate) fn object<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
        if let Value::Map(entries) = &node.value {
            return Some(entries);
        }
        self.wrong_type(node, what, "an object");
        None
    }
}

/// The text as it should have been quoted, if the object is one that braces made by accident.
fn unquoted_template<'s>(node: &Node, written: &'s str) -> Option<&'s str> {
    let Value::Map(entries) = &node.value else { return None };
    let [Entry { key, value }] = entries.as_slice() else { return None };
    let bare = matches!(value.value, Value::Null) && value.span.start == value.span.end;
    let looks_like_a_name = key.text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
    (bare && looks_like_a_name && written.starts_with('{')).then_some(written)
}

/// `90`, `90s`, `1h30m`, `1.5h`. None for what is no duration, or a negative one.
fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0).then_some(seconds);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let (unit, after) = unit(&rest[digits..])?;
        total += number * unit;
        rest = after.trim_start();
    }
    (!text.is_empty()).then_some(total)
}

fn unit(text: &str) -> Option<(f64, &str)> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0)];
    units.into_iter().find_map(|(name, seconds)| text.strip_prefix(name).map(|rest| (seconds, rest)))
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn durations_are_numbers_or_units_after_each_other() {
        let good =
            [("90", 90.0), ("0.5", 0.5), ("90s", 90.0), ("5m", 300.0), ("1h30m", 5_400.0), ("2d", 172_800.0)];
        for (text, expected) in good {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        assert_eq!(seconds("1h 30m"), Some(5_400.0));
        assert_eq!(seconds("250ms"), Some(0.25));
        for text in ["", "s", "5", "-1", "5x", "m5", "1h30", "nan", "inf"] {
            assert_eq!(seconds(text).is_some(), text == "5", "{text}");
        }
    }
}
