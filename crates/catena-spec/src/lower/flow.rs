//! Where a step goes next, and the kinds that hold blocks.

use catena_core::chain::{
    Branch, EndStep, FailStep, Flow, Interval, Iterations, IterationsStop, NextLogic, Repeat, StepDraft,
    Target, WaitFor, Work,
};
use catena_core::expr::Expr;
use catena_core::ids::StepId;
use catena_core::status::End;

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
        let keeps_rest = node.get("cancel_rest").is_some_and(|entry| entry.value.as_bool() == Some(false));
        let wait_for = lift(wait_for)?.unwrap_or(WaitFor::All);
        Some(Work::Parallel { branches: branches?, wait_for, keeps_rest })
    }

    /// `end`: a status alone, or an object.
    pub(crate) fn end(&mut self, node: &Node) -> Option<Work<Drafts>> {
        let status = match node.as_object() {
            Some(_) => {
                node.get("status").map_or(Some("completed".to_owned()), |entry| self.text(&entry.value))
            }
            None => self.text(node),
        };
        let status = match status?.to_lowercase().as_str() {
            "completed" => End::Completed,
            "failed" => End::Failed,
            "cancelled" => End::Cancelled,
            _ => return None,
        };
        let output = node.get("output").map(|entry| self.template(&entry.value));
        Some(Work::End(EndStep { status, output: lift(output)? }))
    }

    /// `fail`: a message alone, or an object.
    pub(crate) fn fail(&mut self, node: &Node) -> Option<Work<Drafts>> {
        if node.as_object().is_none() {
            return Some(Work::Fail(FailStep { kind: "failed".to_owned(), message: self.template(node)? }));
        }
        let kind = match node.get("type") {
            None => Some("failed".to_owned()),
            Some(entry) => self.fail_type(&entry.value),
        };
        let message = node.get("message").and_then(|entry| self.template(&entry.value));
        Some(Work::Fail(FailStep { kind: kind?, message: message? }))
    }

    /// What a person says of an execution, no step can say.
    fn fail_type(&mut self, node: &Node) -> Option<String> {
        let text = self.full_text(node)?;
        if text == "given_up" {
            let message = "`given_up` is what a person does with an execution";
            let problem = Problem::new(Code::NotOneOf, node.span, message).label("not for a step");
            self.add(problem.help("give the failure a type of your own"));
            return None;
        }
        Some(text)
    }

    pub(crate) fn flow(&self, node: &Node) -> Option<Flow> {
        match self.text(node)?.to_lowercase().as_str() {
            "graph" => Some(Flow::Graph),
            "sequence" => Some(Flow::Sequence),
            _ => None,
        }
    }

    pub(crate) fn iterations(&mut self, node: &Node) -> Option<Iterations> {
        let interval = node.get("interval").map(|entry| self.interval(&entry.value));
        let until = node.get("until").map(|entry| self.expr(&entry.value).map(IterationsStop::Until));
        let while_ = node.get("while").map(|entry| self.expr(&entry.value).map(IterationsStop::While));
        let count_max = node.get("max_iterations").map(|entry| entry.value.as_count());
        let factor = node.get("backoff_factor").map_or(Some(1.0), |entry| entry.value.as_number());
        let interval_max = node.get("max_interval").map(|entry| entry.value.as_duration_ms());
        Some(Iterations {
            stop: lift(until)?.or(lift(while_)?),
            count_max: lift(count_max)?,
            interval: lift(interval)?.unwrap_or_default(),
            backoff_factor: factor?,
            interval_max_ms: lift(interval_max)?,
        })
    }

    /// A duration, or an expression that gives one.
    fn interval(&mut self, node: &Node) -> Option<Interval> {
        match node.as_duration_ms() {
            Some(ms) => Some(Interval::Ms(ms)),
            None => self.expr(node).map(Interval::Expr),
        }
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
