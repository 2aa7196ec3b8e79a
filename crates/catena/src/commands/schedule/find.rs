//! The schedule that a word on the command line means: its number, or the chain of the only one.

use catena_core::status::ScheduleStatus;
use catena_engine::{Reach, Standing};
use catena_store::{ScheduleRow, Store};

use crate::{
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host},
};

pub(super) fn find(store: &dyn Store, word: &str) -> Result<ScheduleRow, Failure> {
    let rows = store.schedules()?;
    if let Some(row) = rows.iter().find(|row| word.parse() == Ok(row.id.0)) {
        return Ok(row.clone());
    }
    let chains = store.chains()?;
    let chain = chains.iter().find(|chain| chain.name == word || word.parse() == Ok(chain.id));
    let Some(chain) = chain else {
        let message = format!("there is no schedule `{word}`, and no chain of that name");
        return Err(Failure::new(Code::NotFound, message).next("catena schedule ls"));
    };
    let of_chain = |row: &&ScheduleRow| row.chain == chain.name && row.status != ScheduleStatus::Ended;
    let mut found: Vec<&ScheduleRow> = rows.iter().filter(of_chain).collect();
    match (found.pop(), found.is_empty()) {
        (Some(row), true) => Ok(row.clone()),
        (Some(_), false) => {
            let message = format!("chain {} has several schedules: say which, by its number", chain.name);
            Err(Failure::new(Code::Usage, message).next("catena schedule ls"))
        }
        (None, _) => {
            let message = format!("chain {} has no schedule", chain.name);
            Err(Failure::new(Code::NotFound, message).next("catena run FILE --every 1h, which gives it one"))
        }
    }
}

/// Pauses or resumes, and says so; a change to what it is already is none.
pub(super) fn change(word: &str, standing: Standing, locations: &Locations) -> Result<Code, Failure> {
    let row = find(&hosting::reader(locations)?, word)?;
    let (status, word) = match standing {
        Standing::Paused | Standing::Archived => (ScheduleStatus::Paused, "paused"),
        Standing::Active => (ScheduleStatus::Active, "active"),
    };
    if row.status == status {
        talk!("schedule {} of {} is {word} already", row.id, row.chain);
        return Ok(Code::Completed);
    }
    let mut host = Host::reach(locations, Reach::Records)?;
    host.change_schedule(row.id, standing)
        .map_err(|error| Failure::from(error).next(format!("catena schedule show {}", row.id)))?;
    talk!("schedule {} of {} is {word}", row.id, row.chain);
    Ok(Code::Completed)
}
