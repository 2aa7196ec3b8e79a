//! Durations as definitions write them: seconds as a number, or numbers with units.

/// The text of a duration as a regular expression, for the JSON Schema. What [`seconds`] reads is what it matches.
pub(crate) const PATTERN: &str = r"^\s*([0-9]+(\.[0-9]+)?|([0-9]+(\.[0-9]+)?(ms|s|m|h|d)\s*)+)\s*$";

/// `90`, `90s`, `1h30m`, `1.5h` in seconds. None for what is no duration, or a negative one.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Some((number, "")) = number(text) {
        return Some(number);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = number(rest)?;
        let (unit, after) = unit(after)?;
        total += number * unit;
        rest = after.trim_start();
    }
    (!text.is_empty()).then_some(total)
}

/// The same in milliseconds, up to the longest duration that a definition may have.
pub fn duration_ms(text: &str) -> Option<u64> {
    let milliseconds = (seconds(text)? * 1_000.0).round();
    (milliseconds <= crate::limits::MAX_DURATION_MS as f64).then_some(milliseconds as u64)
}

/// What `5 minutes` and `1 hour 30 min` are as durations.
pub(crate) fn in_words(text: &str) -> Option<String> {
    let mut written = String::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (value, after) = number(rest)?;
        let after = after.trim_start();
        let end = after.find(|letter: char| !letter.is_alphabetic()).unwrap_or(after.len());
        let (value, unit) = match after[..end].to_lowercase().as_str() {
            "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => (value, "ms"),
            "s" | "sec" | "secs" | "second" | "seconds" => (value, "s"),
            "m" | "min" | "mins" | "minute" | "minutes" => (value, "m"),
            "h" | "hr" | "hrs" | "hour" | "hours" => (value, "h"),
            "d" | "day" | "days" => (value, "d"),
            "w" | "week" | "weeks" => (value * 7.0, "d"),
            _ => return None,
        };
        written += &format!("{value}{unit}");
        rest = after[end..].trim_start_matches([' ', ',']).trim_start_matches("and ").trim_start();
    }
    (!written.is_empty()).then_some(written)
}

/// Digits, perhaps with a fraction, and what follows them.
fn number(text: &str) -> Option<(f64, &str)> {
    let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let whole = digits(text);
    let fraction = match text[whole..].strip_prefix('.').map(digits) {
        Some(0) | None => 0,
        Some(digits) => digits + 1,
    };
    let (number, rest) = text.split_at(whole + fraction);
    (whole > 0).then(|| number.parse().ok().map(|number| (number, rest)))?
}

fn unit(text: &str) -> Option<(f64, &str)> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0), ("d", 86_400.0)];
    units.into_iter().find_map(|(name, seconds)| text.strip_prefix(name).map(|rest| (seconds, rest)))
}

#[cfg(test)]
mod tests {
    use super::{in_words, seconds};

    #[test]
    fn durations_are_numbers_or_units_after_each_other() {
        let good =
            [("90", 90.0), ("0.5", 0.5), ("90s", 90.0), ("5m", 300.0), ("1h30m", 5_400.0), ("2d", 172_800.0)];
        for (text, expected) in good {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        assert_eq!(seconds("1h 30m"), Some(5_400.0));
        assert_eq!(seconds("250ms"), Some(0.25));
        for text in ["", "s", "-1", "5x", "m5", "1h30", "nan", "inf", ".5", "5.", "5.s", "+5"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        let words = [
            ("5 minutes", "5m"),
            ("1 hour 30 min", "1h30m"),
            ("2 weeks", "14d"),
            ("1 day and 2 hrs", "1d2h"),
        ];
        for (text, expected) in words {
            assert_eq!(in_words(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(in_words("soon"), None);
    }
}
