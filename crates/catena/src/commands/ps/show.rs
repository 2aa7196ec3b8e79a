//! `catena ps show`: one execution with its steps.

use catena_core::{
    Event, ExecutionId, State,
    chain::{Wait, Work},
    event::Trigger,
    state::{Timer, VisitPhase},
};
use catena_engine::read_state;
use catena_store::{Entry, Store};
use clap::{Args, ValueEnum};

use super::{execution_id, resolve};
use crate::{
    commands::ending,
    document::{ExecutionDocument, StepDto},
    exit::{Code, Failure},
    graph::{self, Drawing},
    home::Locations,
    hosting, output, question,
};

/// Of what an execution waits for, the first are shown.
const TIMERS_MAX: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena ps show 42\n  catena ps show 42 --graph\n  \
                        catena ps show 42 --graph -o svg > 42.svg")]
pub(super) struct ShowArgs {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
    /// Draw its chain, with how each step stands
    #[arg(long)]
    graph: bool,
    /// How to print it; `mermaid` and `svg` are for `--graph`
    #[arg(short, long, value_enum, default_value_t)]
    output: ShowFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ShowFormat {
    #[default]
    Text,
    Json,
    Jsonl,
    Mermaid,
    Svg,
}

/// What is printed of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Table,
    Document,
    Graph(Drawing),
}

impl ShowArgs {
    fn shown(&self) -> Result<Shown, Failure> {
        let next = |options: &str| format!("catena ps show {} {options}", self.id);
        let refused =
            |message: &str, options: &str| Err(Failure::new(Code::Usage, message).next(next(options)));
        match (self.graph, self.output) {
            (false, ShowFormat::Text) => Ok(Shown::Table),
            (false, ShowFormat::Json | ShowFormat::Jsonl) => Ok(Shown::Document),
            (false, ShowFormat::Mermaid) => refused("`-o mermaid` is for `--graph`", "--graph -o mermaid"),
            (false, ShowFormat::Svg) => refused("`-o svg` is for `--graph`", "--graph -o svg"),
            (true, ShowFormat::Text) => Ok(Shown::Graph(Drawing::Text)),
            (true, ShowFormat::Mermaid) => Ok(Shown::Graph(Drawing::Mermaid)),
            (true, ShowFormat::Svg) => Ok(Shown::Graph(Drawing::Svg)),
            (true, ShowFormat::Json | ShowFormat::Jsonl) => {
                refused("a graph is text, mermaid or svg, not JSON", "-o json, whose steps have their states")
            }
        }
    }
}

pub(super) fn run(args: &ShowArgs, locations: &Locations) -> Result<Code, Failure> {
    let shown = args.shown()?;
    let reader = hosting::reader(locations)?;
    let id = hosting::resolve(&reader, args.id)?;
    let row = reader.execution(id)?.ok_or_else(|| hosting::unknown(id))?;
    let (state, entries) = read_state(&reader, id)?;
    if let Shown::Graph(drawing) = shown {
        output::raw(graph::of_execution(&state, drawing).as_bytes())?;
        return Ok(Code::Completed);
    }
    let document = ExecutionDocument::new(&reader, &state, Vec::new())?.with_origin(&entries);
    if shown == Shown::Document {
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
        let (word, answers) = (question::word(why), question::answers_to(why));
        let address = state.address(visit);
        output::line(&format!("  {address}: {word}; catena ps resolve {id} {address} {answers}"))?;
    }
    for line in ending::left_to_undo(&state) {
        output::line(&format!("  {line}"))?;
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
        let mut line = format!("{address} asks: {title}; catena ps approve {id} {address}, or reject");
        if let Work::Wait { wait: Wait::Approval(approval) } = &state.step_of(visit).work
            && let Some(form) = &approval.form
        {
            line.push_str(&format!("; --set NAME=VALUE for each of: {}", question::fields(form).join(", ")));
        }
        lines.push(line);
    }
    for (name, visit) in state.agenda().awaiting().take(TIMERS_MAX) {
        let address = state.address(visit);
        lines.push(format!("{address} waits for the signal `{name}`; catena ps signal {id} {name}"));
    }
    for visit in state.agenda().calls().take(TIMERS_MAX) {
        if let Some(child) = state.visit(visit).child() {
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
