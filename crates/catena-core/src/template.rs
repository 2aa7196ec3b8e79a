//! Templates: text and trees of JSON with expressions in them. What in a text is an expression is decided here,
//! once, when a chain is read; see the table in the language reference.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    expr::{Expr, ExprError, Scope},
    failure::{Failure, FailureType},
    value::{VALUE_MAX_BYTES, Value},
};

/// A value with expressions in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    Const(Value),
    /// Exactly one expression: its value keeps its type.
    Expr(Expr),
    Text(Vec<Part>),
    List(Vec<Template>),
    Map(Vec<(String, Template)>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Text(String),
    Expr(Expr),
}

/// A scanned text, and the ranges of the braces in it that mean something else than one might think.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    pub template: Template,
    /// `{{x}}` around what would be an expression: elsewhere it means `{x}`, here the text `{x}`.
    pub doubled: Vec<Range<usize>>,
}

/// Why a text is no template; ranges are bytes of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("unknown name `{name}`")]
    UnknownName { name: String, range: Range<usize> },
    #[error("`{name}` is a known name, but this is no expression: {message}")]
    NoExpression { name: String, message: String, range: Range<usize> },
}

/// How far behind a `{` its `}` is looked for.
const EXPRESSION_MAX_BYTES: usize = 4_096;
/// How many `}` are tried as the end of one expression.
const CLOSING_BRACES_MAX: usize = 32;
/// Words that begin an expression and are no names: text that begins with them stays text.
const KEYWORDS: [&str; 7] = ["not", "true", "false", "none", "True", "False", "None"];

impl Template {
    /// Reads `text`; `is_known` says which outermost names there are.
    pub fn scan(text: &str, is_known: &dyn Fn(&str) -> bool) -> Result<Scanned, ScanError> {
        Scanner { text, is_known, at: 0, literal: String::new(), parts: Vec::new(), doubled: Vec::new() }
            .run()
    }

    pub fn constant(json: impl Into<Json>) -> Self {
        Self::Const(Value::from(json.into()))
    }

    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, Failure> {
        match self {
            Self::Const(value) => Ok(value.clone()),
            Self::Expr(expr) => expr.eval(scope),
            Self::Text(parts) => eval_text(parts, scope).map(Value::text),
            Self::List(items) => {
                let items: Result<Vec<Value>, Failure> = items.iter().map(|t| t.eval(scope)).collect();
                Ok(Value::list(items?))
            }
            Self::Map(fields) => {
                let fields: Result<Vec<(String, Value)>, Failure> =
                    fields.iter().map(|(key, t)| Ok((key.clone(), t.eval(scope)?))).collect();
                Ok(Value::object(fields?))
            }
        }
    }

    /// Every expression in it, in order.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::Const(_) => Vec::new(),
            Self::Expr(expr) => vec![expr],
            Self::Text(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Text(_) => None,
                    Part::Expr(expr) => Some(expr),
                })
                .collect(),
            Self::List(items) => items.iter().flat_map(Self::exprs).collect(),
            Self::Map(fields) => fields.iter().flat_map(|(_, t)| t.exprs()).collect(),
        }
    }

    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Const(_))
    }
}

fn eval_text(parts: &[Part], scope: &dyn Scope) -> Result<String, Failure> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Expr(expr) => text.push_str(&read_whole(&expr.eval(scope)?, scope).to_text()),
        }
        if text.len() > VALUE_MAX_BYTES {
            let message = format!("a text has more than {VALUE_MAX_BYTES} bytes");
            return Err(Failure::lasting(FailureType::TemplateError, message));
        }
    }
    Ok(text)
}

/// In a text stands the value itself. What is not at hand is missing here; the scope knows of it.
pub(crate) fn read_whole(value: &Value, scope: &dyn Scope) -> Value {
    if !value.has_references() {
        return value.clone();
    }
    let whole = value.whole(&mut |stored| scope.read(stored).ok_or(()));
    whole.map_or_else(|()| Value::null(), Value::from)
}

struct Scanner<'a> {
    text: &'a str,
    is_known: &'a dyn Fn(&str) -> bool,
    at: usize,
    literal: String,
    parts: Vec<Part>,
    doubled: Vec<Range<usize>>,
}

/// What stands behind a `{`.
enum Braced {
    Text,
    /// The expression, and the position behind its `}`.
    Expression(Expr, usize),
}

impl Scanner<'_> {
    fn run(mut self) -> Result<Scanned, ScanError> {
        while let Some(offset) = self.text[self.at..].find('{') {
            let brace = self.at + offset;
            self.literal.push_str(&self.text[self.at..brace]);
            self.at = brace;
            if self.text[brace..].starts_with("{{") {
                self.double_brace(brace)?;
            } else if self.text[..brace].ends_with('$') {
                self.take_text(1);
            } else {
                match self.braced(brace)? {
                    Braced::Text => self.take_text(1),
                    Braced::Expression(expr, end) => self.take_expr(expr, end),
                }
            }
        }
        self.take_text(self.text.len() - self.at);
        Ok(self.finish())
    }

    fn take_text(&mut self, bytes: usize) {
        self.literal.push_str(&self.text[self.at..self.at + bytes]);
        self.at += bytes;
    }

    fn take_expr(&mut self, expr: Expr, end: usize) {
        if !self.literal.is_empty() {
            self.parts.push(Part::Text(std::mem::take(&mut self.literal)));
        }
        self.parts.push(Part::Expr(expr));
        self.at = end;
    }

    /// `{{x}}` is the text `{x}` where `{x}` would be an expression; other doubled braces stay as they are.
    fn double_brace(&mut self, brace: usize) -> Result<(), ScanError> {
        match self.braced(brace + 1) {
            Ok(Braced::Expression(_, end)) if self.text[end..].starts_with('}') => {
                self.literal.push_str(&self.text[brace + 1..end]);
                self.doubled.push(brace..end + 1);
                self.at = end + 1;
            }
            Ok(_) | Err(_) => self.take_text(2),
        }
        Ok(())
    }

    fn braced(&self, brace: usize) -> Result<Braced, ScanError> {
        let inner = &self.text[brace + 1..];
        if let Some(said) = inner.strip_prefix('=') {
            return match self.first_expression(brace + 2, said) {
                Ok((expr, end)) => Ok(Braced::Expression(expr, end)),
                Err(_) => Ok(Braced::Text),
            };
        }
        let name = leading_name(inner);
        if name.is_empty() || KEYWORDS.contains(&name) {
            return Ok(Braced::Text);
        }
        let found = self.first_expression(brace + 1, inner);
        match (found, (self.is_known)(name)) {
            (Ok((expr, end)), true) => Ok(Braced::Expression(expr, end)),
            (Ok((_, end)), false) => Err(ScanError::UnknownName { name: name.to_owned(), range: brace..end }),
            (Err(None), _) | (Err(Some(_)), false) => Ok(Braced::Text),
            (Err(Some(error)), true) => Err(self.no_expression(brace, name, error)),
        }
    }

    /// The shortest expression that `inner` begins with and a `}` ends; else the error of the first try, if
    /// there was a `}` at all.
    fn first_expression(&self, start: usize, inner: &str) -> Result<(Expr, usize), Option<ExprError>> {
        let mut first_error = None;
        let ends = inner.char_indices().take_while(|(i, _)| *i <= EXPRESSION_MAX_BYTES);
        for (end, _) in ends.filter(|(_, c)| *c == '}').take(CLOSING_BRACES_MAX) {
            match Expr::parse(inner[..end].trim()) {
                Ok(expr) => return Ok((expr, start + end + 1)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error)
    }

    fn no_expression(&self, brace: usize, name: &str, error: ExprError) -> ScanError {
        let end = self.text[brace..].find('}').map_or(self.text.len(), |i| brace + i + 1);
        ScanError::NoExpression { name: name.to_owned(), message: error.message, range: brace..end }
    }

    fn finish(mut self) -> Scanned {
        let template = match (self.parts.len(), self.literal.is_empty()) {
            (0, _) => Template::Const(Value::text(self.literal)),
            (1, true) => match self.parts.remove(0) {
                Part::Expr(expr) => Template::Expr(expr),
                Part::Text(text) => Template::Const(Value::text(text)),
            },
            (_, true) => Template::Text(self.parts),
            (_, false) => {
                self.parts.push(Part::Text(self.literal));
                Template::Text(self.parts)
            }
        };
        Scanned { template, doubled: self.doubled }
    }
}

/// The identifier that `text` begins with, behind white space.
fn leading_name(text: &str) -> &str {
    let text = text.trim_start();
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return "";
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Names;

    impl Scope for Names {
        fn get(&self, root: &str, _paths: &[&str]) -> Option<minijinja::Value> {
            let names = json!({"weather": {"temperature": 20.6}, "items": [1], "city": "Rome", "x": 7});
            names.get(root).map(|v| minijinja::value::Value::from(minijinja::value::Serde(v)))
        }
    }

    /// The table of the language reference: a text, and what it is.
    fn check(text: &str, expected: Result<Json, &str>) {
        let known = |name: &str| ["weather", "items", "city", "x"].contains(&name);
        match (Template::scan(text, &known), expected) {
            (Ok(scanned), Ok(value)) => {
                assert_eq!(scanned.template.eval(&Names).unwrap().as_json(), &value, "{text}");
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn a_text_is_what_the_table_says() {
        check("{weather}", Ok(json!({"temperature": 20.6})));
        check("{weather.temperature | round}", Ok(json!(21.0)));
        check("{items[0] + 1}", Ok(json!(2)));
        check("in {city}: {weather.temperature}°", Ok(json!("in Rome: 20.6°")));
        check("{wether}", Err("unknown name `wether`"));
        check("{weather.}", Err("known name"));
        check("{= 1 + 2}", Ok(json!(3)));
        for text in
            [r#"{"a": 1}"#, "{n:02d}", "{ return 1; }", "{print $1}", "{}", "${HOME}", "${city}", "a {b"]
        {
            check(text, Ok(json!(text)));
        }
        check(r#"{"city": "{city}"}"#, Ok(json!(r#"{"city": "Rome"}"#)));
        check("{{x}}", Ok(json!("{x}")));
        check("{{ nobody }} }} {{", Ok(json!("{{ nobody }} }} {{")));
        check(r#"{x ~ "}"}"#, Ok(json!("7}")));
    }

    #[test]
    fn doubled_braces_around_an_expression_are_reported() {
        let scanned = Template::scan("a {{x}} b", &|name| name == "x").unwrap();
        assert_eq!(scanned.doubled, vec![2..7]);
    }
}
