//! What is compared: for every change of a zone's clocks a window around it, and expressions that the change touches.

use jiff::{
    Timestamp, ToSpan,
    civil::DateTime,
    tz::{Offset, TimeZone},
};
use serde::Serialize;

/// Minutes before a change and after it that are looked at: the day after must be as ever.
const BEFORE_MINUTES: i64 = 4 * 60;
const AFTER_MINUTES: i64 = 28 * 60;

#[derive(Debug, Serialize)]
pub(super) struct Case {
    pub(super) zone: String,
    /// Seconds since 1970; `until` is not in the window.
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) exprs: Vec<String>,
}

/// A change of the offset.
struct Change {
    at: Timestamp,
    before: Offset,
    after: Offset,
}

pub(super) fn of_zone(name: &str, rules: &TimeZone) -> Vec<Case> {
    changes(rules).iter().map(|change| change.case(name)).collect()
}

/// Every change of the offset from 2000 to 2037; a change of the name alone is none.
fn changes(rules: &TimeZone) -> Vec<Change> {
    let start: Timestamp = "2000-01-01T00:00:00Z".parse().expect("a time");
    let end: Timestamp = "2038-01-01T00:00:00Z".parse().expect("a time");
    let mut before = rules.to_offset(start);
    let mut changes = Vec::new();
    for transition in rules.following(start).take_while(|transition| transition.timestamp() < end) {
        let after = transition.offset();
        if after != before {
            changes.push(Change { at: transition.timestamp(), before, after });
        }
        before = after;
    }
    changes
}

impl Change {
    fn case(&self, zone: &str) -> Case {
        let at = self.at.as_second();
        Case {
            zone: zone.to_owned(),
            from: at - BEFORE_MINUTES * 60,
            until: at + AFTER_MINUTES * 60,
            exprs: self.expressions(),
        }
    }

    /// Fixed times in the gap or the fold and around it, lists of them, and everything that follows real time.
    fn expressions(&self) -> Vec<String> {
        let (old, new) = (self.before.to_datetime(self.at), self.after.to_datetime(self.at));
        let (low, high) = (old.min(new), old.max(new));
        let middle = low + (high.duration_since(low) / 2);
        let (hour, minute) = (middle.hour(), middle.minute());
        let (next, last) = ((hour + 1) % 24, (hour + 23) % 24);
        let hours: Vec<String> = (0..24).map(|hour| hour.to_string()).collect();
        let every_hour = hours.join(",");
        let mut exprs: Vec<String> =
            [low, middle, high, low - 1.minute(), high - 1.minute(), high + 30.minutes()].map(daily).to_vec();
        exprs.extend([
            format!("{minute} {hour} {} {} *", middle.day(), middle.month()),
            format!("{minute} {hour} * * {}", middle.weekday().to_sunday_zero_offset()),
            format!("{minute} {hour} 13 * {}", middle.weekday().to_sunday_zero_offset()),
            format!("0,{minute},59 {last},{hour},{next} * * *"),
            format!("30 {every_hour} * * *"),
            "0 0 * * *".to_owned(),
            "59 23 * * *".to_owned(),
            format!("* {hour} * * *"),
            format!("*/7 {last},{hour},{next} * * *"),
            format!("{minute}-59 {hour} * * *"),
            format!("{minute} {}-{} * * *", (hour - 1).max(0), (hour + 1).min(23)),
            format!("{minute} * * * *"),
            format!("{minute}/10 */2 * * *"),
            "0 * * * *".to_owned(),
            "*/15 * * * *".to_owned(),
            "*/20 * * * *".to_owned(),
            "*/30 * * * *".to_owned(),
            "0 */3 * * *".to_owned(),
        ]);
        exprs
    }
}

fn daily(time: DateTime) -> String {
    format!("{} {} * * *", time.minute(), time.hour())
}
