//! `catena chain versions`: the versions of a chain.

use catena_store::{Store, VersionRow};
use clap::Args;
use serde_json::json;

use super::{dto::VersionDto, find::find};
use crate::{
    args::Format,
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

/// Letters of a digest that are enough for a person.
const DIGEST_SHOWN: usize = 12;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena chain versions report")]
pub(super) struct VersionsArgs {
    /// The chain's name or number
    chain: String,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &VersionsArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let chain = find(&reader, &args.chain)?;
    let versions = reader.versions(&chain.name)?;
    if args.output != Format::Text {
        let versions: Vec<_> = versions.iter().map(VersionDto::from).collect();
        output::json(&json!({"schema": SCHEMA, "chain": chain.name, "versions": versions}))?;
        return Ok(Code::Completed);
    }
    let heading = ["VERSION", "DIGEST", "CREATED", "BY", ""].map(str::to_owned).to_vec();
    let line = |version: &VersionRow| {
        let latest = if version.digest == chain.version { "latest" } else { "" };
        vec![
            version.number.to_string(),
            version.digest.chars().take(DIGEST_SHOWN).collect(),
            output::local(version.created_at),
            version.created_by.as_str().to_owned(),
            latest.to_owned(),
        ]
    };
    let lines: Vec<Vec<String>> = [heading].into_iter().chain(versions.iter().map(line)).collect();
    output::raw(output::table(&lines).as_bytes())?;
    Ok(Code::Completed)
}
