//! A compiled expression: from text, to a value or a condition. Compiled once per chain version; evaluated against a
//! [`Scope`], from which only the names that are reached are taken.

use std::{fmt, ops::Range, sync::Arc};

use minijinja::Value as Jinja;
use serde::{Deserialize, Serialize};

use super::{
    bounds::Reading,
    compile::compile,
    convert,
    evaluate::{Evaluation, Root},
    node::Node,
    shape,
};
use crate::{
    failure::{Failure, FailureType},
    path::Path,
    value::{Stored, VALUE_MAX_BYTES, Value},
};

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

    /// Counts what is read of large values while the names are used.
    fn reading(&self) -> Reading {
        Reading::default()
    }
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    pub message: String,
    /// Bytes of the source that the error is about, where known.
    pub range: Option<Range<usize>>,
    pub trouble: Trouble,
}

/// Whether a text is no expression at all, or one that asks for what there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Syntax,
    /// An unknown filter, test, function or argument.
    Meaning,
}

/// A compiled expression. Stored as its source text.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expr {
    source: Arc<str>,
    node: Arc<Node>,
    roots: Arc<[Root]>,
    /// Where the value is, if the expression says no more than that.
    path: Option<Arc<Path>>,
}

impl Expr {
    pub fn parse(source: &str) -> Result<Self, ExprError> {
        shape::check(source)?;
        let (node, roots) = compile(source)?;
        let path = node.path(&roots).map(Arc::new);
        Ok(Self { source: source.into(), node: Arc::new(node), roots: roots.into(), path })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The outermost names that the expression reads, in the order of the alphabet.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = self.roots.iter().map(|root| root.name.as_str()).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// The paths that the expression reads below `root`; an empty path is the whole value.
    pub fn paths(&self, root: &str) -> impl Iterator<Item = &str> {
        let root = self.roots.iter().find(|known| known.name == root);
        root.into_iter().flat_map(|root| &root.paths).map(String::as_str)
    }

    /// The value; one that is kept by reference, and named and no more, is that reference.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, Failure> {
        if let Some(kept) = self.path.as_ref().and_then(|path| scope.kept(path)) {
            return Ok(kept);
        }
        let mut evaluation = Evaluation::new(scope, &self.roots);
        let value = evaluation.value(&self.node);
        let json = value.and_then(|value| convert::to_json(&value, &mut evaluation.budget));
        let value = json.map(Value::from).map_err(|fault| self.failed(&fault.0))?;
        if value.is_larger_than(VALUE_MAX_BYTES) {
            return Err(self.failed(&format!("its value has more than {VALUE_MAX_BYTES} bytes")));
        }
        Ok(value)
    }

    /// The expression as a condition, by Jinja's rules of truth.
    pub fn eval_condition(&self, scope: &dyn Scope) -> Result<bool, Failure> {
        let value = Evaluation::new(scope, &self.roots).value(&self.node);
        value.map(|value| value.is_true()).map_err(|fault| self.failed(&fault.0))
    }

    fn failed(&self, why: &str) -> Failure {
        let source = shortened(&self.source);
        Failure::lasting(FailureType::TemplateError, format!("cannot evaluate `{source}`: {why}"))
    }
}

/// The beginning of a long expression: a message is for a person.
fn shortened(source: &str) -> String {
    const SHOWN_MAX: usize = 200;
    match source.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &source[..end]),
        None => source.to_owned(),
    }
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
    convert::from_json(value.as_json())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Segment;

    fn check(source: &str, root: &str, way: &[Segment]) {
        let expected = Path { root: root.into(), way: way.to_vec() };
        assert_eq!(Expr::parse(source).unwrap().path.as_deref(), Some(&expected), "{source}");
    }

    #[test]
    fn only_what_says_where_is_a_path() {
        let key = |text: &str| Segment::Key(text.into());
        check(" big ", "big", &[]);
        check("steps.a.result", "steps", &[key("a"), key("result")]);
        check("pages[0][\"a b\"]['c']", "pages", &[Segment::Index(0), key("a b"), key("c")]);
        for other in
            ["1", "a + b", "a | length", "a[-1]", "a[b]", "a[1.0]", "a[:1]", "'text'", "[a]", "not a"]
        {
            assert_eq!(Expr::parse(other).unwrap().path, None, "{other}");
        }
    }
}
