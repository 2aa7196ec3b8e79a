//! The lines that stay: one for everything that is worth one, with the last words of what failed.

use catena_core::{
    AttemptNo, Event, Failure, State, VisitNo,
    chain::{Wait, Work},
    event::{Plan, SkipReason},
};
use catena_store::Entry;

use super::{
    logs::Logs,
    text::{Line, Style},
};
use crate::output;

/// Beyond it a line is cut; `ps logs` has all of it.
const TAIL_LINE_MAX_COLUMNS: usize = 500;

/// What an event that `state` has folded leaves on the terminal. Where there are no logs nothing runs, and nobody is
/// asked to answer.
pub(super) fn of(state: &State, entry: &Entry, logs: Option<&Logs>) -> Vec<Line> {
    let at = |visit: VisitNo| state.address(visit).to_string();
    let line = |style: Style, mark: &str, visit: VisitNo, words: &str| {
        let gap = if words.is_empty() { "" } else { "  " };
        vec![Line::default().with(style, mark).with(Style::Plain, &format!(" {}{gap}{words}", at(visit)))]
    };
    match &entry.event {
        Event::VisitCompleted { visit, .. } => {
            let took = state.visit(*visit).started_at.map(|from| output::duration(from, entry.at));
            line(Style::Good, "✓", *visit, &took.unwrap_or_default())
        }
        Event::VisitEntered { visit, plan: Plan::Skip(SkipReason::When), .. } => {
            line(Style::Plain, "-", *visit, "skipped: its condition is false")
        }
        Event::VisitEntered { visit, plan: Plan::Skip(SkipReason::Unmet { by }), .. } => {
            let by = &state.chain().step(*by).id;
            line(Style::Plain, "-", *visit, &format!("skipped: {by} ended in another way than it waits for"))
        }
        Event::VisitEntered { visit, plan: Plan::Skip(SkipReason::LeftOut), .. } => {
            line(Style::Plain, "-", *visit, "left out")
        }
        Event::VisitEntered { visit, plan: Plan::Adopt, .. } => {
            line(Style::Plain, "=", *visit, "kept from the execution before")
        }
        Event::VisitEntered { visit, plan: Plan::Pin(_), .. } => line(Style::Plain, "=", *visit, "pinned"),
        Event::VisitEntered { visit, plan: Plan::Ask { title, .. }, .. } => {
            let id = state.id();
            let how = logs.map(|_| format!("  catena ps approve {id} | catena ps reject {id}"));
            line(Style::Strong, "?", *visit, &format!("{title}{}", how.unwrap_or_default()))
        }
        Event::VisitEntered { visit, plan: Plan::Await { .. }, .. } => {
            let Work::Wait { wait: Wait::Signal { name, .. } } = &state.step_of(*visit).work else {
                return Vec::new();
            };
            let id = state.id();
            let how = logs.map(|_| format!("  catena ps signal {id} {name}")).unwrap_or_default();
            line(Style::Plain, "…", *visit, &format!("waits for the signal {name}{how}"))
        }
        Event::VisitEntered { visit, plan: Plan::End { status, .. }, .. } => {
            line(Style::Plain, "■", *visit, &format!("ends the chain: {status}"))
        }
        Event::VisitEntered { visit, plan: Plan::Raise(failure), .. } => {
            line(Style::Bad, "✗", *visit, &format!("ends the chain: {failure}"))
        }
        Event::CacheAnswered { visit, hit: Some(hit), .. } => {
            line(Style::Plain, "=", *visit, &format!("has its result from execution {}", hit.execution))
        }
        Event::ChildStarted { visit, child, .. } => {
            line(Style::Plain, "→", *visit, &format!("is execution {child}"))
        }
        Event::ChildHalted { visit, .. } => match state.visit(*visit).child() {
            Some(child) => line(
                Style::Strong,
                "?",
                *visit,
                &format!("execution {child} waits for somebody  catena ps why {child}"),
            ),
            None => Vec::new(),
        },
        Event::ChildUndoStarted { visit } => line(Style::Plain, "↩", *visit, "its execution is taken back"),
        Event::ChildUndoHalted { visit, execution } => {
            let message = format!("execution {execution}, which takes it back, waits for an answer");
            line(Style::Bad, "!", *visit, &message)
        }
        Event::IterationScheduled { visit, wake_at } => {
            let next = state.visit(*visit).iteration.as_ref().map_or(2, |iteration| iteration.index + 2);
            let pause = output::duration(entry.at, *wake_at);
            line(Style::Plain, "↻", *visit, &format!("iteration {next} in {pause}"))
        }
        Event::AlternativeStarted { visit, failure } => {
            line(Style::Bad, "✗", *visit, &format!("{failure}; its alternative runs"))
        }
        Event::ApprovalAnswered { visit, answer } => {
            let verb = if answer.approved { "approved" } else { "rejected" };
            line(Style::Plain, "?", *visit, &format!("{verb} by {}", answer.by))
        }
        Event::SignalReceived { name, .. } => vec![Line::plain(&format!("▸ signal {name}"))],
        Event::ExecutionHeld {} => {
            vec![Line::plain("… waits for its turn: its chain runs as often as `concurrency` allows")]
        }
        Event::ExecutionAdmitted {} => vec![Line::plain("▸ it is its turn")],
        Event::HandlersStarted { end, .. } => vec![Line::plain(&format!("▸ {end}: the handlers run"))],
        Event::StopForced {} => {
            vec![Line::default().with(Style::Strong, &format!("■ stopped by {}", entry.actor.as_str()))]
        }
        Event::VisitEntered { visit, plan: Plan::Values(_), .. } => line(Style::Good, "✓", *visit, ""),
        Event::RetryScheduled { visit, wake_at } => {
            let pause = output::duration(entry.at, *wake_at);
            let failure = last_failure(state, *visit);
            line(Style::Plain, "↻", *visit, &format!("again in {pause}: {failure}"))
        }
        Event::VisitFailed { visit, failure, .. } => {
            let mut lines = line(Style::Bad, "✗", *visit, &words(state, *visit, failure));
            lines.extend(last_words(state, *visit, logs));
            lines
        }
        Event::VisitCancelled { visit } => line(Style::Plain, "-", *visit, "cancelled"),
        Event::AttemptRequeued { visit } => line(Style::Plain, "↻", *visit, "again: its attempt was lost"),
        Event::VisitInDoubt { visit } => {
            line(Style::Strong, "?", *visit, "in doubt: nobody saw whether it had its effect")
        }
        Event::VisitQuarantined { visit } => {
            line(Style::Strong, "!", *visit, "quarantined: its attempts were lost again and again")
        }
        Event::VisitEntered { visit, plan: Plan::Wait { until }, .. } if *until > entry.at => {
            let (pause, until) = (output::duration(entry.at, *until), output::local(*until));
            line(Style::Plain, "…", *visit, &format!("waits {pause}, until {until}"))
        }
        Event::NextDelayed { wake_at, .. } => {
            vec![Line::plain(&format!("… next step in {}", output::duration(entry.at, *wake_at)))]
        }
        Event::VisitResolved { visit, .. } => {
            line(Style::Plain, "?", *visit, &format!("answered for by {}", entry.actor.as_str()))
        }
        Event::ExecutionPaused {} => {
            vec![Line::default().with(Style::Strong, &format!("‖ paused by {}", entry.actor.as_str()))]
        }
        Event::ExecutionResumed {} => vec![Line::plain(&format!("▸ resumed by {}", entry.actor.as_str()))],
        Event::ExecutionTimedOut { limit_ms } => {
            let seconds = *limit_ms as f64 / 1_000.0;
            let words = format!(" the time of the execution is over: {seconds} s");
            vec![Line::default().with(Style::Bad, "✗").with(Style::Plain, &words)]
        }
        Event::UndoStarted {} => vec![Line::plain("↩ taking back what was done")],
        Event::ExecutionCreated { .. }
        | Event::ExecutionStarted {}
        | Event::BlockOpened { .. }
        | Event::VisitEntered { .. }
        | Event::AttemptStarted { .. }
        | Event::CheckpointRecorded { .. }
        | Event::AttemptEnded { .. }
        | Event::TimerFired { .. }
        | Event::StepsSelected { .. }
        | Event::ResultsAdopted { .. }
        | Event::DutiesAdopted { .. }
        | Event::SignalTaken { .. }
        | Event::ChildUndoEnded { .. }
        | Event::CacheAnswered { .. }
        | Event::IterationEnded { .. }
        | Event::IterationStarted { .. }
        | Event::DelayElapsed { .. }
        | Event::VisitStopping { .. }
        | Event::Jumped { .. }
        | Event::BlockStopping { .. }
        | Event::BlockEnded { .. }
        | Event::CancelRequested { .. }
        | Event::ExecutionEnded { .. } => Vec::new(),
    }
}

/// The type of a failure and its sentence, and which attempt it was where there were several.
fn words(state: &State, visit: VisitNo, failure: &Failure) -> String {
    let attempts = state.visit(visit).attempts;
    let attempt = if attempts > 1 { format!("attempt {attempts}: ") } else { String::new() };
    format!("{attempt}{failure}")
}

fn last_failure(state: &State, visit: VisitNo) -> String {
    let failure = state.visit(visit).last_failure.as_ref();
    failure.map_or_else(String::new, |failure| failure.message.clone())
}

/// What the last attempt wrote before it failed.
fn last_words(state: &State, visit: VisitNo, logs: Option<&Logs>) -> Vec<Line> {
    let Some(logs) = logs else { return Vec::new() };
    let entered = state.visit(visit);
    if !entered.has_ended() || entered.attempts == 0 {
        return Vec::new();
    }
    let address = state.address(visit);
    let tail = logs.tail(state.id(), address.as_str(), AttemptNo(entered.attempts));
    tail.iter().map(|text| Line::plain("    ").with(Style::Plain, text).cut(TAIL_LINE_MAX_COLUMNS)).collect()
}
