//! Telling an execution something: through its host, or for a moment without one.

use catena_core::ExecutionId;
use catena_engine::Reach;
use catena_store::{ExecutionRow, InboxCommand, Store, sqlite::SqliteStore};

use crate::{
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host},
};

/// The execution that a command is for. A chain's number may show its latest execution, but nothing is told to it
/// by that: who meant another would lose it.
pub(super) fn target(reader: &SqliteStore, id: ExecutionId, command: &str) -> Result<ExecutionRow, Failure> {
    let row = reader.execution(id)?.ok_or_else(|| match hosting::resolve(reader, id) {
        Ok(latest) => {
            let message =
                format!("there is no execution {id}; {id} is a chain, whose latest execution is {latest}");
            Failure::new(Code::NotFound, message).next(format!("catena ps {command} {latest}"))
        }
        Err(unknown) => unknown,
    })?;
    if row.status.is_end() {
        let message = format!("execution {id} has ended: {}", row.status);
        return Err(Failure::new(Code::Conflict, message).next(format!("catena ps show {id}")));
    }
    Ok(row)
}

/// Tells it, and gives back who hosts it.
pub(super) fn tell(locations: &Locations, id: ExecutionId, command: InboxCommand) -> Result<Host, Failure> {
    let mut host = Host::reach(locations, Reach::Only(id))?;
    host.tell(id, command)?;
    Ok(host)
}

/// Says who goes on with it, or that nobody does.
pub(super) fn say_who_goes_on(host: &Host, id: ExecutionId) {
    match host {
        Host::Here { .. } => {
            talk!("  nobody hosts the store: execution {id} goes on with the next `catena run`")
        }
        Host::There(client) => talk!("  its host is process {}", client.pid()),
    }
}
