//! What of an execution a case speaks of: what ran, and what was taken back.

use catena_core::{Event, State, VisitNo, state::Origin, status::StepStatus};

/// The addresses of what ran, of the steps that hold no others, in the order in which they were entered.
pub(super) fn path(state: &State) -> Vec<String> {
    let is_leaf = |no: VisitNo| state.step_of(no).work.nested().is_none();
    let ran = |no: VisitNo| state.step_status(no) != StepStatus::Skipped && is_leaf(no);
    let visits = state.visits().map(|(no, _)| no).filter(|no| ran(*no));
    visits.map(|no| state.address(no).to_string()).collect()
}

/// The addresses of what was taken back, in its order.
pub(super) fn undone<'e>(state: &State, events: impl Iterator<Item = &'e Event>) -> Vec<String> {
    let mut order: Vec<VisitNo> = Vec::new();
    for event in events {
        if let Event::BlockOpened { origin: Origin::Undo { visit }, .. } | Event::ChildUndoStarted { visit } =
            event
            && state.step_status(*visit) == StepStatus::Undone
            && !order.contains(visit)
        {
            order.push(*visit);
        }
    }
    order.into_iter().map(|no| state.address(no).to_string()).collect()
}
