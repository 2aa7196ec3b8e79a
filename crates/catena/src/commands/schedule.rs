//! `--every` and `--after` of `catena run`: read and checked, and answered honestly, since schedules are not built.

use clap::Args;

use crate::exit::{Code, Failure};

#[derive(Debug, Args)]
pub(super) struct ScheduleArgs {
    /// Start again and again, in seconds or as 1h30m: comes with schedules, so far 0 (once)
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    every: Option<f64>,
    /// Start later, in seconds or as 90s: comes with schedules, so far 0 (at once)
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    after: Option<f64>,
}

impl ScheduleArgs {
    /// Refuses what this version would have to ignore.
    pub(super) fn refuse(&self) -> Result<(), Failure> {
        let asked = |value: Option<f64>| value.is_some_and(|seconds| seconds > 0.0);
        let option = match (asked(self.every), asked(self.after)) {
            (true, _) => "--every",
            (false, true) => "--after",
            (false, false) => return Ok(()),
        };
        let message = format!("`{option}` is not there yet: schedules come with a later version");
        Err(Failure::new(Code::Usage, message)
            .next("the same without it, which starts at once; cron or a systemd timer can repeat that"))
    }
}

/// A number of seconds, or numbers with units one after another.
fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no duration: seconds as a number, or text like 90s, 5m, 1h30m, 2d");
    let plain = text.parse::<f64>().ok().filter(|_| text.ends_with(|last: char| last.is_ascii_digit()));
    let total = plain.or_else(|| with_units(text)).ok_or_else(wrong)?;
    if total.is_finite() && total >= 0.0 { Ok(total) } else { Err(wrong()) }
}

fn with_units(text: &str) -> Option<f64> {
    let mut rest = text.trim();
    let mut total = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let unit_end = rest[number..].find(|letter: char| !letter.is_ascii_alphabetic());
        let end = unit_end.map_or(rest.len(), |at| number + at);
        let unit = match &rest[number..end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total += rest[..number].parse::<f64>().ok()? * unit;
        rest = rest[end..].trim_start();
    }
    (!text.trim().is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_numbers_with_units() {
        let good =
            [("0", 0.0), ("90", 90.0), ("0.5", 0.5), ("90s", 90.0), ("1h30m", 5_400.0), ("2d", 172_800.0)];
        for (text, expected) in good {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        assert_eq!(seconds("1h 30m"), Ok(5_400.0));
        for text in ["", " ", "s", "-1", "5x", "m5", "1h30", "nan", "inf", "1e999"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
