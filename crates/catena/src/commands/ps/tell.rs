//! Telling an execution something: through its host, or for a moment without one.

use catena_core::{ExecutionId, State, VisitNo, status::ExecutionStatus};
use catena_engine::{Engine, Reach};
use catena_store::{ExecutionRow, InboxCommand, Store, sqlite::SqliteStore};

use crate::{
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host},
};

/// The execution that a command is for. A chain's number may show its latest execution, but nothing is told to it
/// by that: who meant another would lose it.
pub(super) fn target(reader: &SqliteStore, id: ExecutionId, command: &str) -> Result<ExecutionRow, Failure> {
    let Some(row) = reader.execution(id)? else {
        return Err(of_chain(reader, id, command)?);
    };
    if row.status.is_end() {
        return Err(has_ended(id, row.status));
    }
    Ok(row)
}

/// What is said to who named a chain: its latest execution, and the command for that one, unless it has ended.
fn of_chain(reader: &SqliteStore, id: ExecutionId, command: &str) -> Result<Failure, Failure> {
    let (chain, latest) = hosting::latest_of_chain(reader, id)?;
    let status = reader.execution(latest)?.map(|row| row.status);
    let message = format!("there is no execution {id}; {id} is the chain {chain}");
    Ok(match status.filter(|status| status.is_end()) {
        Some(status) => {
            let message = format!("{message}, whose latest execution, {latest}, has ended: {status}");
            Failure::new(Code::NotFound, message).next(format!("catena ps show {latest}"))
        }
        None => {
            let message = format!("{message}, whose latest execution is {latest}");
            Failure::new(Code::NotFound, message).next(format!("catena ps {command} {latest}"))
        }
    })
}

pub(super) fn has_ended(id: ExecutionId, status: ExecutionStatus) -> Failure {
    Failure::new(Code::Conflict, format!("execution {id} has ended: {status}"))
        .next(format!("catena ps show {id}"))
}

/// Whether a visit is meant by this: its address, or its step's id or name.
pub(super) fn is_called(state: &State, no: VisitNo, name: &str) -> bool {
    let step = state.step_of(no);
    state.address(no).as_str() == name || step.id.as_str() == name || step.name == name
}

/// Tells it, and gives back who hosts it.
pub(super) fn tell(locations: &Locations, id: ExecutionId, command: InboxCommand) -> Result<Host, Failure> {
    let mut host = Host::reach(locations, Reach::Only(id))?;
    host.tell(id, command)?;
    Ok(host)
}

fn end_of(engine: &Engine, id: ExecutionId) -> Option<ExecutionStatus> {
    let row = engine.store().execution(id).ok()??;
    Some(row.status).filter(|status| status.is_end())
}

/// Says who goes on with it, or that nobody does.
pub(super) fn say_who_goes_on(host: &Host, id: ExecutionId) {
    match host {
        Host::Here { engine, .. } if let Some(end) = end_of(engine, id) => talk!("  execution {id} {end}"),
        Host::Here { .. } => {
            talk!("  nobody hosts the store: execution {id} goes on with the next `catena run`")
        }
        Host::There(client) => talk!("  its host is process {}", client.pid()),
    }
}
