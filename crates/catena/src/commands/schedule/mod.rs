//! `catena schedule`: when chains start by themselves.

mod backfill;
mod dto;
mod find;
mod ls;
mod next;
mod pause;
mod resume;
mod run_now;
mod show;
mod times;

use clap::{Args, Subcommand};

pub(crate) use self::dto::ScheduleDto;
pub(super) use self::{
    dto::print_table,
    times::{TimeArgs, milliseconds},
};
use crate::{
    exit::{Code, Failure},
    home::Locations,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena schedule ls\n  \
                        catena schedule next --cron '0 5 * * mon-fri' --timezone Europe/Rome")]
pub(crate) struct ScheduleArgs {
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(Debug, Subcommand)]
enum ScheduleCommand {
    /// List the schedules of the store, with their next starts
    Ls(ls::LsArgs),
    /// Show a schedule with what became of its instants
    Show(show::ShowArgs),
    /// Show when a schedule fires next
    Next(next::NextArgs),
    /// Let a schedule start nothing until it is resumed
    Pause(pause::PauseArgs),
    /// Let a paused schedule go on
    Resume(resume::ResumeArgs),
    /// Start an execution of a schedule now, and follow it
    RunNow(run_now::RunNowArgs),
    /// Start executions for instants of the past that have none
    Backfill(backfill::BackfillArgs),
}

pub(crate) fn run(
    args: &ScheduleArgs,
    locate: impl Fn() -> Result<Locations, Failure>,
) -> Result<Code, Failure> {
    match &args.command {
        // It looks at no store, and needs none.
        ScheduleCommand::Next(args) => next::run(args),
        ScheduleCommand::Ls(args) => ls::run(args, &locate()?),
        ScheduleCommand::Show(args) => show::run(args, &locate()?),
        ScheduleCommand::Pause(args) => pause::run(args, &locate()?),
        ScheduleCommand::Resume(args) => resume::run(args, &locate()?),
        ScheduleCommand::RunNow(args) => run_now::run(args, locate()?),
        ScheduleCommand::Backfill(args) => backfill::run(args, locate()?),
    }
}
