//! What happens when a step fails: policies, retries, timeouts, effects.

use catena_core::chain::{EffectKind, ErrorPolicy};
use catena_core::failure::FailureType;
use catena_core::retry::Retry;

use super::context::Context;
use crate::code::Code;
use crate::language::{POLICIES, Since};
use crate::node::{Entry, Node};
use crate::structure::find_word;

/// `error_policy` as it is written. `retry` is a `stop` after some attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrittenPolicy {
    Ends(ErrorPolicy),
    Retry,
}

impl WrittenPolicy {
    pub(crate) fn is_alternative(self) -> bool {
        self == WrittenPolicy::Ends(ErrorPolicy::Alternative)
    }

    /// What is left to do when there are no attempts left.
    pub(crate) fn last(self) -> ErrorPolicy {
        match self {
            WrittenPolicy::Ends(policy) => policy,
            WrittenPolicy::Retry => ErrorPolicy::Stop,
        }
    }
}

impl Context<'_> {
    pub(crate) fn error_policy(&self, node: &Node) -> Option<WrittenPolicy> {
        let text = self.text(node)?;
        let word = find_word(&text, POLICIES).filter(|word| word.since == Since::Now)?;
        Some(match word.name {
            "continue" => WrittenPolicy::Ends(ErrorPolicy::Continue),
            "rollback" => WrittenPolicy::Ends(ErrorPolicy::Rollback),
            "alternative" => WrittenPolicy::Ends(ErrorPolicy::Alternative),
            "retry" => WrittenPolicy::Retry,
            _ => WrittenPolicy::Ends(ErrorPolicy::Stop),
        })
    }

    pub(crate) fn retry(&mut self, node: &Node) -> Option<Retry> {
        let mut retry = Retry::default();
        for entry in node.as_object()? {
            self.retry_key(entry, &mut retry)?;
        }
        if let Some(max) = retry.delay_max_ms.filter(|max| *max < retry.initial_delay_ms) {
            let message = format!(
                "`max_delay` ({}) is shorter than `initial_delay` ({})",
                in_seconds(max),
                in_seconds(retry.initial_delay_ms)
            );
            let span = node.get("max_delay").map_or(node.span, |entry| entry.value.span);
            self.say(Code::OutOfRange, span, message);
            return None;
        }
        Some(retry)
    }

    fn retry_key(&self, entry: &Entry, retry: &mut Retry) -> Option<()> {
        let node = &entry.value;
        match entry.key.text.as_str() {
            "max_attempts" => retry.max_attempts = node.as_count()?,
            "initial_delay" => retry.initial_delay_ms = node.as_duration_ms()?,
            "backoff_factor" => retry.backoff_factor = node.as_number()?,
            "max_delay" => retry.delay_max_ms = Some(node.as_duration_ms()?),
            "jitter" => retry.jitter = node.as_bool()?,
            "on" => {
                let types = node.one_or_more().iter().map(|item| self.full_text(item).map(FailureType::from));
                retry.on = types.collect::<Option<_>>()?;
            }
            _ => return None,
        }
        Some(())
    }

    pub(crate) fn effect(&self, node: &Node) -> EffectKind {
        match self.text(node).map(|text| text.to_lowercase()).as_deref() {
            Some("at_most_once") => EffectKind::AtMostOnce,
            _ => EffectKind::Idempotent,
        }
    }
}

fn in_seconds(milliseconds: u64) -> String {
    format!("{}s", milliseconds as f64 / 1_000.0)
}
