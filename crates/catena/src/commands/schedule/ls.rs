//! `catena schedule ls`: the schedules of the store.

use catena_core::status::ScheduleStatus;
use catena_store::Store;
use clap::Args;
use serde_json::json;

use super::dto::{ScheduleDto, print_table};
use crate::{
    args::Format,
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena schedule ls --chain report")]
pub(super) struct LsArgs {
    /// Only schedules of this chain
    #[arg(long)]
    chain: Option<String>,
    /// Also those that have no start left, or that their definition no longer has
    #[arg(long)]
    all: bool,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &LsArgs, locations: &Locations) -> Result<Code, Failure> {
    // No store yet is no error to somebody who only asks what is there.
    let mut rows = match hosting::has_store(locations)? {
        true => hosting::reader(locations)?.schedules()?,
        false => Vec::new(),
    };
    rows.retain(|row| {
        let is_over = matches!(row.status, ScheduleStatus::Ended | ScheduleStatus::Exhausted);
        (args.all || !is_over) && args.chain.as_ref().is_none_or(|chain| row.chain == *chain)
    });
    match args.output {
        Format::Json | Format::Jsonl => output::json(&json!({
            "schema": SCHEMA,
            "schedules": rows.iter().map(ScheduleDto::from).collect::<Vec<_>>(),
        }))?,
        Format::Text if rows.is_empty() => talk!("no schedules; `catena run FILE --every 1h` makes one"),
        Format::Text => print_table(&rows)?,
    }
    Ok(Code::Completed)
}
