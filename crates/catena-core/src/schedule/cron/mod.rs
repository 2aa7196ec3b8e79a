//! Cron expressions: text in, the fields that match out, or the place where the text goes wrong.

mod error;
mod names;
mod parse;

pub use error::CronError;
use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::fields::Fields;

/// A cron expression that fires some time. Its serial form is its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: Arc<str>,
    fields: Arc<Fields>,
}

impl Cron {
    /// Five fields, six with seconds first, or a macro such as `@daily`.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let fields = parse::parse(text)?;
        if !fields.ever_matches() {
            return Err(CronError::never(text));
        }
        Ok(Self { text: text.trim().into(), fields: Arc::new(fields) })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Cron {
    type Error = CronError;

    fn try_from(text: String) -> Result<Self, CronError> {
        Self::parse(&text)
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.text.as_ref().to_owned()
    }
}
