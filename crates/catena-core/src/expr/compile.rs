//! From minijinja's syntax tree to a [`Node`]: names of filters, tests and functions are looked up here, when a chain is
//! read, so that an unknown one is a mistake of the definition and not of an execution.

use std::ops::Range;

use minijinja::machinery::{
    Span,
    ast::{self, BinOpKind, CallArg, CompareOpKind, UnaryOpKind},
    parse_expr,
};

use super::{
    builtin::{Builtin, did_you_mean, find},
    evaluate::Root,
    expression::{ExprError, Trouble},
    filters::{FILTERS, FUNCTIONS, TESTS},
    node::Node,
    operators::{Comparison, Operator},
};

type Compiled<T> = Result<T, ExprError>;

pub(super) fn compile(source: &str) -> Compiled<(Node, Vec<Root>)> {
    let tree = parse_expr(source).map_err(|error| {
        let message = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        // The parser counts past the end, or into the middle of a letter, where it meets the end of the text.
        let range = error.range().filter(|range| source.get(range.clone()).is_some());
        ExprError { message, range, trouble: Trouble::Syntax }
    })?;
    let mut compiler = Compiler { source, roots: Vec::new() };
    let node = compiler.node(&tree)?;
    Ok((node, compiler.roots))
}

struct Compiler<'a> {
    source: &'a str,
    roots: Vec<Root>,
}

impl Compiler<'_> {
    fn node(&mut self, expr: &ast::Expr<'_>) -> Compiled<Node> {
        Ok(match expr {
            ast::Expr::Const(constant) => Node::Const(constant.value.clone()),
            ast::Expr::Var(_) | ast::Expr::GetAttr(_) | ast::Expr::GetItem(_) => {
                let (node, path) = self.access(expr)?;
                if let Some((root, path)) = path {
                    self.reads(root, path);
                }
                node
            }
            ast::Expr::Slice(slice) => {
                let of = self.boxed(&slice.expr)?;
                let bounds = [&slice.start, &slice.stop, &slice.step];
                let [start, stop, step] =
                    bounds.map(|bound| bound.as_ref().map(|b| self.boxed(b)).transpose());
                Node::Slice(of, [start?, stop?, step?])
            }
            ast::Expr::UnaryOp(unary) => match unary.op {
                UnaryOpKind::Not => Node::Not(self.boxed(&unary.expr)?),
                UnaryOpKind::Neg => Node::Negative(self.boxed(&unary.expr)?),
            },
            ast::Expr::BinOp(binary) => self.binary(binary)?,
            ast::Expr::Compare(compare) => {
                let first = self.boxed(&compare.expr)?;
                let others = compare.ops.iter().map(|op| Ok((comparison(op.op), self.node(&op.expr)?)));
                Node::Compare(first, others.collect::<Compiled<_>>()?)
            }
            ast::Expr::IfExpr(choice) => Node::If {
                test: self.boxed(&choice.test_expr)?,
                yes: self.boxed(&choice.true_expr)?,
                no: choice.false_expr.as_ref().map(|no| self.boxed(no)).transpose()?,
            },
            ast::Expr::Filter(filter) => {
                let builtin = self.find(FILTERS, "filter", filter.name, filter.span())?;
                let Some(input) = &filter.expr else {
                    return self.refuse("a filter needs a value before it", filter.span());
                };
                let args = self.args(builtin, &filter.args, filter.span())?;
                self.check_named(builtin, &args, filter.span())?;
                Node::Apply(builtin, self.boxed(input)?, args)
            }
            ast::Expr::Test(test) => {
                let builtin = self.find(TESTS, "test", test.name, test.span())?;
                let args = self.args(builtin, &test.args, test.span())?;
                Node::Apply(builtin, self.boxed(&test.expr)?, args)
            }
            ast::Expr::Call(call) => self.call(call, call.span())?,
            ast::Expr::List(list) => Node::List(self.nodes(&list.items)?),
            ast::Expr::Tuple(tuple) => Node::List(self.nodes(&tuple.items)?),
            ast::Expr::Map(map) => {
                let fields = map.keys.iter().zip(&map.values);
                Node::Map(
                    fields
                        .map(|(key, value)| Ok((self.node(key)?, self.node(value)?)))
                        .collect::<Compiled<_>>()?,
                )
            }
        })
    }

    fn boxed(&mut self, expr: &ast::Expr<'_>) -> Compiled<Box<Node>> {
        self.node(expr).map(Box::new)
    }

    fn nodes(&mut self, items: &[ast::Expr<'_>]) -> Compiled<Vec<Node>> {
        items.iter().map(|item| self.node(item)).collect()
    }

    /// A name and what is read below it, as far as that is written out.
    fn access(&mut self, expr: &ast::Expr<'_>) -> Compiled<(Node, Option<(usize, String)>)> {
        match expr {
            ast::Expr::Var(var) => {
                let root = self.root(var.id);
                Ok((Node::Root(root), Some((root, String::new()))))
            }
            ast::Expr::GetAttr(get) => {
                let (of, path) = self.access(&get.expr)?;
                let path = path.map(|(root, path)| (root, below(&path, get.name)));
                Ok((Node::Attribute(Box::new(of), get.name.into()), path))
            }
            ast::Expr::GetItem(get) => {
                let (of, path) = self.access(&get.expr)?;
                let key = self.node(&get.subscript_expr)?;
                // Behind a subscript everything may be meant.
                if let Some((root, path)) = path {
                    self.reads(root, path);
                }
                Ok((Node::Item(Box::new(of), Box::new(key)), None))
            }
            other => Ok((self.node(other)?, None)),
        }
    }

    fn root(&mut self, name: &str) -> usize {
        let known = self.roots.iter().position(|root| root.name == name);
        known.unwrap_or_else(|| {
            self.roots.push(Root { name: name.to_owned(), paths: Vec::new() });
            self.roots.len() - 1
        })
    }

    fn reads(&mut self, root: usize, path: String) {
        let paths = &mut self.roots[root].paths;
        if let Err(at) = paths.binary_search(&path) {
            paths.insert(at, path);
        }
    }

    fn binary(&mut self, binary: &ast::BinOp<'_>) -> Compiled<Node> {
        let (left, right) = (self.boxed(&binary.left)?, self.node(&binary.right)?);
        let compare = |left, op, right| Node::Compare(left, vec![(op, right)]);
        let calculate = |op, left, right| Node::Binary(op, left, Box::new(right));
        Ok(match binary.op {
            BinOpKind::Eq => compare(left, Comparison::Eq, right),
            BinOpKind::Ne => compare(left, Comparison::Ne, right),
            BinOpKind::Lt => compare(left, Comparison::Lt, right),
            BinOpKind::Lte => compare(left, Comparison::Le, right),
            BinOpKind::Gt => compare(left, Comparison::Gt, right),
            BinOpKind::Gte => compare(left, Comparison::Ge, right),
            BinOpKind::In => compare(left, Comparison::In, right),
            BinOpKind::ScAnd => Node::And(left, Box::new(right)),
            BinOpKind::ScOr => Node::Or(left, Box::new(right)),
            BinOpKind::Add => calculate(Operator::Add, left, right),
            BinOpKind::Sub => calculate(Operator::Sub, left, right),
            BinOpKind::Mul => calculate(Operator::Mul, left, right),
            BinOpKind::Div => calculate(Operator::Div, left, right),
            BinOpKind::FloorDiv => calculate(Operator::FloorDiv, left, right),
            BinOpKind::Rem => calculate(Operator::Rem, left, right),
            BinOpKind::Pow => calculate(Operator::Pow, left, right),
            BinOpKind::Concat => calculate(Operator::Concat, left, right),
        })
    }

    fn call(&mut self, call: &ast::Call<'_>, span: Span) -> Compiled<Node> {
        match &call.expr {
            ast::Expr::Var(var) => {
                let builtin = self.find(FUNCTIONS, "function", var.id, var.span())?;
                Ok(Node::Call(builtin, self.args(builtin, &call.args, span)?))
            }
            ast::Expr::GetAttr(get) => {
                let written = find(FILTERS, get.name).map(|filter| format!(": write `… | {}`", filter.name));
                let message =
                    format!("values have no methods such as `{}`{}", get.name, written.unwrap_or_default());
                self.refuse_known(message, span)
            }
            _ => self.refuse_known("only functions can be called".to_owned(), span),
        }
    }

    fn find(
        &self,
        list: &'static [Builtin],
        what: &str,
        name: &str,
        span: Span,
    ) -> Compiled<&'static Builtin> {
        match find(list, name) {
            Some(builtin) => Ok(builtin),
            None => {
                let message = format!("there is no {what} `{name}`{}", did_you_mean(list, name));
                let range = self.range(span);
                // The span is that of the value with all its filters; the last place of the name in it is meant.
                let at = self.source.get(range.clone()).and_then(|text| text.rfind(name)).unwrap_or(0);
                let start = range.start + at;
                Err(ExprError { message, range: Some(start..start + name.len()), trouble: Trouble::Meaning })
            }
        }
    }

    /// Each argument in the place of its parameter.
    fn args(
        &mut self,
        builtin: &'static Builtin,
        args: &[CallArg<'_>],
        span: Span,
    ) -> Compiled<Vec<Option<Node>>> {
        let mut places: Vec<Option<Node>> = Vec::new();
        places.resize_with(builtin.params.len(), || None);
        for (at, arg) in args.iter().enumerate() {
            let (place, expr) = match arg {
                CallArg::Pos(expr) => (Some(at).filter(|at| *at < places.len()), expr),
                CallArg::Kwarg(name, expr) => (builtin.place_of(name), expr),
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => {
                    return self.refuse("`*` and `**` before an argument are not part of the language", span);
                }
            };
            let node = self.node(expr)?;
            match place.and_then(|place| places.get_mut(place)) {
                Some(free @ None) => *free = Some(node),
                _ => return self.refuse_known(format!("it is `{}`", builtin.signature()), span),
            }
        }
        match places.iter().take(builtin.needs()).all(Option::is_some) {
            true => Ok(places),
            false => self.refuse_known(format!("it is `{}`", builtin.signature()), span),
        }
    }

    /// `map("uper")` names a filter, `select("od")` a test: they are known by now.
    fn check_named(&self, builtin: &Builtin, args: &[Option<Node>], span: Span) -> Compiled<()> {
        for (param, arg) in builtin.params.iter().zip(args) {
            let (list, what) = match *param {
                "filter?" => (FILTERS, "filter"),
                "test?" => (TESTS, "test"),
                _ => continue,
            };
            let name = match arg {
                None => continue,
                Some(Node::Const(name)) => name.as_str().unwrap_or_default(),
                Some(_) => {
                    return self.refuse_known(format!("the name of the {what} must be written out"), span);
                }
            };
            self.find(list, what, name, span)?;
        }
        Ok(())
    }

    fn range(&self, span: Span) -> Range<usize> {
        let end = (span.end_offset as usize).min(self.source.len());
        (span.start_offset as usize).min(end)..end
    }

    fn refuse<T>(&self, message: &str, span: Span) -> Compiled<T> {
        Err(ExprError {
            message: message.to_owned(),
            range: Some(self.range(span)),
            trouble: Trouble::Syntax,
        })
    }

    fn refuse_known<T>(&self, message: String, span: Span) -> Compiled<T> {
        Err(ExprError { message, range: Some(self.range(span)), trouble: Trouble::Meaning })
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn comparison(op: CompareOpKind) -> Comparison {
    match op {
        CompareOpKind::Eq => Comparison::Eq,
        CompareOpKind::Ne => Comparison::Ne,
        CompareOpKind::Lt => Comparison::Lt,
        CompareOpKind::Lte => Comparison::Le,
        CompareOpKind::Gt => Comparison::Gt,
        CompareOpKind::Gte => Comparison::Ge,
        CompareOpKind::In => Comparison::In,
        CompareOpKind::NotIn => Comparison::NotIn,
    }
}
