//! The compiled form of an expression: names, filters and tests are resolved, arguments stand in their places.

use minijinja::Value as Jinja;

use super::{
    builtin::Builtin,
    operators::{Comparison, Operator},
};

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
