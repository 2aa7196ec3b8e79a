//! `catena ps why`: why an execution, or one of its steps, is as it is.

use std::io::{Read, Seek, SeekFrom};

use catena_core::{AttemptNo, ExecutionId, State, StepIx, Timestamp, VisitNo, status::ExecutionStatus};
use catena_engine::read_state;
use catena_store::{ExecutionFilter, Store};
use clap::Args;
use serde::Serialize;

use super::execution_id;
use crate::{
    args::Format,
    commands::{step::step_named, text_of_log_line},
    document::{SCHEMA, steps_aside},
    exit::{Code, Failure},
    home::Locations,
    hosting, output,
    why::{Case, Hosting, LastLines, Reason, Subject, reasons, wants_last_line},
};

/// Of a log, this much of its end is looked at for its last line.
const TAIL_MAX_BYTES: u64 = 8 * 1024;
/// Executions of the chain that are looked at for one that went well.
const LOOKED_BACK_MAX: u32 = 200;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena ps why 42\n  catena ps why 42 deploy\n  \
                        catena ps why 42 -o json | jq '.reasons[0].next'")]
pub(super) struct WhyArgs {
    /// The execution's number, or its chain's for the latest
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
    /// Only this step, by its id, its name or an address
    step: Option<String>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Serialize)]
struct WhyDocument<'a> {
    schema: &'static str,
    execution: ExecutionId,
    reasons: &'a [Reason],
}

pub(super) fn run(args: &WhyArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let id = hosting::resolve(&reader, args.id)?;
    let (state, entries) = read_state(&reader, id)?;
    let good = last_good(&reader, &state)?;
    let subject = args.step.as_deref().map_or(Ok(Subject::Whole), |step| subject(&state, step))?;
    let hosting = match state.has_ended() || hosting::other_host(locations).is_some() {
        true => Hosting::Hosted,
        false => Hosting::Nobody,
    };
    let case = Case {
        state: &state,
        entries: &entries,
        now: Timestamp(jiff::Timestamp::now().as_microsecond()),
        subject,
        last_lines: last_lines(locations, &state),
        hosting,
        good: good.as_ref(),
        aside: steps_aside(state.chain()),
    };
    let reasons = reasons(&case);
    match args.output {
        Format::Text => print(&state, &reasons)?,
        Format::Json | Format::Jsonl => {
            output::json(&WhyDocument { schema: SCHEMA, execution: id, reasons: &reasons })?;
        }
    }
    Ok(Code::Completed)
}

fn print(state: &State, reasons: &[Reason]) -> Result<(), Failure> {
    output::line(&format!("execution {} of {}: {}", state.id(), state.chain().name, state.status()))?;
    for reason in reasons {
        output::line(&format!("  {}", reason.message))?;
        if let Some(next) = &reason.next {
            output::line(&format!("    next: {next}"))?;
        }
    }
    Ok(())
}

/// A visit by its address, else a step by its id or name. The address of a first visit in the chain's own block is its
/// id: there all visits are meant.
fn subject(state: &State, word: &str) -> Result<Subject, Failure> {
    let by_address = || state.visits().map(|(no, _)| no).find(|no| state.address(*no).as_str() == word);
    match (step_named(state.chain(), word), by_address()) {
        (Ok(step), Some(visit)) => Ok(one_or_all(state, step, visit)),
        (Ok(step), None) => Ok(Subject::Step(step)),
        (Err(_), Some(visit)) => Ok(Subject::Visit(visit)),
        (Err(failure), None) => {
            Err(failure.next(format!("catena ps show {}, which lists its steps", state.id())))
        }
    }
}

/// A name that is an address of another step is that address.
fn one_or_all(state: &State, step: StepIx, visit: VisitNo) -> Subject {
    if state.visit(visit).step == step { Subject::Step(step) } else { Subject::Visit(visit) }
}

/// The latest execution of the same chain before this one that went well.
fn last_good(store: &dyn Store, state: &State) -> Result<Option<State>, Failure> {
    let filter = ExecutionFilter {
        chain: Some(state.chain().name.as_str().to_owned()),
        limit: Some(LOOKED_BACK_MAX),
        ..ExecutionFilter::default()
    };
    let rows = store.executions(&filter)?;
    let went_well =
        |status| matches!(status, ExecutionStatus::Completed | ExecutionStatus::CompletedWithErrors);
    match rows.iter().find(|row| row.id < state.id() && went_well(row.status)) {
        Some(row) => Ok(Some(read_state(store, row.id)?.0)),
        None => Ok(None),
    }
}

fn last_lines(locations: &Locations, state: &State) -> LastLines {
    let line = |(no, attempt): (VisitNo, u32)| {
        let path = locations.places().log(state.id(), state.address(no).as_str(), AttemptNo(attempt));
        Some(((no, attempt), last_line(&path)?))
    };
    wants_last_line(state).into_iter().filter_map(line).collect()
}

/// The last line of a log that says something; none where nothing was written or it is gone.
fn last_line(path: &std::path::Path) -> Option<String> {
    let mut file = std::fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_MAX_BYTES))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL_MAX_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().map(text_of_log_line).rfind(|line| !line.trim().is_empty())?;
    Some(line.to_owned())
}
