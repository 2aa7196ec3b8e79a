//! The kind `wait`, and what else of a step or a chain has to do with time.

use catena_core::Timestamp;
use catena_core::chain::{StepDraft, Wait, Work};
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
        // Signals and people come later; what can be checked of them is.
        for key in ["approval"] {
            if let Some(title) = node.get(key).and_then(|entry| entry.value.get("title")) {
                self.template(&title.value);
            }
        }
        Some(Work::Wait { wait: lift(time)?.or(lift(until)?)? })
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

    /// A duration, or `{attempt, total}`. What holds blocks makes no attempts: there it limits all of it.
    pub(crate) fn limits(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<Limits> {
        let is_block = step.kind.is_some_and(|(kind, _)| kind.family == Family::Block);
        let duration = |key: &str| node.get(key).map(|entry| entry.value.as_duration_ms());
        if !matches!(node.value, Value::Map(_)) {
            let ms = Some(node.as_duration_ms()?);
            return Some(match is_block {
                true => Limits { attempt_ms: None, total_ms: ms },
                false => Limits { attempt_ms: ms, total_ms: None },
            });
        }
        if let Some(entry) = node.get("attempt").filter(|_| is_block) {
            let message = "a block makes no attempts that could be limited";
            let problem = Problem::new(Code::IdleKey, entry.key.span, message).label("does nothing");
            self.add(problem.help("write `total`, which limits all that the block has in it"));
        }
        Some(Limits { attempt_ms: lift(duration("attempt"))?, total_ms: lift(duration("total"))? })
    }
}
