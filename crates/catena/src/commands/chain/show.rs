//! `catena chain show`: one chain with its schedules, or its text.

use catena_store::Store;
use clap::Args;
use serde_json::json;

use super::{
    dto::{ChainDto, VersionDto},
    find::{find, schedules_of},
};
use crate::{
    args::Format,
    commands::schedule::{self, ScheduleDto},
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  catena chain show report\n  catena chain show report --source > report.yaml"
)]
pub(super) struct ShowArgs {
    /// The chain's name or number
    chain: String,
    /// Print the definition of its latest version as it was written
    #[arg(long)]
    source: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &ShowArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let row = find(&reader, &args.chain)?;
    if args.source {
        output::raw(reader.version(&row.version)?.source.as_bytes())?;
        return Ok(Code::Completed);
    }
    let schedules = schedules_of(&reader, &row.name)?;
    let versions = reader.versions(&row.name)?;
    let chain = ChainDto::new(&reader, row.clone(), &schedules)?;
    if args.output != Format::Text {
        output::json(&json!({
            "schema": SCHEMA,
            "chain": chain,
            "versions": versions.iter().map(VersionDto::from).collect::<Vec<_>>(),
            "schedules": schedules.iter().map(ScheduleDto::from).collect::<Vec<_>>(),
        }))?;
        return Ok(Code::Completed);
    }
    output::line(&format!("chain {} {}: {}", row.id, row.name, row.status))?;
    if let Some(description) = &row.description {
        output::line(&format!("  {description}"))?;
    }
    for (name, value) in &row.labels {
        output::line(&format!("  {name}: {value}"))?;
    }
    let (at, by) = (output::local(row.created_at), row.created_by.as_str());
    output::line(&format!("  created {at} by {by}, {}", versions_of(versions.len())))?;
    if let Some(last) = &chain.last {
        output::line(&format!("  last execution {}: {}", last.id, last.status))?;
    }
    schedule::print_table(&schedules)?;
    Ok(Code::Completed)
}

fn versions_of(count: usize) -> String {
    if count == 1 { "1 version".to_owned() } else { format!("{count} versions") }
}
