//! Where a step goes next, and the kinds that hold blocks.

use catena_core::chain::{Branch, NextLogic, Repeat, StepDraft, Target, WaitFor, Work};
use catena_core::expr::Expr;
use catena_core::ids::StepId;

use super::context::Context;
use super::outline::{Body, StepOutline};
use super::process::lift;
use super::scope::{Frame, LOOP_NAME};
use super::template::expr_of_items;
use crate::code::Code;
use crate::node::Node;
use crate::problem::Problem;
use crate::suggest::did_you_mean;

type Drafts = Vec<StepDraft>;

impl Context<'_> {
    pub(crate) fn next_logic(
        &mut self,
        node: &Node,
        step: &StepOutline<'_>,
        block: usize,
    ) -> Option<NextLogic<StepId>> {
        let conditions = node.get("conditions").map(|entry| self.conditions(&entry.value, step, block));
        let default = node.get("default").map(|entry| self.target(&entry.value, step, block));
        Some(NextLogic { conditions: lift(conditions)?.unwrap_or_default(), default: lift(default)? })
    }

    fn conditions(
        &mut self,
        node: &Node,
        step: &StepOutline<'_>,
        block: usize,
    ) -> Option<Vec<(Expr, Target<StepId>)>> {
        let conditions: Vec<_> =
            node.as_list()?.iter().map(|item| self.condition(item, step, block)).collect();
        conditions.into_iter().collect()
    }

    fn condition(
        &mut self,
        node: &Node,
        step: &StepOutline<'_>,
        block: usize,
    ) -> Option<(Expr, Target<StepId>)> {
        let condition = node.get("if").and_then(|entry| self.expr(&entry.value));
        let target = node.get("next").and_then(|entry| self.target(&entry.value, step, block));
        Some((condition?, target?))
    }

    /// `end`, or a step of the same block.
    fn target(&mut self, node: &Node, step: &StepOutline<'_>, block: usize) -> Option<Target<StepId>> {
        let text = self.full_text(node)?;
        if text == "end" {
            return Some(Target::End);
        }
        let Some((id, place)) = self.index.find(&text) else {
            let help =
                did_you_mean(&text, self.index.ids().filter(|id| *id != step.id().as_str()).chain(["end"]));
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
        let count = step.bodies.len();
        let wait_for = node.get("wait_for").map(|entry| self.wait_for(&entry.value, count));
        let branches: Vec<_> = step.bodies.iter().map(|body| self.branch(body)).collect();
        let branches: Option<Vec<_>> = branches.into_iter().collect();
        if let Some(entry) = node.get("cancel_rest").filter(|entry| entry.value.as_bool() == Some(false)) {
            self.not_yet(entry.value.span, "cancel_rest: false");
        }
        Some(Work::Parallel { branches: branches?, wait_for: lift(wait_for)?.unwrap_or(WaitFor::All) })
    }

    fn wait_for(&mut self, node: &Node, branches: usize) -> Option<WaitFor> {
        let Some(count) = node.as_count() else {
            let is_any = self.text(node)?.eq_ignore_ascii_case("any");
            return Some(if is_any { WaitFor::Count(1) } else { WaitFor::All });
        };
        if count as usize > branches {
            let message = format!("`wait_for` asks for {count} branches, and there are {branches}");
            self.say(Code::TooManyBranches, node.span, message);
            return None;
        }
        Some(WaitFor::Count(count))
    }

    /// A branch's name is an id, since it stands in the addresses of what runs in it.
    fn branch(&mut self, body: &Body<'_>) -> Option<Branch<Drafts>> {
        let name = match &body.name {
            None => body.block.steps.first().map(|step| step.id().clone()),
            Some(name) => StepId::parse(name).ok(),
        };
        let block = self.block(&body.block);
        Some(Branch { name: name?, block: block? })
    }

    pub(crate) fn for_each(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<Work<Drafts>> {
        let items = node.get("items").and_then(|entry| self.items(&entry.value));
        let item = node.get("as").map_or(Some("item".to_owned()), |entry| self.text(&entry.value));
        let max_parallel = node.get("max_parallel").map(|entry| entry.value.as_count());
        let tolerate = node.get("tolerate").map_or(Some(0), |entry| entry.value.as_count());
        self.scope.enter(Frame::of(item.as_deref().into_iter().chain([LOOP_NAME])));
        let block = step.bodies.first().and_then(|body| self.block(&body.block));
        self.scope.leave();
        let repeat =
            Repeat { items: items?, item: item?, max_parallel: lift(max_parallel)?, tolerate: tolerate? };
        Some(Work::ForEach { repeat, block: block? })
    }

    /// An expression, or the items themselves.
    fn items(&mut self, node: &Node) -> Option<Expr> {
        if node.as_list().is_none() {
            return self.expr(node);
        }
        let template = self.template(node)?;
        let expr = expr_of_items(&template);
        if expr.is_none() {
            self.say(Code::BadExpression, node.span, "this list cannot be read as an expression");
        }
        expr
    }
}
