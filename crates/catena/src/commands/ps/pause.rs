//! `catena ps pause` and `catena ps resume`: nothing new starts until an execution is resumed.

use catena_core::ExecutionId;
use catena_store::InboxCommand;
use clap::Args;

use super::{execution_id, tell};
use crate::{
    exit::{Code, Failure},
    home::Locations,
    hosting,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Steps that run go on, and no clock stops: waits and limits come to their end meanwhile.\n\n\
                  Example:\n  catena ps pause 42\n  catena ps resume 42"
)]
pub(super) struct PauseArgs {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena ps resume 42")]
pub(super) struct ResumeArgs {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
}

pub(super) fn pause(args: &PauseArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    tell::target(&reader, args.id, "pause")?;
    tell::tell(locations, args.id, InboxCommand::Pause {})?;
    talk!("execution {0} paused: nothing new starts until `catena ps resume {0}`", args.id);
    Ok(Code::Completed)
}

pub(super) fn resume(args: &ResumeArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    tell::target(&reader, args.id, "resume")?;
    let host = tell::tell(locations, args.id, InboxCommand::Resume {})?;
    talk!("execution {} resumed", args.id);
    tell::say_who_goes_on(&host, args.id);
    Ok(Code::Completed)
}
