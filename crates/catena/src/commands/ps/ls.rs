//! `catena ps ls`: executions, the latest first, and the chains that will start by themselves.

use catena_core::{
    Timestamp,
    status::{ExecutionStatus, ScheduleStatus},
};
use catena_store::{ExecutionFilter, ExecutionRow, ScheduleRow, Store, sqlite::SqliteStore};
use clap::Args;

use crate::{
    args::{Format, Label, instant},
    commands::schedule::ScheduleDto,
    document::ExecutionsDocument,
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  catena ps ls --chain data-pipeline\n  catena ps ls --status failed --since 2h"
)]
pub(super) struct LsArgs {
    /// Only executions of this chain
    #[arg(long)]
    chain: Option<String>,
    /// Only executions of chains with this label
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<Label>,
    /// Only executions with this status
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<ExecutionStatus>,
    /// Only executions since then: a time, or how long ago, such as 2h
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
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
        status: args.status,
        labels: args.label.iter().map(|label| (label.name.clone(), label.value.clone())).collect(),
        since: args.since,
        limit: Some(args.limit),
        ..ExecutionFilter::default()
    };
    // No store yet is no error to somebody who only asks what is there.
    let reader = if hosting::has_store(locations)? { Some(hosting::reader(locations)?) } else { None };
    let rows = reader.as_ref().map(|reader| reader.executions(&filter)).transpose()?.unwrap_or_default();
    let schedules = reader.as_ref().map(|reader| args.schedules(reader)).transpose()?.unwrap_or_default();
    match args.output {
        Format::Json | Format::Jsonl => {
            let document = match &reader {
                Some(reader) => ExecutionsDocument::new(reader, &rows)?,
                None => ExecutionsDocument::none(),
            };
            output::json(&document.with_schedules(schedules.iter().map(|(_, row)| ScheduleDto::from(row))))?;
        }
        Format::Text if rows.is_empty() && schedules.is_empty() => talk!("{}", args.nothing()),
        Format::Text if rows.is_empty() => print_scheduled(&schedules)?,
        Format::Text => {
            let heading = ["ID", "CHAIN", "STATUS", "STARTED", "TOOK"].map(str::to_owned).to_vec();
            let lines: Vec<Vec<String>> = [heading].into_iter().chain(rows.iter().map(line)).collect();
            output::raw(output::table(&lines).as_bytes())?;
            if !schedules.is_empty() {
                output::line("")?;
            }
            print_scheduled(&schedules)?;
        }
    }
    Ok(Code::Completed)
}

impl LsArgs {
    /// The schedules that may still start something; they have neither status nor time of an execution.
    fn schedules(&self, reader: &SqliteStore) -> Result<Vec<(u64, ScheduleRow)>, Failure> {
        if self.unfinished || self.status.is_some() || self.since.is_some() {
            return Ok(Vec::new());
        }
        let chains = reader.chains()?;
        let has_labels = |name: &str| {
            let of = chains.iter().find(|chain| chain.name == name).map(|chain| &chain.labels);
            self.label.iter().all(|label| of.is_some_and(|of| of.get(&label.name) == Some(&label.value)))
        };
        let mut rows = reader.schedules()?;
        rows.retain(|row| {
            matches!(row.status, ScheduleStatus::Active | ScheduleStatus::Paused)
                && self.chain.as_ref().is_none_or(|chain| row.chain == *chain)
                && has_labels(&row.chain)
        });
        let number =
            |row: &ScheduleRow| chains.iter().find(|chain| chain.name == row.chain).map_or(0, |it| it.id);
        Ok(rows.into_iter().map(|row| (number(&row), row)).collect())
    }

    /// What was asked for and is not there: others may be.
    fn nothing(&self) -> String {
        let of_chain = self.chain.as_ref().map(|chain| format!(" of chain `{chain}`")).unwrap_or_default();
        if self.status.is_some() || self.since.is_some() || !self.label.is_empty() {
            return format!("no such executions{of_chain}; `catena ps ls` lists all");
        }
        match (self.unfinished, &self.chain) {
            (true, _) => format!("no unfinished executions{of_chain}; `catena ps ls` lists all"),
            (false, Some(_)) => format!("no executions{of_chain}; `catena ps ls` lists all"),
            (false, None) => "no executions; `catena run FILE` starts one".to_owned(),
        }
    }
}

/// Chains that start by themselves, each with its number: what `ps logs` takes for the latest execution.
fn print_scheduled(rows: &[(u64, ScheduleRow)]) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let heading =
        ["ID", "SCHEDULED CHAIN", "SCHEDULE", "WHEN", "STATUS", "NEXT START"].map(str::to_owned).to_vec();
    let line = |(number, row): &(u64, ScheduleRow)| {
        let next = row.next_at.filter(|_| row.status == ScheduleStatus::Active);
        vec![
            number.to_string(),
            row.chain.clone(),
            row.id.to_string(),
            row.definition.to_string(),
            row.status.to_string(),
            next.map(output::local).unwrap_or_default(),
        ]
    };
    let lines: Vec<Vec<String>> = [heading].into_iter().chain(rows.iter().map(line)).collect();
    output::raw(output::table(&lines).as_bytes())
}

fn status(word: &str) -> Result<ExecutionStatus, String> {
    ExecutionStatus::parse(word).ok_or_else(|| {
        let known: Vec<&str> = ExecutionStatus::ALL.iter().map(|status| status.as_str()).collect();
        format!("`{word}` is no status of an execution: {}", known.join(", "))
    })
}

/// An instant, or how long ago it is.
fn since(text: &str) -> Result<Timestamp, String> {
    match catena_spec::duration_ms(text) {
        Some(ms) => {
            let now = jiff::Timestamp::now().as_microsecond();
            Ok(Timestamp(now.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000))))
        }
        None => instant(text).map_err(|error| format!("{error}, or how long ago, such as 2h")),
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
