//! Instants as the core sees them: a number that came in with a command.

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub const ZERO: Self = Self(0);

    /// The instant `ms` milliseconds later; stays at the end of time rather than wrapping.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        let us = i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        Self(self.0.saturating_add(us))
    }

    /// The instant `us` microseconds later, or earlier where that is negative.
    #[must_use]
    pub fn plus_micros(self, us: i64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// As RFC 3339 text in UTC.
    pub fn to_rfc3339(self) -> String {
        crate::expr::text_of_instant(self)
    }

    /// How long after `earlier` this is, in microseconds; 0 where it is not.
    pub fn micros_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}
