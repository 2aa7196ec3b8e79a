//! When a schedule starts nothing: dates, ranges of dates, and cron expressions.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Cron, CronError, Day, PartError};

/// One exclusion, in the zone of its schedule. Its serial form is what a person writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Exclude {
    /// `2026-12-24`: the whole day.
    Day(Day),
    /// `2026-12-24..2027-01-06`: both days and those between.
    Days { first: Day, last: Day },
    /// Every minute that the expression names; every second of it if the expression has six fields.
    Cron(Cron),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExcludeError {
    #[error(transparent)]
    Day(#[from] PartError),
    #[error("the range ends on {last}, before it begins on {first}")]
    Backwards { first: Day, last: Day },
    #[error(transparent)]
    Cron(#[from] CronError),
}

impl Exclude {
    pub fn parse(text: &str) -> Result<Self, ExcludeError> {
        let text = text.trim();
        if let Some((first, last)) = text.split_once("..") {
            let (first, last) = (Day::parse(first)?, Day::parse(last)?);
            return if last < first {
                Err(ExcludeError::Backwards { first, last })
            } else {
                Ok(Self::Days { first, last })
            };
        }
        if text.contains(char::is_whitespace) || text.starts_with('@') {
            return Ok(Self::Cron(Cron::parse(text)?));
        }
        Ok(Self::Day(Day::parse(text)?))
    }
}

impl fmt::Display for Exclude {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::Days { first, last } => write!(f, "{first}..{last}"),
            Self::Cron(cron) => cron.fmt(f),
        }
    }
}

impl TryFrom<String> for Exclude {
    type Error = ExcludeError;

    fn try_from(text: String) -> Result<Self, ExcludeError> {
        Self::parse(&text)
    }
}

impl From<Exclude> for String {
    fn from(exclude: Exclude) -> Self {
        exclude.to_string()
    }
}
