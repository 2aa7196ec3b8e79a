//! Promise 4, as far as time goes: nothing that waits begins before its time, and time limits are kept.

use std::collections::BTreeMap;

use catena_core::{
    Event,
    event::{Answer, Plan},
};

use super::{Findings, Promise, store::Stored};

/// Checks every timer; how many of them fired.
pub(super) fn check(stored: &Stored, findings: &mut Findings) -> usize {
    let mut fired = 0;
    for (number, execution) in &stored.executions {
        let (mut waiting, mut delayed, mut asking) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut is_paused = false;
        for entry in &execution.entries {
            match &entry.event {
                Event::RetryScheduled { visit, wake_at }
                | Event::IterationScheduled { visit, wake_at }
                | Event::VisitEntered { visit, plan: Plan::Wait { until: wake_at }, .. } => {
                    waiting.insert(visit.0, wake_at.0);
                }
                // Somebody may be quicker than the clock.
                Event::VisitEntered {
                    visit,
                    plan: Plan::Ask { until: Some(wake_at), .. } | Plan::Await { until: Some(wake_at) },
                    ..
                } => {
                    asking.insert(visit.0, wake_at.0);
                }
                Event::VisitCompleted { visit, .. } if waiting.contains_key(&visit.0) => {
                    let detail = format!("execution {number}: {} did not wait", execution.address(visit.0));
                    findings.add(Promise::NothingForgotten, "who waits is not started", detail);
                }
                Event::NextDelayed { frame, wake_at, after } => {
                    delayed.insert((*frame, *after), wake_at.0);
                }
                Event::DelayElapsed { frame, after } => {
                    fired += 1;
                    // In a sequence there is only one that is waited for.
                    let of =
                        delayed.keys().find(|(of, by)| of == frame && after.is_none_or(|after| after == *by));
                    let wake_at = of.copied().and_then(|key| delayed.remove(&key));
                    if wake_at.is_none_or(|wake_at| entry.at.0 < wake_at) {
                        let detail = format!("execution {number}: frame {frame:?} went on before its time");
                        findings.add(Promise::NothingForgotten, "a timer fires once, at its time", detail);
                    }
                }
                // None of the chains has a pause within a graph.
                Event::VisitEntered { frame, .. } if delayed.keys().any(|(of, _)| of == frame) => {
                    let detail = format!("execution {number}: frame {frame:?} did not wait");
                    findings.add(Promise::NothingForgotten, "who waits is not started", detail);
                }
                Event::ExecutionPaused {} => is_paused = true,
                Event::ExecutionResumed {} => is_paused = false,
                Event::AttemptStarted { visit, .. } if is_paused => {
                    let address = execution.address(visit.0);
                    let detail = format!("execution {number}: {address} was started in a pause");
                    findings.add(Promise::NothingForgotten, "a pause holds up", detail);
                }
                Event::TimerFired { visit } => {
                    fired += 1;
                    let wake_at = waiting.remove(&visit.0).or(asking.remove(&visit.0));
                    if wake_at.is_none_or(|wake_at| entry.at.0 < wake_at) {
                        let early_ms = wake_at.map(|wake_at| (wake_at - entry.at.0) / 1_000);
                        let address = execution.address(visit.0);
                        let detail = format!("execution {number}: {address} {early_ms:?} ms before its time");
                        findings.add(Promise::NothingForgotten, "a timer fires once, at its time", detail);
                    }
                }
                Event::AttemptStarted { visit, .. } if waiting.contains_key(&visit.0) => {
                    let detail = format!("execution {number}: {} did not wait", execution.address(visit.0));
                    findings.add(Promise::NothingForgotten, "who waits is not started", detail);
                }
                _ => {}
            }
        }
        check_limits(*number, execution, findings);
    }
    fired
}

/// Who is told to have run too long has run that long.
fn check_limits(number: u64, execution: &super::store::Execution, findings: &mut Findings) {
    for ((address, attempt), times) in execution.attempts() {
        let Some((ended_us, Answer::TimedOut { limit_ms })) = times.ended.first() else { continue };
        let limit_us = i64::try_from(limit_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
        if times.started_us.first().is_some_and(|started_us| ended_us - started_us < limit_us) {
            let detail = format!("execution {number}: {address}.{attempt} had {limit_ms} ms and got fewer");
            findings.add(Promise::AttemptsOnce, "time limits are kept", detail);
        }
    }
}
