//! `catena schedule resume`: what was missed meanwhile is not made up for.

use catena_engine::Standing;
use clap::Args;

use super::find::change;
use crate::{
    exit::{Code, Failure},
    home::Locations,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena schedule resume 43")]
pub(super) struct ResumeArgs {
    /// The schedule's number, or the chain that has it alone
    schedule: String,
}

pub(super) fn run(args: &ResumeArgs, locations: &Locations) -> Result<Code, Failure> {
    change(&args.schedule, Standing::Active, locations)
}
