//! The kind `wait`, and what else of a step or a chain has to do with time.

use catena_core::Timestamp;
use std::sync::Arc;

use catena_core::chain::{Approval, CallStep, ChainName, OnTimeout, StepDraft, Wait, Work};
use catena_core::expr::instant_of_text;

use super::context::Context;
use super::outline::StepOutline;
use super::process::lift;
use super::step::begins_with_a_date;
use crate::code::Code;
use crate::duration;
use crate::language::Family;
use crate::node::{Node, Value};
use crate::problem::Problem;
use crate::structure::is_form_of_fields;

/// The two limits of a step, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) attempt_ms: Option<u64>,
    pub(crate) total_ms: Option<u64>,
}

impl Context<'_> {
    pub(crate) fn wait(&mut self, node: &Node) -> Option<Work<Vec<StepDraft>>> {
        if let Some(ms) = node.as_duration_ms() {
            return Some(Work::Wait { wait: Wait::ForMs(ms) });
        }
        let time = node.get("for").map(|entry| self.wait_for_time(&entry.value));
        let until = node.get("until").map(|entry| self.wait_until(&entry.value));
        let signal = node.get("signal").map(|entry| self.signal(&entry.value, node));
        let approval = node.get("approval").map(|entry| self.approval(&entry.value));
        if signal.is_none()
            && let Some(entry) = node.get("timeout")
        {
            self.idle(entry, "it limits the wait for a signal; an approval has `expires`");
        }
        let wait = lift(time)?.or(lift(until)?).or(lift(signal)?).or(lift(approval)?)?;
        Some(Work::Wait { wait })
    }

    fn signal(&mut self, node: &Node, wait: &Node) -> Option<Wait> {
        let timeout = wait.get("timeout").map(|entry| entry.value.as_duration_ms());
        Some(Wait::Signal { name: self.full_text(node)?, timeout_ms: lift(timeout)? })
    }

    fn approval(&mut self, node: &Node) -> Option<Wait> {
        let title = node.get("title").and_then(|entry| self.template(&entry.value));
        let form = node.get("form").map(|entry| Arc::new(form(&entry.value)));
        let approvers = node.get("approvers").map(|entry| {
            let names = entry.value.one_or_more().iter().map(|name| self.full_text(name));
            names.collect::<Option<Vec<_>>>()
        });
        let expires = node.get("expires").map(|entry| entry.value.as_duration_ms());
        let on_timeout = match node.get("on_timeout") {
            None => OnTimeout::Fail,
            Some(entry) => match self.text(&entry.value)?.to_lowercase().as_str() {
                "approve" => OnTimeout::Approve,
                "reject" => OnTimeout::Reject,
                _ => OnTimeout::Fail,
            },
        };
        if let (OnTimeout::Approve, Some(form), Some(entry)) = (on_timeout, &form, node.get("on_timeout"))
            && !unanswered(form).is_empty()
        {
            let names = unanswered(form).join("`, `");
            let message = format!("time cannot fill in `{names}` of the form");
            let problem =
                Problem::new(Code::MissingKey, entry.value.span, message).label("approves it empty");
            self.add(problem.help("give what must be filled in a `default`, or let the question fail"));
        }
        if let Some(entry) = node.get("on_timeout").filter(|_| expires.is_none()) {
            self.idle(entry, "a question without `expires` stands until it is answered");
        }
        Some(Wait::Approval(Box::new(Approval {
            title: title?,
            form,
            approvers: lift(approvers)?.unwrap_or_default(),
            expires_ms: lift(expires)?,
            on_timeout,
        })))
    }

    /// `chain`: another chain by its name.
    pub(crate) fn call(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<Work<Vec<StepDraft>>> {
        let text = self.full_text(node)?;
        let chain = match ChainName::parse(&text) {
            Ok(name) => Some(name),
            Err(error) => {
                self.say(Code::BadName, node.span, error.to_string());
                None
            }
        };
        let parameters = step.get("parameters").map(|entry| self.template(&entry.value));
        let lets_go = step.get("wait").is_some_and(|entry| entry.value.as_bool() == Some(false));
        Some(Work::Chain(CallStep { chain: chain?, parameters: lift(parameters)?, lets_go }))
    }

    /// A duration, or an expression that gives one.
    fn wait_for_time(&mut self, node: &Node) -> Option<Wait> {
        if let Some(ms) = node.as_duration_ms() {
            return Some(Wait::ForMs(ms));
        }
        let text = self.full_text(node)?;
        if let Some(written) = duration::in_words(&text) {
            let problem =
                Problem::new(Code::BadDuration, node.span, format!("`for` is no duration: `{text}`"));
            self.add(problem.help(format!("write `{written}`")));
            return None;
        }
        if text.trim().strip_prefix('-').is_some_and(|rest| duration::seconds(rest).is_some()) {
            let problem = Problem::new(Code::BadDuration, node.span, format!("nobody waits for `{text}`"));
            self.add(problem.help("a duration is not negative; `0` is no wait"));
            return None;
        }
        if duration::seconds(&text).is_some() {
            self.say(Code::TooLong, node.span, "nobody waits so long");
            return None;
        }
        self.expr(node).map(Wait::For)
    }

    /// An instant, or an expression that gives one.
    fn wait_until(&mut self, node: &Node) -> Option<Wait> {
        let text = self.full_text(node)?;
        if !begins_with_a_date(&text) {
            return self.expr(node).map(Wait::UntilExpr);
        }
        match instant_of_text(&text) {
            Ok(Timestamp(at)) => Some(Wait::Until(Timestamp(at))),
            Err(why) => {
                let problem = Problem::new(Code::BadInstant, node.span, why).label("no instant");
                self.add(problem.help("write it with its offset, as in `2026-12-24T18:00:00+01:00` or `…Z`"));
                None
            }
        }
    }

    /// A duration, or `{attempt, total}`. What holds blocks makes no attempts, and those of a called chain are
    /// executions with limits of their own: there it limits all of it.
    pub(crate) fn limits(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<Limits> {
        let is_whole =
            step.kind.is_some_and(|(kind, _)| kind.family == Family::Block || kind.name == "chain");
        let duration = |key: &str| node.get(key).map(|entry| entry.value.as_duration_ms());
        if !matches!(node.value, Value::Map(_)) {
            let ms = Some(node.as_duration_ms()?);
            return Some(match is_whole {
                true => Limits { attempt_ms: None, total_ms: ms },
                false => Limits { attempt_ms: ms, total_ms: None },
            });
        }
        if let Some(entry) = node.get("attempt").filter(|_| is_whole) {
            let message = "a block or a called chain makes no attempts that could be limited";
            let problem = Problem::new(Code::IdleKey, entry.key.span, message).label("does nothing");
            self.add(problem.help("write `total`, which limits all that it has in it"));
        }
        Some(Limits { attempt_ms: lift(duration("attempt"))?, total_ms: lift(duration("total"))? })
    }
}

/// What must be filled in and has no default.
fn unanswered(form: &serde_json::Value) -> Vec<String> {
    let required = form.get("required").and_then(serde_json::Value::as_array);
    let names = required.into_iter().flatten().filter_map(serde_json::Value::as_str);
    let has_default = |name: &str| form["properties"][name].get("default").is_some();
    names.filter(|name| !has_default(name)).map(str::to_owned).collect()
}

/// The schema of a form: as it stands, or made of one schema for each name. What has no default must be filled in.
fn form(node: &Node) -> serde_json::Value {
    let written = node.to_json();
    let Some(fields) = written.as_object().filter(|_| is_form_of_fields(node)) else { return written };
    let required: Vec<&String> =
        fields.iter().filter(|(_, field)| field.get("default").is_none()).map(|(name, _)| name).collect();
    serde_json::json!({
        "type": "object",
        "properties": fields,
        "required": required,
        "additionalProperties": false,
    })
}
