//! `catena ps show`: one execution with its steps.

use catena_core::{
    Event, ExecutionId, State,
    event::Trigger,
    state::{Timer, VisitPhase},
};
use catena_engine::read_state;
use catena_store::{Entry, Store};
use clap::Args;

use super::{execution_id, resolve};
use crate::{
    args::Format,
    document::{ExecutionDocument, StepDto},
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
};

/// Of what an execution waits for, the first are shown.
const TIMERS_MAX: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena ps show 42")]
pub(super) struct ShowArgs {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &ShowArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let id = hosting::resolve(&reader, args.id)?;
    let row = reader.execution(id)?.ok_or_else(|| hosting::unknown(id))?;
    let (state, entries) = read_state(&reader, id)?;
    let document = ExecutionDocument::new(&reader, &state, Vec::new())?.with_origin(&entries);
    if args.output != Format::Text {
        output::json(&document)?;
        return Ok(Code::Completed);
    }
    output::line(&format!("execution {} of {}: {}", row.id, row.chain, state.status()))?;
    if let Some(origin) = entries.first().and_then(origin) {
        output::line(&origin)?;
    }
    if let Some(error) = &row.error {
        output::line(&format!("  {}: {}", error.kind, error.message))?;
    }
    for (visit, why) in resolve::asking(&state) {
        let answers = "--completed | --failed | --run-again | --give-up";
        let address = state.address(visit);
        output::line(&format!("  {address}: {why}; catena ps resolve {id} {address} {answers}"))?;
    }
    for question in questions(&state) {
        output::line(&format!("  {question}"))?;
    }
    for (at, timer) in state.agenda().timers().take(TIMERS_MAX) {
        output::line(&format!("  {}: {}", output::local(at), what_comes(&state, timer)))?;
    }
    let heading = ["STEP", "STATUS", "ATTEMPTS", "TOOK", "ERROR"].map(str::to_owned).to_vec();
    let lines: Vec<Vec<String>> = [heading].into_iter().chain(document.steps.iter().map(line)).collect();
    output::raw(output::table(&lines).as_bytes())?;
    Ok(Code::Completed)
}

/// What it waits for that no clock brings, and what a person can do.
fn questions(state: &State) -> Vec<String> {
    let id = state.id();
    let mut lines = Vec::new();
    for visit in state.agenda().asking().take(TIMERS_MAX) {
        let VisitPhase::Asking { title, .. } = &state.visit(visit).phase else { continue };
        let address = state.address(visit);
        lines.push(format!("{address} asks: {title}; catena ps approve {id} {address}, or reject"));
    }
    for (name, visit) in state.agenda().awaiting().take(TIMERS_MAX) {
        let address = state.address(visit);
        lines.push(format!("{address} waits for the signal `{name}`; catena ps signal {id} {name}"));
    }
    for visit in state.agenda().calls().take(TIMERS_MAX) {
        if let Some(child) = state.visit(visit).child {
            lines.push(format!("{} is execution {child}; catena ps show {child}", state.address(visit)));
        }
    }
    if state.is_held() {
        lines.push("waits for its turn: its chain has as many executions as `concurrency` allows".to_owned());
    }
    lines
}

/// What happens then.
fn what_comes(state: &State, timer: Timer) -> String {
    match timer {
        Timer::Wake(visit) if state.agenda().asking().any(|no| no == visit) => {
            format!("the time for an answer to {} is over", state.address(visit))
        }
        Timer::Wake(visit) if state.agenda().awaiting().any(|(_, no)| no == visit) => {
            format!("the time for the signal of {} is over", state.address(visit))
        }
        Timer::Wake(visit) => match &state.visit(visit).last_failure {
            None => format!("{} goes on", state.address(visit)),
            Some(failure) => {
                let attempt = state.visit(visit).attempts;
                format!("{} is tried again; attempt {attempt}: {failure}", state.address(visit))
            }
        },
        Timer::Delay(_) => "the next step begins".to_owned(),
        Timer::Held(visit) => format!("what waits for {} begins", state.address(visit)),
        Timer::Handler(_) => "the time of the handler is over".to_owned(),
        Timer::Deadline(visit) => format!("the time of {} is over", state.address(visit)),
        Timer::Execution => "the time of the execution is over".to_owned(),
    }
}

/// Who started it, when, and what for.
fn origin(first: &Entry) -> Option<String> {
    let Event::ExecutionCreated { trigger, .. } = &first.event else { return None };
    let (at, by) = (output::local(first.at), first.actor.as_str());
    let what = match trigger {
        Trigger::Manual => String::new(),
        Trigger::Schedule { schedule, at } => format!(", schedule {schedule} at {}", output::local(*at)),
        Trigger::RunNow { schedule } => format!(", schedule {schedule}, run now"),
        Trigger::Backfill { schedule, at } => {
            format!(", schedule {schedule}, backfill of {}", output::local(*at))
        }
        Trigger::Call { parent, .. } => format!(", a step of execution {parent}"),
        Trigger::Rerun { of } => format!(", a rerun of execution {of}"),
        Trigger::Undo { of, parent, .. } => {
            format!(", undoes execution {of} for the rollback of execution {parent}")
        }
    };
    Some(format!("  created {at} by {by}{what}"))
}

fn line(step: &StepDto) -> Vec<String> {
    let took = step.times.0.zip(step.times.1).map(|(from, to)| output::duration(from, to));
    let error = step.error.as_ref().map(|error| format!("{}: {}", error.kind, error.message));
    vec![
        step.address.clone(),
        step.status.to_string(),
        step.attempts.to_string(),
        took.unwrap_or_default(),
        error.unwrap_or_default(),
    ]
}
