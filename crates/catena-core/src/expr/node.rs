//! The compiled form of an expression: names, filters and tests are resolved, arguments stand in their places.

use minijinja::Value as Jinja;

use super::{
    builtin::Builtin,
    evaluate::Root,
    operators::{Comparison, Operator},
};
use crate::path::{Path, Segment};

#[derive(Debug)]
pub(super) enum Node {
    Const(Jinja),
    /// The outermost name with this number.
    Root(usize),
    Attribute(Box<Node>, Box<str>),
    Item(Box<Node>, Box<Node>),
    /// The value, then start, stop and step.
    Slice(Box<Node>, [Option<Box<Node>>; 3]),
    Not(Box<Node>),
    Negative(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    /// `a < b <= c`: each value is compared with the one before it.
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    If {
        test: Box<Node>,
        yes: Box<Node>,
        no: Option<Box<Node>>,
    },
    /// A filter or a test; the input comes first.
    Apply(&'static Builtin, Box<Node>, Vec<Option<Node>>),
    Call(&'static Builtin, Vec<Option<Node>>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Where the value is, if the node says no more than that.
    pub(super) fn path(&self, roots: &[Root]) -> Option<Path> {
        let (of, segment) = match self {
            Self::Root(root) => return Some(Path { root: roots[*root].name.clone(), way: Vec::new() }),
            Self::Attribute(of, name) => (of, Segment::Key(name.to_string())),
            Self::Item(of, key) => match &**key {
                Self::Const(key) => (of, segment(key)?),
                _ => return None,
            },
            _ => return None,
        };
        let mut path = of.path(roots)?;
        path.way.push(segment);
        Some(path)
    }
}

fn segment(key: &Jinja) -> Option<Segment> {
    match key.as_str() {
        Some(key) => Some(Segment::Key(key.to_owned())),
        None if key.is_integer() => key.as_usize().map(Segment::Index),
        None => None,
    }
}
