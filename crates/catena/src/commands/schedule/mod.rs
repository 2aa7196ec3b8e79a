//! `catena schedule`: when chains start by themselves.

mod next;
mod times;

use clap::{Args, Subcommand};

pub(super) use self::times::TimeArgs;
use crate::exit::{Code, Failure};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena schedule next --cron '0 5 * * mon-fri' --timezone Europe/Rome")]
pub(crate) struct ScheduleArgs {
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(Debug, Subcommand)]
enum ScheduleCommand {
    /// Show when a schedule fires next
    Next(next::NextArgs),
}

pub(crate) fn run(args: &ScheduleArgs) -> Result<Code, Failure> {
    match &args.command {
        ScheduleCommand::Next(args) => next::run(args),
    }
}
