//! `catena chain rm`: removes a chain with its versions and schedules; what it did goes with it, if that is said.

use std::collections::BTreeSet;

use catena_core::ExecutionId;
use catena_engine::{Reach, read_state};
use catena_store::{ExecutionFilter, ExecutionRow, Store, sqlite::SqliteStore};
use clap::Args;

use super::find::{find, word_of};
use crate::{
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena chain rm report\n  catena chain rm report --executions")]
pub(super) struct RmArgs {
    /// The chain's name or number
    chain: String,
    /// Remove its past executions too, with journals and logs
    #[arg(long)]
    executions: bool,
}

pub(super) fn run(args: &RmArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let chain = find(&reader, &args.chain)?;
    let word = word_of(&chain.name);
    let filter = ExecutionFilter { chain: Some(chain.name.clone()), ..ExecutionFilter::default() };
    let rows = reader.executions(&filter)?;
    if let Some(row) = rows.iter().find(|row| !row.status.is_end()) {
        let message = format!("execution {} of chain {} has not ended: {}", row.id, chain.name, row.status);
        return Err(Failure::new(Code::Conflict, message).next(format!("catena ps cancel {}", row.id)));
    }
    if !rows.is_empty() && !args.executions {
        let past = match rows.len() {
            1 => "a past execution".to_owned(),
            count => format!("{count} past executions"),
        };
        let message = format!("chain {} has {past}, which would go with it", chain.name);
        let next =
            format!("catena chain archive {word}, which keeps them, or catena chain rm {word} --executions");
        return Err(Failure::new(Code::Conflict, message).next(next));
    }
    if let Some(row) = wanted_by(&reader, &rows)? {
        let message = format!(
            "execution {} of chain {} has not ended, and has called this one: it may have to take back what that did",
            row.id, row.chain
        );
        return Err(Failure::new(Code::Conflict, message).next(format!("catena ps show {}", row.id)));
    }
    Host::reach(locations, Reach::Records)?.remove_chain(&chain.name)?;
    let ids: Vec<ExecutionId> = rows.iter().map(|row| row.id).collect();
    remove_folders(locations, &ids);
    match ids.len() {
        0 => talk!("chain {} is removed", chain.name),
        1 => talk!("chain {} is removed, with its execution", chain.name),
        count => talk!("chain {} is removed, with its {count} executions", chain.name),
    }
    Ok(Code::Completed)
}

/// An unfinished execution that has called one of these.
fn wanted_by(reader: &SqliteStore, rows: &[ExecutionRow]) -> Result<Option<ExecutionRow>, Failure> {
    let ids: BTreeSet<ExecutionId> = rows.iter().map(|row| row.id).collect();
    let filter = ExecutionFilter { unfinished_only: true, ..ExecutionFilter::default() };
    for row in reader.executions(&filter)? {
        let (state, _) = read_state(reader, row.id)?;
        if state.visits().any(|(_, visit)| visit.standing_children().iter().any(|child| ids.contains(child)))
        {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Logs and private folders; one that cannot be removed does no harm, and is told.
fn remove_folders(locations: &Locations, executions: &[ExecutionId]) {
    let places = locations.places();
    for folder in executions.iter().flat_map(|id| [places.logs(*id), places.run(*id)]) {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                talk!("cannot remove {}: {error}", folder.display());
            }
            Ok(()) | Err(_) => {}
        }
    }
}
