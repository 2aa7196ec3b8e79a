//! The chain that a word on the command line means: its name, else its number.

use std::{path::Path, sync::Arc};

use catena_core::{
    Chain,
    status::{ChainStatus, ScheduleStatus},
};
use catena_engine::{Reach, Standing};
use catena_store::{ChainRow, ScheduleRow, Store};

use crate::{
    commands::{check::first_code, definition::Definition},
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host},
    output,
};

pub(super) fn find(store: &dyn Store, word: &str) -> Result<ChainRow, Failure> {
    let chains = store.chains()?;
    let by_number = || chains.iter().find(|chain| word.parse() == Ok(chain.id));
    if let Some(found) = chains.iter().find(|chain| chain.name == word).or_else(by_number) {
        return Ok(found.clone());
    }
    let message = format!("there is no chain `{word}`");
    match catena_spec::nearest(word, chains.iter().map(|chain| chain.name.as_str())) {
        Some(near) => Err(Failure::new(Code::NotFound, format!("{message}; did you mean `{near}`?"))
            .next(format!("catena chain show {}", word_of(near)))),
        None => Err(Failure::new(Code::NotFound, message).next("catena chain ls")),
    }
}

/// A chain's name as a person can paste it into a shell.
pub(super) fn word_of(name: &str) -> String {
    output::shell_word(name.as_ref())
}

/// The schedules of a chain that are not over for good.
pub(super) fn schedules_of(store: &dyn Store, chain: &str) -> Result<Vec<ScheduleRow>, Failure> {
    let mut rows = store.schedules()?;
    rows.retain(|row| row.chain == chain && row.status != ScheduleStatus::Ended);
    Ok(rows)
}

/// Changes how a chain stands, and says so; a change to what it is already is none.
pub(super) fn change(word: &str, standing: Standing, locations: &Locations) -> Result<Code, Failure> {
    let chain = find(&hosting::reader(locations)?, word)?;
    let status = ChainStatus::from(standing);
    if chain.status == status {
        talk!("chain {} is {status} already", chain.name);
        return Ok(Code::Completed);
    }
    let mut host = Host::reach(locations, Reach::Records)?;
    host.change_chain(&chain.name, standing)?;
    talk!("chain {} is {status}", chain.name);
    Ok(Code::Completed)
}

/// A chain of a file, or of the store by its name or number.
pub(in crate::commands) fn chain_of(
    word: &str,
    locate: impl FnOnce() -> Result<Locations, Failure>,
) -> Result<Arc<Chain>, Failure> {
    if is_file(word) {
        return chain_of_file(Path::new(word));
    }
    let reader = hosting::reader(&locate()?)?;
    Ok(reader.version(&find(&reader, word)?.version)?.chain)
}

/// By its ending, as no chain is likely to be called; a chain that is can be named by its number.
fn is_file(word: &str) -> bool {
    let ending = Path::new(word).extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["yaml", "yml", "json"].contains(&ending)) || word.contains('/')
}

pub(in crate::commands) fn chain_of_file(path: &Path) -> Result<Arc<Chain>, Failure> {
    let mut definition = Definition::read(path)?;
    if definition.checked.has_error() {
        definition.tell_problems();
        let next = first_code(std::slice::from_ref(&definition));
        return Err(Failure::told(Code::Definition).next_if(true, next));
    }
    definition.checked.chain.take().map(Arc::new).ok_or_else(|| {
        let message = format!("{} asks for what this version does not run yet", path.display());
        let path = output::shell_word(path);
        Failure::new(Code::Definition, message).next(format!("catena run {path} --dry-run, which shows it"))
    })
}
