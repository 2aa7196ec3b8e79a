//! Sizes and durations: text with units, or plain numbers.

use minijinja::Value as Jinja;

use super::numbers::shown;
use crate::expr::{
    bounds::{Fault, Result, fault},
    builtin::Call,
    convert::{from_json, what},
    operators::{Number, float_value, int_value},
};

const SIZES: [(&str, u64); 11] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("kib", 1 << 10),
    ("mb", 1_000_000),
    ("mib", 1 << 20),
    ("gb", 1_000_000_000),
    ("gib", 1 << 30),
    ("tb", 1_000_000_000_000),
    ("tib", 1 << 40),
    ("bytes", 1),
];

/// Units of durations with their microseconds.
const DURATIONS: [(&str, i64); 6] = [
    ("w", 604_800_000_000),
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
];
const SECOND: i64 = 1_000_000;

pub(super) fn bytes(call: &mut Call<'_>) -> Result<Jinja> {
    let Some(text) = call.input.as_str() else {
        return match call.number()? {
            Number::Int(int) if int >= 0 => int_value(int),
            Number::Int(_) | Number::Float(_) => fault("a size is a whole number of bytes"),
        };
    };
    let wrong = || Fault(format!("{} is no size: write `10 MiB` or `1.5 GB`", shown(text)));
    let trimmed = text.trim_ascii();
    let unit_at = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(unit_at);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    if let Ok(whole) = number.parse::<u64>() {
        return int_value(i128::from(whole) * i128::from(*factor));
    }
    let size = number.parse::<f64>().map_err(|_| wrong())? * *factor as f64;
    if size.fract() == 0.0 { int_value(size as i128) } else { int_value(size.round() as i128) }
}

pub(super) fn duration(call: &mut Call<'_>) -> Result<Jinja> {
    let micros = micros_of(&call.input)?;
    match micros % SECOND {
        0 => int_value(i128::from(micros / SECOND)),
        _ => float_value(micros as f64 / SECOND as f64),
    }
}

/// A duration in microseconds: a number of seconds, or text such as `1h30m`, `-2d`, `1.5s`.
pub(super) fn micros_of(value: &Jinja) -> Result<i64> {
    match (value.as_str(), Number::of(value)) {
        (Some(text), _) => parse(text)
            .ok_or_else(|| Fault(format!("{} is no duration: write `90s`, `1h30m` or `2d`", shown(text)))),
        (None, Some(Number::Int(seconds))) => i64::try_from(seconds)
            .ok()
            .and_then(|seconds| seconds.checked_mul(SECOND))
            .ok_or_else(|| Fault("the duration is too long".to_owned())),
        (None, Some(Number::Float(seconds))) => in_range(seconds * SECOND as f64),
        (None, None) => fault(format!("{} is no duration", what(value))),
    }
}

/// The duration that a value says, in microseconds. The error is a sentence.
pub(crate) fn duration_of(value: &serde_json::Value) -> std::result::Result<i64, String> {
    micros_of(&from_json(value)).map_err(|Fault(why)| why)
}

fn in_range(micros: f64) -> Result<i64> {
    // Beyond 2^62 a float has no longer every integer, and no calendar every instant.
    if micros.abs() < 4.6e18 { Ok(micros.round() as i64) } else { fault("the duration is too long") }
}

fn parse(text: &str) -> Option<i64> {
    let text = text.trim_ascii();
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total: i64 = 0;
    let mut largest_left = i64::MAX;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..unit_at].parse().ok()?;
        let end =
            rest[unit_at..].find(|c: char| !c.is_ascii_alphabetic()).map_or(rest.len(), |at| unit_at + at);
        let (_, unit) = DURATIONS.iter().find(|(name, _)| *name == &rest[unit_at..end])?;
        // Large units first, each once: `5m1h` is a mistake.
        if *unit >= largest_left {
            return None;
        }
        largest_left = *unit;
        total = total.checked_add(in_range(number * *unit as f64).ok()?)?;
        rest = &rest[end..];
    }
    (largest_left < i64::MAX).then_some(total * sign)
}
