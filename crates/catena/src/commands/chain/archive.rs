//! `catena chain archive`: it starts no more, and what it did stays.

use catena_engine::Standing;
use clap::Args;

use super::find::change;
use crate::{
    exit::{Code, Failure},
    home::Locations,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena chain archive report")]
pub(super) struct ArchiveArgs {
    /// The chain's name or number
    chain: String,
}

pub(super) fn run(args: &ArchiveArgs, locations: &Locations) -> Result<Code, Failure> {
    change(&args.chain, Standing::Archived, locations)
}
