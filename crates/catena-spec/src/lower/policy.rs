//! What happens when a step fails: policies, retries, timeouts, effects.

use catena_core::chain::{EffectKind, ErrorPolicy};
use catena_core::failure::FailureType;
use catena_core::retry::Retry;

use super::context::Context;
use crate::code::Code;
use crate::keys::{self, Since};
use crate::limits;
use crate::node::{Entry, Node, Value};
use crate::problem::Problem;

/// `error_policy` as it is written. `retry` is a `stop` after some attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrittenPolicy {
    Ends(ErrorPolicy),
    Retry,
}

impl WrittenPolicy {
    /// What is left to do when there are no attempts left.
    pub(crate) fn last(self) -> ErrorPolicy {
        match self {
            WrittenPolicy::Ends(policy) => policy,
            WrittenPolicy::Retry => ErrorPolicy::Stop,
        }
    }
}

impl Context<'_> {
    pub(crate) fn error_policy(&mut self, node: &Node) -> Option<WrittenPolicy> {
        let words: Vec<&str> = keys::POLICIES.iter().map(|(word, _)| *word).collect();
        let word = self.word(node, "`error_policy`", &words)?;
        if keys::POLICIES.contains(&(word, Since::Later)) {
            let message = format!("`{word}` is part of the language but this version does not run it yet");
            self.add(Problem::new(Code::KeyLater, node.span, message).label("not yet"));
            return None;
        }
        Some(match word {
            "continue" => WrittenPolicy::Ends(ErrorPolicy::Continue),
            "rollback" => WrittenPolicy::Ends(ErrorPolicy::Rollback),
            "retry" => WrittenPolicy::Retry,
            _ => WrittenPolicy::Ends(ErrorPolicy::Stop),
        })
    }

    pub(crate) fn retry(&mut self, node: &Node) -> Option<Retry> {
        let mut retry = Retry::default();
        let mut sound = true;
        for entry in self.known_entries(node, "`retry_config`", keys::RETRY_KEYS)? {
            sound &= self.retry_key(entry, &mut retry).is_some();
        }
        if let Some(max) = retry.delay_max_ms.filter(|max| *max < retry.initial_delay_ms) {
            let message = format!(
                "`max_delay` ({}) is shorter than `initial_delay` ({})",
                in_seconds(max),
                in_seconds(retry.initial_delay_ms)
            );
            let span = node.get("max_delay").map_or(node.span, |entry| entry.value.span);
            self.say(Code::OutOfRange, span, message);
            sound = false;
        }
        sound.then_some(retry)
    }

    fn retry_key(&mut self, entry: &Entry, retry: &mut Retry) -> Option<()> {
        let node = &entry.value;
        let what = format!("`{}`", entry.key.text);
        match entry.key.text.as_str() {
            "max_attempts" => {
                let count = self.count(node, &what, 1, limits::MAX_ATTEMPTS)?;
                retry.max_attempts = u32::try_from(count).expect("the limit on attempts is small");
            }
            "initial_delay" => retry.initial_delay_ms = self.duration(node, &what)?,
            "backoff_factor" => retry.backoff_factor = self.float(node, &what, 1.0)?,
            "max_delay" => retry.delay_max_ms = Some(self.duration(node, &what)?),
            "jitter" => retry.jitter = self.bool(node, &what)?,
            _ => retry.on = self.failure_types(node, &what)?,
        }
        Some(())
    }

    fn failure_types(&mut self, node: &Node, what: &str) -> Option<Vec<FailureType>> {
        let one = std::slice::from_ref(node);
        let items = if matches!(node.value, Value::String(_)) { one } else { self.list(node, what)? };
        items.iter().map(|item| self.full_text(item, "a type of failure").map(FailureType::from)).collect()
    }

    /// A timeout of each attempt: a duration, or `{attempt: …}`.
    pub(crate) fn timeout(&mut self, node: &Node) -> Option<u64> {
        if !matches!(node.value, Value::Map(_)) {
            return self.positive_duration(node, "`timeout`");
        }
        let entries = self.known_entries(node, "`timeout`", keys::TIMEOUT_KEYS)?;
        let Some(attempt) = entries.into_iter().next() else {
            self.say(Code::MissingKey, node.span, "`timeout` needs `attempt`".to_owned());
            return None;
        };
        self.positive_duration(&attempt.value, "`attempt`")
    }

    fn positive_duration(&mut self, node: &Node, what: &str) -> Option<u64> {
        let duration = self.duration(node, what)?;
        if duration == 0 {
            self.say(Code::OutOfRange, node.span, format!("{what} must be longer than nothing"));
            return None;
        }
        Some(duration)
    }

    pub(crate) fn effect(&mut self, node: &Node) -> Option<EffectKind> {
        Some(match self.word(node, "`effect`", &["idempotent", "at_most_once"])? {
            "at_most_once" => EffectKind::AtMostOnce,
            _ => EffectKind::Idempotent,
        })
    }
}

fn in_seconds(milliseconds: u64) -> String {
    format!("{}s", milliseconds as f64 / 1_000.0)
}
