//! Why a text is no cron expression, and where in it.

use std::ops::Range;

/// What is wrong with an expression, at its place in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    pub message: String,
    /// Bytes of the expression's text.
    pub at: Range<usize>,
    /// What to write instead.
    pub help: Option<String>,
    /// The text is an expression, but no date fits it.
    pub never_fires: bool,
}

impl CronError {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), at, help: None, never_fires: false }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn never(text: &str) -> Self {
        let start = text.len() - text.trim_start().len();
        let at = start..start + text.trim().len();
        let message = format!("`{}` never fires: no date fits it", text.trim());
        Self { never_fires: true, ..Self::new(at, message) }
    }
}
