//! Promise 3: an execution reaches one end, the right one, and nothing of it happens after.

use std::{collections::BTreeMap, path::Path, time::UNIX_EPOCH};

use anyhow::Result;
use catena_core::{Event, state::Origin};

use super::{
    super::{chains::KEEPER, driver::Account, ledger::Life},
    Findings, LATE_US, Promise, log_sizes,
    store::{Execution, Stored},
};

/// File times are those of the kernel's last tick.
const TICK_US: i64 = 20_000;

pub(super) fn check(
    account: &Account,
    lives: &[Life],
    stored: &Stored,
    findings: &mut Findings,
) -> Result<()> {
    let kinds: BTreeMap<u64, &'static str> = account
        .starts
        .iter()
        .filter_map(|start| Some((*stored.keys.get(&start.key)?, start.kind.end())))
        .collect();
    for (number, execution) in &stored.executions {
        check_end(*number, execution, kinds.get(number).copied(), findings);
    }
    for life in lives {
        let Some(execution) = stored.executions.get(&life.who.execution) else { continue };
        let Some((ended_us, _)) = execution.ends().first().copied() else { continue };
        let reported = life.sent_us.max(life.after_us.unwrap_or(0));
        if reported > ended_us || life.died_us.is_some_and(|died| died > ended_us + LATE_US) {
            let who = &life.who;
            let late_ms = (reported.max(life.died_us.unwrap_or(0)) - ended_us) / 1_000;
            let detail = format!(
                "execution {}: {}.{} ({:?}) was at work {late_ms} ms after the end",
                who.execution, who.address, who.attempt, who.role
            );
            findings.add(Promise::EndsOnce, "quiet after the end", detail);
        }
    }
    check_logs(&account.home, stored, findings)
}

fn check_end(number: u64, execution: &Execution, due: Option<&'static str>, findings: &mut Findings) {
    let ends = execution.ends();
    if ends.len() > 1 {
        findings.add(Promise::EndsOnce, "one end", format!("execution {number} has {} ends", ends.len()));
    }
    let is_last = |event: &Event| matches!(event, Event::ExecutionEnded { .. });
    let behind = execution.entries.iter().skip_while(|entry| !is_last(&entry.event)).skip(1);
    for entry in behind.filter(|entry| !is_last(&entry.event)) {
        let detail = format!("execution {number}: {} as event {}", entry.event.kind(), entry.seq);
        findings.add(Promise::EndsOnce, "nothing after the end", detail);
    }
    check_undo_order(number, execution, findings);
    let was_cancelled =
        execution.entries.iter().any(|entry| matches!(entry.event, Event::CancelRequested { .. }));
    let due = if execution.chain == KEEPER { Some("completed") } else { due };
    let status = execution.status.as_str();
    let is_right = match due {
        _ if ends.is_empty() => true,
        // A cancel that meets a failure or an undo under way changes nothing about it.
        Some(due) if was_cancelled => status == "cancelled" || (status == due && due != "completed"),
        Some(due) => status == due,
        None => true,
    };
    if !is_right {
        let detail = format!("execution {number} of {} ended {status}, not {due:?}", execution.chain);
        findings.add(Promise::EndsOnce, "the right end", detail);
    }
}

/// What was done last is taken back first, and nothing twice.
fn check_undo_order(number: u64, execution: &Execution, findings: &mut Findings) {
    let mut done = Vec::new();
    let mut undone = Vec::new();
    for entry in &execution.entries {
        match &entry.event {
            Event::VisitCompleted { visit, .. } => done.push(*visit),
            Event::BlockOpened { origin: Origin::Undo { visit }, .. } | Event::ChildUndoStarted { visit } => {
                undone.push(*visit)
            }
            _ => {}
        }
    }
    // What a person has run again stands twice.
    undone.dedup();
    // Those of an undo come after all that it is about.
    let places: Vec<Option<usize>> =
        undone.iter().map(|visit| done.iter().position(|other| other == visit)).collect();
    if !places.is_sorted_by(|a, b| a > b) {
        let detail = format!("execution {number}: undone in the order {places:?} of completion");
        findings.add(Promise::EndsOnce, "undo is in reverse", detail);
    }
}

/// No log is written to after its execution's end.
fn check_logs(home: &Path, stored: &Stored, findings: &mut Findings) -> Result<()> {
    for path in log_sizes(home)?.into_keys() {
        let relative = path.strip_prefix(home.join("logs")).unwrap_or(&path);
        let number = relative.iter().next().and_then(|name| name.to_str()?.parse::<u64>().ok());
        let Some(execution) = number.and_then(|number| stored.executions.get(&number)) else { continue };
        let Some((ended_us, _)) = execution.ends().first().copied() else { continue };
        let written = std::fs::metadata(&path)?.modified()?.duration_since(UNIX_EPOCH)?;
        if i64::try_from(written.as_micros()).unwrap_or(i64::MAX) > ended_us + TICK_US {
            findings.add(Promise::EndsOnce, "no output after the end", relative.display().to_string());
        }
    }
    Ok(())
}
