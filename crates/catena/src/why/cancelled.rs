//! Why it was cancelled, and by whom; for a step, what stopped it.

use catena_core::{
    Event, FrameNo, VisitNo,
    event::{BlockEnd, StopReason},
    state::{Origin, VisitEnd},
    status::End,
};

use super::{
    case::Case,
    reason::{About, NAMED_MAX, Reason, failure_words},
};
use crate::output;

pub(super) fn reasons(case: &Case<'_>) -> Vec<Reason> {
    if case.is_whole() {
        return [requested(case), forced(case), end_step(case)].into_iter().flatten().collect();
    }
    let cancelled = case.visits().filter(|(_, visit)| visit.end() == Some(&VisitEnd::Cancelled));
    cancelled.take(NAMED_MAX).map(|(no, _)| of_visit(case, no)).collect()
}

/// Who asked for it, and when; the engine does so for `cancel_running` and for what a parent stops.
fn who(case: &Case<'_>) -> Option<String> {
    let entry = case.entries.iter().find(|entry| matches!(entry.event, Event::CancelRequested { .. }))?;
    let who = match entry.actor.as_str() {
        "engine" => "Catena itself, for its parent or for a newer execution of the chain,".to_owned(),
        person => person.to_owned(),
    };
    Some(format!("{who} asked for it at {}", output::local(entry.at)))
}

fn requested(case: &Case<'_>) -> Option<Reason> {
    let rollback = case.state.cancel()?.rollback || case.state.chain().cancel_undoes;
    let undo = if rollback { ", and for what was done to be taken back" } else { "" };
    let message = format!("cancelled: {}{undo}", who(case)?);
    // Only what has ended can be run again.
    let next = if case.state.has_ended() {
        format!("catena ps rerun {} --failed", case.id())
    } else {
        format!("catena ps watch {}", case.id())
    };
    Some(Reason::new(About::Cancelled, message).next(next))
}

fn forced(case: &Case<'_>) -> Option<Reason> {
    let entry = case.entries.iter().find(|entry| matches!(entry.event, Event::StopForced {}))?;
    let message = format!("{} forced it to stop at {}", entry.actor.as_str(), output::local(entry.at));
    Some(Reason::new(About::Cancelled, message).next(format!("catena ps show {}", case.id())))
}

fn end_step(case: &Case<'_>) -> Option<Reason> {
    let finish = case.state.finish().filter(|finish| finish.status == End::Cancelled)?;
    let address = case.address(finish.visit);
    let message = format!("the `end` step `{address}` ended the chain with the status cancelled");
    Some(Reason::new(About::Cancelled, message).at(address))
}

fn of_visit(case: &Case<'_>, no: VisitNo) -> Reason {
    let address = case.address(no);
    let message = format!("`{address}` was cancelled: {}", cause(case, no));
    Reason::new(About::Cancelled, message).at(address).next(format!("catena ps why {}", case.id()))
}

/// From the visit outwards, the first that says more than that it was stopped.
fn cause(case: &Case<'_>, no: VisitNo) -> String {
    let mut frame = case.state.visit(no).frame;
    loop {
        if let Some(BlockEnd::Failed(failure)) = case.frame_end(frame) {
            return beside(case, frame).unwrap_or_else(|| failure_words(failure));
        }
        let visit = match case.state.frame(frame).origin {
            Origin::Root => return of_whole(case),
            Origin::Handler { .. } => return "the time of the handler was over, or it was forced".to_owned(),
            Origin::Undo { .. } => return "the undo was stopped by force".to_owned(),
            Origin::Group { visit }
            | Origin::Item { visit, .. }
            | Origin::Branch { visit, .. }
            | Origin::Alternative { visit } => visit,
        };
        match stop_reason(case, visit) {
            Some(StopReason::Failed(failure)) => {
                let culprit =
                    case.within(visit).into_iter().find(|no| case.state.visit(*no).failure().is_some());
                let culprit = culprit.map(|no| case.address(case.root_cause(no)));
                return culprit
                    .map_or_else(|| failure_words(failure), |at| format!("`{at}` failed beside it"));
            }
            Some(StopReason::Satisfied) => {
                return format!("enough of `{}` had completed without it", case.address(visit));
            }
            Some(StopReason::TimedOut { limit_ms }) => {
                return format!(
                    "the time of `{}` was over, {} s",
                    case.address(visit),
                    *limit_ms as f64 / 1_000.0
                );
            }
            Some(StopReason::Cancelled) | None => frame = case.state.visit(visit).frame,
        }
    }
}

fn stop_reason<'a>(case: &Case<'a>, visit: VisitNo) -> Option<&'a StopReason> {
    case.entries.iter().find_map(|entry| {
        let Event::VisitStopping { visit: stopped, reason } = &entry.event else { return None };
        (*stopped == visit).then_some(reason)
    })
}

fn beside(case: &Case<'_>, frame: FrameNo) -> Option<String> {
    let culprit = case.culprit(frame)?;
    let visit = case.state.visit(culprit);
    let words = visit.failure().map(failure_words).unwrap_or_default();
    Some(format!("`{}` failed beside it with {words}", case.address(culprit)))
}

fn of_whole(case: &Case<'_>) -> String {
    if case.state.cancel().is_some() {
        return who(case).unwrap_or_else(|| "somebody asked for it".to_owned());
    }
    if let Some(failure) = case.state.verdict().or(case.state.rollback()) {
        return format!("the whole execution stopped: {}", failure_words(failure));
    }
    match case.state.finish() {
        Some(finish) => format!("the `end` step `{}` ended the chain", case.address(finish.visit)),
        None => "the whole execution stopped".to_owned(),
    }
}
