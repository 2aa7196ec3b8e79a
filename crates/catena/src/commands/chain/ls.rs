//! `catena chain ls`: the chains of the store.

use catena_core::status::ChainStatus;
use catena_store::{ChainRow, Store};
use clap::Args;
use serde_json::json;

use super::dto::ChainDto;
use crate::{
    args::{Format, Label},
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  catena chain ls --label team=home\n  catena chain ls report --status paused"
)]
pub(super) struct LsArgs {
    /// Only chains with this in their name or description
    text: Option<String>,
    /// Only chains with this label
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<Label>,
    /// Only chains that are active, paused or archived [default: all but archived]
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<ChainStatus>,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

fn status(word: &str) -> Result<ChainStatus, String> {
    ChainStatus::parse(word).ok_or_else(|| format!("`{word}` is none of active, paused and archived"))
}

pub(super) fn run(args: &LsArgs, locations: &Locations) -> Result<Code, Failure> {
    // No store yet is no error to somebody who only asks what is there.
    let mut chains = Vec::new();
    if hosting::has_store(locations)? {
        let reader = hosting::reader(locations)?;
        let schedules = reader.schedules()?;
        for row in reader.chains()?.into_iter().filter(|row| args.wants(row)) {
            chains.push(ChainDto::new(&reader, row, &schedules)?);
        }
    }
    match args.output {
        Format::Json | Format::Jsonl => output::json(&json!({"schema": SCHEMA, "chains": chains}))?,
        Format::Text if chains.is_empty() && args.is_filtered() => {
            talk!("no such chains; `catena chain ls` lists them");
        }
        Format::Text if chains.is_empty() => talk!("no chains; `catena chain create FILE` stores one"),
        Format::Text => {
            let heading = ["ID", "NAME", "STATUS", "LAST", "NEXT"].map(str::to_owned).to_vec();
            let lines: Vec<Vec<String>> = [heading].into_iter().chain(chains.iter().map(line)).collect();
            output::raw(output::table(&lines).as_bytes())?;
        }
    }
    Ok(Code::Completed)
}

impl LsArgs {
    fn wants(&self, row: &ChainRow) -> bool {
        let text = self.text.as_ref().map(|text| text.to_lowercase());
        let has_text = text.is_none_or(|text| {
            let texts = [Some(&row.name), row.description.as_ref()];
            texts.into_iter().flatten().any(|of| of.to_lowercase().contains(&text))
        });
        let has_status = match self.status {
            Some(status) => row.status == status,
            None => row.status != ChainStatus::Archived,
        };
        has_text
            && has_status
            && self.label.iter().all(|label| row.labels.get(&label.name) == Some(&label.value))
    }

    fn is_filtered(&self) -> bool {
        self.text.is_some() || self.status.is_some() || !self.label.is_empty()
    }
}

fn line(chain: &ChainDto) -> Vec<String> {
    let last = chain.last.as_ref().map(|row| {
        let at = row.started_at.map(|at| format!(" {}", output::local(at))).unwrap_or_default();
        format!("{} {}{at}", row.id, row.status)
    });
    vec![
        chain.id.to_string(),
        chain.name.clone(),
        chain.status.to_string(),
        last.unwrap_or_default(),
        chain.next.map(output::local).unwrap_or_default(),
    ]
}
