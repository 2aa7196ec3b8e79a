//! `catena ps`: looking at executions, and telling them something.

mod answer;
mod cancel;
mod context;
mod events;
pub(crate) mod logs;
mod ls;
mod pause;
mod rerun;
pub(in crate::commands) mod resolve;
mod show;
mod tell;
mod watch;
mod why;

use catena_core::ExecutionId;
use clap::{Args, Subcommand};

use crate::{
    exit::{Code, Failure},
    home::Locations,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  catena ps ls\n  catena ps show 42\n  catena ps why 42\n  catena ps logs 42 -f"
)]
pub(crate) struct PsArgs {
    #[command(subcommand)]
    command: PsCommand,
}

#[derive(Debug, Subcommand)]
enum PsCommand {
    /// List executions, the latest first
    Ls(ls::LsArgs),
    /// Show an execution with its steps
    Show(show::ShowArgs),
    /// Say why an execution failed, waits, skipped a step or was slow
    Why(why::WhyArgs),
    /// Watch an execution as `run` shows it, or all that are unfinished
    Watch(watch::WatchArgs),
    /// Print what the steps of an execution wrote
    Logs(logs::LogsArgs),
    /// Print the journal of an execution, one event per line
    Events(events::EventsArgs),
    /// Print what the steps of an execution see of each other
    Context(context::ContextArgs),
    /// Start nothing new of an execution until it is resumed
    Pause(pause::PauseArgs),
    /// Go on with a paused execution
    Resume(pause::ResumeArgs),
    /// Answer for a step that waits for a person
    Resolve(resolve::ResolveArgs),
    /// Approve what a step asks
    Approve(answer::ApproveArgs),
    /// Reject what a step asks
    Reject(answer::RejectArgs),
    /// Tell an execution that something has happened
    Signal(answer::SignalArgs),
    /// Run an ended execution again, from what it has done
    Rerun(rerun::RerunArgs),
    /// Ask an execution to end
    Cancel(cancel::CancelArgs),
}

pub(crate) fn run(args: &PsArgs, locations: &Locations) -> Result<Code, Failure> {
    match &args.command {
        PsCommand::Ls(args) => ls::run(args, locations),
        PsCommand::Show(args) => show::run(args, locations),
        PsCommand::Why(args) => why::run(args, locations),
        PsCommand::Watch(args) => watch::run(args, locations),
        PsCommand::Logs(args) => logs::run(args, locations),
        PsCommand::Events(args) => events::run(args, locations),
        PsCommand::Context(args) => context::run(args, locations),
        PsCommand::Pause(args) => pause::pause(args, locations),
        PsCommand::Resume(args) => pause::resume(args, locations),
        PsCommand::Resolve(args) => resolve::run(args, locations),
        PsCommand::Approve(args) => answer::approve(args, locations),
        PsCommand::Reject(args) => answer::reject(args, locations),
        PsCommand::Signal(args) => answer::signal(args, locations),
        PsCommand::Rerun(args) => rerun::run(args, locations),
        PsCommand::Cancel(args) => cancel::run(args, locations),
    }
}

/// An execution's number on the command line.
pub(in crate::commands) fn execution_id(text: &str) -> Result<ExecutionId, String> {
    text.parse().map(ExecutionId).map_err(|_| format!("`{text}` is no number; `catena ps ls` shows them"))
}
