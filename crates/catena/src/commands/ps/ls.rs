//! `catena ps ls`: executions, the latest first.

use catena_store::{ExecutionFilter, ExecutionRow, Store};
use clap::Args;

use crate::{
    args::Format,
    document::ExecutionsDocument,
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena ps ls --chain data-pipeline")]
pub(super) struct LsArgs {
    /// Only executions of this chain
    #[arg(long)]
    chain: Option<String>,
    /// Only executions that have not ended
    #[arg(long)]
    unfinished: bool,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &LsArgs, locations: &Locations) -> Result<Code, Failure> {
    let filter = ExecutionFilter {
        chain: args.chain.clone(),
        unfinished_only: args.unfinished,
        limit: Some(args.limit),
    };
    // No store yet is no error to somebody who only asks what is there.
    let reader = if hosting::has_store(locations)? { Some(hosting::reader(locations)?) } else { None };
    let rows = reader.as_ref().map(|reader| reader.executions(&filter)).transpose()?.unwrap_or_default();
    match args.output {
        Format::Json | Format::Jsonl => output::json(&match &reader {
            Some(reader) => ExecutionsDocument::new(reader, &rows)?,
            None => ExecutionsDocument::none(),
        })?,
        Format::Text if rows.is_empty() => eprintln!("no executions; `catena run FILE` starts one"),
        Format::Text => {
            let heading = ["ID", "CHAIN", "STATUS", "STARTED", "TOOK"].map(str::to_owned).to_vec();
            let lines: Vec<Vec<String>> = [heading].into_iter().chain(rows.iter().map(line)).collect();
            output::raw(output::table(&lines).as_bytes())?;
        }
    }
    Ok(Code::Completed)
}

fn line(row: &ExecutionRow) -> Vec<String> {
    let took = row.started_at.zip(row.finished_at).map(|(from, to)| output::duration(from, to));
    vec![
        row.id.to_string(),
        row.chain.clone(),
        row.status.to_string(),
        row.started_at.map(output::local).unwrap_or_default(),
        took.unwrap_or_default(),
    ]
}
