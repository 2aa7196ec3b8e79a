//! Reads an expression, each part with its place in the text.

use std::ops::Range;

use super::{
    error::CronError,
    names::{Field, HELP, MACROS},
};
use crate::schedule::fields::{Clock, DayRule, Fields, MonthDays, WeekDays};

type Result<T> = std::result::Result<T, CronError>;

/// Bytes of an expression: sixty seconds, sixty minutes and all the rest as lists stay below it.
const MAX_BYTES: usize = 1_000;

/// A piece of the expression, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Part<'t> {
    pub(super) text: &'t str,
    pub(super) start: usize,
}

pub(super) fn parse(text: &str) -> Result<Fields> {
    if text.len() > MAX_BYTES {
        return Err(CronError::new(0..text.len(), format!("an expression has at most {MAX_BYTES} bytes")));
    }
    let words = Part { text, start: 0 }.words();
    match words[..] {
        [] => Err(CronError::new(0..text.len(), "the expression is empty").help(HELP)),
        [word, ..] if word.text.starts_with('@') => expand(word, &words),
        [word, ..] if word.text.contains('=') => {
            let message = format!("`{}` is no part of an expression", word.text);
            Err(CronError::new(word.span(), message).help("name the zone with `timezone`"))
        }
        [minute, hour, day, month, weekday] => fields(None, [minute, hour, day, month, weekday]),
        [second, minute, hour, day, month, weekday] => {
            fields(Some(second), [minute, hour, day, month, weekday])
        }
        [first, ..] => Err(wrong_count(first, &words)),
    }
}

fn wrong_count(first: Part<'_>, words: &[Part<'_>]) -> CronError {
    let last = words.last().map_or(first, |word| *word);
    let count = words.len();
    let noun = if count == 1 { "field" } else { "fields" };
    let message =
        format!("an expression has five fields, or six with the seconds first; this has {count} {noun}");
    let help = match count {
        7 => "years cannot be named: leave the last field out".to_owned(),
        _ => HELP.to_owned(),
    };
    CronError::new(first.start..last.end(), message).help(help)
}

fn expand(word: Part<'_>, words: &[Part<'_>]) -> Result<Fields> {
    let lower = word.text.to_ascii_lowercase();
    let Some((_, meant)) = MACROS.iter().find(|(name, _)| *name == lower) else {
        let message = format!("there is no macro `{}`", word.text);
        let help = match lower.as_str() {
            "@every" => "write the duration as `every`".to_owned(),
            "@reboot" => "what runs once is started with `catena run`".to_owned(),
            _ => {
                let names: Vec<_> = MACROS.iter().map(|(name, _)| format!("`{name}`")).collect();
                format!("there are {}", names.join(", "))
            }
        };
        return Err(CronError::new(word.span(), message).help(help));
    };
    if let Some(more) = words.get(1) {
        let message = format!("nothing can follow `{}`", word.text);
        return Err(CronError::new(more.span(), message).help(format!("it means `{meant}`")));
    }
    parse(meant)
}

fn fields(second: Option<Part<'_>>, rest: [Part<'_>; 5]) -> Result<Fields> {
    let [minute, hour, day, month, weekday] = rest;
    let seconds = match second {
        Some(second) => numbers(second, Field::Second)?,
        None => Numbers { set: 1, is_fixed: true },
    };
    let (minutes, hours) = (numbers(minute, Field::Minute)?, numbers(hour, Field::Hour)?);
    let is_fixed = seconds.is_fixed && minutes.is_fixed && hours.is_fixed;
    Ok(Fields {
        seconds: seconds.set,
        minutes: minutes.set,
        hours: hours.set,
        month_days: month_days(day)?,
        months: numbers(month, Field::Month)?.set,
        week_days: week_days(weekday)?,
        day_rule: if day.is_star() || weekday.is_star() { DayRule::Both } else { DayRule::Either },
        clock: if is_fixed { Clock::Fixed } else { Clock::Running },
        has_seconds: second.is_some(),
    })
}

/// The numbers of a field.
struct Numbers {
    set: u64,
    /// Numbers alone, no wildcard, range or step.
    is_fixed: bool,
}

fn numbers(part: Part<'_>, field: Field) -> Result<Numbers> {
    let mut all = Numbers { set: 0, is_fixed: true };
    for item in part.items(field)? {
        let numbers = plain(item, field)?;
        all.set |= numbers.set;
        all.is_fixed &= numbers.is_fixed;
    }
    Ok(all)
}

/// `*`, `a`, `a-b`, each with a step or without.
fn plain(item: Part<'_>, field: Field) -> Result<Numbers> {
    let (base, step) = match item.split('/') {
        Some((base, step)) => (base, Some(step_of(step, field)?)),
        None => (item, None),
    };
    let by = step.unwrap_or(1);
    if ["*", "?"].contains(&base.text) {
        let set = field.run(field.least(), field.size() - 1, by);
        return Ok(Numbers { set, is_fixed: false });
    }
    if let Some((first, last)) = base.split('-') {
        let (first, last) = (field.number(first)?, field.number(last)?);
        return Ok(Numbers { set: field.run(first, field.distance(first, last), by), is_fixed: false });
    }
    let first = field.number(base)?;
    let until = if step.is_some() { field.most().saturating_sub(first) } else { 0 };
    Ok(Numbers { set: field.run(first, until, by), is_fixed: step.is_none() })
}

fn step_of(step: Part<'_>, field: Field) -> Result<u32> {
    let number = step.digits().ok_or_else(|| {
        let message = format!("the step of the {field} must be a number, `{}` is none", step.text);
        CronError::new(step.span(), message).help("`*/15` means every 15th")
    })?;
    if number == 0 {
        let message = format!("a step of 0 leads nowhere in the {field}");
        return Err(CronError::new(step.span(), message).help("the least step is 1"));
    }
    Ok(number)
}

fn month_days(part: Part<'_>) -> Result<MonthDays> {
    let mut days = MonthDays::default();
    for item in part.items(Field::Day)? {
        month_day(item, &mut days)?;
    }
    Ok(days)
}

/// What a day of the month may be beside numbers: `L`, `L-n`, `LW`, `L-nW`, `nW`.
fn month_day(item: Part<'_>, days: &mut MonthDays) -> Result<()> {
    let (base, is_near) = match item.strip_last('w') {
        Some(base) => (base, true),
        None => (item, false),
    };
    if let Some(rest) = base.strip_first('l') {
        let before = before_last(rest)?;
        let set = if is_near { &mut days.near_before_last } else { &mut days.before_last };
        *set |= 1 << before;
        return Ok(());
    }
    if !is_near {
        days.plain |= plain(item, Field::Day)?.set;
        return Ok(());
    }
    if base.text.is_empty() || base.digits().is_none() {
        let message = format!("`W` stands behind one day, `{}` is none", base.text);
        return Err(CronError::new(item.span(), message).help("`15W` is the weekday nearest to the 15th"));
    }
    days.near |= 1 << Field::Day.number(base)?;
    Ok(())
}

/// What follows `L`: nothing, or `-n`.
fn before_last(rest: Part<'_>) -> Result<u32> {
    if rest.text.is_empty() {
        return Ok(0);
    }
    let number = rest.strip_first('-').and_then(Part::digits).filter(|n| *n <= 30);
    number.ok_or_else(|| {
        let message = format!("`L` cannot be followed by `{}`", rest.text);
        let help = "`L-3` is the third day before the last one, `LW` the last weekday of the month";
        CronError::new(rest.span(), message).help(help)
    })
}

fn week_days(part: Part<'_>) -> Result<WeekDays> {
    let mut days = WeekDays::default();
    for item in part.items(Field::Weekday)? {
        week_day(item, &mut days)?;
    }
    Ok(days)
}

/// What a day of the week may be beside numbers: `n#k`, `nL`, and `Ln` as croniter has it.
fn week_day(item: Part<'_>, days: &mut WeekDays) -> Result<()> {
    let index = |day: Part<'_>| Field::Weekday.number(day).map(|day| day % 7);
    if let Some((day, nth)) = item.split('#') {
        let day = index(day)?;
        let number = nth.digits().filter(|n| (1..=5).contains(n)).ok_or_else(|| {
            let message = format!("`#` is followed by a number from 1 to 5, not by `{}`", nth.text);
            CronError::new(nth.span(), message).help("`MON#2` is the second Monday of the month")
        })?;
        days.nth[day as usize] |= 1 << number;
        return Ok(());
    }
    if item.text.eq_ignore_ascii_case("l") {
        let message = "`L` alone is no day of the week";
        let help = "write `FRIL` for the last Friday of the month, `SAT` for Saturday";
        return Err(CronError::new(item.span(), message).help(help));
    }
    match item.strip_last('l').or_else(|| item.strip_first('l')) {
        Some(day) => days.last |= 1 << index(day)?,
        None => days.plain |= plain(item, Field::Weekday)?.set,
    }
    Ok(())
}

impl<'t> Part<'t> {
    pub(super) fn span(self) -> Range<usize> {
        self.start..self.end()
    }

    fn end(self) -> usize {
        self.start + self.text.len()
    }

    fn slice(self, range: Range<usize>) -> Self {
        Self { text: &self.text[range.clone()], start: self.start + range.start }
    }

    fn words(self) -> Vec<Self> {
        let place = |word: &str| word.as_ptr() as usize - self.text.as_ptr() as usize;
        let part = |word: &'t str| Part { text: word, start: self.start + place(word) };
        self.text.split_whitespace().map(part).collect()
    }

    /// What stands between the commas.
    fn items(self, field: Field) -> Result<Vec<Self>> {
        let mut items = Vec::new();
        let mut start = 0;
        for text in self.text.split(',') {
            let item = self.slice(start..start + text.len());
            if text.is_empty() {
                let message = format!("a comma in the {field} has nothing beside it");
                return Err(CronError::new(self.span(), message).help("`1,15` names two"));
            }
            start += text.len() + 1;
            items.push(item);
        }
        Ok(items)
    }

    fn split(self, at: char) -> Option<(Self, Self)> {
        let place = self.text.find(at)?;
        Some((self.slice(0..place), self.slice(place + at.len_utf8()..self.text.len())))
    }

    fn strip_last(self, letter: char) -> Option<Self> {
        let end = self.text.len().checked_sub(1)?;
        self.text.ends_with([letter, letter.to_ascii_uppercase()]).then(|| self.slice(0..end))
    }

    fn strip_first(self, letter: char) -> Option<Self> {
        self.text.starts_with([letter, letter.to_ascii_uppercase()]).then(|| self.slice(1..self.text.len()))
    }

    pub(super) fn digits(self) -> Option<u32> {
        let is_number = !self.text.is_empty() && self.text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| self.text.parse().ok()).flatten()
    }

    /// Vixie's meaning of a field that names nothing: it begins with `*`, whatever follows.
    fn is_star(self) -> bool {
        self.text.starts_with(['*', '?'])
    }
}
