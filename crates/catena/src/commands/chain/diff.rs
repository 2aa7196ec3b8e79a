//! `catena chain diff`: what changed between two versions of a chain.

use catena_store::{ChainRow, Store, VersionRow};
use clap::Args;
use serde_json::json;

use super::{
    dto::VersionDto,
    find::{find, word_of},
    line_diff::{Op, diff, unified},
};
use crate::{
    args::Format,
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena chain diff report\n  catena chain diff report 1 3")]
pub(super) struct DiffArgs {
    /// The chain's name or number
    chain: String,
    /// The number of the old version [default: the one before the new one]
    #[arg(value_name = "A")]
    old: Option<u32>,
    /// The number of the new version [default: the latest]
    #[arg(value_name = "B")]
    new: Option<u32>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &DiffArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let chain = find(&reader, &args.chain)?;
    let versions = reader.versions(&chain.name)?;
    let new = match args.new {
        Some(number) => numbered(&chain, &versions, number)?,
        None => versions.iter().find(|version| version.digest == chain.version).unwrap_or(&versions[0]),
    };
    let old = match args.old {
        Some(number) => numbered(&chain, &versions, number)?,
        None if new.number > 1 => numbered(&chain, &versions, new.number - 1)?,
        None => {
            let message = format!("chain {} has one version alone", chain.name);
            return Err(Failure::new(Code::NotFound, message)
                .next(format!("catena chain show {} --source", word_of(&chain.name))));
        }
    };
    let (before, after) = (reader.version(&old.digest)?.source, reader.version(&new.digest)?.source);
    let lines = diff(&before, &after);
    if args.output != Format::Text {
        output::json(&json!({
            "schema": SCHEMA,
            "chain": chain.name,
            "old": VersionDto::from(old),
            "new": VersionDto::from(new),
            "lines": lines,
        }))?;
        return Ok(Code::Completed);
    }
    if lines.iter().all(|line| line.op == Op::Same) {
        talk!(
            "the texts of versions {} and {} are the same; files of steps may differ",
            old.number,
            new.number
        );
        return Ok(Code::Completed);
    }
    output::line(&format!("--- {} version {}", chain.name, old.number))?;
    output::line(&format!("+++ {} version {}", chain.name, new.number))?;
    output::raw(unified(&lines).as_bytes())?;
    Ok(Code::Completed)
}

fn numbered<'a>(
    chain: &ChainRow,
    versions: &'a [VersionRow],
    number: u32,
) -> Result<&'a VersionRow, Failure> {
    versions.iter().find(|version| version.number == number).ok_or_else(|| {
        let message = format!("chain {} has no version {number}, but 1 to {}", chain.name, versions.len());
        Failure::new(Code::NotFound, message).next(format!("catena chain versions {}", word_of(&chain.name)))
    })
}
