//! What a simulation has come to, for a person and for a script.

use std::collections::BTreeMap;

use catena_core::{Event, State, Timestamp, status::FireOutcome};
use catena_sim::{Coverage, Fired, Run};
use catena_store::{Actor, Entry, Lease};
use serde::Serialize;
use serde_json::Value as Json;

use super::{Plan, SimArgs};
use crate::{
    args::Format,
    document::{ErrorDto, EventDto, SCHEMA},
    exit::Failure,
    output, view,
};

/// Of ways that were not taken and results that were made up, the first are named.
const NAMED_MAX: usize = 20;

#[derive(Debug, Serialize)]
struct SimDocument {
    schema: &'static str,
    chain: String,
    from: String,
    seed: u64,
    /// How one execution ended, or as what it waits for a person; absent where schedules start several.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorDto>,
    timeline: Vec<MomentDto>,
    /// Ways of the chain that were never taken, each with the id of its step.
    never: Vec<WayDto>,
    /// Steps whose result was made up.
    made_up: Vec<String>,
}

/// Something that happens in a simulation.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct MomentDto {
    at: String,
    address: Option<String>,
    event: &'static str,
    data: Json,
}

#[derive(Debug, Serialize)]
struct WayDto {
    step: String,
    what: String,
}

/// One execution, moment by moment.
pub(in crate::commands) fn timeline(run: &Run) -> Result<Vec<MomentDto>, Failure> {
    let mut state = State::new(run.state.id(), run.state.chain().clone());
    let mut timeline = Vec::new();
    for (seq, (at, event)) in (1..).zip(&run.journal) {
        state.apply(*at, event).map_err(catena_store::Error::from)?;
        let entry = entry_of(seq, *at, event);
        let EventDto { at, kind, address, data, .. } = EventDto::new(&state, &entry);
        timeline.push(MomentDto { at, address, event: kind, data });
    }
    Ok(timeline)
}

fn entry_of(seq: u64, at: Timestamp, event: &Event) -> Entry {
    Entry { seq, at, actor: Actor::new("simulation"), lease: Lease(0), event: event.clone() }
}

/// The same for a person or a script.
pub(super) fn execution(args: &SimArgs, plan: &Plan, run: &Run, coverage: &Coverage) -> Result<(), Failure> {
    let mut state = State::new(run.state.id(), plan.chain.clone());
    let mut text = heading(args, plan);
    let width = run.journal.iter().map(|(at, _)| since(plan.from, *at).chars().count()).max().unwrap_or(0);
    for (seq, (at, event)) in (1..).zip(&run.journal) {
        state.apply(*at, event).map_err(catena_store::Error::from)?;
        let entry = entry_of(seq, *at, event);
        for line in view::words(&state, &entry) {
            text.push_str(&format!("{:>width$}  {line}\n", since(plan.from, *at)));
        }
    }
    let row = catena_store::project_execution(&run.state);
    match args.output {
        Format::Text => {
            let error = row.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            let took = since(plan.from, run.journal.last().map_or(plan.from, |(at, _)| *at));
            text.push_str(&format!("\n{} after {}{error}\n", row.status, took.trim_start_matches('+')));
            if let Some(output) = row.output.as_ref().filter(|output| !output.is_null()) {
                text.push_str(&format!("output: {}\n", output.as_json()));
            }
            text.push_str(&remarks(plan, coverage));
            output::raw(text.as_bytes())
        }
        Format::Json | Format::Jsonl => output::json(&SimDocument {
            status: Some(row.status.as_str()),
            output: Some(row.output.map_or(Json::Null, |output| output.as_json().clone())),
            error: row.error.as_ref().map(ErrorDto::from),
            timeline: timeline(run)?,
            ..document(args, plan, coverage)
        }),
    }
}

/// All that schedules have started, instant by instant.
pub(super) fn calendar(
    args: &SimArgs,
    plan: &Plan,
    fired: &[Fired],
    coverage: &Coverage,
) -> Result<(), Failure> {
    let zone = |fired: &Fired| &plan.chain.schedules[fired.schedule].zone;
    if args.output != Format::Text {
        let moment = |fired: &Fired| MomentDto {
            at: zone(fired).rfc3339(fired.fire.at),
            address: None,
            event: fired.fire.outcome.as_str(),
            data: data(fired),
        };
        let timeline = fired.iter().map(moment).collect();
        return output::json(&SimDocument { timeline, ..document(args, plan, coverage) });
    }
    let mut text = heading(args, plan);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for fired in fired {
        let outcome = fired.fire.outcome;
        let reason = fired.fire.reason.map(|reason| format!(": {}", reason.as_str())).unwrap_or_default();
        let came_to = match &fired.execution {
            None => String::new(),
            Some(ended) => {
                let took = ended.ended_at.map(|at| since(ended.started_at, at)).unwrap_or_default();
                let error = ended.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
                format!(", {}{}{error}", ended.status, took.replace('+', " after "))
            }
        };
        let word = fired.execution.as_ref().map_or(outcome.as_str(), |ended| ended.status.as_str());
        *counts.entry(word).or_default() += 1;
        let late = if outcome == FireOutcome::Late { " late" } else { "" };
        let word = if fired.execution.is_some() { "started" } else { outcome.as_str() };
        text.push_str(&format!("  {}  {word}{late}{reason}{came_to}\n", zone(fired).rfc3339(fired.fire.at)));
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    text.push_str(&format!("\n{} instants: {}\n", fired.len(), counts.join(", ")));
    text.push_str(&remarks(plan, coverage));
    output::raw(text.as_bytes())
}

fn data(fired: &Fired) -> Json {
    let execution = fired.execution.as_ref().map(|ended| {
        serde_json::json!({
            "id": ended.id,
            "status": ended.status.as_str(),
            "started_at": output::rfc3339(ended.started_at),
            "finished_at": ended.ended_at.map(output::rfc3339),
            "error": ended.error.as_ref().map(ErrorDto::from),
        })
    });
    serde_json::json!({
        "schedule": fired.schedule + 1,
        "reason": fired.fire.reason.map(|reason| reason.as_str()),
        "count": fired.fire.count,
        "execution": execution,
    })
}

fn document(args: &SimArgs, plan: &Plan, coverage: &Coverage) -> SimDocument {
    let chain = &plan.chain;
    let way = |branch: catena_sim::Branch| WayDto {
        step: chain.step(branch.step()).id.to_string(),
        what: branch.words(chain),
    };
    SimDocument {
        schema: SCHEMA,
        chain: chain.name.to_string(),
        from: output::rfc3339(plan.from),
        seed: args.seed,
        status: None,
        output: None,
        error: None,
        timeline: Vec::new(),
        never: coverage.missed(chain).into_iter().map(way).collect(),
        made_up: plan.scenario.unsaid().into_iter().collect(),
    }
}

fn heading(args: &SimArgs, plan: &Plan) -> String {
    format!(
        "{} from {}, seed {}; nothing of it runs\n\n",
        plan.chain.name,
        output::rfc3339(plan.from),
        args.seed
    )
}

/// What was not taken, and what was made up.
fn remarks(plan: &Plan, coverage: &Coverage) -> String {
    let mut text = String::new();
    let missed = coverage.missed(&plan.chain);
    if !missed.is_empty() {
        let words: Vec<String> = missed.iter().map(|branch| branch.words(&plan.chain)).collect();
        text.push_str(&format!("\nnever taken:\n{}", list(&words)));
    }
    let made_up: Vec<String> = plan.scenario.unsaid().into_iter().collect();
    if !made_up.is_empty() {
        text.push_str(&format!("\nresults made up, for want of `--mock STEP=VALUE`:\n{}", list(&made_up)));
    }
    text
}

fn list(words: &[String]) -> String {
    let mut text: String = words.iter().take(NAMED_MAX).map(|word| format!("  {word}\n")).collect();
    if let Some(more) = words.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        text.push_str(&format!("  … and {more} more\n"));
    }
    text
}

/// `+2d 03:04:05.006`, without what is nothing in front and behind.
fn since(from: Timestamp, at: Timestamp) -> String {
    let ms = at.micros_since(from) / 1_000;
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    let fraction = if rest % 1_000 > 0 { format!(".{:03}", rest % 1_000) } else { String::new() };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("+{seconds}{fraction} s"),
        (0, 0, _) => format!("+{minutes}m {seconds:02}{fraction} s"),
        (0, _, _) => format!("+{hours}h {minutes:02}m {seconds:02}{fraction} s"),
        _ => format!("+{days}d {hours:02}h {minutes:02}m {seconds:02}{fraction} s"),
    }
}
