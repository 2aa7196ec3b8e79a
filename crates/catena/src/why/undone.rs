//! What was taken back, in which order and why, and what was not.

use catena_core::{
    Event, VisitNo,
    state::{Origin, UndoPhase},
};

use super::{
    case::Case,
    reason::{About, Reason, failure_words, named},
};

pub(super) fn reasons(case: &Case<'_>) -> Vec<Reason> {
    if case.is_whole() { whole(case) } else { of_visits(case) }
}

/// Visits whose undo completed, in the order in which that began.
fn order(case: &Case<'_>) -> Vec<VisitNo> {
    let mut order = Vec::new();
    for entry in case.entries {
        let (Event::BlockOpened { origin: Origin::Undo { visit }, .. } | Event::ChildUndoStarted { visit }) =
            entry.event
        else {
            continue;
        };
        if case.state.visit(visit).undo == UndoPhase::Done && !order.contains(&visit) {
            order.push(visit);
        }
    }
    order
}

fn cause(case: &Case<'_>) -> String {
    match (case.state.rollback(), case.state.verdict(), case.state.cancel()) {
        (Some(failure), _, _) | (None, Some(failure), _) => format!("because of {}", failure_words(failure)),
        (None, None, Some(_)) => "because it was cancelled with a rollback".to_owned(),
        (None, None, None) => "because it was started to undo another execution".to_owned(),
    }
}

fn whole(case: &Case<'_>) -> Vec<Reason> {
    let began = case.entries.iter().any(|entry| matches!(entry.event, Event::UndoStarted {}));
    if !began {
        return Vec::new();
    }
    let addresses = |visits: &[VisitNo]| visits.iter().map(|no| case.address(*no)).collect::<Vec<_>>();
    let done = addresses(&order(case));
    let what = match done.as_slice() {
        [] => format!("there was nothing to take back, {}", cause(case)),
        [one] => format!("`{one}` was taken back, {}", cause(case)),
        many => format!("taken back in this order: {}, {}", named(many), cause(case)),
    };
    let what = if done.is_empty() && !case.state.has_ended() {
        format!("nothing is taken back yet, {}", cause(case))
    } else {
        what
    };
    let mut reasons = vec![Reason::new(About::Undone, what).next(format!("catena ps show {}", case.id()))];
    let left: Vec<VisitNo> = case.state.undo_due().iter().rev().copied().collect();
    if !left.is_empty() {
        let is_over = if case.state.has_ended() { "not taken back" } else { "still to be taken back" };
        reasons.push(Reason::new(About::Undone, format!("{is_over}: {}", named(&addresses(&left)))));
    }
    reasons
}

fn of_visits(case: &Case<'_>) -> Vec<Reason> {
    let undone = case.visits().filter(|(_, visit)| visit.undo == UndoPhase::Done);
    undone
        .map(|(no, _)| {
            let address = case.address(no);
            Reason::new(About::Undone, format!("`{address}` was taken back, {}", cause(case))).at(address)
        })
        .collect()
}
