//! `catena ps cancel`: asks an execution to end, through its host or for a moment without one.

use catena_core::ExecutionId;
use catena_engine::Reach;
use catena_store::Store;
use clap::Args;

use super::execution_id;
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
}

pub(super) fn run(args: &CancelArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let id = args.id;
    // A chain's number may show its latest execution, but it never ends one: who meant another would lose it.
    let row = reader.execution(id)?.ok_or_else(|| match hosting::resolve(&reader, id) {
        Ok(latest) => {
            let message =
                format!("there is no execution {id}; {id} is a chain, whose latest execution is {latest}");
            Failure::new(Code::NotFound, message).next(format!("catena ps cancel {latest}"))
        }
        Err(unknown) => unknown,
    })?;
    if row.status.is_end() {
        let message = format!("execution {} has ended: {}", id, row.status);
        return Err(Failure::new(Code::Conflict, message).next(format!("catena ps show {}", id)));
    }
    let mut host = Host::reach(locations, Reach::Only(id))?;
    host.cancel(id)?;
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
