//! The fields of an expression: their bounds, their names, and what their numbers are called.

use std::fmt;

use super::{error::CronError, parse::Part};

pub(super) const HELP: &str =
    "write minute, hour, day of the month, month and day of the week: `0 5 * * mon-fri`";

pub(super) const MACROS: &[(&str, &str)] = &[
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    ("@every_minute", "* * * * *"),
    ("@every_second", "* * * * * *"),
];

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

impl Field {
    pub(super) fn least(self) -> u32 {
        match self {
            Self::Second | Self::Minute | Self::Hour | Self::Weekday => 0,
            Self::Day | Self::Month => 1,
        }
    }

    /// The largest number; Sunday is also 7, which is one more.
    pub(super) fn most(self) -> u32 {
        match self {
            Self::Second | Self::Minute => 59,
            Self::Hour => 23,
            Self::Day => 31,
            Self::Month => 12,
            Self::Weekday => 6,
        }
    }

    pub(super) fn size(self) -> u32 {
        self.most() - self.least() + 1
    }

    /// How far it is from one number to another, over the end of the field if the second is less.
    pub(super) fn distance(self, first: u32, last: u32) -> u32 {
        if last >= first { last - first } else { (last + 2 * self.size() - first) % self.size() }
    }

    /// The numbers from `first` on, `length` far, in steps.
    pub(super) fn run(self, first: u32, length: u32, step: u32) -> u64 {
        let number = |offset: u32| (first + offset - self.least()) % self.size() + self.least();
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        (0..=length).step_by(step).fold(0, |set, offset| set | 1 << number(offset))
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Second | Self::Minute | Self::Hour | Self::Day => &[],
            Self::Month => MONTHS,
            Self::Weekday => WEEKDAYS,
        }
    }

    /// One number of the field, or its name.
    pub(super) fn number(self, part: Part<'_>) -> Result<u32, CronError> {
        if let Some(number) = part.digits() {
            let most = if self == Self::Weekday { 7 } else { self.most() };
            return if (self.least()..=most).contains(&number) {
                Ok(number)
            } else {
                Err(self.out_of_bounds(part, number, most))
            };
        }
        let lower = part.text.to_ascii_lowercase();
        match self.names().iter().position(|name| *name == lower) {
            Some(place) => Ok(self.least() + place as u32),
            None => Err(self.no_number(part, &lower)),
        }
    }

    fn out_of_bounds(self, part: Part<'_>, number: u32, most: u32) -> CronError {
        let message =
            format!("`{}` is out of bounds: the {self} goes from {} to {most}", part.text, self.least());
        let error = CronError::new(part.span(), message);
        match (self, number) {
            (Self::Second | Self::Minute, 60) => {
                error.help(format!("the full {} is 0", if self == Self::Second { "minute" } else { "hour" }))
            }
            (Self::Hour, 24) => error.help("midnight is hour 0"),
            (Self::Second | Self::Minute | Self::Hour, _) => {
                error.help("the order is minute, hour, day of the month, month, day of the week")
            }
            (Self::Day | Self::Month | Self::Weekday, _) => error,
        }
    }

    fn no_number(self, part: Part<'_>, lower: &str) -> CronError {
        if part.text.is_empty() {
            return CronError::new(part.span(), format!("a number of the {self} is missing"));
        }
        let error = CronError::new(part.span(), format!("`{}` is no {self}", part.text));
        let short = lower.get(..3).filter(|_| lower.len() > 3);
        match self.names().iter().find(|name| short == Some(**name)) {
            Some(name) => error.help(format!("write `{name}`")),
            None if self.names().is_empty() => {
                error.help(format!("write a number from {} to {}, or `*`", self.least(), self.most()))
            }
            None => error.help(format!("there are {}", self.names().join(", "))),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day of the month",
            Self::Month => "month",
            Self::Weekday => "day of the week",
        })
    }
}
