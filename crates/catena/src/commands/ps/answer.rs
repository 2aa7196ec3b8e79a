//! `catena ps approve`, `reject` and `signal`: what a person, or another program, says to an execution that waits.

use catena_core::{
    ExecutionId, State, Value, VisitNo,
    chain::{Wait, Work},
    event::ApprovalAnswer,
    state::VisitPhase,
};
use catena_engine::read_state;
use catena_store::InboxCommand;
use clap::Args;
use serde_json::Value as Json;

use super::{execution_id, tell};
use crate::{
    commands::params,
    exit::{Code, Failure},
    home::Locations,
    hosting,
};

#[derive(Debug, Args)]
#[command(
    after_help = "The answers to the question's form are given with `--set`; they become the result of the step.\n\n\
                  Examples:\n  catena ps approve 42\n  catena ps approve 42 deploy --set window=night --comment 'after ten'"
)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    which: Which,
    /// Fill in a field of the form: JSON, else text; @FILE is a file's content as text
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "The step fails with the type `rejected`; its error policy says what follows.\n\n\
                  Example:\n  catena ps reject 42 deploy --comment 'not on a Friday'")]
pub(super) struct RejectArgs {
    #[command(flatten)]
    which: Which,
}

/// The question that is answered, and with which words.
#[derive(Debug, Args)]
struct Which {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
    /// The step, by its id or its address; not needed where only one asks
    step: Option<String>,
    /// A sentence that is kept with the answer
    #[arg(long)]
    comment: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "A signal that nobody waits for yet is kept for the step that will.\n\n\
                  Examples:\n  catena ps signal 42 paid\n  catena ps signal 42 paid '{\"amount\": 12}'")]
pub(super) struct SignalArgs {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
    /// The signal's name
    name: String,
    /// What comes with it: JSON, else text; @FILE is a file's content as text
    #[arg(default_value = "null")]
    value: String,
}

pub(super) fn approve(args: &ApproveArgs, locations: &Locations) -> Result<Code, Failure> {
    let read = |form: Option<&Json>| read_fields(&args.set, form);
    answer(&args.which, true, read, locations)
}

fn read_fields(assignments: &[String], form: Option<&Json>) -> Result<Option<Value>, Failure> {
    let mut fields = Vec::new();
    for assignment in assignments {
        let Some((name, text)) = assignment.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            let message = format!("`--set {assignment}` is no NAME=VALUE");
            return Err(Failure::new(Code::Usage, message).next("--set NAME=VALUE"));
        };
        fields.push((
            name.to_owned(),
            params::given_for(text, form.map(|form| &form["properties"][name]), "--set")?,
        ));
    }
    Ok((!fields.is_empty()).then(|| Value::object(fields)))
}

pub(super) fn reject(args: &RejectArgs, locations: &Locations) -> Result<Code, Failure> {
    answer(&args.which, false, |_| Ok(None), locations)
}

fn answer(
    which: &Which,
    approved: bool,
    read: impl FnOnce(Option<&Json>) -> Result<Option<Value>, Failure>,
    locations: &Locations,
) -> Result<Code, Failure> {
    let verb = if approved { "approve" } else { "reject" };
    let reader = hosting::reader(locations)?;
    tell::target(&reader, which.id, verb)?;
    let (state, _) = read_state(&reader, which.id)?;
    let visit = asked(which, verb, &state)?;
    let form = match &state.step_of(visit).work {
        Work::Wait { wait: Wait::Approval(approval) } => read(approval.form.as_deref())?,
        _ => None,
    };
    let by = hosting::actor().as_str().to_owned();
    let answer = ApprovalAnswer { approved, by, comment: which.comment.clone(), form };
    let host = tell::tell(locations, which.id, InboxCommand::Answer { visit, answer })
        .map_err(|failure| failure.next_if(true, Some(format!("catena ps show {}", which.id))))?;
    let done = if approved { "approved" } else { "rejected" };
    talk!("execution {}: {} {done}", which.id, state.address(visit));
    tell::say_who_goes_on(&host, which.id);
    Ok(Code::Completed)
}

/// The visit whose question is meant.
fn asked(which: &Which, verb: &str, state: &State) -> Result<VisitNo, Failure> {
    let asking: Vec<VisitNo> = state.agenda().asking().collect();
    let list = || {
        let of = asking.iter().map(|no| match &state.visit(*no).phase {
            VisitPhase::Asking { title, .. } => format!("{} ({title})", state.address(*no)),
            _ => state.address(*no).to_string(),
        });
        of.collect::<Vec<_>>().join(", ")
    };
    let is_meant = |no: &VisitNo| which.step.as_ref().is_none_or(|name| tell::is_called(state, *no, name));
    let meant: Vec<VisitNo> = asking.iter().copied().filter(is_meant).collect();
    let id = which.id;
    match (meant.as_slice(), asking.is_empty()) {
        ([one], _) => Ok(*one),
        (_, true) => {
            let message = format!("no step of execution {id} asks for an approval: it is {}", state.status());
            Err(Failure::new(Code::Conflict, message).next(format!("catena ps show {id}")))
        }
        ([], false) => {
            let step = which.step.as_deref().unwrap_or_default();
            let message = format!("`{step}` asks for no approval; these do: {}", list());
            Err(Failure::new(Code::NotFound, message).next(format!("catena ps show {id}")))
        }
        (_, false) => {
            let message = format!("several steps ask for an approval: {}", list());
            Err(Failure::new(Code::Usage, message).next(format!("catena ps {verb} {id} STEP")))
        }
    }
}

pub(super) fn signal(args: &SignalArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    tell::target(&reader, args.id, "signal")?;
    let value = params::given(&args.value, "VALUE")?;
    let command = InboxCommand::Signal { name: args.name.clone(), value };
    let host = tell::tell(locations, args.id, command)
        .map_err(|failure| failure.next(format!("catena ps show {}", args.id)))?;
    talk!("execution {}: signal {} received", args.id, args.name);
    tell::say_who_goes_on(&host, args.id);
    Ok(Code::Completed)
}
