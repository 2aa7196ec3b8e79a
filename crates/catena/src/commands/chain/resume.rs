//! `catena chain resume`: what was missed meanwhile is not made up for.

use catena_engine::Standing;
use clap::Args;

use super::find::change;
use crate::{
    exit::{Code, Failure},
    home::Locations,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena chain resume report")]
pub(super) struct ResumeArgs {
    /// The chain's name or number
    chain: String,
}

pub(super) fn run(args: &ResumeArgs, locations: &Locations) -> Result<Code, Failure> {
    change(&args.chain, Standing::Active, locations)
}
