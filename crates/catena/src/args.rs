//! The command line. Each command's own arguments stand in its file.

use std::path::PathBuf;

use catena_core::Timestamp;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

#[derive(Debug, Parser)]
#[command(
    name = "catena",
    version,
    about = "Runs chains: multi-step tasks that carry data from step to step and survive crashes",
    after_help = "Example:\n  catena run examples/data-pipeline/chain.yaml\n\nExit codes: 0 completed, 1 failed, \
                  2 usage, 3 definition, 4 not found, 5 conflict, 6 store, 7 environment, 8 cancelled, \
                  9 waits for a person, 70 a bug of Catena's own, 130 interrupted."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where things are.
#[derive(Debug, Default, Args)]
pub(crate) struct Place {
    // Not by clap's `env`: a variable that is set would show in every usage line as if it were required.
    /// Folder of the store, logs and private folders [default: $CATENA_HOME, else $XDG_STATE_HOME/catena]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Places")]
    pub(crate) home: Option<PathBuf>,
    /// The store, an SQLite file [default: $CATENA_STORE, else `store` of the configuration, else catena.db in the home folder]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Places")]
    pub(crate) store: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a chain to begin with
    Init(commands::init::InitArgs),
    /// Run a chain and follow it to its end
    Run(commands::run::RunArgs),
    /// Find every mistake in definitions, without running anything
    Check(commands::check::CheckArgs),
    /// Try a chain on a virtual clock, without running anything
    Sim(commands::sim::SimArgs),
    /// Run cases of chains on a virtual clock
    Test(commands::test::TestArgs),
    /// Look for histories of a chain that end otherwise than they may
    Prove(commands::prove::ProveArgs),
    /// Say what an expression gives in an execution
    Eval(commands::eval::EvalArgs),
    /// Explain an error code
    Explain(commands::explain::ExplainArgs),
    /// Print the JSON Schema of definitions, for editors
    Schema(commands::schema::SchemaArgs),
    /// Look at executions, watch them, and cancel them
    Ps(commands::ps::PsArgs),
    /// Look at stored chains, and change them
    #[command(alias = "task")]
    Chain(commands::chain::ChainArgs),
    /// See when chains start by themselves
    Schedule(commands::schedule::ScheduleArgs),
    /// Look whether the store is whole
    Doctor(commands::doctor::DoctorArgs),
    /// Show what is set, and by what
    Config(commands::config::ConfigArgs),
    /// Print a script that lets a shell complete commands and options
    Completion(commands::completion::CompletionArgs),
    /// Print the version
    Version(commands::version::VersionArgs),
    /// Serve a folder as process helper; started by Catena itself
    #[command(hide = true)]
    Helper(commands::helper::HelperArgs),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    Jsonl,
}

/// A label that is asked for, `team=home`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl std::str::FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.into(), value: value.into() }),
            Some(_) | None => Err(format!("`{text}` is no label: NAME=VALUE, such as team=home")),
        }
    }
}

/// An instant on the command line: RFC 3339, or a date or time of the machine's own zone.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    let local = || {
        let local: jiff::civil::DateTime = text.parse().ok()?;
        Some(local.to_zoned(jiff::tz::TimeZone::system()).ok()?.timestamp())
    };
    let at = text.parse::<jiff::Timestamp>().ok().or_else(local);
    at.map(|at| Timestamp(at.as_microsecond())).ok_or_else(|| {
        format!("`{text}` is no time: 2026-11-20T18:00:00Z, or 2026-11-20 18:00 by the clock of this machine")
    })
}
