//! `catena schedule show`: one schedule, and what became of its instants.

use catena_store::{FireFilter, FireRow, Store};
use clap::Args;
use serde_json::json;

use super::{
    dto::{FireDto, ScheduleDto},
    find::find,
};
use crate::{
    args::Format,
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena schedule show 43 --limit 100")]
pub(super) struct ShowArgs {
    /// The schedule's number, or the chain that has it alone
    schedule: String,
    /// At most so many instants, the latest
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &ShowArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let row = find(&reader, &args.schedule)?;
    let filter = FireFilter { schedule: Some(row.id), limit: Some(args.limit), ..FireFilter::default() };
    let fires = reader.fires(&filter)?;
    if args.output != Format::Text {
        output::json(&json!({
            "schema": SCHEMA,
            "schedule": ScheduleDto::from(&row),
            "fires": fires.iter().map(FireDto::from).collect::<Vec<_>>(),
        }))?;
        return Ok(Code::Completed);
    }
    output::line(&format!("schedule {} of {}: {}, {}", row.id, row.chain, row.definition, row.status))?;
    let (at, by) = (output::local(row.created_at), row.created_by.as_str());
    output::line(&format!("  created {at} by {by}"))?;
    if let Some(next) = row.next_at {
        output::line(&format!("  next start {}", output::local(next)))?;
    }
    if fires.is_empty() {
        return Ok(Code::Completed);
    }
    let heading = ["INSTANT", "KIND", "OUTCOME", "EXECUTION"].map(str::to_owned).to_vec();
    let lines: Vec<Vec<String>> = [heading].into_iter().chain(fires.iter().map(line)).collect();
    output::raw(output::table(&lines).as_bytes())?;
    Ok(Code::Completed)
}

fn line(row: &FireRow) -> Vec<String> {
    let until = row.fire.until.map(|until| format!(" to {}", output::local(until))).unwrap_or_default();
    let outcome = [
        Some(row.fire.outcome.to_string()),
        row.fire.reason.map(|reason| format!(": {reason}")),
        row.note.as_ref().map(|note| format!(" ({note})")),
        match row.fire.count {
            Some(1) => None,
            Some(count) => Some(format!(", {count} instants")),
            None => Some(", many instants".to_owned()),
        },
    ];
    vec![
        format!("{}{until}", output::local(row.fire.at)),
        row.fire.kind.to_string(),
        outcome.into_iter().flatten().collect(),
        row.execution.map(|id| id.to_string()).unwrap_or_default(),
    ]
}
