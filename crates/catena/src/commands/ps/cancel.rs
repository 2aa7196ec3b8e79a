//! `catena ps cancel`: asks an execution to end, through its host or for a moment without one.

use catena_core::{ExecutionId, Rejection, status::ExecutionStatus};
use catena_engine::{Error, Reach};
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
        Host::Here { engine, .. } => {
            let row = engine.wait(id)?;
            talk!("execution {} {}", id, row.status);
        }
        Host::There(client) => {
            talk!("execution {} is being cancelled by its host, process {}", id, client.pid());
        }
    }
    Ok(Code::Completed)
}
