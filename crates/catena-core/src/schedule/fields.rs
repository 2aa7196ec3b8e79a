//! The dates and times that a rule names, on a calendar without zones: sets of numbers, one for each field.
//!
//! The search goes by fields: to the next month that is named, in it to the next day, then to the next hour, minute
//! and second. It never tries one minute after another.

use jiff::civil::{Date, DateTime, Time};

/// The last year that is looked at; beyond it lies the end of time as the libraries have it.
const YEAR_MAX: i16 = 9999;

/// Sets as bits: bit `n` is the number `n` of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) seconds: u64,
    pub(super) minutes: u64,
    pub(super) hours: u64,
    pub(super) month_days: MonthDays,
    pub(super) months: u64,
    pub(super) week_days: WeekDays,
    pub(super) day_rule: DayRule,
    pub(super) clock: Clock,
    /// Whether the seconds were written; else the rule means whole minutes.
    pub(super) has_seconds: bool,
}

/// How the two day fields go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DayRule {
    /// Vixie's rule where one of them begins with `*`: a day must fit both.
    Both,
    /// Where both name days: a day must fit one of them.
    Either,
}

/// What happens when the clocks change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// Every time of day that is named comes once: after the gap that swallows it, in the first pass of a fold.
    Fixed,
    /// Whatever the clock shows: in both passes of a fold, and not at all in a gap.
    Running,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MonthDays {
    pub(super) plain: u64,
    /// Bit `n`: `n` days before the last one.
    pub(super) before_last: u64,
    /// Bit `n`: the weekday nearest to day `n`, within the month.
    pub(super) near: u64,
    /// Bit `n`: the weekday nearest to the day that is `n` before the last one.
    pub(super) near_before_last: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WeekDays {
    /// Bit 0 is Sunday.
    pub(super) plain: u64,
    /// For each day of the week, bit `k`: its `k`-th one in the month.
    pub(super) nth: [u8; 7],
    /// The last one in the month.
    pub(super) last: u64,
}

/// A month as far as its days are concerned.
#[derive(Clone, Copy)]
struct Month {
    length: u32,
    /// The day of the week of its first day, Sunday as 0.
    begins_on: u32,
}

impl Fields {
    /// The first date and time that the fields name, not before `from`, whose fraction of a second is 0.
    pub(super) fn next(&self, from: DateTime) -> Option<DateTime> {
        let mut first = Date::new(from.year(), from.month(), 1).ok()?;
        loop {
            if bits(self.months, first.month()) {
                let is_here = (first.year(), first.month()) == (from.year(), from.month());
                let mut days = self.days(Month::of(first));
                if is_here {
                    days &= u64::MAX << from.day();
                }
                while days != 0 {
                    let day = Date::new(first.year(), first.month(), days.trailing_zeros() as i8).ok()?;
                    let from = if day == from.date() { from.time() } else { Time::midnight() };
                    if let Some(time) = self.time(from) {
                        return Some(day.to_datetime(time));
                    }
                    days &= days - 1;
                }
            }
            first = self.next_month(first)?;
        }
    }

    /// The first day of the next month that is named.
    fn next_month(&self, first: Date) -> Option<Date> {
        let later = bit_from(self.months, first.month() as u32 + 1);
        let (year, month) = match later {
            Some(month) => (first.year(), month),
            None => (first.year() + 1, bit_from(self.months, 1)?),
        };
        (year <= YEAR_MAX).then(|| Date::new(year, month as i8, 1).ok()).flatten()
    }

    /// The first time of day that is named, not before `from`.
    fn time(&self, from: Time) -> Option<Time> {
        let (hour, minute, second) = (from.hour() as u32, from.minute() as u32, from.second() as u32);
        let (first_minute, first_second) = (bit_from(self.minutes, 0)?, bit_from(self.seconds, 0)?);
        if bits(self.hours, from.hour()) {
            let here = bit_from(self.seconds, second).filter(|_| bits(self.minutes, from.minute()));
            if let Some(second) = here {
                return time(hour, minute, second);
            }
            if let Some(minute) = bit_from(self.minutes, minute + 1) {
                return time(hour, minute, first_second);
            }
        }
        time(bit_from(self.hours, hour + 1)?, first_minute, first_second)
    }

    /// Whether some date fits. Every month begins on each day of the week in some year, also in leap years.
    pub(super) fn ever_matches(&self) -> bool {
        (1..=12).filter(|month| bits(self.months, *month)).any(|month| {
            let lengths = match month {
                2 => [28, 29],
                4 | 6 | 9 | 11 => [30, 30],
                _ => [31, 31],
            };
            let kinds = lengths.into_iter().flat_map(|length| (0..7).map(move |day| (length, day)));
            kinds.into_iter().any(|(length, begins_on)| self.days(Month { length, begins_on }) != 0)
        })
    }

    /// Whether days of the month say it all, some of them left out.
    pub(super) fn names_month_days_alone(&self) -> bool {
        self.week_days == WeekDays::ALL
            && self.day_rule == DayRule::Both
            && self.month_days.plain != MonthDays::ALL.plain
    }

    /// The days of a month that are named.
    fn days(&self, month: Month) -> u64 {
        let of_month = self.month_days.in_month(month);
        let of_week = self.week_days.in_month(month);
        match self.day_rule {
            DayRule::Both => of_month & of_week,
            DayRule::Either => of_month | of_week,
        }
    }
}

impl MonthDays {
    pub(super) const ALL: Self = Self { plain: 0xffff_fffe, before_last: 0, near: 0, near_before_last: 0 };

    fn in_month(self, month: Month) -> u64 {
        let mut days = self.plain & month.days();
        for n in each(self.before_last).filter(|n| *n < month.length) {
            days |= 1 << (month.length - n);
        }
        for day in each(self.near).filter(|day| *day <= month.length) {
            days |= 1 << month.nearest_weekday(day);
        }
        for n in each(self.near_before_last).filter(|n| *n < month.length) {
            days |= 1 << month.nearest_weekday(month.length - n);
        }
        days
    }
}

impl WeekDays {
    pub(super) const ALL: Self = Self { plain: 0x7f, nth: [0; 7], last: 0 };

    fn in_month(self, month: Month) -> u64 {
        let is_plain = self.last == 0 && self.nth == [0; 7];
        if is_plain && self.plain == Self::ALL.plain {
            return month.days();
        }
        let fits = |day: &u32| {
            let weekday = month.weekday(*day);
            let nth = (day - 1) / 7 + 1;
            bits(self.plain, weekday as i8)
                || self.nth[weekday as usize] & (1 << nth) != 0
                || bits(self.last, weekday as i8) && day + 7 > month.length
        };
        (1..=month.length).filter(fits).fold(0, |days, day| days | 1 << day)
    }
}

impl Month {
    fn of(first: Date) -> Self {
        let begins_on = first.weekday().to_sunday_zero_offset() as u32;
        Self { length: first.days_in_month() as u32, begins_on }
    }

    fn days(self) -> u64 {
        (1 << (self.length + 1)) - 2
    }

    fn weekday(self, day: u32) -> u32 {
        (self.begins_on + day - 1) % 7
    }

    /// Monday to Friday nearest to a day, without leaving the month.
    fn nearest_weekday(self, day: u32) -> u32 {
        match self.weekday(day) {
            6 if day > 1 => day - 1,
            6 => day + 2,
            0 if day < self.length => day + 1,
            0 => day - 2,
            _ => day,
        }
    }
}

fn time(hour: u32, minute: u32, second: u32) -> Option<Time> {
    Time::new(hour as i8, minute as i8, second as i8, 0).ok()
}

fn bits(set: u64, number: i8) -> bool {
    set & (1 << number) != 0
}

/// The least number of a set that is not below `from`.
fn bit_from(set: u64, from: u32) -> Option<u32> {
    let rest = set.checked_shr(from)?;
    (rest != 0).then(|| from + rest.trailing_zeros())
}

fn each(set: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |number| set & (1 << number) != 0)
}
