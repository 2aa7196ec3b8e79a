//! `catena helper`: this program as the process helper of a store. Started by the engine, never by hand.

use std::path::PathBuf;

use clap::Args;

use crate::exit::{Code, Failure};

#[derive(Debug, Args)]
pub(crate) struct HelperArgs {
    /// The folder to serve
    #[arg(long)]
    dir: PathBuf,
}

pub(crate) fn run(args: &HelperArgs) -> Result<Code, Failure> {
    catena_runners::process::serve(&args.dir)
        .map_err(|error| Failure::new(Code::Environment, error).next("catena doctor"))?;
    Ok(Code::Completed)
}
