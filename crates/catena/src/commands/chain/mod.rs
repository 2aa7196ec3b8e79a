//! `catena chain`: the chains of the store. Commands that change something go through the host, or take its place for
//! their own duration; they start nothing.

mod archive;
mod create;
mod diff;
mod dto;
mod duplicate;
mod find;
mod graph;
mod line_diff;
mod ls;
mod pause;
mod resume;
mod rm;
mod show;
mod versions;

pub(in crate::commands) use self::find::{chain_of, chain_of_file};

use clap::{Args, Subcommand};

use crate::{
    exit::{Code, Failure},
    home::Locations,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena chain ls\n  catena chain create report.yaml\n  \
                        catena chain diff report\n  catena chain pause report")]
pub(crate) struct ChainArgs {
    #[command(subcommand)]
    command: ChainCommand,
}

#[derive(Debug, Subcommand)]
enum ChainCommand {
    /// List chains, with their last and next executions
    Ls(ls::LsArgs),
    /// Show a chain with its schedules
    Show(show::ShowArgs),
    /// Store a chain without running it
    Create(create::CreateArgs),
    /// List the versions of a chain
    Versions(versions::VersionsArgs),
    /// Show what changed between two versions
    Diff(diff::DiffArgs),
    /// Store the same chain under another name
    Duplicate(duplicate::DuplicateArgs),
    /// Let the schedules of a chain start nothing until it is resumed
    Pause(pause::PauseArgs),
    /// Take a paused or archived chain back
    Resume(resume::ResumeArgs),
    /// Put a chain aside: it starts no more, and what it did stays
    Archive(archive::ArchiveArgs),
    /// Draw a chain: its steps, and what follows what
    Graph(graph::GraphArgs),
    /// Remove a chain with its versions and schedules
    Rm(rm::RmArgs),
}

pub(crate) fn run(args: &ChainArgs, locations: &Locations) -> Result<Code, Failure> {
    match &args.command {
        ChainCommand::Ls(args) => ls::run(args, locations),
        ChainCommand::Show(args) => show::run(args, locations),
        ChainCommand::Create(args) => create::run(args, locations),
        ChainCommand::Versions(args) => versions::run(args, locations),
        ChainCommand::Diff(args) => diff::run(args, locations),
        ChainCommand::Duplicate(args) => duplicate::run(args, locations),
        ChainCommand::Pause(args) => pause::run(args, locations),
        ChainCommand::Resume(args) => resume::run(args, locations),
        ChainCommand::Archive(args) => archive::run(args, locations),
        ChainCommand::Graph(args) => graph::run(args, locations),
        ChainCommand::Rm(args) => rm::run(args, locations),
    }
}
