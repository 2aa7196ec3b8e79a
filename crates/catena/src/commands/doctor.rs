//! `catena doctor`: whether the store is whole, and whether anything in it is forgotten.

use catena_store::sqlite::{self, Finding, HostLock};
use clap::Args;
use serde_json::json;

use crate::{
    args::Format,
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena doctor\n  catena doctor --rebuild")]
pub(crate) struct DoctorArgs {
    /// Make lists and step rows anew from the journals first
    #[arg(long)]
    rebuild: bool,
    /// How to print what was found
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(args: &DoctorArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    if args.rebuild {
        let lock = HostLock::take(&locations.store)
            .map_err(|error| Failure::from(error).next("wait for the host to end, then try again"))?;
        let count = sqlite::rebuild(&locations.store, &lock)?;
        talk!("rebuilt the lists of {count} executions from their journals");
    }
    let findings = sqlite::check(&reader)?;
    match args.output {
        Format::Text => tell(&findings, locations),
        Format::Json | Format::Jsonl => output::json(&json!({
            "schema": SCHEMA,
            "store": locations.store,
            "findings": findings.iter().map(describe).collect::<Vec<_>>(),
        }))?,
    }
    match findings.iter().any(|finding| matches!(finding, Finding::Projection { .. })) {
        _ if findings.is_empty() => Ok(Code::Completed),
        true => Err(Failure::told(Code::Store).next("catena doctor --rebuild")),
        false => {
            Err(Failure::told(Code::Store).next("restore the store from a backup, or use another --home"))
        }
    }
}

fn tell(findings: &[Finding], locations: &Locations) {
    if findings.is_empty() {
        talk!("{} is whole: journals, lists and owners agree", locations.store.display());
    }
    for finding in findings {
        talk!("{}", describe(finding));
    }
}

fn describe(finding: &Finding) -> String {
    match finding {
        Finding::File(line) => format!("the database file is damaged: {line}"),
        Finding::Journal { execution, why } => {
            format!("the journal of execution {execution} is damaged: {why}")
        }
        Finding::Value { execution, sha256 } => {
            format!("the large value {sha256} of execution {execution} is missing or damaged")
        }
        Finding::Projection { execution } => {
            format!("the lists do not say of execution {execution} what its journal says")
        }
        Finding::Forgotten { execution } => {
            format!("execution {execution} is unfinished, and nothing will ever bring it on")
        }
        Finding::Asleep { schedule } => {
            format!("schedule {schedule} is active, and has no next start")
        }
        Finding::Fire { schedule, at } => {
            let at = output::rfc3339(*at);
            format!("schedule {schedule} says of {at} that an execution started, and there is none")
        }
    }
}
