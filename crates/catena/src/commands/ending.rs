//! How an execution ended, for a person: its end, why, and the next thing to try.

use std::path::Path;

use catena_core::{
    State,
    event::Consequence,
    state::{Question, UndoPhase, Visit, VisitEnd},
    status::ExecutionStatus,
};
use catena_store::ExecutionRow;

use crate::{output, question::answers_to};

/// Steps that are named one by one.
const NAMED_MAX: usize = 10;

/// Says how an execution ended, or why nobody need wait for its end. Gives its row.
pub(super) fn tell(state: &State) -> ExecutionRow {
    let row = catena_store::project_execution(state);
    let took = row.started_at.zip(row.finished_at);
    let took = took.map(|(from, to)| format!(" in {}", output::duration(from, to)));
    talk!("execution {} {}{}", row.id, row.status, took.unwrap_or_default());
    if let Some(error) = &row.error {
        talk!("  {error}");
    }
    if row.status == ExecutionStatus::Stuck {
        left_to_undo(state).iter().for_each(|line| talk!("  {line}"));
        match state.halted_undo() {
            Some((_, execution)) => talk!("  next: catena ps why {execution}"),
            None => talk!("  next: catena ps resolve {} {}", row.id, answers_to(Question::UndoFailed)),
        }
    }
    if row.status != ExecutionStatus::Completed {
        let step = failed_step(state, row.error.as_ref())
            .map(|address| format!(" --step {address}"))
            .unwrap_or_default();
        talk!("  next: catena ps show {0}, catena ps logs {0}{step}", row.id);
    }
    row
}

/// Why an execution is stuck, and what is still to be taken back.
pub(super) fn left_to_undo(state: &State) -> Vec<String> {
    let due = state.undo_due();
    let Some(visit) = due.last().copied().filter(|_| state.is_stuck()) else { return Vec::new() };
    let address = state.address(visit);
    let why = match (state.halted_undo(), &state.visit(visit).undo) {
        (Some((_, execution)), _) => {
            format!("execution {execution} takes back what {address} has done, and waits for an answer")
        }
        (None, UndoPhase::Failed(failure)) => format!("the undo of {address} failed: {failure}"),
        (None, _) => return Vec::new(),
    };
    let named = due.iter().rev().take(NAMED_MAX).map(|no| state.address(*no).to_string());
    let named = named.collect::<Vec<_>>().join(", ");
    let more = due.len().checked_sub(NAMED_MAX).filter(|more| *more > 0);
    let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
    vec![why, format!("not taken back: {named}{more}")]
}

/// Where the failure that it ended with was, else the last one, of those that have a log.
fn failed_step(state: &State, error: Option<&catena_core::Failure>) -> Option<String> {
    let failed = || state.visits().filter(|(_, visit)| visit.attempts > 0 && visit.failure().is_some());
    let is_it = |visit: &Visit| match visit.end() {
        Some(VisitEnd::Failed { failure, consequence }) => {
            Some(failure) == error && *consequence != Consequence::Continue
        }
        _ => false,
    };
    let (visit, _) = failed().filter(|(_, visit)| is_it(visit)).last().or_else(|| failed().last())?;
    Some(output::shell_word(Path::new(state.address(visit).as_str())))
}

/// Says once that the execution has come to wait for a person, and what a person can do.
pub(super) fn tell_wait(state: &State, before: ExecutionStatus) {
    let status = state.status();
    let waits = matches!(status, ExecutionStatus::InDoubt | ExecutionStatus::Quarantined);
    if status == ExecutionStatus::Paused && status != before {
        talk!("  next: catena ps resume {}", state.id());
    }
    if waits && status != before {
        let id = state.id();
        talk!("execution {id} waits for a person: {status}");
        talk!("  next: catena ps resolve {id} --completed | --failed | --run-again | --give-up");
    }
}
