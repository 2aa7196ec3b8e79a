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
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
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
        ..ExecutionFilter::default()
    };
    // No store yet is no error to somebody who only asks what is there.
    let reader = if hosting::has_store(locations)? { Some(hosting::reader(locations)?) } else { None };
    let rows = reader.as_ref().map(|reader| reader.executions(&filter)).transpose()?.unwrap_or_default();
    match args.output {
        Format::Json | Format::Jsonl => output::json(&match &reader {
            Some(reader) => ExecutionsDocument::new(reader, &rows)?,
            None => ExecutionsDocument::none(),
        })?,
        Format::Text if rows.is_empty() => talk!("{}", args.nothing()),
        Format::Text => {
            let heading = ["ID", "CHAIN", "STATUS", "STARTED", "TOOK"].map(str::to_owned).to_vec();
            let lines: Vec<Vec<String>> = [heading].into_iter().chain(rows.iter().map(line)).collect();
            output::raw(output::table(&lines).as_bytes())?;
        }
    }
    Ok(Code::Completed)
}

impl LsArgs {
    /// What was asked for and is not there: others may be.
    fn nothing(&self) -> String {
        let of_chain = self.chain.as_ref().map(|chain| format!(" of chain `{chain}`")).unwrap_or_default();
        match (self.unfinished, &self.chain) {
            (true, _) => format!("no unfinished executions{of_chain}; `catena ps ls` lists all"),
            (false, Some(_)) => format!("no executions{of_chain}; `catena ps ls` lists all"),
            (false, None) => "no executions; `catena run FILE` starts one".to_owned(),
        }
    }
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
