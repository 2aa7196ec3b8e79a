//! Bringing an execution into memory: its snapshot, if there is one that fits, and the events behind it.

use std::sync::Arc;

use catena_core::{Event, ExecutionId, State};
use catena_store::{Entry, Error, Store};

/// The state of an execution as it is committed.
pub fn load(store: &dyn Store, execution: ExecutionId) -> Result<State, Error> {
    let row = store.execution(execution)?.ok_or_else(|| Error::NotFound(format!("execution {execution}")))?;
    let version = store.version(&row.version)?;
    let snapshot = store.snapshot(execution)?.and_then(|(_, bytes)| {
        // An unreadable snapshot is no loss: the journal says the same.
        State::from_snapshot(execution, Arc::clone(&version.chain), &bytes).ok()
    });
    let mut state = snapshot.unwrap_or_else(|| State::new(execution, version.chain));
    for entry in store.journal(execution, state.seq())? {
        state.apply(entry.at, &entry.event)?;
    }
    Ok(state)
}

/// The state of an execution and its whole journal.
pub fn read_state(store: &dyn Store, execution: ExecutionId) -> Result<(State, Vec<Entry>), Error> {
    let entries = store.journal(execution, 0)?;
    let Some(Event::ExecutionCreated { version, .. }) = entries.first().map(|entry| &entry.event) else {
        return Err(Error::NotFound(format!("execution {execution}")));
    };
    let version = store.version(version)?;
    let mut state = State::new(execution, version.chain);
    for entry in &entries {
        state.apply(entry.at, &entry.event)?;
    }
    Ok((state, entries))
}
