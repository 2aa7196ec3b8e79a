//! The value of a compiled expression. An undefined value is a fault wherever it is used; only what stands before
//! `default`, `is defined` and `is undefined` may be undefined.

use minijinja::{Value as Jinja, value::ValueKind};

use super::{
    bounds::{Budget, Fault, Result, fault},
    builtin::{Call, Takes},
    convert::{foreign, key_text, what},
    expression::Scope,
    node::Node,
    operators::{Number, binary, compare, item, negative, slice},
};

/// An outermost name, and what below it the expression reads.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) name: String,
    pub(super) paths: Vec<String>,
}

/// What becomes of a missing part on the way to a value.
#[derive(Clone, Copy)]
enum Missing {
    IsAFault,
    IsUndefined,
}

pub(super) struct Evaluation<'a> {
    scope: &'a dyn Scope,
    roots: &'a [Root],
    /// What the scope gave for each root, once it was asked.
    found: Vec<Option<Jinja>>,
    pub(super) budget: Budget,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(scope: &'a dyn Scope, roots: &'a [Root]) -> Self {
        Self { scope, roots, found: vec![None; roots.len()], budget: Budget::new(scope.reading()) }
    }

    /// The value, which is defined.
    pub(super) fn value(&mut self, node: &Node) -> Result<Jinja> {
        let value = self.evaluate(node, Missing::IsAFault)?;
        if value.is_undefined() { Err(self.undefined(node)) } else { Ok(value) }
    }

    fn undefined(&self, node: &Node) -> Fault {
        Fault(format!("`{}` is not defined", self.label(node)))
    }

    fn label(&self, node: &Node) -> String {
        match node {
            Node::Root(root) => self.roots[*root].name.clone(),
            Node::Attribute(of, name) => format!("{}.{name}", self.label(of)),
            Node::Item(of, key) => match &**key {
                Node::Const(key) => format!("{}[{key:?}]", self.label(of)),
                _ => format!("{}[…]", self.label(of)),
            },
            Node::Apply(filter, input, _) => format!("{} | {}", self.label(input), filter.name),
            Node::If { .. } => "… if …` without `else".to_owned(),
            _ => "…".to_owned(),
        }
    }

    /// The value, or undefined.
    fn maybe(&mut self, node: &Node) -> Result<Jinja> {
        self.evaluate(node, Missing::IsUndefined)
    }

    /// What `weather` in `weather.wind` is: where it must be defined, the fault names it rather than the whole.
    fn read_from(&mut self, node: &Node, missing: Missing) -> Result<Jinja> {
        match missing {
            Missing::IsAFault => self.value(node),
            Missing::IsUndefined => self.maybe(node),
        }
    }

    fn evaluate(&mut self, node: &Node, missing: Missing) -> Result<Jinja> {
        self.budget.steps(1)?;
        match node {
            Node::Const(value) => Ok(value.clone()),
            Node::Root(root) => Ok(self.root(*root)),
            Node::Attribute(of, name) => {
                let of = self.read_from(of, missing)?;
                attribute(&of, name)
            }
            Node::Item(of, key) => {
                let of = self.read_from(of, missing)?;
                let key = self.value(key)?;
                if of.is_undefined() { Ok(of) } else { item(&of, &key, &mut self.budget) }
            }
            Node::Slice(of, bounds) => self.slice(of, bounds),
            Node::Not(of) => Ok(Jinja::from(!self.value(of)?.is_true())),
            Node::Negative(of) => negative(&self.value(of)?),
            Node::Binary(op, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                binary(*op, &left, &right, &mut self.budget)
            }
            Node::And(left, right) => {
                let left = self.value(left)?;
                if left.is_true() { self.value(right) } else { Ok(left) }
            }
            Node::Or(left, right) => {
                let left = self.value(left)?;
                if left.is_true() { Ok(left) } else { self.value(right) }
            }
            Node::Compare(first, others) => {
                let mut left = self.value(first)?;
                for (op, right) in others {
                    let right = self.value(right)?;
                    if !compare(*op, &left, &right, &mut self.budget)? {
                        return Ok(Jinja::from(false));
                    }
                    left = right;
                }
                Ok(Jinja::from(true))
            }
            Node::If { test, yes, no } => match (self.value(test)?.is_true(), no) {
                (true, _) => self.value(yes),
                (false, Some(no)) => self.value(no),
                (false, None) => Ok(Jinja::UNDEFINED),
            },
            Node::Apply(filter, input, args) => {
                let input = match filter.takes {
                    Takes::Defined => self.value(input)?,
                    Takes::Anything => self.maybe(input)?,
                };
                let args = self.args(args)?;
                (filter.call)(&mut Call { input, args, budget: &mut self.budget })
            }
            Node::Call(function, args) => {
                let args = self.args(args)?;
                (function.call)(&mut Call { input: Jinja::UNDEFINED, args, budget: &mut self.budget })
            }
            Node::List(items) => {
                self.budget.items(items.len())?;
                let items: Result<Vec<Jinja>> = items.iter().map(|item| self.value(item)).collect();
                items.map(Jinja::from)
            }
            Node::Map(fields) => {
                self.budget.items(fields.len())?;
                let field = |(key, value)| Ok((key_text(&self.value(key)?)?, self.value(value)?));
                let fields: Result<Vec<(String, Jinja)>> =
                    fields.iter().map(|(k, v)| (k, v)).map(field).collect();
                fields.map(Jinja::from_pairs)
            }
        }
    }

    fn root(&mut self, root: usize) -> Jinja {
        if let Some(value) = &self.found[root] {
            return value.clone();
        }
        let Root { name, paths } = &self.roots[root];
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let value = self.scope.get(name, &paths).unwrap_or(Jinja::UNDEFINED);
        self.found[root] = Some(value.clone());
        value
    }

    fn slice(&mut self, of: &Node, bounds: &[Option<Box<Node>>; 3]) -> Result<Jinja> {
        let of = self.value(of)?;
        let mut at = [None; 3];
        for (at, bound) in at.iter_mut().zip(bounds) {
            let Some(bound) = bound else { continue };
            let value = self.value(bound)?;
            *at = match Number::of(&value) {
                Some(Number::Int(int)) => Some(int),
                None if value.is_none() => None,
                Some(Number::Float(_)) | None => {
                    return fault(format!("the bounds of a slice are integers, not {}", what(&value)));
                }
            };
        }
        slice(&of, at, &mut self.budget)
    }

    fn args(&mut self, args: &[Option<Node>]) -> Result<Vec<Option<Jinja>>> {
        args.iter().map(|arg| arg.as_ref().map(|arg| self.value(arg)).transpose()).collect()
    }
}

/// The data under a key: `weather.items` and `weather.get` are fields, never methods.
fn attribute(of: &Jinja, name: &str) -> Result<Jinja> {
    if of.kind() == ValueKind::Map { of.get_attr(name).map_err(foreign) } else { Ok(Jinja::UNDEFINED) }
}
