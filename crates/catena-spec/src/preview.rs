//! What a definition would do, told without doing any of it.

pub use catena_core::chain::CodeLanguage;
use catena_core::schedule::Schedule;

/// The steps of a definition and when it would start.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    pub name: String,
    /// When executions start by themselves.
    pub schedules: Vec<Schedule>,
    pub steps: Vec<PreviewStep>,
}

/// A top-level step.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviewStep {
    pub name: String,
    pub kind: &'static str,
    /// Its code, where it is in a language that may be asynchronous.
    pub code: Option<PreviewCode>,
    /// The pause before the next step.
    pub pause_ms: u64,
    /// The steps that it waits for, where it says so.
    pub depends_on: Vec<String>,
}

/// The source text of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewCode {
    pub language: CodeLanguage,
    pub text: String,
}
