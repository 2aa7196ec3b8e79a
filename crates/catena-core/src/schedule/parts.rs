//! The parts that a schedule is written with: days, times of day, days of the week and of the month.

use std::fmt;

use jiff::civil;
use serde::{Deserialize, Serialize};

/// Why a text is no part of a schedule. The message says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    #[error("`{0}` is no date: write `2026-12-24`")]
    NoDate(String),
    #[error("there is no {0}: that month has {1} days")]
    NoSuchDay(String, i8),
    #[error("`{0}` is no time of day: write `05:00:00` or `5:00`, from 0:00 to 23:59:59")]
    NoTime(String),
    #[error("`{0}` is no day of the week: write `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`")]
    NoWeekday(String),
    #[error("`{0}` is no day of the month: write a number from 1 to 31, or -1 for the last day")]
    NoMonthDay(String),
}

/// Text both ways: what is stored is what a person would write.
macro_rules! as_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = PartError;

            fn try_from(text: String) -> Result<Self, PartError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(part: $name) -> Self {
                part.to_string()
            }
        }
    };
}

/// A date of the calendar, in whatever zone it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(pub(super) civil::Date);

impl Day {
    pub fn parse(text: &str) -> Result<Self, PartError> {
        let text = text.trim();
        let wrong = || PartError::NoDate(text.to_owned());
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts[..] else { return Err(wrong()) };
        if year.len() != 4 {
            return Err(wrong());
        }
        let year: i16 = digits(year).and_then(|year| year.parse().ok()).ok_or_else(wrong)?;
        let month: i8 = digits(month).and_then(|month| month.parse().ok()).ok_or_else(wrong)?;
        let day: i8 = digits(day).and_then(|day| day.parse().ok()).ok_or_else(wrong)?;
        let first = civil::Date::new(year, month, 1).map_err(|_| wrong())?;
        if !(1..=31).contains(&day) {
            return Err(wrong());
        }
        civil::Date::new(year, month, day)
            .map(Self)
            .map_err(|_| PartError::NoSuchDay(text.to_owned(), first.days_in_month()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text!(Day);

/// A time on the clock, to the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

impl TimeOfDay {
    /// `5:00`, `05:00` or `05:00:00`.
    pub fn parse(text: &str) -> Result<Self, PartError> {
        let text = text.trim();
        let wrong = || PartError::NoTime(text.to_owned());
        let mut parts = Vec::new();
        for part in text.split(':') {
            let is_short = (1..=2).contains(&part.len());
            let number = digits(part).filter(|_| is_short).and_then(|part| part.parse::<u8>().ok());
            parts.push(number.ok_or_else(wrong)?);
        }
        let (hour, minute, second) = match parts[..] {
            [hour, minute] => (hour, minute, 0),
            [hour, minute, second] => (hour, minute, second),
            _ => return Err(wrong()),
        };
        if hour > 23 || minute > 59 || second > 59 {
            return Err(wrong());
        }
        Ok(Self { hour, minute, second })
    }

    pub(super) fn civil(self) -> civil::Time {
        // The fields are within their bounds, which are below 60.
        civil::time(self.hour as i8, self.minute as i8, self.second as i8, 0)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }
}

as_text!(TimeOfDay);

/// A day of the week, Sunday first as in cron.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    Sun,
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
}

impl Weekday {
    pub const ALL: [Self; 7] = [Self::Sun, Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat];
    const NAMES: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

    /// `mon`, `Monday`, or a number as in cron: 0 and 7 are Sunday.
    pub fn parse(text: &str) -> Result<Self, PartError> {
        let lower = text.trim().to_ascii_lowercase();
        let by_name = Self::NAMES.iter().position(|name| *name == lower || name[..3] == *lower);
        let by_number = digits(&lower).and_then(|number| number.parse::<usize>().ok()).filter(|n| *n <= 7);
        let index = by_name.or(by_number).ok_or_else(|| PartError::NoWeekday(text.trim().to_owned()))?;
        Ok(Self::ALL[index % 7])
    }

    pub(super) fn index(self) -> u8 {
        self as u8
    }

    pub fn name(self) -> &'static str {
        &Self::NAMES[usize::from(self.index())][..3]
    }
}

/// A day of each month: 1 to 31, or counted from the end, where -1 is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i8", into = "i8")]
pub struct MonthDay(i8);

impl MonthDay {
    pub const LAST: Self = Self(-1);

    /// A number, or `last`.
    pub fn parse(text: &str) -> Result<Self, PartError> {
        let lower = text.trim().to_ascii_lowercase();
        if lower == "last" {
            return Ok(Self::LAST);
        }
        let plain = lower.strip_prefix('-').unwrap_or(&lower);
        let number = digits(plain).and_then(|_| lower.parse::<i8>().ok());
        number.ok_or_else(|| PartError::NoMonthDay(text.trim().to_owned())).and_then(Self::try_from)
    }

    pub fn number(self) -> i8 {
        self.0
    }
}

impl TryFrom<i8> for MonthDay {
    type Error = PartError;

    fn try_from(number: i8) -> Result<Self, PartError> {
        match number {
            1..=31 | -31..=-1 => Ok(Self(number)),
            _ => Err(PartError::NoMonthDay(number.to_string())),
        }
    }
}

impl From<MonthDay> for i8 {
    fn from(day: MonthDay) -> Self {
        day.0
    }
}

/// The text if it is digits and nothing else: `+5` and ` 5` are none.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}
