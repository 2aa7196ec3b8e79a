//! `catena schedule pause`: what would have started is recorded as missed.

use catena_engine::Standing;
use clap::Args;

use super::find::change;
use crate::{
    exit::{Code, Failure},
    home::Locations,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena schedule pause 43")]
pub(super) struct PauseArgs {
    /// The schedule's number, or the chain that has it alone
    schedule: String,
}

pub(super) fn run(args: &PauseArgs, locations: &Locations) -> Result<Code, Failure> {
    change(&args.schedule, Standing::Paused, locations)
}
