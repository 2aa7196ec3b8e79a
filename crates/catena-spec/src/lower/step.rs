//! One step: its parts one by one, each in the scope that it sees.

use std::sync::Arc;

use catena_core::chain::{Cache, CodeLanguage, EffectKind, ErrorPolicy, Pool, StepDraft, Undo, Work};
use catena_core::retry::Retry;

use super::context::Context;
use super::order::Here;
use super::outline::{BlockOutline, Role, StepOutline};
use super::policy::WrittenPolicy;
use super::process::lift;
use super::scope::{ALTERNATIVE_NAMES, Frame, LOOP_NAME, UNDO_NAMES};
use super::script_argument::Reads;
use crate::code::Code;
use crate::language::{Family, Key, Kind, STEP_KEYS, Shape, Since, find};
use crate::node::Node;
use crate::problem::Problem;

/// What a step needs to know of the block that it stands in.
#[derive(Clone, Copy)]
struct Around {
    number: usize,
    /// Its steps run by what they depend on.
    is_graph: bool,
    /// It belongs to an undo or a handler.
    is_aside: bool,
}

impl Context<'_> {
    /// The steps of a block, with the names that they leave for each other. None if any of them is broken, or is of a
    /// kind that comes later.
    pub(crate) fn block(&mut self, block: &BlockOutline<'_>) -> Option<Vec<StepDraft>> {
        self.check_dependencies(block);
        let frame = self.frame_of(block);
        self.scope.enter(frame);
        let mut steps: Vec<Option<StepDraft>> = Vec::with_capacity(block.steps.len());
        self.check_reach(block);
        let around = Around {
            number: block.number,
            is_graph: self.is_graph(block),
            is_aside: self.is_aside(block.number),
        };
        for (position, step) in block.steps.iter().enumerate() {
            self.scope.at(Here::At(position));
            let is_raw = step.get("raw").is_some_and(|entry| entry.value.as_bool() == Some(true));
            let outside = (std::mem::replace(&mut self.is_raw, is_raw), self.guards.len());
            steps.push(self.step(step, position, around));
            self.is_raw = outside.0;
            self.guards.truncate(outside.1);
        }
        self.scope.leave();
        steps.into_iter().collect()
    }

    fn step(&mut self, step: &StepOutline<'_>, position: usize, around: Around) -> Option<StepDraft> {
        let repeats = step.get("repeat_config").is_some();
        if repeats {
            self.scope.enter(Frame::of([LOOP_NAME]));
        }
        let when = step.get("when").map(|entry| self.expr(&entry.value));
        let guard = step.get("when").and_then(|entry| self.text(&entry.value));
        self.guards.extend(guard);
        let work = step.kind.and_then(|(kind, entry)| self.work(kind, &entry.value, step));
        let description = step.get("description").map(|entry| self.text(&entry.value));
        let output_key = step.get("output_key").map(|entry| self.text(&entry.value));
        let output = step.get("output").map(|entry| Arc::new(entry.value.to_json()));
        self.later_keys(step);
        let cache = step.get("cache").map(|entry| self.cache(&entry.value));
        let pool = step.get("pool").map(|entry| self.full_text(&entry.value));
        // Whether to go on is asked when an iteration has left its result.
        self.scope.at(Here::Iterated(position));
        let iterations = step.get("repeat_config").map(|entry| self.iterations(&entry.value));
        self.scope.at(Here::At(position));
        if repeats {
            self.scope.leave();
        }
        let alternative = step.alternative.as_ref().map(|block| self.alternative(block, step));
        // Where to go next, and how to take the step back, is asked when its own result is there.
        self.is_raw = false;
        self.scope.at(Here::Behind(position));
        let next = step.get("next_step_logic").map(|entry| {
            self.no_jump_in_graph(entry, around);
            self.next_logic(&entry.value, step, around.number)
        });
        let limits = step.get("timeout").map(|entry| self.limits(&entry.value, step));
        let delay = step.get("run_next_after").map(|entry| entry.value.as_duration_ms());
        let effect = step.get("effect").map_or(EffectKind::default(), |entry| self.effect(&entry.value));
        let policy = step.get("error_policy").map(|entry| self.error_policy(&entry.value));
        let retry = step.get("retry_config").map(|entry| self.retry(&entry.value));
        self.scope.at(Here::Undoing(position));
        let undo = step.undo.as_ref().map(|undo| self.undo(undo, step));
        self.effect_to_undo(step);
        if around.is_aside {
            self.end_aside(step);
            self.idle_aside(step);
        }
        if let Some(entry) = step.get("max_visits").filter(|_| around.is_graph) {
            self.idle(entry, "in a graph a step is visited once");
        }
        let depends = self.depends(step, around.is_graph);
        let flow = step.get("flow").map(|entry| self.flow(&entry.value));
        let visits_max = step.get("max_visits").map(|entry| entry.value.as_count());
        let alternative = lift(alternative)?;
        let policy = lift(policy)?;
        if let Some(entry) =
            step.get("alternative").filter(|_| policy.is_some_and(|one| !one.is_alternative()))
        {
            self.idle(entry, "it runs with `error_policy: alternative`");
        }
        // Who writes an alternative and nothing else means it.
        let policy =
            policy.or(alternative.is_some().then_some(WrittenPolicy::Ends(ErrorPolicy::Alternative)));
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
            depends: depends?,
            flow: lift(flow)?,
            lets_finish: step.get("fail_fast").is_some_and(|entry| entry.value.as_bool() == Some(false)),
            visits_max: lift(visits_max)?,
            iterations: lift(iterations)?,
            alternative,
            cache: lift(cache)?.flatten(),
            pool: lift(pool)?.map(|name| Pool::new(&name)),
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
            "chain" => self.call(node, step),
            "end" => self.end(node),
            "fail" => self.fail(node),
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

    /// The one step that stands in for another one.
    fn alternative(&mut self, block: &BlockOutline<'_>, step: &StepOutline<'_>) -> Option<Box<StepDraft>> {
        self.scope.enter(Frame::of(ALTERNATIVE_NAMES));
        let steps = self.block(block);
        self.scope.leave();
        let mut draft = steps?.pop()?;
        // Who names the result wants it, from whichever of the two.
        let wanted = step.get("output_key").and_then(|entry| self.text(&entry.value));
        if !matches!(draft.work, Work::Set { .. }) {
            draft.output_key = draft.output_key.or(wanted);
        }
        Some(Box::new(draft))
    }

    fn cache(&mut self, node: &Node) -> Option<Option<Cache>> {
        if let Some(is_on) = node.as_bool() {
            return Some(is_on.then(Cache::default));
        }
        let files = node.get("files").map(|entry| {
            entry.value.one_or_more().iter().map(|file| self.full_text(file)).collect::<Option<Vec<_>>>()
        });
        let ttl = node.get("ttl").map(|entry| entry.value.as_duration_ms());
        Some(Some(Cache { files: lift(files)?.unwrap_or_default(), ttl_ms: lift(ttl)? }))
    }

    /// What has no effect cannot be taken back.
    fn effect_to_undo(&mut self, step: &StepOutline<'_>) {
        let Some(undo) = step.get("undo") else { return };
        let Some((kind, entry)) = step.kind.filter(|(kind, _)| kind.family == Family::Pure) else { return };
        let message = format!("`{}` has no effect that could be taken back", kind.name);
        let problem = Problem::new(Code::UndoOfNothing, undo.key.span, message)
            .label("takes nothing back")
            .related(entry.key.span, "the step's kind")
            .help("leave it out, or put it on the step that changes something");
        self.add(problem);
    }

    /// In an undo or a handler the end of the chain is known.
    fn end_aside(&mut self, step: &StepOutline<'_>) {
        let Some((_, entry)) = step.kind.filter(|(kind, _)| kind.name == "end") else { return };
        let message = "an undo or a handler runs when the end of the chain is known, so it cannot end it";
        let problem = Problem::new(Code::EndAside, entry.key.span, message).label("ends nothing");
        self.add(problem.help("leave it out; the steps after it can be skipped with `when`"));
    }

    /// Whether a block belongs to an undo or a handler.
    fn is_aside(&self, block: usize) -> bool {
        let mut around = block;
        while let Some(owner) = self.index.owner(around) {
            if owner.role == Role::Undo {
                return true;
            }
            around = owner.block;
        }
        around != 0
    }

    /// In a sequence that jumps every step must be on some way.
    fn check_reach(&mut self, block: &BlockOutline<'_>) {
        for position in self.scope.unreachable() {
            let Some(step) = block.steps.get(position) else { continue };
            let message = format!("nothing leads to the step `{}`", step.id());
            let before =
                block.steps[..position].iter().rev().find(|step| step.get("next_step_logic").is_some());
            let mut problem = Problem::new(Code::Unreachable, step.place, message).label("never runs");
            if let Some(entry) = before.and_then(|step| step.get("next_step_logic")) {
                problem = problem.related(entry.key.span, "from here it always goes elsewhere");
            }
            self.add(problem.help("take the step out, or name it in the `next` or `default` of another one"));
        }
        self.check_ways_out(block);
    }

    /// Steps that jump round and round, until one fails or is visited too often.
    fn check_ways_out(&mut self, block: &BlockOutline<'_>) {
        let trapped = self.scope.trapped();
        let jumps = |position: &usize| block.steps[*position].get("next_step_logic");
        let Some(entry) = trapped.iter().rev().find_map(jumps) else { return };
        let first = &block.steps[trapped[0]];
        let message = format!("nothing leads out of the steps from `{}` on", first.id());
        let problem = Problem::new(Code::NoWayOut, entry.key.span, message)
            .label("always goes back")
            .related(first.place, "from here on there is no way to the end of the block");
        self.add(problem.help("add a condition whose `next` is `end`, or a step behind them"));
    }

    /// What belongs to an undo or a handler is not taken back, and takes nothing back.
    fn idle_aside(&mut self, step: &StepOutline<'_>) {
        if let Some(entry) = step.get("undo") {
            self.idle(entry, "what takes back, or follows the end, is not taken back itself");
        }
        let policy = step.get("error_policy").filter(|entry| {
            self.error_policy(&entry.value) == Some(WrittenPolicy::Ends(ErrorPolicy::Rollback))
        });
        if let Some(entry) = policy {
            let message = "`rollback` is `stop` in an undo or a handler";
            let problem = Problem::new(Code::IdleKey, entry.value.span, message).label("rolls nothing back");
            self.add(
                problem.help("the end of the execution is known here, and undos have run or are running"),
            );
        }
    }

    /// What stands in keys that come later is checked as far as expressions go.
    fn later_keys(&mut self, step: &StepOutline<'_>) {
        for entry in step.entries {
            let key = find(STEP_KEYS, &entry.key.text).filter(|key| key.since == Since::Later);
            let is_kind = step.kind.is_some_and(|(kind, _)| kind.name == entry.key.text);
            // The alternative is a block of its own.
            if let Some(key) = key.filter(|key| !is_kind && !matches!(key.shape, Shape::Step)) {
                self.check_within(&entry.value, &key.shape);
            }
        }
    }

    fn no_jump_in_graph(&mut self, entry: &crate::node::Entry, around: Around) {
        if around.is_graph {
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
            | Shape::JsonSchema
            | Shape::Form => {}
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
