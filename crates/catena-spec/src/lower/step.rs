//! One step: its parts one by one, each in the scope that it sees.

use std::sync::Arc;

use catena_core::chain::{CodeLanguage, EffectKind, StepDraft, Undo, Work};
use catena_core::retry::Retry;

use super::context::Context;
use super::order::Here;
use super::outline::{BlockOutline, StepOutline};
use super::policy::WrittenPolicy;
use super::process::lift;
use super::scope::{Frame, UNDO_NAMES};
use super::script_argument::Reads;
use crate::code::Code;
use crate::language::{Key, Kind, STEP_KEYS, Shape, Since, find};
use crate::node::Node;
use crate::problem::Problem;

impl Context<'_> {
    /// The steps of a block, with the names that they leave for each other. None if any of them is broken, or is of a
    /// kind that comes later.
    pub(crate) fn block(&mut self, block: &BlockOutline<'_>) -> Option<Vec<StepDraft>> {
        self.check_dependencies(block);
        let frame = self.frame_of(block);
        self.scope.enter(frame);
        let mut steps: Vec<Option<StepDraft>> = Vec::with_capacity(block.steps.len());
        for (position, step) in block.steps.iter().enumerate() {
            self.scope.at(Here::At(position));
            let is_raw = step.get("raw").is_some_and(|entry| entry.value.as_bool() == Some(true));
            let outside = (std::mem::replace(&mut self.is_raw, is_raw), self.guards.len());
            steps.push(self.step(step, position, block));
            self.is_raw = outside.0;
            self.guards.truncate(outside.1);
        }
        self.scope.leave();
        steps.into_iter().collect()
    }

    fn step(
        &mut self,
        step: &StepOutline<'_>,
        position: usize,
        block: &BlockOutline<'_>,
    ) -> Option<StepDraft> {
        let when = step.get("when").map(|entry| self.expr(&entry.value));
        let guard = step.get("when").and_then(|entry| self.text(&entry.value));
        self.guards.extend(guard);
        let work = step.kind.and_then(|(kind, entry)| self.work(kind, &entry.value, step));
        let description = step.get("description").map(|entry| self.text(&entry.value));
        let output_key = step.get("output_key").map(|entry| self.text(&entry.value));
        let output = step.get("output").map(|entry| Arc::new(entry.value.to_json()));
        self.later_keys(step, position);
        if let Some(alternative) = &step.alternative {
            self.block(alternative);
        }
        // Where to go next, and how to take the step back, is asked when its own result is there.
        self.is_raw = false;
        self.scope.at(Here::Behind(position));
        let next = step.get("next_step_logic").map(|entry| {
            self.no_jump_in_graph(entry, block);
            self.next_logic(&entry.value, step, block.number)
        });
        let limits = step.get("timeout").map(|entry| self.limits(&entry.value, step));
        let delay = step.get("run_next_after").map(|entry| entry.value.as_duration_ms());
        let effect = step.get("effect").map_or(EffectKind::default(), |entry| self.effect(&entry.value));
        let policy = step.get("error_policy").map(|entry| self.error_policy(&entry.value));
        let retry = step.get("retry_config").map(|entry| self.retry(&entry.value));
        self.scope.at(Here::Undoing(position));
        let undo = step.undo.as_ref().map(|undo| self.undo(undo, step));
        let policy = lift(policy)?;
        let limits = lift(limits)?.unwrap_or_default();
        let retry = lift(retry)?.or_else(|| default_retry(policy));
        Some(StepDraft {
            name: step.name.clone(),
            description: lift(description)?,
            when: lift(when)?,
            output_key: lift(output_key)?,
            output,
            retry,
            timeout_ms: limits.attempt_ms,
            total_timeout_ms: limits.total_ms,
            error_policy: policy.map(WrittenPolicy::last),
            undo: lift(undo)?,
            effect,
            next: lift(next)?,
            delay_next_ms: lift(delay)?.unwrap_or(0),
            ..StepDraft::new(step.id().clone(), work?)
        })
    }

    fn work(&mut self, kind: &Kind, node: &Node, step: &StepOutline<'_>) -> Option<Work<Vec<StepDraft>>> {
        match kind.name {
            "shell" => self.shell(node, step),
            "command" => self.command(node, step),
            "file" => self.file(node, step),
            "http" => self.http(node, step),
            "file_exists" => self.file_exists(node),
            "settings" => self.settings(node),
            "set" => self.set(node),
            "wait" => self.wait(node),
            "steps" => self.group(step),
            "parallel" => self.parallel(node, step),
            "for_each" => self.for_each(node, step),
            "python" => self.code_text(CodeLanguage::Python, node, step),
            "javascript" => self.code_text(CodeLanguage::JavaScript, node, step),
            "code" => self.code(node, step),
            // A kind that comes later: what can be checked of it is.
            _ => {
                // Headers and the like take secrets; where exactly, the kind says when it comes.
                self.with_secrets(|own| own.check_within(node, &kind.shape));
                if let Some(entry) = step.get("parameters") {
                    self.with_secrets(|own| own.template(&entry.value));
                }
                self.process(step);
                None
            }
        }
    }

    fn set(&mut self, node: &Node) -> Option<Work<Vec<StepDraft>>> {
        let values: Vec<_> = node
            .as_object()?
            .iter()
            .map(|entry| Some((entry.key.text.clone(), self.template(&entry.value)?)))
            .collect();
        let values: Vec<_> = values.into_iter().collect::<Option<_>>()?;
        Some(Work::Set { values })
    }

    fn undo(&mut self, block: &BlockOutline<'_>, step: &StepOutline<'_>) -> Option<Undo<Vec<StepDraft>>> {
        self.scope.enter(Frame::of(UNDO_NAMES));
        let block = self.block(block);
        self.scope.leave();
        let written = step.get("undo").and_then(|entry| entry.value.get("if_started"));
        let if_started = written.map_or(Some(false), |entry| entry.value.as_bool());
        Some(Undo { block: block?, if_started: if_started? })
    }

    /// What stands in keys that come later is checked as far as expressions go.
    fn later_keys(&mut self, step: &StepOutline<'_>, position: usize) {
        for entry in step.entries {
            let key = find(STEP_KEYS, &entry.key.text).filter(|key| key.since == Since::Later);
            let is_kind = step.kind.is_some_and(|(kind, _)| kind.name == entry.key.text);
            // The alternative is a block of its own.
            if let Some(key) = key.filter(|key| !is_kind && !matches!(key.shape, Shape::Step)) {
                match key.name {
                    // Whether to go on is asked when an iteration has left its result.
                    "repeat_config" => {
                        self.scope.at(Here::Behind(position));
                        self.check_within(&entry.value, &key.shape);
                        self.scope.at(Here::At(position));
                    }
                    _ => self.check_within(&entry.value, &key.shape),
                }
            }
        }
    }

    fn no_jump_in_graph(&mut self, entry: &crate::node::Entry, block: &BlockOutline<'_>) {
        if self.is_graph(block) {
            let message = "a step of a graph cannot jump: its steps run by what they depend on";
            let problem = Problem::new(Code::JumpInGraph, entry.key.span, message);
            self.add(problem.help("use `depends_on` with `when`, or take `depends_on` out of this block"));
        }
    }

    /// Finds the expressions in a value of some shape, and what is wrong with them.
    pub(crate) fn check_within(&mut self, node: &Node, shape: &Shape) {
        match shape {
            Shape::Data | Shape::Template => _ = self.template(node),
            Shape::Expr | Shape::TextExpr => self.later_expr(node),
            Shape::Script => {
                if let Some(text) = self.text(node) {
                    self.check_script(&text, node, Reads::Shell);
                }
            }
            Shape::List { of, .. } => {
                node.as_list().unwrap_or_default().iter().for_each(|item| self.check_within(item, of));
            }
            Shape::Map { of, .. } => {
                let entries = node.as_object().unwrap_or_default();
                entries.iter().for_each(|entry| self.check_within(&entry.value, of));
            }
            Shape::Object(object) => {
                for entry in node.as_object().unwrap_or_default() {
                    match find(object.keys, &entry.key.text) {
                        // What holds for the processes of this machine holds in a container, too.
                        Some(Key { name: "env", .. }) => _ = self.env(&entry.value),
                        Some(Key { name: "command", shape, .. }) if holds_argv(&entry.value, shape) => {
                            _ = self.argv(&entry.value);
                        }
                        Some(key) => self.check_within(&entry.value, &key.shape),
                        None => {}
                    }
                }
            }
            Shape::OneOf(shapes) => {
                if let Some(shape) = shapes.iter().find(|shape| shape.is_of_type(node)) {
                    self.check_within(node, shape);
                }
            }
            // Constants, and steps, which are drawn in the outline.
            Shape::Constant
            | Shape::Text
            | Shape::Note
            | Shape::Bool
            | Shape::Count { .. }
            | Shape::Number { .. }
            | Shape::Duration
            | Shape::Time
            | Shape::Word(_)
            | Shape::Name
            | Shape::Id
            | Shape::Steps
            | Shape::Step
            | Shape::Undo
            | Shape::JsonSchema => {}
        }
    }

    /// A duration may stand where an expression can.
    fn later_expr(&mut self, node: &Node) {
        let is_duration = node.as_duration_ms().is_some();
        let is_instant = self.text(node).is_some_and(|text| begins_with_a_date(&text));
        if !is_duration && !is_instant {
            self.expr(node);
        }
    }
}

/// `2026-12-24…`, the written form of an instant.
pub(crate) fn begins_with_a_date(text: &str) -> bool {
    let shape = |letter: char| if letter.is_ascii_digit() { '0' } else { letter };
    text.chars().take(10).map(shape).eq("0000-00-00".chars())
}

/// `error_policy: retry` without a `retry_config` retries by the defaults.
fn default_retry(policy: Option<WrittenPolicy>) -> Option<Retry> {
    (policy == Some(WrittenPolicy::Retry)).then(Retry::default)
}

/// Whether a `command` is a program with its arguments, and no shell text.
fn holds_argv(node: &Node, shape: &Shape) -> bool {
    let takes_data = |shape: &Shape| matches!(shape, Shape::List { of: Shape::Template, .. });
    node.as_list().is_some() && matches!(shape, Shape::OneOf(shapes) if shapes.iter().any(takes_data))
}
