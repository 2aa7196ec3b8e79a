//! The calculus of schedules through its public face: what other schedulers published, and what the rules say.

use catena_core::{
    Timestamp,
    schedule::{Cron, Exclude, Schedule, Timing, Zone},
};
use proptest::prelude::*;

fn instant(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().expect(text).as_microsecond())
}

/// RFC 3339 with the offset of the schedule's zone.
fn shown(schedule: &Schedule, at: Timestamp) -> String {
    schedule.zone.rfc3339(at)
}

fn cron(expr: &str, zone: &str) -> Schedule {
    let expr = Cron::parse(expr).unwrap_or_else(|error| panic!("{expr}: {error}"));
    Schedule { zone: Zone::parse(zone).expect(zone), ..Schedule::new(Timing::Cron { expr }) }
}

/// The columns of a line, of which only the second may be quoted.
fn columns(line: &str) -> Vec<String> {
    let mut columns = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => columns.push(String::new()),
            _ => columns.last_mut().expect("there is one").push(letter),
        }
    }
    columns
}

#[test]
fn what_other_schedulers_published_holds() {
    let table = include_str!("../../../fixtures/cron/next.csv");
    let mut wrong = Vec::new();
    let mut rows = 0;
    for line in table.lines().skip(1) {
        rows += 1;
        let row = columns(line);
        let [_, expr, zone, after, expected, _] = &row[..] else { panic!("{line}") };
        let after = instant(after);
        let next = Cron::parse(expr).ok().and_then(|_| {
            let schedule = cron(expr, zone);
            schedule.next_after(after, after).map(|at| shown(&schedule, at))
        });
        let next = next.unwrap_or_else(|| "NONE".to_owned()).replace('Z', "+00:00");
        let is_right = match expected.strip_prefix("!=") {
            Some(other) => next != other,
            None => next == *expected,
        };
        if !is_right {
            wrong.push(format!("{line}: {next}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {rows}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(rows, 266);
}

/// The first fires of an expression after an instant, in its zone.
fn fires(expr: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = cron(expr, zone);
    let mut at = instant(after);
    let mut fires = Vec::new();
    for _ in 0..count {
        let Some(next) = schedule.next_after(Timestamp(0), at) else { break };
        fires.push(shown(&schedule, next));
        at = next;
    }
    fires
}

/// Days of 2026 (it begins on a Thursday) at which an expression fires, as month-day.
fn days(expr: &str) -> String {
    let fires = fires(expr, "UTC", "2025-12-31T23:59:59Z", 12);
    let days: Vec<_> = fires.iter().filter(|at| at.starts_with("2026")).map(|at| &at[5..10]).collect();
    days[..days.len().min(4)].join(" ")
}

#[test]
fn days_are_counted_from_both_ends_and_moved_to_weekdays() {
    let check = |expr: &str, expected: &str| assert_eq!(days(expr), expected, "{expr}");
    check("0 0 L * *", "01-31 02-28 03-31 04-30");
    check("0 0 l * *", "01-31 02-28 03-31 04-30");
    check("0 0 L-3 * *", "01-28 02-25 03-28 04-27");
    check("0 0 LW * *", "01-30 02-27 03-31 04-30");
    check("0 0 L-1W * *", "01-30 02-27 03-30 04-29");
    check("0 0 1W * *", "01-01 02-02 03-02 04-01");
    check("0 0 15W 8,11 *", "08-14 11-16");
    check("0 0 31W * *", "01-30 03-31 05-29 07-31");
    check("0 0 1,15,L 2 *", "02-01 02-15 02-28");
    check("0 0 28-2 2,3 *", "02-01 02-02 02-28 03-01");
    check("0 0 * * MON#2", "01-12 02-09 03-09 04-13");
    check("0 0 * * mon#1,5#5", "01-05 01-30 02-02 03-02");
    check("0 0 * * FRIL", "01-30 02-27 03-27 04-24");
    check("0 0 * * 5L", "01-30 02-27 03-27 04-24");
    check("0 0 * * L5", "01-30 02-27 03-27 04-24");
    check("0 0 ? * 7", "01-04 01-11 01-18 01-25");
    check("0 0 * * FRI-MON", "01-02 01-03 01-04 01-05");
    check("0 0 * * 5-7/2", "01-02 01-04 01-09 01-11");
    check("0 0 * NOV-feb/3 ?", "02-01 02-02 02-03 02-04");
    check("0 0 */10 * *", "01-01 01-11 01-21 01-31");
    check("0 0 5/15 * *", "01-05 01-20 02-05 02-20");
    check("0\t0  1  1\t* ", "01-01");
    check("@Yearly", "01-01");
}

#[test]
fn a_day_must_fit_both_fields_where_one_begins_with_a_star() {
    let check = |expr: &str, expected: &str| assert_eq!(days(expr), expected, "{expr}");
    check("0 0 13 * FRI", "01-02 01-09 01-13 01-16");
    check("0 0 */2 * FRI", "01-09 01-23 02-13 02-27");
    check("0 0 1-7 * */5", "01-02 01-04 02-01 02-06");
    check("0 0 L * MON", "01-05 01-12 01-19 01-26");
}

#[test]
fn hours_wrap_and_seconds_stand_first() {
    let at = |expr: &str, count| fires(expr, "UTC", "2026-11-20T20:30:00Z", count).join(" ");
    assert_eq!(
        at("0 22-2/2 * * *", 4),
        "2026-11-20T22:00:00+00:00 2026-11-21T00:00:00+00:00 2026-11-21T02:00:00+00:00 2026-11-21T22:00:00+00:00"
    );
    assert_eq!(at("*/25 30 20 * * *", 2), "2026-11-20T20:30:25+00:00 2026-11-20T20:30:50+00:00");
    assert_eq!(
        at("50/5 * * * *", 3),
        "2026-11-20T20:50:00+00:00 2026-11-20T20:55:00+00:00 2026-11-20T21:50:00+00:00"
    );
    assert_eq!(at("0 0 29 2 *", 2), "2028-02-29T00:00:00+00:00 2032-02-29T00:00:00+00:00");
}

#[test]
fn a_whole_day_that_a_zone_skipped_is_a_gap_like_any_other() {
    let apia = |expr: &str| fires(expr, "Pacific/Apia", "2011-12-29T00:00:00-10:00", 3).join(" ");
    assert_eq!(
        apia("0 12 * * *"),
        "2011-12-29T12:00:00-10:00 2011-12-31T00:00:00+14:00 2011-12-31T12:00:00+14:00"
    );
    assert_eq!(
        apia("0 */12 * * *"),
        "2011-12-29T12:00:00-10:00 2011-12-31T00:00:00+14:00 2011-12-31T12:00:00+14:00"
    );
}

#[test]
fn the_end_of_time_is_none_and_no_panic() {
    let check = |schedule: &Schedule, after: &str| {
        let after = instant(after);
        assert_eq!(schedule.next_after(Timestamp(0), after), None, "{schedule}");
        assert_eq!(schedule.next_after(Timestamp(i64::MAX), after), None, "{schedule}");
        assert_eq!(schedule.next_after(Timestamp(i64::MIN), Timestamp(i64::MAX)), None, "{schedule}");
        schedule.next_after(Timestamp(i64::MIN), Timestamp(i64::MIN));
    };
    for zone in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"] {
        check(&cron("0 0 1 1 *", zone), "9999-12-30T20:00:00Z");
        check(&cron("* * 1 1 *", zone), "9999-12-30T20:00:00Z");
    }
    check(&Schedule::every(3_600_000, None), "9999-12-30T22:00:00Z");
    check(&Schedule::every(u64::MAX, Some(u64::MAX)), "9999-12-30T21:30:00Z");
}

#[test]
fn every_counts_from_its_anchor_and_after_delays_the_first() {
    let anchor = instant("2026-11-20T18:00:00Z");
    let check = |schedule: &Schedule, after_ms: i64, expected_ms: Option<i64>| {
        let next = schedule.next_after(anchor, Timestamp(anchor.0 + after_ms * 1_000));
        assert_eq!(next.map(|at| (at.0 - anchor.0) / 1_000), expected_ms, "{schedule} after {after_ms}");
    };
    let hourly = Schedule::every(3_600_000, None);
    check(&hourly, -1, Some(0));
    check(&hourly, 0, Some(3_600_000));
    check(&hourly, 3_599_999, Some(3_600_000));
    check(&hourly, 3_600_000, Some(7_200_000));
    let delayed = Schedule::every(60_000, Some(10_000));
    check(&delayed, -100_000, Some(10_000));
    check(&delayed, 10_000, Some(70_000));
    let once = Schedule::every(0, Some(10_000));
    check(&once, 0, Some(10_000));
    check(&once, 10_000, None);
    // A cron expression waits, too, and a fire at the very instant of the delay counts.
    let cron = Schedule { after_ms: Some(7_200_000), ..cron("0 * * * *", "UTC") };
    check(&cron, 0, Some(7_200_000));
    assert_eq!(hourly.first(anchor), Some(anchor));
}

#[test]
fn what_is_excluded_does_not_start() {
    let with = |exclude: &[&str], expr: &str| {
        let exclude = exclude.iter().map(|text| Exclude::parse(text).unwrap()).collect();
        let schedule = Schedule { exclude, ..cron(expr, "Europe/Rome") };
        let next = schedule.next_after(Timestamp(0), instant("2026-12-23T12:00:00+01:00"));
        next.map(|at| shown(&schedule, at))
    };
    let check = |exclude: &[&str], expr, expected: &str| {
        assert_eq!(with(exclude, expr).as_deref(), Some(expected), "{exclude:?}");
    };
    check(&["2026-12-24"], "0 5 * * *", "2026-12-25T05:00:00+01:00");
    check(&["2026-12-24..2027-01-06"], "0 5 * * *", "2027-01-07T05:00:00+01:00");
    check(&["2026-12-24", "* * 25-31 12 *"], "0 5 * * *", "2027-01-01T05:00:00+01:00");
    check(&["* 0-22 * * *", "0-58 * * * *"], "*/10 * * * * *", "2026-12-23T23:59:00+01:00");
    check(&["* * * 12 *"], "* * * * * *", "2027-01-01T00:00:00+01:00");
    assert_eq!(with(&["* * * * *"], "* * * * *"), None);
}

#[test]
fn dates_that_do_not_exist_are_told() {
    let monthly = cron("0 0 30 * *", "UTC");
    let (from, until) = (instant("2026-01-01T00:00:00Z"), instant("2028-12-31T00:00:00Z"));
    let absent: Vec<_> = monthly.absent_dates(from, until).iter().map(ToString::to_string).collect();
    assert_eq!(absent, ["2026-02-30", "2027-02-30", "2028-02-30"]);
    assert_eq!(cron("0 0 30 * fri", "UTC").absent_dates(from, until), []);
    assert_eq!(cron("0 0 L * *", "UTC").absent_dates(from, until), []);
}

/// Whether the clock of UTC shows a minute that simple fields name: a walk from minute to minute.
fn walked(minute: &[u32], hour: &[u32], day: &[u32], after: i64) -> Option<i64> {
    let limit = 800 * 24 * 60;
    (1..=limit).map(|n| (after.div_euclid(60) + n) * 60).find(|at| {
        let shown =
            jiff::Timestamp::from_second(*at).expect("within bounds").to_zoned(jiff::tz::TimeZone::UTC);
        minute.contains(&(shown.minute() as u32))
            && hour.contains(&(shown.hour() as u32))
            && day.contains(&(shown.day() as u32))
    })
}

fn list(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

proptest! {
    #[test]
    fn the_search_by_fields_finds_what_a_walk_finds(
        minute in prop::collection::vec(0u32..60, 1..4),
        hour in prop::collection::vec(0u32..24, 1..4),
        day in prop::collection::vec(1u32..32, 1..3),
        after in 0i64..4_000_000_000,
    ) {
        let schedule = cron(&format!("{} {} {} * *", list(&minute), list(&hour), list(&day)), "UTC");
        let next = schedule.next_after(Timestamp(0), Timestamp(after * 1_000_000));
        prop_assert_eq!(next.map(|at| at.0 / 1_000_000), walked(&minute, &hour, &day, after));
    }

    #[test]
    fn each_fire_is_later_than_the_one_before(
        fields in prop::collection::vec("[*]|[1-9]|[*]/[1-9]|1?[1-6]-1[7-9]|[1-5],[6-9]", 3),
        zone in prop::sample::select(vec!["UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]),
        after in -3_000_000_000_000_000i64..8_000_000_000_000_000,
    ) {
        let schedule = cron(&format!("{} * *", fields.join(" ")), zone);
        let mut at = Timestamp(after);
        for _ in 0..20 {
            let next = schedule.next_after(Timestamp(i64::MIN), at).expect("there is always a next one");
            prop_assert!(next > at);
            at = next;
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in r"[-*/,?LW#@0-9a-zA-Zé ]{0,40}") {
        match Cron::parse(&text) {
            Ok(expr) => {
                Schedule::new(Timing::Cron { expr }).next_after(Timestamp(0), Timestamp(0));
            }
            Err(error) => prop_assert!(text.get(error.at).is_some(), "the place is in the text"),
        }
    }

    #[test]
    fn no_fields_make_the_parser_panic(fields in prop::collection::vec(r"[-*/,?LW#0-9a-z]{1,6}", 5..7)) {
        if let Ok(expr) = Cron::parse(&fields.join(" ")) {
            let schedule = Schedule::new(Timing::Cron { expr });
            prop_assert!(schedule.next_after(Timestamp(0), Timestamp(0)).is_some(), "what is accepted fires");
        }
    }
}
