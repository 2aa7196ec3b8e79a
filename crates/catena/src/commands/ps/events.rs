//! `catena ps events`: the journal, one event per line.

use catena_core::{ExecutionId, State};
use catena_store::Store;
use clap::Args;

use super::execution_id;
use crate::{
    document::EventDto,
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena ps events 42 --after 10 | jq .kind")]
pub(super) struct EventsArgs {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
    /// Only events with a higher sequence number
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    after: u64,
}

pub(super) fn run(args: &EventsArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let id = hosting::resolve(&reader, args.id)?;
    let mut state: State = hosting::fresh_state(&reader, id)?;
    for entry in reader.journal(id, 0)? {
        state.apply(entry.at, &entry.event).map_err(catena_store::Error::from)?;
        if entry.seq > args.after {
            let line = serde_json::to_string(&EventDto::new(&state, &entry));
            output::line(&line.expect("events hold only what JSON can say"))?;
        }
    }
    Ok(Code::Completed)
}
