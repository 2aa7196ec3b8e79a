//! Promise 1: what was acknowledged is there, and had its effect.

use std::collections::BTreeMap;

use catena_core::{Event, event::Trigger, state::Origin};

use super::{
    super::driver::Account,
    Findings, Promise,
    store::{Execution, Stored},
};

pub(super) fn check(account: &Account, stored: &Stored, findings: &mut Findings) {
    for start in &account.starts {
        let in_store = stored.keys.get(&start.key).copied();
        if let Some(execution) = start.acknowledged
            && (in_store != Some(execution) || !stored.executions.contains_key(&execution))
        {
            let detail = format!("{} was acknowledged as {execution}; the store has {in_store:?}", start.key);
            findings.add(Promise::Survives, "acknowledged starts are there", detail);
        }
    }
    check_keys(stored, findings);
    for number in &account.answered {
        let is_there = stored.executions.get(number).is_some_and(|execution| {
            let mut events = execution.entries.iter().map(|entry| &entry.event);
            events.any(|event| matches!(event, Event::ApprovalAnswered { .. }))
        });
        if !is_there {
            let detail = format!("execution {number}, whose approval was acknowledged, does not know");
            findings.add(Promise::Survives, "acknowledged answers are there", detail);
        }
    }
    for number in &account.cancelled {
        match stored.executions.get(number) {
            Some(execution) => check_cancelled(*number, execution, findings),
            None => {
                let detail = format!("execution {number}, whose cancel was acknowledged, is not there");
                findings.add(Promise::Survives, "acknowledged cancels are there", detail);
            }
        }
    }
}

/// Each execution carries its key as a parameter, so that one that was started twice shows.
fn check_keys(stored: &Stored, findings: &mut Findings) {
    let mut by_key: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (number, execution) in &stored.executions {
        if let Some(Event::ExecutionCreated { params, trigger, .. }) = execution.entries.first().map(|e| &e.event)
            // What undoes an execution has been given the same.
            && !matches!(trigger, Trigger::Undo { .. })
            && let Some(key) = params.as_json()["key"].as_str()
        {
            by_key.entry(key.to_owned()).or_default().push(*number);
        }
    }
    for (key, numbers) in by_key.iter().filter(|(_, numbers)| numbers.len() > 1) {
        findings.add(Promise::Survives, "one execution per key", format!("{key} started {numbers:?}"));
    }
}

fn check_cancelled(number: u64, execution: &Execution, findings: &mut Findings) {
    let mut events = execution.entries.iter().map(|entry| &entry.event);
    if !events.any(|event| matches!(event, Event::CancelRequested { .. })) {
        let detail = format!("execution {number} was to be cancelled, and does not know");
        return findings.add(Promise::Survives, "acknowledged cancels are there", detail);
    }
    // What follows may only take back.
    let undoes = |event: &Event| matches!(event, Event::BlockOpened { origin: Origin::Undo { .. }, .. });
    for event in events.take_while(|event| !undoes(event)) {
        if let Event::AttemptStarted { visit, attempt } = event {
            let address = execution.address(visit.0);
            let detail = format!("execution {number} started {address}.{} afterwards", attempt.0);
            findings.add(Promise::Survives, "a cancel has its effect", detail);
        }
    }
}
