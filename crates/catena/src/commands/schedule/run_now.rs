//! `catena schedule run-now`: an execution of a schedule that waits for no instant. Without a host this process hosts
//! the store until it has ended.

use catena_engine::Reach;
use clap::Args;

use super::find::find;
use crate::{
    args::Format,
    commands::run,
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host},
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena schedule run-now 43")]
pub(super) struct RunNowArgs {
    /// The schedule's number, or the chain that has it alone
    schedule: String,
    /// How to print what happens
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &RunNowArgs, locations: Locations) -> Result<Code, Failure> {
    let row = find(&hosting::reader(&locations)?, &args.schedule)?;
    let mut host = Host::reach(&locations, Reach::All)?;
    let started = host
        .run_now(row.id)
        .map_err(|error| Failure::from(error).next(format!("catena schedule show {}", row.id)))?;
    run::follow_execution(locations, host, started.execution, args.output)
}
