//! Times: RFC 3339 texts, days, or seconds since 1970. A text keeps the offset that it was written with; a zone is
//! known while `in_zone` computes and is then an offset, too.

use jiff::{
    SignedDuration, Timestamp as Instant, Zoned,
    civil::Time,
    fmt::{strtime, temporal::Pieces},
    tz::{Offset, TimeZone},
};
use minijinja::Value as Jinja;

use super::{numbers::shown, units::micros_of};
use crate::{
    expr::{
        bounds::{Fault, Result, fault},
        builtin::Call,
        convert::{from_json, what},
        operators::{Number, float_value, int_value},
    },
    schedule::find_zone,
    time::Timestamp,
};

/// Bytes of a strftime pattern; each directive can give some tens.
const PATTERN_MAX_BYTES: usize = 1_000;

pub(super) fn date(call: &mut Call<'_>) -> Result<Jinja> {
    let time = time_of(&call.input)?;
    let pattern = call.text_arg(0)?.unwrap_or_else(|| "%Y-%m-%d".to_owned());
    if pattern.len() > PATTERN_MAX_BYTES {
        return fault(format!("a pattern of times has at most {PATTERN_MAX_BYTES} bytes"));
    }
    let text = strtime::format(&pattern, &time)
        .map_err(|error| Fault(format!("{} is no pattern of times: {error}", shown(&pattern))))?;
    call.budget.text(text.len())?;
    Ok(Jinja::from(text))
}

pub(super) fn in_zone(call: &mut Call<'_>) -> Result<Jinja> {
    let time = time_of(&call.input)?;
    let name = call.text_arg(0)?.unwrap_or_default();
    let Some(zone) = find_zone(&name) else {
        return fault(format!("there is no time zone {}: write `Europe/Rome` or `UTC`", shown(&name)));
    };
    Ok(Jinja::from(text_of(&time.with_time_zone(zone))))
}

pub(super) fn add(call: &mut Call<'_>) -> Result<Jinja> {
    let time = time_of(&call.input)?;
    let by = micros_of(call.arg(0).unwrap_or(&Jinja::UNDEFINED))?;
    let Ok(later) = time.checked_add(SignedDuration::from_micros(by)) else {
        return fault("the time is beyond the years that there are");
    };
    Ok(Jinja::from(text_of(&later)))
}

pub(super) fn epoch(call: &mut Call<'_>) -> Result<Jinja> {
    let instant = time_of(&call.input)?.timestamp();
    match instant.subsec_nanosecond() {
        0 => int_value(i128::from(instant.as_second())),
        _ => float_value(instant.as_microsecond() as f64 / 1e6),
    }
}

/// The instant as `now` gives it: RFC 3339 in UTC.
pub(crate) fn text_of_instant(at: Timestamp) -> String {
    Instant::from_microsecond(at.0)
        .map_or_else(|_| at.0.to_string(), |at| text_of(&at.to_zoned(TimeZone::UTC)))
}

/// The instant that a value says: a text of a time or a day, or seconds since 1970. The error is a sentence.
pub(crate) fn instant_of(value: &serde_json::Value) -> std::result::Result<Timestamp, String> {
    let time = time_of(&from_json(value)).map_err(|Fault(why)| why)?;
    Ok(Timestamp(time.timestamp().as_microsecond()))
}

/// The instant that a text says, such as `2026-11-20T18:50:00Z`; a day is its midnight in UTC.
pub fn instant_of_text(text: &str) -> std::result::Result<Timestamp, String> {
    let time = parse(text).map_err(|Fault(why)| why)?;
    Ok(Timestamp(time.timestamp().as_microsecond()))
}

/// Without a fraction where there is none, else with six digits, so that times of one offset are ordered as texts.
fn text_of(time: &Zoned) -> String {
    let instant = time.timestamp();
    let whole = instant.subsec_nanosecond() == 0;
    if time.offset() == Offset::UTC {
        return if whole { instant.to_string() } else { format!("{instant:.6}") };
    }
    let shown = instant.display_with_offset(time.offset());
    if whole { shown.to_string() } else { format!("{shown:.6}") }
}

fn time_of(value: &Jinja) -> Result<Zoned> {
    let instant = match (value.as_str(), Number::of(value)) {
        (Some(text), _) => return parse(text),
        (None, Some(Number::Int(seconds))) => {
            i64::try_from(seconds).ok().and_then(|seconds| Instant::from_second(seconds).ok())
        }
        (None, Some(Number::Float(seconds))) => {
            Instant::from_microsecond((seconds * 1e6).round() as i64).ok()
        }
        (None, None) => return fault(format!("{} is no time", what(value))),
    };
    let instant = instant.ok_or_else(|| Fault("the time is beyond the years that there are".to_owned()))?;
    Ok(instant.to_zoned(TimeZone::UTC))
}

fn parse(text: &str) -> Result<Zoned> {
    let wrong = || Fault(format!("{} is no time: write `2026-11-20T18:50:00Z`", shown(text)));
    let pieces = Pieces::parse(text.trim_ascii()).map_err(|_| wrong())?;
    let offset = match (pieces.time(), pieces.to_numeric_offset()) {
        (_, Some(offset)) => offset,
        // A day begins at midnight in UTC; a time of day without an offset could be anywhere.
        (None, None) => Offset::UTC,
        (Some(_), None) => {
            return fault(format!("{} does not say where: write `Z` or an offset behind it", shown(text)));
        }
    };
    let local = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    local.to_zoned(TimeZone::fixed(offset)).map_err(|_| wrong())
}
