//! `catena ps resolve`: a person answers for a step that nobody else can answer for.

use catena_core::{ExecutionId, State, VisitNo, event::Resolution, state::Question};
use catena_engine::read_state;
use catena_store::InboxCommand;
use clap::{ArgGroup, Args};

use super::{execution_id, tell};
use crate::{
    commands::params,
    exit::{Code, Failure},
    home::Locations,
    hosting,
    question::{answers_to, word},
};

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("answer").required(true)),
    after_help = "A step is `in_doubt` where nobody saw whether it had its effect and it may have it once only, and \
                  `quarantined` where it was lost again and again; an execution is `stuck` where an undo failed.\n\n\
                  Examples:\n  catena ps resolve 42 --completed\n  catena ps resolve 42 charge --completed='{\"paid\": true}'\n  \
                  catena ps resolve 42 --run-again"
)]
pub(super) struct ResolveArgs {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
    /// The step, by its id or its address; not needed where only one asks
    step: Option<String>,
    /// It did its work, and this is its result (JSON, else text; `@FILE` is a file's text); of an undo: all of it is
    /// taken back
    #[arg(long, group = "answer", value_name = "VALUE", num_args = 0..=1, require_equals = true, default_missing_value = "null")]
    completed: Option<String>,
    /// It did not: its error policy says what follows
    #[arg(long, group = "answer")]
    failed: bool,
    /// Another attempt; an undo goes on with the step that failed
    #[arg(long, group = "answer")]
    run_again: bool,
    /// The whole execution is given up: it stops and fails, and nothing is undone
    #[arg(long, group = "answer")]
    give_up: bool,
}

pub(super) fn run(args: &ResolveArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    tell::target(&reader, args.id, "resolve")?;
    let (state, _) = read_state(&reader, args.id)?;
    let (visit, question) = asked(args, &state)?;
    if question == Question::UndoFailed && args.failed {
        let message = format!("the undo of {} has failed; that is what is asked about", state.address(visit));
        let next = format!("catena ps resolve {} {}", args.id, answers_to(question));
        return Err(Failure::new(Code::Usage, message).next(next));
    }
    let resolution = resolution(args)?;
    let address = state.address(visit);
    let host = tell::tell(locations, args.id, InboxCommand::Resolve { visit, resolution })?;
    talk!("execution {}: {address} is answered for", args.id);
    tell::say_who_goes_on(&host, args.id);
    Ok(Code::Completed)
}

fn resolution(args: &ResolveArgs) -> Result<Resolution, Failure> {
    Ok(match &args.completed {
        Some(text) => {
            let value = params::given(text, "--completed")?;
            Resolution::Completed { value: Some(value).filter(|value| !value.is_null()) }
        }
        None if args.failed => Resolution::Failed {},
        None if args.run_again => Resolution::RunAgain {},
        None => Resolution::GiveUp {},
    })
}

/// The visits that wait for a person, and for what.
pub(in crate::commands) fn asking(state: &State) -> Vec<(VisitNo, Question)> {
    // What has ended asks nobody any more.
    let open = state.visits().filter(|_| !state.has_ended());
    open.filter_map(|(no, visit)| Some((no, visit.question()?))).collect()
}

fn asked(args: &ResolveArgs, state: &State) -> Result<(VisitNo, Question), Failure> {
    let asking = asking(state);
    let is_meant = |no| args.step.as_ref().is_none_or(|name| tell::is_called(state, no, name));
    let meant: Vec<_> = asking.iter().copied().filter(|(no, _)| is_meant(*no)).collect();
    let list = || {
        let of = asking.iter().map(|(no, why)| format!("{} ({})", state.address(*no), word(*why)));
        of.collect::<Vec<_>>().join(", ")
    };
    match (meant.as_slice(), asking.is_empty()) {
        ([one], _) => Ok(*one),
        (_, true) if let Some((visit, execution)) = state.halted_undo() => {
            let address = state.address(visit);
            let message = format!(
                "execution {execution} takes back what {address} has done, and that one waits for an answer"
            );
            Err(Failure::new(Code::Conflict, message).next(format!("catena ps resolve {execution} …")))
        }
        (_, true) => {
            let message =
                format!("no step of execution {} waits for an answer: it is {}", args.id, state.status());
            Err(Failure::new(Code::Conflict, message).next(format!("catena ps show {}", args.id)))
        }
        ([], false) => {
            let step = args.step.as_deref().unwrap_or_default();
            let message = format!("`{step}` does not wait for an answer; these do: {}", list());
            Err(Failure::new(Code::NotFound, message).next(format!("catena ps show {}", args.id)))
        }
        (_, false) => {
            let message = format!("several steps wait for an answer: {}", list());
            Err(Failure::new(Code::Usage, message).next(format!("catena ps resolve {} STEP …", args.id)))
        }
    }
}
