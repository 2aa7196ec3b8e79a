//! The instants of a schedule, one after another.

use jiff::{Timestamp as Instant, ToSpan, civil::DateTime};

use super::{
    Exclude, Frequency, MonthDay, Schedule, TimeOfDay, Timing, Weekday,
    fields::{Clock, DayRule, Fields, MonthDays, WeekDays},
    walk,
};
use crate::time::Timestamp;

/// How many exclusions one search passes over before it finds that nothing is left.
const EXCLUDED_MAX: usize = 100_000;

impl Schedule {
    /// The first instant strictly after `after`, none if there is none until the year 9999. `anchor` is when the
    /// schedule was made or changed: `every` and `after` count from it, and nothing starts before it.
    pub fn next_after(&self, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let begin = anchor.plus_ms(self.after_ms.unwrap_or(0));
        let mut from = after.max(Timestamp(begin.0.saturating_sub(1)));
        for _ in 0..EXCLUDED_MAX {
            let at = self.timing_after(begin, from)?;
            match self.excluded_until(at) {
                None => return Some(at),
                Some(until) => from = at.max(Timestamp(until.0.saturating_sub(1))),
            }
        }
        None
    }

    /// The first instant of all.
    pub fn first(&self, anchor: Timestamp) -> Option<Timestamp> {
        self.next_after(anchor, Timestamp(anchor.0.saturating_sub(1)))
    }

    /// Without the exclusions.
    fn timing_after(&self, begin: Timestamp, after: Timestamp) -> Option<Timestamp> {
        let rules = self.zone.rules();
        match &self.timing {
            Timing::Every { every_ms } => every(*every_ms, begin, after),
            Timing::Once { date, time } => {
                let at = walk::instant_of(rules, date.0.to_datetime(time.civil()))?;
                Some(Timestamp(at.as_microsecond())).filter(|at| *at > after)
            }
            Timing::Calendar { frequency, time } => self.fields_after(&frequency.fields(*time), after),
            Timing::Cron { expr } => self.fields_after(expr.fields(), after),
        }
    }

    fn fields_after(&self, fields: &Fields, after: Timestamp) -> Option<Timestamp> {
        let after = Instant::from_microsecond(after.0).ok()?;
        walk::next(fields, self.zone.rules(), after).map(|at| Timestamp(at.as_microsecond()))
    }

    /// How far an exclusion reaches at least that covers the instant.
    fn excluded_until(&self, at: Timestamp) -> Option<Timestamp> {
        if self.exclude.is_empty() {
            return None;
        }
        let rules = self.zone.rules();
        let local = rules.to_datetime(Instant::from_microsecond(at.0).ok()?);
        let reach = self.exclude.iter().filter_map(|exclude| exclude.covers_until(local)).max()?;
        let until = walk::instant_of(rules, reach).map_or(i64::MAX, Instant::as_microsecond);
        Some(Timestamp(until))
    }
}

impl Exclude {
    /// The first date and time that the exclusion may leave free, if it covers `local`.
    fn covers_until(&self, local: DateTime) -> Option<DateTime> {
        let day_after = |date: jiff::civil::Date| date.tomorrow().map_or(DateTime::MAX, DateTime::from);
        match self {
            Self::Day(day) => (day.0 == local.date()).then(|| day_after(day.0)),
            Self::Days { first, last } => {
                (first.0..=last.0).contains(&local.date()).then(|| day_after(last.0))
            }
            Self::Cron(cron) => cron.fields().covers_until(local),
        }
    }
}

impl Fields {
    fn covers_until(&self, local: DateTime) -> Option<DateTime> {
        let unit = if self.has_seconds { 1.second() } else { 1.minute() };
        let start = local.with().subsec_nanosecond(0);
        let start = if self.has_seconds { start } else { start.second(0) }.build().ok()?;
        if self.next(start)? != start {
            return None;
        }
        // Where whole days are named, the rest of this one is.
        if self.names_every_time() {
            return Some(local.date().tomorrow().map_or(DateTime::MAX, DateTime::from));
        }
        Some(start.checked_add(unit).unwrap_or(DateTime::MAX))
    }

    fn names_every_time(&self) -> bool {
        let every = |set: u64, size: u32| set == (1 << size) - 1;
        let seconds = !self.has_seconds || every(self.seconds, 60);
        seconds && every(self.minutes, 60) && every(self.hours, 24)
    }
}

/// The points of the grid that `begin` and the period make.
fn every(every_ms: u64, begin: Timestamp, after: Timestamp) -> Option<Timestamp> {
    let exists = |at: &Timestamp| at.0 <= Instant::MAX.as_microsecond();
    if after < begin {
        return Some(begin).filter(exists);
    }
    let period = i64::try_from(every_ms).ok()?.checked_mul(1_000)?;
    if period == 0 {
        return None;
    }
    let passed = after.0.checked_sub(begin.0)? / period;
    let at = begin.0.checked_add(period.checked_mul(passed.checked_add(1)?)?)?;
    Some(Timestamp(at)).filter(exists)
}

impl Frequency {
    /// The frequency and its time as the fields of a cron expression with seconds.
    pub(super) fn fields(&self, time: TimeOfDay) -> Fields {
        let one = |number: u8| 1 << number;
        let daily = Fields {
            seconds: one(time.second),
            minutes: one(time.minute),
            hours: one(time.hour),
            month_days: MonthDays::ALL,
            months: 0x1ffe,
            week_days: WeekDays::ALL,
            day_rule: DayRule::Both,
            clock: Clock::Fixed,
            has_seconds: true,
        };
        let hourly = Fields { hours: (1 << 24) - 1, clock: Clock::Running, ..daily };
        match self {
            Self::Minutely => Fields { minutes: (1 << 60) - 1, ..hourly },
            Self::Hourly => hourly,
            Self::Daily => daily,
            Self::Weekly(days) => Fields { week_days: week_days(days), ..daily },
            Self::Monthly(days) => Fields { month_days: month_days(days), ..daily },
        }
    }
}

fn week_days(days: &[Weekday]) -> WeekDays {
    let plain = days.iter().fold(0, |set, day| set | 1 << day.index());
    WeekDays { plain, ..WeekDays::default() }
}

fn month_days(days: &[MonthDay]) -> MonthDays {
    let mut all = MonthDays::default();
    for day in days {
        match day.number() {
            number if number > 0 => all.plain |= 1 << number,
            number => all.before_last |= 1 << (-1 - number),
        }
    }
    all
}
