//! Expressions: Jinja's expression language over named values. Compiled once per chain version; evaluated
//! against a [`Scope`], from which only the names that the expression refers to are taken.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{Arc, LazyLock},
};

use minijinja::{Environment, Expression, UndefinedBehavior, Value as Jinja, value::Serde};
use serde::{Deserialize, Serialize};

use crate::{
    failure::{Failure, FailureType},
    path::Path,
    value::{Stored, VALUE_MAX_BYTES, Value},
};

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("json", to_json);
    environment.add_filter("from_json", from_json);
    environment
});

fn to_json(value: &Jinja) -> Result<String, minijinja::Error> {
    serde_json::to_string(value).map_err(invalid)
}

fn from_json(text: &str) -> Result<Jinja, minijinja::Error> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(invalid)?;
    Ok(Jinja::from(Serde(&json)))
}

fn invalid(error: serde_json::Error) -> minijinja::Error {
    minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, error.to_string())
}

/// Where an expression finds its names.
pub trait Scope {
    /// The value of the outermost name `root`. `paths` says what of it the expression refers to
    /// (`["weather.result", …]` below `steps`; an empty path is all of it), so that a large object need
    /// not be built whole.
    fn get(&self, root: &str, paths: &[&str]) -> Option<Jinja>;

    /// The value at a plain path as it is kept, where there are references in what it leads through.
    fn kept(&self, _path: &Path) -> Option<Value> {
        None
    }

    /// What a reference stands for, if it is at hand.
    fn read(&self, _stored: &Stored) -> Option<Value> {
        None
    }
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    pub message: String,
    /// Bytes of the source that the error is about, where known.
    pub range: Option<Range<usize>>,
}

/// A compiled expression. Stored as its source text.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expr {
    source: Arc<str>,
    compiled: Arc<Expression<'static, 'static>>,
    /// Root name to the paths below it, both in order.
    refers_to: Arc<BTreeMap<String, Vec<String>>>,
    /// Where the value is, if the expression says no more than that.
    path: Option<Arc<Path>>,
}

impl Expr {
    pub fn parse(source: &str) -> Result<Self, ExprError> {
        if let Some(range) = stray(source) {
            let message = format!("unexpected character, `{}` is no operator", &source[range.clone()]);
            return Err(ExprError { message, range: Some(range) });
        }
        let compiled = ENVIRONMENT
            .compile_expression_owned(source.to_owned())
            .map_err(|e| ExprError { message: describe(&e), range: e.range() })?;
        let refers_to = Arc::new(group_by_root(compiled.undeclared_variables(true)));
        let path = Path::parse(source).map(Arc::new);
        Ok(Self { source: source.into(), compiled: Arc::new(compiled), refers_to, path })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The outermost names that the expression reads.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.refers_to.keys().map(String::as_str)
    }

    /// The paths that the expression reads below `root`; an empty path is the whole value.
    pub fn paths(&self, root: &str) -> impl Iterator<Item = &str> {
        self.refers_to.get(root).into_iter().flatten().map(String::as_str)
    }

    /// The value; one that is kept by reference, and named and no more, is that reference.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, Failure> {
        if let Some(kept) = self.path.as_ref().and_then(|path| scope.kept(path)) {
            return Ok(kept);
        }
        let value = self.eval_jinja(scope)?;
        let json = serde_json::to_value(&value).map_err(|e| self.failed(&e.to_string()))?;
        let value = Value::from(json);
        if value.is_larger_than(VALUE_MAX_BYTES) {
            return Err(self.failed(&format!("its value has more than {VALUE_MAX_BYTES} bytes")));
        }
        Ok(value)
    }

    /// The expression as a condition, by Jinja's rules of truth.
    pub fn eval_condition(&self, scope: &dyn Scope) -> Result<bool, Failure> {
        Ok(self.eval_jinja(scope)?.is_true())
    }

    fn eval_jinja(&self, scope: &dyn Scope) -> Result<Jinja, Failure> {
        let names: BTreeMap<&str, Jinja> = self
            .refers_to
            .iter()
            .filter_map(|(root, paths)| {
                let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
                Some((root.as_str(), scope.get(root, &paths)?))
            })
            .collect();
        let value = self.compiled.eval(Jinja::from_pairs(names)).map_err(|e| self.failed(&describe(&e)))?;
        // A bare undefined result is no error to the library, even in strict mode.
        if value.is_undefined() { Err(self.failed("it is not defined")) } else { Ok(value) }
    }

    fn failed(&self, why: &str) -> Failure {
        Failure::lasting(FailureType::TemplateError, format!("cannot evaluate `{}`: {why}", self.source))
    }
}

/// A character outside of quotes that no expression has. The expression language overlooks one that follows a quoted
/// text, and everything behind it: `a == "x" && b` would mean `a == "x"`.
fn stray(source: &str) -> Option<Range<usize>> {
    let mut quote = None;
    let mut letters = source.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (Some(_), '\\') => _ = letters.next(),
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(letter),
            (None, '!') if letters.peek().is_some_and(|(_, next)| *next == '=') => {}
            (None, '!' | '&' | ';' | '$' | '?' | '@' | '#' | '\\' | '`' | '^') => {
                return Some(at..at + letter.len_utf8());
            }
            (None, _) => {}
        }
    }
    None
}

fn describe(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}

fn group_by_root(paths: impl IntoIterator<Item = String>) -> BTreeMap<String, Vec<String>> {
    let mut roots: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in paths {
        let (root, below) = path.split_once('.').unwrap_or((&path, ""));
        roots.entry(root.to_owned()).or_default().push(below.to_owned());
    }
    for paths in roots.values_mut() {
        paths.sort();
    }
    roots
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}", self.source)
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl TryFrom<String> for Expr {
    type Error = ExprError;

    fn try_from(source: String) -> Result<Self, ExprError> {
        Self::parse(&source)
    }
}

impl From<Expr> for String {
    fn from(expr: Expr) -> Self {
        expr.source.as_ref().to_owned()
    }
}

/// A stored value as the expression language sees it.
pub fn to_jinja(value: &Value) -> Jinja {
    Jinja::from(Serde(value.as_json()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Names(serde_json::Value);

    impl Scope for Names {
        fn get(&self, root: &str, _paths: &[&str]) -> Option<Jinja> {
            self.0.get(root).map(|v| Jinja::from(Serde(v)))
        }
    }

    fn check(source: &str, expected: Result<serde_json::Value, &str>) {
        let names =
            Names(json!({"weather": {"temperature": 20.6, "tags": ["a", "b"]}, "n": 3, "none": null}));
        let got = Expr::parse(source).unwrap().eval(&names);
        match (got, expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value.as_json(), &expected, "{source}"),
            (Err(failure), Err(part)) => assert!(failure.message.contains(part), "{source}: {failure}"),
            (got, _) => panic!("{source}: {got:?}"),
        }
    }

    #[test]
    fn values_keep_their_type_and_undefined_is_an_error() {
        check("weather.temperature | round | int", Ok(json!(21)));
        check("weather.tags[0] ~ n", Ok(json!("a3")));
        check("weather", Ok(json!({"temperature": 20.6, "tags": ["a", "b"]})));
        check("weather.tags | json", Ok(json!("[\"a\",\"b\"]")));
        check("wether", Err("not defined"));
        check("weather.wind", Err("not defined"));
        check("weather.wind | default(0)", Ok(json!(0)));
        check("1 / 0", Err("cannot evaluate"));
    }

    #[test]
    fn a_value_is_bounded() {
        check("'x' * 20000000", Err("more than 16777216 bytes"));
    }

    #[test]
    fn nothing_behind_a_text_is_overlooked() {
        assert!(Expr::parse("weather == \"x\" && n").is_err());
        assert!(Expr::parse("weather != 'a && b'").is_ok());
    }

    #[test]
    fn an_expression_knows_what_it_reads() {
        let expr = Expr::parse("steps.a.result + steps.b.error.type ~ city").unwrap();
        assert_eq!(expr.roots().collect::<Vec<_>>(), ["city", "steps"]);
        assert_eq!(expr.paths("steps").collect::<Vec<_>>(), ["a.result", "b.error.type"]);
    }
}
