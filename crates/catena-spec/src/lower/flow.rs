//! Where a step goes next, and the kinds that hold blocks.

use catena_core::chain::{Branch, NextLogic, Repeat, StepDraft, Target, WaitFor, Work};
use catena_core::expr::Expr;
use catena_core::ids::{IdError, StepId};

use super::context::Context;
use super::outline::{Body, StepOutline};
use super::scope::{Frame, LOOP_NAME, is_identifier};
use super::template::expr_of_items;
use crate::code::Code;
use crate::keys;
use crate::limits;
use crate::node::{Entry, Node, Value};
use crate::problem::Problem;
use crate::source::Span;
use crate::suggest::did_you_mean;

type Drafts = Vec<StepDraft>;

impl Context<'_> {
    pub(crate) fn next_logic(
        &mut self,
        node: &Node,
        step: &StepOutline<'_>,
        block: usize,
    ) -> Option<NextLogic<StepId>> {
        let mut next = NextLogic { conditions: Vec::new(), default: None };
        let mut sound = true;
        for entry in self.known_entries(node, "`next_step_logic`", keys::NEXT_KEYS)? {
            sound &= match entry.key.text.as_str() {
                "default" => {
                    next.default = self.target(&entry.value, step, block);
                    next.default.is_some()
                }
                _ => self.conditions(&entry.value, step, block, &mut next),
            };
        }
        sound.then_some(next)
    }

    fn conditions(
        &mut self,
        node: &Node,
        step: &StepOutline<'_>,
        block: usize,
        next: &mut NextLogic<StepId>,
    ) -> bool {
        let Some(items) = self.list(node, "`conditions`") else { return false };
        let before = next.conditions.len();
        for item in items {
            let condition = self.condition(item, step, block);
            next.conditions.extend(condition);
        }
        next.conditions.len() - before == items.len()
    }

    fn condition(
        &mut self,
        node: &Node,
        step: &StepOutline<'_>,
        block: usize,
    ) -> Option<(Expr, Target<StepId>)> {
        self.known_entries(node, "a condition", keys::CONDITION_KEYS)?;
        let condition = self.required(node, "if", "a condition");
        let target = self.required(node, "next", "a condition");
        let condition = condition.and_then(|entry| self.expr(&entry.value, "`if`"));
        let target = target.and_then(|entry| self.target(&entry.value, step, block));
        Some((condition?, target?))
    }

    pub(crate) fn required<'n>(&mut self, node: &'n Node, key: &str, what: &str) -> Option<&'n Entry> {
        let entry = node.get(key);
        if entry.is_none() {
            self.say(Code::MissingKey, node.span, format!("{what} needs the key `{key}`"));
        }
        entry
    }

    /// `end`, or a step of the same block.
    fn target(&mut self, node: &Node, step: &StepOutline<'_>, block: usize) -> Option<Target<StepId>> {
        let text = self.full_text(node, "the next step")?;
        if text == "end" {
            return Some(Target::End);
        }
        let Some((id, place)) = self.index.find(&text) else {
            let help = did_you_mean(&text, self.index.ids().chain(["end"]));
            let problem = Problem::new(Code::UnknownStep, node.span, format!("there is no step `{text}`"));
            self.add(problem.label("no such step").maybe_help(help));
            return None;
        };
        if place.block != block {
            let message = format!("`{}` cannot jump to `{text}`, which stands in another block", step.id());
            let problem = Problem::new(Code::JumpOutOfBlock, node.span, message)
                .label("jumps out of its block")
                .related(place.span, "the step stands here")
                .help("jump to a step of the same block, or to `end`, which ends the block");
            self.add(problem);
            return None;
        }
        Some(Target::Step(id.clone()))
    }

    pub(crate) fn group(&mut self, step: &StepOutline<'_>) -> Option<Work<Drafts>> {
        Some(Work::Group { block: self.block(&step.bodies.first()?.block)? })
    }

    pub(crate) fn parallel(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<Work<Drafts>> {
        let wait_for = if matches!(node.value, Value::Seq(_)) {
            Some(WaitFor::All)
        } else {
            let count = step.bodies.len();
            self.parallel_keys(node, count)
        };
        let branches: Vec<_> = step.bodies.iter().map(|body| self.branch(body)).collect();
        let branches: Option<Vec<_>> = branches.into_iter().collect();
        Some(Work::Parallel { branches: branches?, wait_for: wait_for? })
    }

    fn parallel_keys(&mut self, node: &Node, branches: usize) -> Option<WaitFor> {
        self.known_entries(node, "`parallel`", keys::PARALLEL_KEYS)?;
        if let Some(entry) = node.get("cancel_rest") {
            match self.bool(&entry.value, "`cancel_rest`") {
                Some(true) | None => {}
                Some(false) => {
                    let message =
                        "`cancel_rest: false` is part of the language but this version does not run it yet";
                    self.say(Code::KeyLater, entry.value.span, message);
                }
            }
        }
        match node.get("wait_for") {
            None => Some(WaitFor::All),
            Some(entry) => self.wait_for(&entry.value, branches),
        }
    }

    fn wait_for(&mut self, node: &Node, branches: usize) -> Option<WaitFor> {
        if matches!(node.value, Value::Number(_)) {
            let most = u32::try_from(branches).unwrap_or(u32::MAX).max(1);
            return self.small_count(node, "`wait_for`", 1, most).map(WaitFor::Count);
        }
        Some(match self.word(node, "`wait_for`", &["all", "any"])? {
            "any" => WaitFor::Count(1),
            _ => WaitFor::All,
        })
    }

    /// A branch's name is an id, since it stands in the addresses of what runs in it.
    fn branch(&mut self, body: &Body<'_>) -> Option<Branch<Drafts>> {
        let name = match &body.name {
            None => body.block.steps.first().map(|step| step.id().clone()),
            Some((name, span)) => match StepId::parse(name) {
                Ok(id) => Some(id),
                Err(error) => {
                    self.bad_id(name, &error, *span);
                    None
                }
            },
        };
        let block = self.block(&body.block);
        Some(Branch { name: name?, block: block? })
    }

    pub(crate) fn bad_id(&mut self, text: &str, error: &IdError, span: Span) {
        let help = StepId::from_name(text).ok().map(|id| format!("write `{id}`"));
        self.add(Problem::new(Code::NotAnIdentifier, span, error.to_string()).maybe_help(help));
    }

    pub(crate) fn for_each(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<Work<Drafts>> {
        self.known_entries(node, "`for_each`", keys::FOR_EACH_KEYS)?;
        let items = self.required(node, "items", "`for_each`");
        let items = items.and_then(|entry| self.items(&entry.value));
        let item = match node.get("as") {
            None => Some("item".to_owned()),
            Some(entry) => {
                let text = self.text(&entry.value, "`as`");
                text.filter(|name| self.check_name(name, entry.value.span, "the name of an item"))
            }
        };
        let max_parallel = node.get("max_parallel");
        let max_parallel =
            max_parallel.map(|entry| self.small_count(&entry.value, "`max_parallel`", 1, u32::MAX));
        let tolerate = node.get("tolerate");
        let tolerate =
            tolerate.map_or(Some(0), |entry| self.small_count(&entry.value, "`tolerate`", 0, u32::MAX));
        self.scope.enter(Frame::of(item.as_deref().into_iter().chain([LOOP_NAME])));
        let block = step.bodies.first().and_then(|body| self.block(&body.block));
        self.scope.leave();
        let max_parallel = super::process::lift(max_parallel)?;
        let repeat = Repeat { items: items?, item: item?, max_parallel, tolerate: tolerate? };
        Some(Work::ForEach { repeat, block: block? })
    }

    /// An expression, or the items themselves.
    fn items(&mut self, node: &Node) -> Option<Expr> {
        match &node.value {
            Value::Seq(_) => {}
            Value::String(_) | Value::Map(_) => return self.expr(node, "`items`"),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.wrong_type(node, "`items`", "a list, or an expression that gives one");
                return None;
            }
        }
        let template = self.template(node)?;
        let expr = expr_of_items(&template);
        if expr.is_none() {
            self.say(Code::BadExpression, node.span, "this list cannot be read as an expression");
        }
        expr
    }

    /// A name that data of the chain gets: expressions must be able to say it, and it must hide nothing.
    pub(crate) fn check_name(&mut self, name: &str, span: Span, what: &str) -> bool {
        if keys::RESERVED_NAMES.contains(&name) {
            let message = format!("{what} cannot be `{name}`: the language keeps that name for itself");
            self.add(Problem::new(Code::ReservedName, span, message).help("choose another name"));
            return false;
        }
        if !is_identifier(name) || name.len() > limits::MAX_NAME_BYTES {
            let help = "use letters, digits and `_`, not beginning with a digit";
            let message = format!("{what} must be an identifier, `{name}` is none");
            self.add(Problem::new(Code::NotAnIdentifier, span, message).help(help));
            return false;
        }
        true
    }
}
