//! `catena chain pause`: what would have started is recorded as missed.

use catena_engine::Standing;
use clap::Args;

use super::find::change;
use crate::{
    exit::{Code, Failure},
    home::Locations,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena chain pause report")]
pub(super) struct PauseArgs {
    /// The chain's name or number
    chain: String,
}

pub(super) fn run(args: &PauseArgs, locations: &Locations) -> Result<Code, Failure> {
    change(&args.chain, Standing::Paused, locations)
}
