//! One answer, and the words that answers have in common.

use catena_core::Failure;
use serde::Serialize;

/// Of what could be listed, the first are named.
pub(super) const NAMED_MAX: usize = 10;
/// Of a message or a value, this much is repeated.
const QUOTED_MAX_CHARS: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum About {
    Failed,
    Waits,
    Skipped,
    Retried,
    Cancelled,
    Undone,
    Slow,
    Differs,
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Reason {
    pub(crate) about: About,
    /// Of the visit, or of a step that was never entered; none where it is about the whole.
    pub(crate) address: Option<String>,
    pub(crate) message: String,
    pub(crate) next: Option<String>,
}

impl Reason {
    pub(super) fn new(about: About, message: impl Into<String>) -> Self {
        Self { about, address: None, message: message.into(), next: None }
    }

    #[must_use]
    pub(super) fn at(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    #[must_use]
    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// How long something took, in the unit that fits.
pub(super) fn span(us: u64) -> String {
    if us == 0 {
        return "no time".to_owned();
    }
    use catena_core::Timestamp;
    crate::output::duration(
        Timestamp::ZERO,
        Timestamp::ZERO.plus_micros(i64::try_from(us).unwrap_or(i64::MAX)),
    )
}

pub(super) fn failure_words(failure: &Failure) -> String {
    quoted(&failure.to_string())
}

/// On one line, and not endless.
pub(super) fn quoted(text: &str) -> String {
    let mut words: String = text.trim().chars().take(QUOTED_MAX_CHARS).collect();
    if text.trim().chars().count() > QUOTED_MAX_CHARS {
        words.push('…');
    }
    words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// `a`, `b` and 3 more.
pub(super) fn named(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
    match (names.len().saturating_sub(NAMED_MAX), quoted.split_last()) {
        (0, Some((last, before))) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        (0, _) => quoted.join(", "),
        (more, _) => format!("{} and {more} more", quoted.join(", ")),
    }
}

/// `1 step`, `3 steps`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
