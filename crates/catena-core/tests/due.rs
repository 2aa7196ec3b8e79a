//! What a schedule does at a moment, as tables: the situation in, rows out. Instants are minutes.

use catena_core::{
    Timestamp,
    schedule::{
        Overlap,
        due::{Gate, Instants, MakeUp, ROWS_MAX, Situation, WAITING_MAX, due},
    },
    status::FireReason,
};
use insta::assert_snapshot;

const MINUTE_MS: u64 = 60_000;

/// Every so many minutes from 0 on, a start later than its instant by so much.
struct Every {
    minutes: i64,
    delay_ms: u64,
    until: Option<i64>,
}

impl Instants for Every {
    fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let every = self.minutes * 60_000_000;
        let next = (after.0.div_euclid(every) + 1) * every;
        Some(Timestamp(next)).filter(|next| self.until.is_none_or(|until| *next <= minute(until)))
    }

    fn delay_ms(&self, _at: Timestamp) -> u64 {
        self.delay_ms
    }
}

fn minute(minutes: i64) -> Timestamp {
    Timestamp(minutes * 60_000_000)
}

fn at(now: Timestamp) -> Situation {
    Situation {
        overlap: Overlap::Skip,
        make_up: MakeUp::Latest,
        within_ms: None,
        gate: Gate::Open,
        considered_until: minute(10),
        now,
        running: 0,
        waiting: 0,
    }
}

fn check(situation: Situation) -> String {
    check_with(situation, &Every { minutes: 1, delay_ms: 0, until: None })
}

fn check_with(situation: Situation, instants: &Every) -> String {
    let due = due(&situation, instants);
    assert!(due.considered_until >= situation.considered_until);
    let again = Situation { considered_until: due.considered_until, ..situation };
    assert!(is_quiet(&again, instants), "what is decided is decided once");
    let minutes = |at: Timestamp| at.0 / 60_000_000;
    let mut text: String = due
        .fires
        .iter()
        .map(|fire| {
            let until = fire.until.map(|until| format!("..{}", minutes(until))).unwrap_or_default();
            let count = fire.count.map_or_else(|| "?".to_owned(), |count| count.to_string());
            let reason = fire.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{}{until} ×{count} {} {}{reason}\n", minutes(fire.at), fire.kind, fire.outcome)
        })
        .collect();
    if due.cancels_running {
        text += "cancels what runs\n";
    }
    match due.next {
        Some(next) => text + &format!("next {}", minutes(next)),
        None => text + "no next",
    }
}

fn is_quiet(situation: &Situation, instants: &Every) -> bool {
    due(situation, instants).fires.is_empty()
}

#[test]
fn nothing_is_due_before_its_time_nor_when_the_clock_goes_back() {
    assert_snapshot!(check(at(minute(10))), @"next 11");
    assert_snapshot!(check(at(Timestamp(minute(11).0 - 1))), @"next 11");
    assert_snapshot!(check(at(minute(-50))), @"next 11");
}

#[test]
fn an_instant_starts_once_and_on_time_within_the_grace() {
    assert_snapshot!(check(at(minute(11))), @r"
    11 ×1 scheduled started
    next 12
    ");
    assert_snapshot!(check(at(minute(11).plus_ms(10_000))), @r"
    11 ×1 scheduled started
    next 12
    ");
    assert_snapshot!(check(at(minute(11).plus_ms(10_001))), @r"
    11 ×1 catch_up late
    next 12
    ");
}

#[test]
fn a_start_waits_for_its_delay() {
    let delayed = Every { minutes: 1, delay_ms: 30_000, until: None };
    assert_snapshot!(check_with(at(minute(11)), &delayed), @"next 11");
    assert_snapshot!(check_with(at(minute(11).plus_ms(30_000)), &delayed), @r"
    11 ×1 scheduled started
    next 12
    ");
}

#[test]
fn the_last_instant_of_all_has_no_next() {
    let ends = Every { minutes: 1, delay_ms: 0, until: Some(11) };
    assert_snapshot!(check_with(at(minute(11)), &ends), @r"
    11 ×1 scheduled started
    no next
    ");
}

#[test]
fn what_was_missed_follows_its_policy() {
    let missed = |make_up| check(Situation { make_up, ..at(minute(14).plus_ms(MINUTE_MS / 2)) });
    assert_snapshot!(missed(MakeUp::Latest), @r"
    11 ×1 scheduled missed: later_due
    12 ×1 scheduled missed: later_due
    13 ×1 scheduled missed: later_due
    14 ×1 catch_up late
    next 15
    ");
    assert_snapshot!(missed(MakeUp::Nothing), @r"
    11 ×1 scheduled missed: too_late
    12 ×1 scheduled missed: too_late
    13 ×1 scheduled missed: too_late
    14 ×1 scheduled missed: too_late
    next 15
    ");
    assert_snapshot!(missed(MakeUp::UpTo(3)), @r"
    11 ×1 scheduled missed: too_many
    12 ×1 catch_up late
    13 ×1 catch_up waiting: running
    14 ×1 catch_up waiting: running
    next 15
    ");
}

#[test]
fn nothing_is_made_up_for_from_further_back_than_allowed() {
    let situation = |make_up| Situation {
        make_up,
        within_ms: Some(2 * MINUTE_MS),
        ..at(minute(14).plus_ms(MINUTE_MS / 2))
    };
    assert_snapshot!(check(situation(MakeUp::UpTo(9))), @r"
    11 ×1 scheduled missed: too_late
    12 ×1 scheduled missed: too_late
    13 ×1 catch_up late
    14 ×1 catch_up waiting: running
    next 15
    ");
    let long_ago = Situation { within_ms: Some(1_000), ..situation(MakeUp::Latest) };
    assert_snapshot!(check(long_ago), @r"
    11 ×1 scheduled missed: too_late
    12 ×1 scheduled missed: too_late
    13 ×1 scheduled missed: too_late
    14 ×1 scheduled missed: too_late
    next 15
    ");
}

#[test]
fn the_instant_of_now_is_no_missed_one() {
    let skips = Situation { make_up: MakeUp::Nothing, ..at(minute(13)) };
    assert_snapshot!(check(skips), @r"
    11 ×1 scheduled missed: too_late
    12 ×1 scheduled missed: too_late
    13 ×1 scheduled started
    next 14
    ");
    // It comes last of those that are made up for.
    let all = Situation { make_up: MakeUp::UpTo(9), ..at(minute(12)) };
    assert_snapshot!(check(all), @r"
    11 ×1 catch_up late
    12 ×1 scheduled waiting: running
    next 13
    ");
}

#[test]
fn what_happens_while_the_last_one_runs_is_up_to_the_schedule() {
    let busy = |overlap, waiting| check(Situation { overlap, running: 1, waiting, ..at(minute(11)) });
    assert_snapshot!(busy(Overlap::Skip, 0), @r"
    11 ×1 scheduled skipped: running
    next 12
    ");
    assert_snapshot!(busy(Overlap::Queue, 0), @r"
    11 ×1 scheduled waiting: running
    next 12
    ");
    assert_snapshot!(busy(Overlap::Queue, WAITING_MAX), @r"
    11 ×1 scheduled skipped: queue_full
    next 12
    ");
    assert_snapshot!(busy(Overlap::CancelRunning, 1), @r"
    11 ×1 scheduled waiting: running
    cancels what runs
    next 12
    ");
    assert_snapshot!(busy(Overlap::Allow, 0), @r"
    11 ×1 scheduled started
    next 12
    ");
}

#[test]
fn behind_a_closed_gate_everything_is_missed() {
    let closed = Situation { gate: Gate::Closed(FireReason::Paused), ..at(minute(12)) };
    assert_snapshot!(check(closed), @r"
    11 ×1 scheduled missed: paused
    12 ×1 scheduled missed: paused
    next 13
    ");
}

#[test]
fn a_long_absence_is_few_rows_and_little_work() {
    let count = |situation: Situation| {
        let rows = due(&situation, &Every { minutes: 1, delay_ms: 0, until: None }).fires;
        let told: Option<u32> = rows.iter().map(|fire| fire.count).sum();
        (rows.len(), told)
    };
    // A week: all of them are counted. A year, and a thousand: the earliest are not.
    let week = 7 * 24 * 60;
    assert_eq!(count(at(minute(10 + 5_000))), (ROWS_MAX + 1, Some(5_000)));
    assert_eq!(count(at(minute(10 + week))), (ROWS_MAX + 1, None));
    assert_eq!(count(at(minute(10 + 525_600))), (ROWS_MAX + 1, None));
    assert_eq!(count(at(minute(525_600_000))), (ROWS_MAX + 1, None));
    let closed = Situation { gate: Gate::Closed(FireReason::Paused), ..at(minute(10 + 5_000)) };
    assert_eq!(count(closed), (ROWS_MAX + 1, Some(5_000)));
    let all = Situation { make_up: MakeUp::UpTo(300), ..at(minute(10 + 5_000)) };
    let decided = due(&all, &Every { minutes: 1, delay_ms: 0, until: None });
    assert_eq!(decided.fires.len(), 301, "one row for all that is not made up for");
    let first = decided.fires.first().unwrap();
    assert_eq!((first.at, first.until, first.count), (minute(11), Some(minute(4_710)), Some(4_700)));
    let last = decided.fires.last().unwrap();
    assert_eq!(last.at, minute(5_010));
}

#[test]
fn every_instant_has_exactly_one_row_however_the_calls_fall() {
    // From 10 to 40 in steps of any size, also back.
    for steps in [&[11, 12, 13, 40][..], &[40], &[10, 40], &[25, 5, 24, 26, 40], &[39, 40, 41, 3, 40]] {
        let mut considered_until = minute(10);
        let mut seen = Vec::new();
        for now in steps {
            let situation = Situation { considered_until, overlap: Overlap::Allow, ..at(minute(*now)) };
            let due = due(&situation, &Every { minutes: 1, delay_ms: 0, until: None });
            considered_until = due.considered_until;
            seen.extend(due.fires.iter().map(|fire| fire.at.0 / 60_000_000));
        }
        let last = *steps.iter().max().unwrap();
        assert_eq!(seen, (11..=last).collect::<Vec<i64>>(), "{steps:?}");
    }
}
