//! Promise 5: a schedule and an instant start at most one execution, not before the instant, and every instant has its
//! row.

use std::{collections::BTreeMap, path::Path};

use catena_core::{Event, event::Trigger, status::FireKind};
use catena_store::{FireFilter, FireRow, Store, sqlite::SqliteStore};

use super::{Findings, Promise, store::Stored};

/// Between two instants of the schedule of the test.
const EVERY_US: i64 = 1_000_000;

/// Checks every fire; how many executions were started by them.
pub(super) fn check(path: &Path, stored: &Stored, findings: &mut Findings) -> usize {
    let fires = SqliteStore::open_for_reading(path).and_then(|store| store.fires(&FireFilter::default()));
    let fires = match fires {
        Ok(fires) => fires,
        Err(error) => {
            findings.add(Promise::Survives, "the store can be read", error.to_string());
            return 0;
        }
    };
    let rows: BTreeMap<u64, &FireRow> =
        fires.iter().filter_map(|fire| Some((fire.execution?.0, fire))).collect();
    let mut instants: BTreeMap<(u64, i64), u64> = BTreeMap::new();
    let mut started = 0;
    for (number, execution) in &stored.executions {
        let created = execution.entries.first();
        let Some((at, Event::ExecutionCreated { trigger, .. })) = created.map(|e| (e.at, &e.event)) else {
            continue;
        };
        if matches!(trigger, Trigger::Schedule { .. } | Trigger::RunNow { .. }) && !rows.contains_key(number)
        {
            let detail = format!("execution {number} was started by {trigger:?}, which knows nothing of it");
            findings.add(Promise::InstantOnce, "a fire and its execution are one", detail);
        }
        if let Trigger::Schedule { schedule, at: instant } = trigger {
            started += 1;
            if let Some(other) = instants.insert((schedule.0, instant.0), *number) {
                let detail = format!("{trigger:?} started {other} and {number}");
                findings.add(Promise::InstantOnce, "an instant starts one execution", detail);
            }
            if at < *instant {
                let detail = format!("execution {number} of {trigger:?} was started before");
                findings.add(Promise::InstantOnce, "no instant comes early", detail);
            }
        }
    }
    for (execution, fire) in rows.iter().filter(|(execution, _)| !stored.executions.contains_key(*execution))
    {
        let detail = format!("execution {execution} of {:?} is not there", fire.fire);
        findings.add(Promise::InstantOnce, "a fire and its execution are one", detail);
    }
    check_instants(&fires, findings);
    started
}

/// Between the first and the last instant of a schedule none is without a row.
fn check_instants(fires: &[FireRow], findings: &mut Findings) {
    let mut of: BTreeMap<u64, Vec<(i64, i64)>> = BTreeMap::new();
    let own = |row: &&FireRow| matches!(row.fire.kind, FireKind::Scheduled | FireKind::CatchUp);
    for FireRow { schedule, fire, .. } in fires.iter().filter(own) {
        let until = fire.until.unwrap_or(fire.at);
        of.entry(schedule.0).or_default().push((fire.at.0, until.0));
    }
    for (schedule, mut rows) in of {
        rows.sort_unstable();
        for pair in rows.windows(2) {
            let gap_us = pair[1].0 - pair[0].1;
            if gap_us != EVERY_US {
                let detail = format!("schedule {schedule}: {gap_us} µs from {} to {}", pair[0].1, pair[1].0);
                findings.add(Promise::InstantOnce, "every instant has its row", detail);
            }
        }
    }
}
