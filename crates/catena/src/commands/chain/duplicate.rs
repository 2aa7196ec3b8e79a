//! `catena chain duplicate`: the latest version of a chain under another name. Its schedules are paused: two of the
//! same that both fire are seldom what is meant.

use std::{collections::BTreeMap, sync::Arc};

use catena_core::{Chain, chain::ChainName};
use catena_engine::{Begin, Reach, ScheduleRequest};
use catena_store::{Store, Version};
use clap::Args;
use serde_json::json;

use super::find::{find, schedules_of, word_of};
use crate::{
    args::Format,
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host},
    output,
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena chain duplicate report weekly-report")]
pub(super) struct DuplicateArgs {
    /// The name or number of the chain
    chain: String,
    /// The name of the new one
    #[arg(value_parser = name)]
    new: ChainName,
    /// How to print what was stored
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

fn name(text: &str) -> Result<ChainName, String> {
    ChainName::parse(text).map_err(|error| error.to_string())
}

pub(super) fn run(args: &DuplicateArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let row = find(&reader, &args.chain)?;
    if reader.chains()?.iter().any(|chain| chain.name == args.new.as_str()) {
        let message = format!("there is a chain `{}` already", args.new);
        let next = format!("catena chain duplicate {} NEW, with another name", word_of(&row.name));
        return Err(Failure::new(Code::Conflict, message).next(next));
    }
    let Version { chain, source, files, .. } = reader.version(&row.version)?;
    let (source, is_renamed) = match renamed(&source, &args.new) {
        Some(source) => (source, true),
        None => (source, false),
    };
    let mut chain = Chain::clone(&chain);
    chain.name = args.new.clone();
    let schedules = chain.schedules.clone();
    let params =
        schedules_of(&reader, &row.name)?.first().map_or_else(BTreeMap::new, |row| row.params.clone());
    let version = Arc::new(Version::new(chain, source, files));
    let actor = hosting::actor();
    let request = ScheduleRequest { version, schedules, params, actor, begin: Begin::NewPaused };
    let stored = Host::reach(locations, Reach::Records)?.schedule(request)?;
    match args.output {
        Format::Text => {
            talk!("chain {} {} is a copy of {}", stored.chain, args.new, row.name);
            if !is_renamed {
                talk!("its text has no name that could be changed: {} runs by this one", args.new);
            }
            for answer in &stored.schedules {
                talk!("schedule {0} of it is paused; `catena schedule resume {0}` starts it", answer.id);
            }
        }
        Format::Json | Format::Jsonl => output::json(&json!({
            "schema": SCHEMA,
            "chain": {"id": stored.chain, "name": args.new},
            "schedules": stored.schedules.iter().map(|answer| answer.id).collect::<Vec<_>>(),
        }))?,
    }
    Ok(Code::Completed)
}

/// The text with the new name in it; none where the name does not stand on a line of its own.
fn renamed(source: &str, name: &ChainName) -> Option<String> {
    let quoted = serde_json::to_string(name).expect("a name is text");
    if let Ok(serde_json::Value::Object(mut object)) = serde_json::from_str(source) {
        object.insert("name".to_owned(), serde_json::json!(name));
        return serde_json::to_string_pretty(&object).ok().map(|text| text + "\n");
    }
    let mut is_renamed = false;
    let lines = source.split_inclusive('\n').map(|line| {
        let value = line.strip_prefix("name:").map(str::trim);
        match value {
            Some(value) if !is_renamed && !value.is_empty() && !value.starts_with(['|', '>', '&', '#']) => {
                is_renamed = true;
                format!("name: {quoted}\n")
            }
            Some(_) | None => line.to_owned(),
        }
    });
    let text: String = lines.collect();
    is_renamed.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_changed_where_it_stands_on_its_line() {
        let new = ChainName::parse("new: one").unwrap();
        let check =
            |source: &str, expected: Option<&str>| assert_eq!(renamed(source, &new).as_deref(), expected);
        check("name: old # it\nsteps:\n  - name: old\n", Some("name: \"new: one\"\nsteps:\n  - name: old\n"));
        check("steps: []\n", None);
        check("name: |\n  old\n", None);
        check(r#"{"steps": [], "name": "old"}"#, Some("{\n  \"steps\": [],\n  \"name\": \"new: one\"\n}\n"));
    }
}
