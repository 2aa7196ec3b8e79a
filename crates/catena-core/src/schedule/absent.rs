//! Dates that a schedule names and that no calendar has, such as a 31 April: nothing starts for them, and somebody may
//! wonder.

use std::fmt;

use jiff::{Timestamp as Instant, civil::Date};

use super::{Schedule, Timing, fields::Fields};
use crate::time::Timestamp;

/// How many months one look covers: a century.
const MONTHS_MAX: usize = 1_200;

/// A day of a month that has fewer days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsentDate {
    pub year: i16,
    pub month: i8,
    pub day: u8,
}

impl Schedule {
    /// The dates between two instants that the schedule names and that do not exist, in order.
    pub fn absent_dates(&self, from: Timestamp, until: Timestamp) -> Vec<AbsentDate> {
        let date = |at: Timestamp| {
            let instant = Instant::from_microsecond(at.0).ok()?;
            Some(self.zone.rules().to_datetime(instant).date())
        };
        let (Some(from), Some(until)) = (date(from), date(until)) else { return Vec::new() };
        match &self.timing {
            Timing::Calendar { frequency, time } => frequency.fields(*time).absent_dates(from, until),
            Timing::Cron { expr } => expr.fields().absent_dates(from, until),
            Timing::Every { .. } | Timing::Once { .. } => Vec::new(),
        }
    }
}

impl Fields {
    /// Where the day of the week counts, too, and where every day is named, nobody misses one.
    fn absent_dates(&self, from: Date, until: Date) -> Vec<AbsentDate> {
        let mut absent = Vec::new();
        if !self.names_month_days_alone() {
            return absent;
        }
        let mut month = from.first_of_month();
        for _ in 0..MONTHS_MAX {
            if month > until {
                break;
            }
            let is_named = self.months & (1 << month.month()) != 0;
            let days = (month.days_in_month() + 1..=31).filter(|day| self.month_days.plain & (1 << day) != 0);
            absent.extend(days.filter(|_| is_named).map(|day| AbsentDate {
                year: month.year(),
                month: month.month(),
                // Not negative: it is above the length of a month.
                day: day.unsigned_abs(),
            }));
            match month.last_of_month().tomorrow() {
                Ok(next) => month = next,
                Err(_) => break,
            }
        }
        absent.retain(|date| {
            let last = date.day as i8;
            (from.year(), from.month(), from.day()) < (date.year, date.month, last)
                && (date.year, date.month, last) < (until.year(), until.month(), until.day())
        });
        absent
    }
}

impl fmt::Display for AbsentDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
