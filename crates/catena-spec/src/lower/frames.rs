//! What the steps of a block leave for each other, and in which order: the frame of names of the block.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use super::outline::{BlockOutline, StepOutline};
use super::scope::{Declared, Doubt, Frame, Order};
use crate::node::Value;

impl Context<'_> {
    /// The names that the steps of a block leave for each other.
    pub(crate) fn frame_of(&self, block: &BlockOutline<'_>) -> Frame {
        let mut frame = Frame::of_block(block.number, self.order_of(block));
        for (position, step) in block.steps.iter().enumerate() {
            if let Some(doubt) = self.doubt_of(step, block) {
                frame.doubt(position, doubt);
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
        let is_any = |entry: &crate::node::Entry| match self.text(&entry.value) {
            Some(text) => !text.eq_ignore_ascii_case("all"),
            None => false,
        };
        if step.get("join").is_some_and(is_any) {
            return Some(Doubt::Any);
        }
        if step.get("when").is_some() {
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
        let mut jumps = Vec::new();
        for (from, step) in block.steps.iter().enumerate() {
            let Some(logic) = step.get("next_step_logic").map(|entry| &entry.value) else { continue };
            let conditions =
                logic.get("conditions").and_then(|entry| entry.value.as_list()).unwrap_or_default();
            let targets =
                conditions.iter().filter_map(|condition| condition.get("next")).chain(logic.get("default"));
            let targets = targets.filter_map(|entry| self.text(&entry.value));
            jumps.extend(targets.filter_map(|text| Some((from, find(&text)?))));
        }
        Order::sequence(jumps)
    }

    /// Whether a block's steps run by what they depend on.
    pub(crate) fn is_graph(&self, block: &BlockOutline<'_>) -> bool {
        block.steps.iter().any(|step| !step.dependencies().is_empty())
    }

    fn waits_for(&self, step: &StepOutline<'_>, find: &dyn Fn(&str) -> Option<usize>) -> Vec<usize> {
        step.dependencies().iter().filter_map(|node| find(&self.dependency_name(node)?)).collect()
    }
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
