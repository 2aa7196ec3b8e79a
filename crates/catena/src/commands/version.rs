//! `catena version`: what this program is, and what it can read.

use clap::Args;
use serde_json::json;

use crate::{
    args::Format,
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    output,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena version -o json")]
pub(crate) struct VersionArgs {
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// The store is asked for only where it is printed: a broken configuration does not hide the version.
pub(crate) fn run(
    args: &VersionArgs,
    locations: impl FnOnce() -> Result<Locations, Failure>,
) -> Result<Code, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    match args.output {
        Format::Text => output::line(&format!("catena {version}"))?,
        Format::Json | Format::Jsonl => output::json(&json!({
            "schema": SCHEMA,
            "version": version,
            "engine_rev": catena_core::ENGINE_REV,
            "store_format": catena_store::sqlite::FORMAT,
            "store": locations()?.store,
        }))?,
    }
    Ok(Code::Completed)
}
