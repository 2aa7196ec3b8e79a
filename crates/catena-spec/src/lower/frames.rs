//! What the steps of a block leave for each other, and in which order: the frame of names of the block.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use super::order::{Doubt, Order};
use super::outline::{BlockOutline, StepOutline};
use super::scope::{Declared, Frame};
use crate::node::{Entry, Node, Value};

impl Context<'_> {
    /// The names that the steps of a block leave for each other.
    pub(crate) fn frame_of(&self, block: &BlockOutline<'_>) -> Frame {
        let mut frame = Frame::of_block(block.number, self.order_of(block));
        for (position, step) in block.steps.iter().enumerate() {
            if let Some(doubt) = self.doubt_of(step, block) {
                frame.doubt(position, doubt);
            }
            if let Some(when) = step.get("when").and_then(|entry| self.text(&entry.value)) {
                frame.condition(position, when);
            }
            let declared = declared_output(step);
            if let Some(name) = step.get("output_key").and_then(|entry| self.text(&entry.value)) {
                frame.add(name, position, step.place, declared);
            }
            for name in names_set(step) {
                frame.add(name, position, step.place, None);
            }
        }
        frame
    }

    /// Why the step may have no result even where it stands before another one.
    fn doubt_of(&self, step: &StepOutline<'_>, block: &BlockOutline<'_>) -> Option<Doubt> {
        let may_be_lost = |node: &&Node| matches!(self.dependency_on(node).as_str(), "failed" | "skipped");
        if step.get("when").is_some() || step.dependencies().iter().any(may_be_lost) {
            return Some(Doubt::When);
        }
        let own = step.get("error_policy").and_then(|entry| self.text(&entry.value));
        let policy = own.or_else(|| self.default_policy.clone().filter(|_| block.number == 0));
        let is_continue = policy.is_some_and(|policy| policy.eq_ignore_ascii_case("continue"));
        (is_continue && step.get("set").is_none()).then_some(Doubt::Continue)
    }

    fn order_of(&self, block: &BlockOutline<'_>) -> Order {
        let positions: BTreeMap<&str, usize> =
            block.steps.iter().enumerate().map(|(position, step)| (step.id().as_str(), position)).collect();
        let find = |text: &str| Some(*positions.get(self.index.find(text)?.0.as_str())?);
        if self.is_graph(block) {
            let waits_for = block.steps.iter().map(|step| self.waits_for(step, &find)).collect();
            return Order::graph(waits_for);
        }
        let leaves = |step: &StepOutline<'_>| step.get("next_step_logic").is_some() || ends_the_chain(step);
        if !block.steps.iter().any(leaves) {
            return Order::Line;
        }
        let goes_to = |(at, step)| self.goes_to(at, step, block.steps.len(), &find);
        Order::ways(block.steps.iter().enumerate().map(goes_to).collect())
    }

    /// The places that a step of a sequence may go to; `end`, and what is no step, is the end of the block.
    fn goes_to(
        &self,
        at: usize,
        step: &StepOutline<'_>,
        end: usize,
        find: &dyn Fn(&str) -> Option<usize>,
    ) -> Vec<usize> {
        if ends_the_chain(step) {
            return Vec::new();
        }
        let Some(logic) = step.get("next_step_logic").map(|entry| &entry.value) else { return vec![at + 1] };
        let place = |entry: &Entry| self.text(&entry.value).and_then(|text| find(&text)).unwrap_or(end);
        let conditions = logic.get("conditions").and_then(|entry| entry.value.as_list()).unwrap_or_default();
        let jumps = conditions.iter().filter_map(|condition| condition.get("next")).map(place);
        jumps.chain([logic.get("default").map_or(at + 1, place)]).collect()
    }

    /// Whether a block's steps run by what they depend on: its `flow` says so, or else any of them.
    pub(crate) fn is_graph(&self, block: &BlockOutline<'_>) -> bool {
        let says = block.flow.and_then(|node| self.text(node)).map(|text| text.to_lowercase());
        match says.as_deref() {
            Some("graph") => true,
            Some("sequence") => false,
            Some(_) | None => block.steps.iter().any(|step| !step.dependencies().is_empty()),
        }
    }

    /// The steps that a step waits for, and why each may have left nothing all the same.
    fn waits_for(
        &self,
        step: &StepOutline<'_>,
        find: &dyn Fn(&str) -> Option<usize>,
    ) -> Vec<(usize, Option<Doubt>)> {
        let dependencies = step.dependencies();
        let join = step.get("join").map(|entry| &entry.value);
        let count = join.and_then(Node::as_count).map(|count| count as usize);
        let is_any =
            join.and_then(|node| self.text(node)).is_some_and(|text| text.eq_ignore_ascii_case("any"));
        let waits_for_all = dependencies.len() <= count.unwrap_or(if is_any { 1 } else { usize::MAX });
        let doubt = |node: &Node| match self.dependency_on(node).as_str() {
            "failed" | "skipped" | "ended" => Some(Doubt::Ended),
            _ => (!waits_for_all).then_some(Doubt::Any),
        };
        let found = dependencies.iter().map(|node| Some((find(&self.dependency_name(node)?)?, doubt(node))));
        found.flatten().collect()
    }

    /// How the step that a dependency names must have ended.
    pub(crate) fn dependency_on(&self, node: &Node) -> String {
        let written = node.get("on").and_then(|entry| self.text(&entry.value));
        written.map_or_else(|| "completed".to_owned(), |text| text.to_lowercase())
    }
}

/// Whether nothing comes after the step: it ends the chain whatever is the case.
fn ends_the_chain(step: &StepOutline<'_>) -> bool {
    let ends = step.kind.is_some_and(|(kind, _)| matches!(kind.name, "end" | "fail"));
    ends && step.get("when").is_none()
}

/// What a step says its result looks like.
fn declared_output(step: &StepOutline<'_>) -> Option<Declared> {
    let schema = &step.get("output")?.value;
    schema.as_object()?;
    Some(Declared::Schema(Arc::new(schema.to_json())))
}

fn names_set(step: &StepOutline<'_>) -> Vec<String> {
    match step.get("set").map(|entry| &entry.value.value) {
        Some(Value::Map(entries)) => entries.iter().map(|entry| entry.key.text.clone()).collect(),
        _ => Vec::new(),
    }
}
