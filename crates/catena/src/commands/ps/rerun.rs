//! `catena ps rerun`: a new execution that goes on from what an ended one has done.

mod edits;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use catena_core::{
    ExecutionId, State, StepIx, Value,
    rerun::{Again, Rerun},
};
use catena_engine::{Clock, Reach, StartRequest, SystemClock, plan_rerun, read_state, results_to_drop};
use catena_store::{Store, Version, whole};
use clap::{ArgGroup, Args};

use super::execution_id;
use crate::{
    args::Format,
    commands::{params, run, step::step_on_the_way},
    document::steps_aside,
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host},
};

/// Of the steps that are kept and that run again, the first are named.
const NAMED_MAX: usize = 20;

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("again")),
    after_help = "Results of steps that completed are kept, and the duty to undo them comes along; all others run again. \
                  Without an option it is `--failed`.\n\n\
                  Examples:\n  catena ps rerun 42 --failed\n  catena ps rerun 42 --from report --set day=2026-11-27\n  \
                  catena ps rerun 42 --from mail --pin fetch='{\"price\": 9}'\n  \
                  catena ps rerun 42 --only mail --dry-run"
)]
pub(super) struct RerunArgs {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
    /// Run again what has not completed
    #[arg(long, group = "again")]
    failed: bool,
    /// Run again this step and what comes after it, from the state before its last visit
    #[arg(long, group = "again", value_name = "STEP")]
    from: Option<String>,
    /// Run again this step and nothing else
    #[arg(long, group = "again", value_name = "STEP")]
    only: Option<String>,
    /// Run again what has not completed, as far as this step
    #[arg(long, group = "again", value_name = "STEP")]
    to: Option<String>,
    /// Change a parameter: JSON, else text; @FILE is a file's content as text
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Change the result of a step, or give one to a step that has none: JSON, else text; @FILE is a file's content
    #[arg(long, value_name = "STEP=VALUE")]
    pin: Vec<String>,
    /// Change what differs in this object from `ps context ID`: parameters, variables, results; @FILE is a file
    #[arg(long, value_name = "OBJECT")]
    context: Option<String>,
    /// By the latest version of the chain rather than the one that it ran
    #[arg(long)]
    latest: bool,
    /// Show what would be kept and what would run again, and start nothing
    #[arg(long)]
    dry_run: bool,
    /// How to print what happens
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &RerunArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    let row = reader.execution(args.id)?.ok_or_else(|| hosting::unknown(args.id))?;
    if !row.status.is_end() {
        let message = format!("execution {} has not ended: {}", args.id, row.status);
        return Err(Failure::new(Code::Conflict, message).next(format!("catena ps show {}", args.id)));
    }
    let (state, entries) = read_state(&reader, args.id)?;
    let again = again(args, &state)?;
    let mut plan = plan_rerun(&reader, &state, &entries, again)?;
    let digest = match args.latest {
        true => reader.chain(&row.chain)?.map_or(row.version.clone(), |chain| chain.version),
        false => row.version.clone(),
    };
    let version = Arc::new(reader.version(&digest)?);
    let edits = edits::of(args, &reader, locations, &state, &version)?;
    let told = edits.told(&version);
    let pins = edits.pins;
    let params = params_of(args, &reader, &state, &version, edits.params)?;
    let request = StartRequest {
        rerun: Some((args.id, again)),
        pins: pins.clone(),
        context: edits.context,
        ..StartRequest::new(Arc::clone(&version), params, hosting::actor())
    };
    let dropped = results_to_drop(request.clone(), &reader, SystemClock.now())
        .map_err(|error| Failure::from(error).next(format!("catena ps show {}", args.id)))?;
    told.iter().for_each(|line| talk!("{line}"));
    let old = state.chain();
    let in_old = |step: StepIx| old.step_by_id(version.chain.step(step).id.as_str());
    let given: Vec<(StepIx, Value)> =
        pins.into_iter().filter_map(|(step, value)| Some((in_old(step)?, value))).collect();
    // What stands in a block whose result is given is not come to.
    plan.kept.retain(|no| {
        let step = state.visit(*no).step;
        let is_inside = given.iter().any(|(pinned, _)| *pinned != step && old.stands_in(step, *pinned));
        !dropped.contains(state.address(*no).as_str()) && !is_inside
    });
    plan.pinned.extend(given);
    tell_plan(&state, &plan, &version);
    if args.dry_run {
        return Ok(Code::Completed);
    }
    drop(reader);
    let mut host = Host::reach(locations, Reach::All)?;
    let started = host.start_once(request, locations)?;
    run::follow_execution(locations.clone(), host, started.execution, args.output)
}

fn again(args: &RerunArgs, state: &State) -> Result<Again, Failure> {
    let on_the_way = |name: &String| step_on_the_way(state.chain(), name);
    let visited = |name: &String| {
        let step = on_the_way(name)?;
        let was_there = state.visits().any(|(_, visit)| visit.step == step);
        if was_there {
            return Ok(step);
        }
        let message =
            format!("step `{name}` never ran in execution {}: there is nothing to go back to", args.id);
        Err(Failure::new(Code::NotFound, message).next(format!("catena ps rerun {} --failed", args.id)))
    };
    match (&args.from, &args.only, &args.to) {
        (Some(name), _, _) => visited(name).map(Again::From),
        (_, Some(name), _) => on_the_way(name).map(Again::Only),
        (_, _, Some(name)) => on_the_way(name).map(Again::To),
        (None, None, None) => Ok(Again::Failed),
    }
}

/// What was given the first time, with what is given now.
fn params_of(
    args: &RerunArgs,
    store: &dyn Store,
    state: &State,
    version: &Version,
    edited: BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, Failure> {
    let mut given = params::read_some(&args.set, &version.chain)?;
    for (name, value) in edited {
        given.entry(name).or_insert(value);
    }
    if let serde_json::Value::Object(before) = whole(store, state.params())? {
        for (name, value) in before {
            if version.chain.params.contains_key(&name) {
                given.entry(name).or_insert_with(|| Value::from(value));
            }
        }
    }
    Ok(given)
}

/// Which results are kept, and which steps run again.
fn tell_plan(state: &State, plan: &Rerun, version: &Version) {
    let kept: Vec<String> = plan.kept.iter().map(|no| state.address(*no).to_string()).collect();
    talk!("kept: {}", named(&kept));
    let is_kept = |step: StepIx| plan.kept.iter().any(|no| state.visit(*no).step == step);
    let pinned: BTreeSet<StepIx> =
        plan.pinned.iter().map(|(step, _)| *step).filter(|step| !is_kept(*step)).collect();
    if !pinned.is_empty() {
        let pinned = pinned.iter().map(|step| state.chain().step(*step).id.to_string());
        talk!("pinned: {}", named(&pinned.collect::<Vec<_>>()));
    }
    talk!("again: {}", named(&runs_again(state, plan)));
    if version.digest != state.version() {
        talk!("by another version of the chain: {}", &version.digest[..12]);
    }
}

/// What did not complete, and what was never come to; steps that only hold others go without saying.
fn runs_again(state: &State, plan: &Rerun) -> Vec<String> {
    let chain = state.chain();
    let aside = steps_aside(chain);
    let is_meant = |step: StepIx| {
        let only = plan.only.is_none_or(|only| chain.stands_in(step, only));
        let holds = chain.step(step).work.nested().is_some();
        let is_pinned = plan.pinned.iter().any(|(pinned, _)| chain.stands_in(step, *pinned));
        only && !holds && !is_pinned && !aside.contains(&step) && !plan.left_out.contains(&step)
    };
    let mut seen = BTreeSet::new();
    let mut again = Vec::new();
    for (no, visit) in state.visits() {
        seen.insert(visit.step);
        let runs = !plan.kept.contains(&no) && !plan.superseded.contains(&no);
        if is_meant(visit.step) && runs && !state.is_aside(no) {
            again.push(state.address(no).to_string());
        }
    }
    let never = chain.steps().filter(|(ix, _)| !seen.contains(ix) && is_meant(*ix));
    again.extend(never.map(|(_, step)| step.id.to_string()));
    again
}

fn named(addresses: &[String]) -> String {
    match addresses {
        [] => "nothing".to_owned(),
        few if few.len() <= NAMED_MAX => few.join(", "),
        many => format!("{} and {} more", many[..NAMED_MAX].join(", "), many.len() - NAMED_MAX),
    }
}
