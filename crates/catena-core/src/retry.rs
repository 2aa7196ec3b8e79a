//! When a failed attempt is tried again: a policy, and the pause before each attempt.

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureType};

/// `retry_config`. The first attempt counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    pub max_attempts: u32,
    pub initial_delay_ms: u64,
    pub backoff_factor: f64,
    pub delay_max_ms: Option<u64>,
    pub jitter: bool,
    /// Only failures of these types are tried again; empty means all that are retriable.
    pub on: Vec<FailureType>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial_delay_ms: 5_000,
            backoff_factor: 2.0,
            delay_max_ms: None,
            jitter: true,
            on: Vec::new(),
        }
    }
}

impl Retry {
    /// The pause after attempt `n` of a round failed, in milliseconds:
    /// `min(initial_delay · factor^(n-1), max_delay)`, times a factor in [0.5, 1.5) with jitter.
    /// `jitter` is a number in [0, 1) from outside.
    pub fn pause_ms(&self, n: u32, jitter: f64) -> u64 {
        let exponent = i32::try_from(n.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial_delay_ms as f64 * self.backoff_factor.powi(exponent);
        let bounded = self.delay_max_ms.map_or(grown, |max| grown.min(max as f64));
        let factor = if self.jitter { 0.5 + jitter.clamp(0.0, 1.0) } else { 1.0 };
        // A cast from float saturates, so an endless backoff is the end of time, not a wrap.
        (bounded * factor).round() as u64
    }

    /// The pause after attempt `n` failed in this way: not less than a server asked for, within `max_delay`.
    pub fn pause_after(&self, failure: &Failure, n: u32, jitter: f64) -> u64 {
        let asked = failure.retry_after_ms().unwrap_or(0);
        let asked = self.delay_max_ms.map_or(asked, |max| asked.min(max));
        self.pause_ms(n, jitter).max(asked)
    }

    pub fn covers(&self, failure: &FailureType) -> bool {
        self.on.is_empty() || self.on.contains(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound() {
        let policy = Retry { delay_max_ms: Some(30_000), jitter: false, ..Retry::default() };
        let pauses: Vec<u64> = (1..=5).map(|n| policy.pause_ms(n, 0.9)).collect();
        assert_eq!(pauses, [5_000, 10_000, 20_000, 30_000, 30_000]);
        assert_eq!(Retry { backoff_factor: 10.0, ..policy.clone() }.pause_ms(u32::MAX, 0.0), 30_000);
        assert_eq!(Retry { delay_max_ms: None, ..policy }.pause_ms(u32::MAX, 0.0), u64::MAX);
    }

    #[test]
    fn a_pause_is_as_long_as_a_server_asks_for() {
        let failure = |ms: u64| {
            let detail = serde_json::json!({ "retry_after_ms": ms });
            Failure::new(FailureType::HttpStatus, "busy").with_detail(detail)
        };
        let policy = Retry { delay_max_ms: Some(30_000), jitter: false, ..Retry::default() };
        assert_eq!(policy.pause_after(&failure(20_000), 1, 0.0), 20_000);
        assert_eq!(policy.pause_after(&failure(1), 1, 0.0), 5_000);
        assert_eq!(policy.pause_after(&failure(60_000), 1, 0.0), 30_000);
        let other = Failure { kind: FailureType::ExitCode, ..failure(20_000) };
        assert_eq!(policy.pause_after(&other, 1, 0.0), 5_000);
    }

    #[test]
    fn jitter_spreads_from_half_to_one_and_a_half() {
        let policy = Retry { initial_delay_ms: 1_000, ..Retry::default() };
        assert_eq!(policy.pause_ms(1, 0.0), 500);
        assert_eq!(policy.pause_ms(1, 0.5), 1_000);
        assert_eq!(policy.pause_ms(1, 0.999), 1_499);
    }
}
