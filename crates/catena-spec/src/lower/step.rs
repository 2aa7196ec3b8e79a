//! One step: its keys against its kind, then its parts one by one.

use catena_core::chain::{EffectKind, StepDraft, Undo, Work};
use catena_core::retry::Retry;

use super::context::Context;
use super::outline::{BlockOutline, StepOutline, names_of};
use super::policy::WrittenPolicy;
use super::process::lift;
use super::scope::{Frame, UNDO_NAMES};
use crate::code::Code;
use crate::keys::{self, Fit, Key, Kind, Since};
use crate::node::{Entry, Node};
use crate::suggest::{did_you_mean, elsewhere};

impl Context<'_> {
    /// The steps of a block, with the names that they leave for each other. None if any of them is broken.
    pub(crate) fn block(&mut self, block: &BlockOutline<'_>) -> Option<Vec<StepDraft>> {
        self.scope.enter(names_of(block));
        let mut steps: Vec<Option<StepDraft>> = Vec::with_capacity(block.steps.len());
        for (position, step) in block.steps.iter().enumerate() {
            self.scope.at(position);
            steps.push(self.step(step, position, block.number));
        }
        self.scope.leave();
        steps.into_iter().collect()
    }

    fn step(&mut self, step: &StepOutline<'_>, position: usize, block: usize) -> Option<StepDraft> {
        self.step_keys(step);
        let work = step.kind.and_then(|(kind, node)| self.work(kind, node, step));
        let description = step.get("description").map(|entry| self.text(&entry.value, "`description`"));
        let when = step.get("when").map(|entry| self.expr(&entry.value, "`when`"));
        let output_key = step.get("output_key").map(|entry| self.output_key(&entry.value));
        // Where to go next, and how to take the step back, is asked when its own result is there.
        self.scope.at(position + 1);
        let next = step.get("next_step_logic").map(|entry| self.next_logic(&entry.value, step, block));
        let timeout = step.get("timeout").map(|entry| self.timeout(&entry.value));
        let effect =
            step.get("effect").map_or(Some(EffectKind::default()), |entry| self.effect(&entry.value));
        let policy = step.get("error_policy").map(|entry| self.error_policy(&entry.value));
        let retry = step.get("retry_config").map(|entry| self.retry(&entry.value));
        let undo = step.undo.as_ref().map(|undo| self.undo(undo, step));
        let policy = lift(policy)?;
        let retry = lift(retry)?.or_else(|| default_retry(policy));
        Some(StepDraft {
            name: step.name.clone(),
            description: lift(description)?,
            when: lift(when)?,
            output_key: lift(output_key)?,
            retry,
            timeout_ms: lift(timeout)?,
            error_policy: policy.map(WrittenPolicy::last),
            undo: lift(undo)?,
            effect: effect?,
            next: lift(next)?,
            ..StepDraft::new(step.id().clone(), work?)
        })
    }

    fn work(&mut self, kind: &Kind, node: &Node, step: &StepOutline<'_>) -> Option<Work<Vec<StepDraft>>> {
        match kind.name {
            "shell" => self.shell(node, step),
            "command" => self.command(node, step),
            "file" => self.file(node, step),
            "set" => self.set(node),
            "steps" => self.group(step),
            "parallel" => self.parallel(node, step),
            "for_each" => self.for_each(node, step),
            // Kinds that come later are reported with the outline.
            _ => None,
        }
    }

    fn set(&mut self, node: &Node) -> Option<Work<Vec<StepDraft>>> {
        let entries = self.object(node, "`set`")?;
        if entries.is_empty() {
            self.say(Code::EmptyValue, node.span, "`set` must set something: `set: {name: value}`");
        }
        let mut values = Vec::new();
        for entry in entries {
            let sound = self.check_name(&entry.key.text, entry.key.span, "a name");
            let value = self.template(&entry.value).filter(|_| sound);
            values.extend(value.map(|value| (entry.key.text.clone(), value)));
        }
        (values.len() == entries.len()).then_some(Work::Set { values })
    }

    fn output_key(&mut self, node: &Node) -> Option<String> {
        let name = self.text(node, "`output_key`")?;
        self.check_name(&name, node.span, "`output_key`").then_some(name)
    }

    fn undo(&mut self, block: &BlockOutline<'_>, step: &StepOutline<'_>) -> Option<Undo<Vec<StepDraft>>> {
        self.scope.enter(Frame::of(UNDO_NAMES));
        let block = self.block(block);
        self.scope.leave();
        let written = step.get("undo").and_then(|entry| entry.value.get("if_started"));
        let if_started = written.map_or(Some(false), |entry| self.bool(&entry.value, "`if_started`"));
        if let Some(entry) = step.get("undo").filter(|entry| entry.value.get("steps").is_some()) {
            self.known_entries(&entry.value, "`undo`", keys::UNDO_KEYS);
        }
        Some(Undo { block: block?, if_started: if_started? })
    }

    /// Reports the keys that a step cannot have. A step of a kind that comes later is not held to the rest.
    fn step_keys(&mut self, step: &StepOutline<'_>) {
        let kind = step.kind.map(|(kind, _)| kind);
        for entry in step.entries {
            let is_notify_step = kind.is_none() && entry.key.text == "notify";
            if is_notify_step {
                continue;
            }
            if let Some(key) = keys::find(keys::STEP_KEYS, &entry.key.text) {
                match kind {
                    Some(Kind { since: Since::Later, .. }) => {}
                    _ if key.since == Since::Later => self.key_later(entry),
                    Some(kind) => self.key_fits(entry, key, kind),
                    None => {}
                }
            } else if keys::find_kind(&entry.key.text).is_none() && !is_spoken_for(entry, step) {
                self.unknown_step_key(entry);
            }
        }
    }

    fn key_fits(&mut self, entry: &Entry, key: &Key, kind: &Kind) {
        match key.on.fits(kind) {
            Fit::Yes => {}
            Fit::Later => self.key_later(entry),
            Fit::No => self.key_not_for(entry, kind),
        }
    }

    fn key_not_for(&mut self, entry: &Entry, kind: &Kind) {
        let allowed: Vec<&str> = keys::STEP_KEYS
            .iter()
            .filter(|key| key.since == Since::Now && key.on.fits(kind) == Fit::Yes)
            .map(|key| key.name)
            .collect();
        self.not_for_kind(&entry.key, kind.name, &allowed);
    }

    fn unknown_step_key(&mut self, entry: &Entry) {
        let kinds = || keys::KINDS.iter().map(|kind| kind.name);
        let names = || keys::STEP_KEYS.iter().map(|key| key.name).chain(kinds());
        let typed = &entry.key.text;
        let help = elsewhere(typed, names()).or_else(|| did_you_mean(typed, names()));
        self.unknown_key(entry, "a step", help);
    }
}

/// `error_policy: retry` without a `retry_config` retries by the defaults.
fn default_retry(policy: Option<WrittenPolicy>) -> Option<Retry> {
    (policy == Some(WrittenPolicy::Retry)).then(Retry::default)
}

/// Keys that are no step keys but have their reader or their problem already.
fn is_spoken_for(entry: &Entry, step: &StepOutline<'_>) -> bool {
    entry.key.text == "if_started" && step.is_undo || step.misspelt_kind == Some(entry.key.span)
}
