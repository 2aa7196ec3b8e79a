//! Templates: text and trees of JSON with expressions in them. What in a text is an expression is decided here,
//! once, when a chain is read; see the table in the language reference.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    expr::{Expr, ExprError, FUNCTIONS, Scope, Trouble},
    failure::{Failure, FailureType},
    given::{Given, GivenPart},
    secret::{SECRETS, SecretName},
    value::{INLINE_MAX_BYTES, VALUE_MAX_BYTES, Value},
};

/// A value with expressions in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    Const(Value),
    /// Exactly one expression: its value keeps its type.
    Expr(Expr),
    /// Exactly one secret.
    Secret(SecretName),
    Text(Vec<Part>),
    List(Vec<Template>),
    Map(Vec<(String, Template)>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Text(String),
    Expr(Expr),
    /// Never evaluated: filled in where an attempt is started.
    Secret(SecretName),
}

/// A scanned text, and the ranges of the braces in it that mean something else than one might think.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    pub template: Template,
    /// `{{x}}` around what would be an expression: elsewhere it means `{x}`, here the text `{x}`.
    pub doubled: Vec<Range<usize>>,
}

/// What stands for the name where an expression is said outright: `{= …}`.
pub const SAID_OUTRIGHT: &str = "=";

/// Why a text is no template; ranges are bytes of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    #[error("unknown name `{name}`")]
    UnknownName { name: String, range: Range<usize> },
    #[error("`{name}` is a known name, but this is no expression: {message}")]
    NoExpression { name: String, message: String, range: Range<usize> },
    #[error("a secret must stand alone in its braces, as in `{{secrets.API_KEY}}`")]
    SecretNotAlone { range: Range<usize> },
}

/// How far behind a `{` its `}` is looked for.
const EXPRESSION_MAX_BYTES: usize = 4_096;
/// Braces inside of braces; an object in an expression in an object is as deep as anybody goes.
const BRACES_MAX: usize = 8;
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
            Self::Secret(name) => Err(misplaced(name)),
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

    /// As `eval`, where secrets may stand.
    pub fn give(&self, scope: &dyn Scope) -> Result<Given, Failure> {
        if self.secrets().is_empty() {
            return self.eval(scope).map(Given::Plain);
        }
        match self {
            Self::Const(_) | Self::Expr(_) => self.eval(scope).map(Given::Plain),
            Self::Secret(name) => Ok(Given::Secret(name.clone())),
            Self::Text(parts) => give_text(parts, scope).map(Given::Text),
            Self::List(items) => {
                let items: Result<Vec<Given>, Failure> = items.iter().map(|t| t.give(scope)).collect();
                Ok(Given::List(items?))
            }
            Self::Map(fields) => {
                let fields: Result<Vec<(String, Given)>, Failure> =
                    fields.iter().map(|(key, t)| Ok((key.clone(), t.give(scope)?))).collect();
                Ok(Given::Map(fields?))
            }
        }
    }

    /// Every secret in it, in order.
    pub fn secrets(&self) -> Vec<&SecretName> {
        match self {
            Self::Const(_) | Self::Expr(_) => Vec::new(),
            Self::Secret(name) => vec![name],
            Self::Text(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Text(_) | Part::Expr(_) => None,
                    Part::Secret(name) => Some(name),
                })
                .collect(),
            Self::List(items) => items.iter().flat_map(Self::secrets).collect(),
            Self::Map(fields) => fields.iter().flat_map(|(_, t)| t.secrets()).collect(),
        }
    }

    /// Every expression in it, in order.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::Const(_) | Self::Secret(_) => Vec::new(),
            Self::Expr(expr) => vec![expr],
            Self::Text(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Text(_) | Part::Secret(_) => None,
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

impl Part {
    fn give(&self, scope: &dyn Scope) -> Result<GivenPart, Failure> {
        Ok(match self {
            Self::Text(literal) => GivenPart::Text(literal.clone()),
            Self::Expr(expr) => match expr.eval(scope)? {
                value if value.has_references() => GivenPart::Value(value),
                value => GivenPart::Text(value.to_text()),
            },
            Self::Secret(name) => GivenPart::Secret(name.clone()),
        })
    }
}

fn give_text(parts: &[Part], scope: &dyn Scope) -> Result<Vec<GivenPart>, Failure> {
    let mut given = Vec::with_capacity(parts.len());
    let mut bytes = 0;
    for part in parts {
        let part = part.give(scope)?;
        bytes = part.bytes().saturating_add(bytes);
        check_text(bytes)?;
        given.push(part);
    }
    // A reference can stand for a value, not for a text in a tree of secrets.
    let is_large = bytes > INLINE_MAX_BYTES as u64;
    Ok(if is_large { given.into_iter().map(GivenPart::into_value).collect() } else { given })
}

fn check_text(bytes: u64) -> Result<(), Failure> {
    if bytes <= VALUE_MAX_BYTES as u64 {
        return Ok(());
    }
    let message = format!("a text has more than {VALUE_MAX_BYTES} bytes");
    Err(Failure::lasting(FailureType::TemplateError, message))
}

fn misplaced(name: &SecretName) -> Failure {
    let message = format!("`secrets.{name}` stands where no secret may stand");
    Failure::lasting(FailureType::TemplateError, message)
}

fn eval_text(parts: &[Part], scope: &dyn Scope) -> Result<String, Failure> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(literal) => text.push_str(literal),
            Part::Expr(expr) => text.push_str(&read_whole(&expr.eval(scope)?, scope).to_text()),
            Part::Secret(name) => return Err(misplaced(name)),
        }
        check_text(text.len() as u64)?;
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
    /// The expression or secret, and the position behind its `}`.
    Expression(Part, usize),
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
                    Braced::Expression(part, end) => self.take_part(part, end),
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

    fn take_part(&mut self, part: Part, end: usize) {
        if !self.literal.is_empty() {
            self.parts.push(Part::Text(std::mem::take(&mut self.literal)));
        }
        self.parts.push(part);
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
                Ok((expr, end)) => Self::expression(expr, brace..end),
                // Said outright, it is meant as one.
                Err(Some(error)) => Err(self.no_expression(brace, SAID_OUTRIGHT, error)),
                Err(None) => Ok(Braced::Text),
            };
        }
        let name = leading_name(inner);
        if name.is_empty() || KEYWORDS.contains(&name) {
            return Ok(Braced::Text);
        }
        let unknown = |end| Err(ScanError::UnknownName { name: name.to_owned(), range: brace..end });
        match (self.first_expression(brace + 1, inner), (self.is_known)(name)) {
            (Ok((expr, end)), true) => Self::expression(expr, brace..end),
            (Ok((expr, end)), false) if is_call(name, &expr) => Self::expression(expr, brace..end),
            (Ok((_, end)), false) => unknown(end),
            (Err(Some(error)), true) => Err(self.no_expression(brace, name, error)),
            // `{wether | rund}` is an expression with two mistakes; `{print(1)}` and `{x.map(f)}` may be code.
            (Err(Some(error)), false)
                if error.trouble == Trouble::Meaning
                    && !self.text[brace..self.closing(brace)].contains('(') =>
            {
                unknown(self.closing(brace))
            }
            (Err(Some(_)), false) | (Err(None), _) => Ok(Braced::Text),
        }
    }

    /// A secret is a part of its own and is never evaluated; what else an expression could make of it could be
    /// seen by others.
    fn expression(expr: Expr, range: Range<usize>) -> Result<Braced, ScanError> {
        let end = range.end;
        match SecretName::of_expression(expr.source()) {
            Some(name) => Ok(Braced::Expression(Part::Secret(name), end)),
            None if expr.roots().any(|root| root == SECRETS) => Err(ScanError::SecretNotAlone { range }),
            None => Ok(Braced::Expression(Part::Expr(expr), end)),
        }
    }

    /// The expression that `inner` begins with and a `}` ends; else why it is none, if there was a `}` at all.
    fn first_expression(&self, start: usize, inner: &str) -> Result<(Expr, usize), Option<ExprError>> {
        if let Some(end) = closing_brace(inner) {
            return match Expr::parse(inner[..end].trim()) {
                Ok(expr) => Ok((expr, start + end + 1)),
                Err(error) => Err(Some(error)),
            };
        }
        // A quote or a brace too many hides the end, and the error is about it.
        let end = inner.bytes().take(EXPRESSION_MAX_BYTES).position(|byte| byte == b'}').ok_or(None)?;
        Err(Expr::parse(inner[..end].trim()).err())
    }

    fn no_expression(&self, brace: usize, name: &str, error: ExprError) -> ScanError {
        ScanError::NoExpression {
            name: name.to_owned(),
            message: error.message,
            range: brace..self.closing(brace),
        }
    }

    /// The position behind the next `}`.
    fn closing(&self, brace: usize) -> usize {
        self.text[brace..].find('}').map_or(self.text.len(), |at| brace + at + 1)
    }

    fn finish(mut self) -> Scanned {
        let template = match (self.parts.len(), self.literal.is_empty()) {
            (0, _) => Template::Const(Value::text(self.literal)),
            (1, true) => match self.parts.remove(0) {
                Part::Expr(expr) => Template::Expr(expr),
                Part::Secret(name) => Template::Secret(name),
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

/// Where the expression ends that `inner` would be: at the first `}` outside of quotes that no `{` in it has opened. No
/// other `}` can be its end, so that only one piece of text is parsed for each brace.
fn closing_brace(inner: &str) -> Option<usize> {
    let mut open = 0;
    let mut quote = None;
    let mut bytes = inner.bytes().enumerate().take(EXPRESSION_MAX_BYTES);
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => _ = bytes.next(),
            (Some(end), _) if end == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{') if open == BRACES_MAX => return None,
            (None, b'{') => open += 1,
            (None, b'}') if open == 0 => return Some(at),
            (None, b'}') => open -= 1,
            (None, _) => {}
        }
    }
    None
}

/// `range(3)` begins with the name of a function, which is known everywhere.
fn is_call(name: &str, expr: &Expr) -> bool {
    FUNCTIONS.iter().any(|function| function.name == name) && expr.roots().all(|root| root != name)
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
            (root == "x").then(|| minijinja::Value::from(7))
        }
    }

    #[test]
    fn a_secret_is_a_part_of_its_own() {
        let scan = |text| Template::scan(text, &|name| ["secrets", "x"].contains(&name));
        let give = |text| serde_json::to_value(scan(text).unwrap().template.give(&Names).unwrap()).unwrap();
        assert_eq!(give("{secrets.KEY}"), json!({"$catena": {"secret": "KEY"}}));
        assert_eq!(give("{= secrets.KEY }"), json!({"$catena": {"secret": "KEY"}}));
        let parts = json!([{"text": "a "}, {"secret": "A"}, {"text": "7"}, {"secret": "B"}]);
        assert_eq!(give("a { secrets.A }{x}{secrets.B}"), json!({"$catena": {"text": parts}}));
        assert_eq!(give("{{secrets.KEY}}"), json!("{secrets.KEY}"));
        let secret = scan("{secrets.KEY}").unwrap().template;
        assert_eq!(secret.eval(&Names).unwrap_err().kind, FailureType::TemplateError);
        for text in
            ["{secrets}", "{secrets.A | upper}", "{secrets[\"A\"]}", "{secrets.A.b}", "a {x ~ secrets.A}"]
        {
            assert!(matches!(scan(text), Err(ScanError::SecretNotAlone { .. })), "{text}");
        }
        let unknown = Template::scan("{secrets.A}", &|_| false);
        assert!(matches!(unknown, Err(ScanError::UnknownName { .. })));
    }

    #[test]
    fn doubled_braces_around_an_expression_are_reported() {
        let scanned = Template::scan("a {{x}} b", &|name| name == "x").unwrap();
        assert_eq!(scanned.doubled, vec![2..7]);
    }
}
