//! How an execution ended, for a person: its end, why, and the next thing to try.

use std::path::Path;

use catena_core::{State, status::ExecutionStatus};
use catena_store::ExecutionRow;

use crate::output;

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
        talk!("  an undo failed: what it was to take back is still there, and so is what came before it");
        talk!("  next: catena ps resolve {} --run-again | --completed | --give-up", row.id);
    }
    if row.status != ExecutionStatus::Completed {
        let step = failed_step(state).map(|address| format!(" --step {address}")).unwrap_or_default();
        talk!("  next: catena ps show {0}, catena ps logs {0}{step}", row.id);
    }
    row
}

/// Where the last failure was that has a log.
fn failed_step(state: &State) -> Option<String> {
    let failed = state.visits().filter(|(_, visit)| visit.attempts > 0 && visit.failure().is_some());
    let (last, _) = failed.last()?;
    Some(output::shell_word(Path::new(state.address(last).as_str())))
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
