//! `catena ps cancel`: asks an execution to end, through its host or for a moment without one.

use catena_core::{ExecutionId, Rejection, State, status::ExecutionStatus};
use catena_engine::{Engine, Error, Reach, read_state};
use catena_store::{InboxCommand, Store};
use clap::Args;

use super::{execution_id, tell};
use crate::{
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host},
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena ps cancel 42")]
pub(super) struct CancelArgs {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
    /// Undo what it has done
    #[arg(long)]
    rollback: bool,
    /// Stop it wherever it is, in an undo or a handler too: nothing more of it runs
    #[arg(long, conflicts_with = "rollback")]
    force: bool,
}

pub(super) fn run(args: &CancelArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let id = args.id;
    tell::target(&reader, id, "cancel")?;
    let mut host = Host::reach(locations, Reach::Only(id))?;
    match host.tell(id, InboxCommand::Cancel { rollback: args.rollback, force: args.force }) {
        // A host that had nothing else to do may be gone before it has answered: the store says what became of it.
        Err(Error::Stopped(why)) => {
            let row = reader.execution(id)?.filter(|row| row.status.is_end()).ok_or(Error::Stopped(why))?;
            return match row.status {
                ExecutionStatus::Cancelled | ExecutionStatus::RolledBack => {
                    talk!("execution {id} {}", row.status);
                    Ok(Code::Completed)
                }
                // It ended by itself, before it could be told.
                ended => Err(tell::has_ended(id, ended)),
            };
        }
        Err(error @ Error::Rejected(Rejection::Undoing | Rejection::Handling)) => {
            return Err(Failure::from(error).next(format!("catena ps cancel {id} --force")));
        }
        asked => asked.map_err(|error| Failure::from(error).next(format!("catena ps show {id}")))?,
    }
    match &host {
        Host::Here { engine, .. } => return wait(engine, id),
        Host::There(client) => {
            talk!("execution {} is being cancelled by its host, process {}", id, client.pid());
        }
    }
    Ok(Code::Completed)
}

/// Follows it to its end, or to where only a person brings it on.
fn wait(engine: &Engine, id: ExecutionId) -> Result<Code, Failure> {
    let (mut state, _) = read_state(&**engine.store(), id)?;
    let mut follower = engine.follow(id, state.seq())?;
    loop {
        if state.has_ended() {
            talk!("execution {id} {}", state.status());
            return Ok(Code::Completed);
        }
        // By force nothing is waited for.
        if !state.is_forced()
            && let Some((execution, status)) = held_up(engine, &state)?
        {
            talk!(
                "execution {id} is cancelled as soon as somebody has answered: execution {execution} is {status}"
            );
            talk!("  next: catena ps why {execution}, or catena ps cancel {id} --force");
            return Ok(Code::Waits);
        }
        let Some(entry) = follower.next_event()? else { return Ok(Code::Completed) };
        state.apply(entry.at, &entry.event).map_err(catena_store::Error::from)?;
    }
}

/// The execution that a cancel waits for and that waits for a person: itself, or one that it has called.
fn held_up(engine: &Engine, state: &State) -> Result<Option<(ExecutionId, ExecutionStatus)>, Failure> {
    let needs_a_person = |status: ExecutionStatus| {
        matches!(status, ExecutionStatus::Stuck | ExecutionStatus::InDoubt | ExecutionStatus::Quarantined)
    };
    if needs_a_person(state.status()) {
        return Ok(Some((state.id(), state.status())));
    }
    for visit in state.agenda().calls() {
        let Some(child) = state.visit(visit).child() else { continue };
        let (child, _) = read_state(&**engine.store(), child)?;
        // What is in doubt is cancelled; what is being taken back is not.
        if child.status() == ExecutionStatus::Stuck {
            return Ok(Some((child.id(), child.status())));
        }
        if let Some(found) = held_up(engine, &child)?.filter(|(_, status)| *status == ExecutionStatus::Stuck)
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
