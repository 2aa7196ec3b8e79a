//! `catena chain create`: stores a chain without running it. Its schedules count from then.

use std::{path::PathBuf, sync::Arc};

use catena_engine::{Begin, Reach, ScheduleRequest};
use catena_store::Store;
use clap::Args;
use serde_json::json;

use super::find::word_of;
use crate::{
    args::Format,
    commands::{
        check::first_code,
        definition::{Definition, Refusal},
        params::ParamArgs,
        schedule::{self, ScheduleDto},
    },
    document::{ExecutionDocument, SCHEMA},
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host},
    output,
    problem::ProblemEntry,
};

#[derive(Debug, Args)]
#[command(after_help = "Parameters are for what its schedules start.\n\n\
                  Example:\n  catena chain create report.yaml\n  catena run report.yaml")]
pub(super) struct CreateArgs {
    /// A definition in YAML or JSON
    #[arg(value_name = "FILE")]
    definition: PathBuf,
    #[command(flatten)]
    params: ParamArgs,
    /// How to print what was stored
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &CreateArgs, locations: &Locations) -> Result<Code, Failure> {
    let mut problems = Vec::new();
    create(args, locations, &mut problems).inspect_err(|failure| {
        if args.output != Format::Text {
            if !problems.iter().any(ProblemEntry::is_error) {
                problems.extend(ProblemEntry::of_failure(failure, None));
            }
            // Whoever does not listen gets the exit code.
            drop(output::json(&ExecutionDocument::of_problems(std::mem::take(&mut problems))));
        }
    })
}

fn create(
    args: &CreateArgs,
    locations: &Locations,
    problems: &mut Vec<ProblemEntry>,
) -> Result<Code, Failure> {
    let definition = Definition::read(&args.definition)?;
    *problems = definition.problems();
    if args.output == Format::Text || !definition.checked.has_error() {
        definition.tell_problems();
    }
    definition.expect_startable().map_err(|refusal| refused(args, &definition, &refusal))?;
    let version = Arc::new(definition.into_version().expect("a definition without an error is a version"));
    let name = version.chain.name.as_str().to_owned();
    let schedules = version.chain.schedules.clone();
    // Without a schedule nobody starts it but who gives them then.
    let gives_none = schedules.is_empty() && args.params.gives_none();
    let params = match gives_none {
        true => std::collections::BTreeMap::new(),
        false => args.params.read(&version.chain)?,
    };
    let mut host = Host::reach(locations, Reach::Records)?;
    let actor = hosting::actor();
    let request = ScheduleRequest { version, schedules, params, actor, begin: Begin::NewChain };
    let stored = host.schedule(request).map_err(|error| {
        let exists = error.kind() == catena_engine::error::Kind::Conflict;
        let failure = Failure::from(error);
        let next = format!("catena run FILE, which adds a version, or catena chain show {}", word_of(&name));
        failure.next_if(exists, Some(next))
    })?;
    let store = host.store(locations)?;
    let mut rows = store.schedules()?;
    rows.retain(|row| stored.schedules.iter().any(|answer| answer.id == row.id));
    match args.output {
        Format::Text => {
            talk!("chain {} {name} is stored", stored.chain);
            schedule::print_table(&rows)?;
            if !rows.is_empty() {
                talk!(
                    "its schedules fire while a host runs: catena run {}",
                    output::shell_word(&args.definition)
                );
            }
        }
        Format::Json | Format::Jsonl => output::json(&json!({
            "schema": SCHEMA,
            "chain": {"id": stored.chain, "name": name},
            "schedules": rows.iter().map(ScheduleDto::from).collect::<Vec<_>>(),
            "problems": std::mem::take(problems),
        }))?,
    }
    Ok(Code::Completed)
}

fn refused(args: &CreateArgs, definition: &Definition, refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::Wrong => {
            let next = first_code(std::slice::from_ref(definition));
            Failure::told(Code::Definition).next_if(args.output == Format::Text, next)
        }
        Refusal::NotYet(missing) => {
            let message = format!("this version does not run {} yet", missing.join(", "));
            let path = output::shell_word(&args.definition);
            Failure::new(Code::Definition, message).next(format!("catena run {path} --dry-run"))
        }
    }
}
