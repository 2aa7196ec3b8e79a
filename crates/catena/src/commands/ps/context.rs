//! `catena ps context`: what the steps of an execution see of each other, as an object that `run` and `rerun` take.

use std::collections::BTreeMap;

use catena_core::{
    ExecutionId,
    chain::Work,
    state::{VisitEnd, VisitPhase},
};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::execution_id;
use crate::{
    args::Format,
    commands::moment::Moment,
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    output,
};

#[derive(Debug, Args)]
#[command(after_help = "What is printed can be changed and given to another execution:\n  \
                  catena ps context 42 --at charge > context.json\n  \
                  catena run order.yaml --only charge --context @context.json\n  \
                  catena ps rerun 42 --from charge --context @context.json")]
pub(super) struct ContextArgs {
    /// The execution's number
    #[arg(value_parser = execution_id)]
    id: ExecutionId,
    /// As this step saw it when it was last entered: an address, an id or a name
    #[arg(long, value_name = "STEP")]
    at: Option<String>,
    /// The context is a JSON object in every format; as text it is indented
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Serialize)]
struct ContextDocument<'m> {
    schema: &'static str,
    execution_id: u64,
    chain: &'m str,
    chain_id: Option<u64>,
    start_time: String,
    params: Json,
    variables: Map<String, Json>,
    /// By `output_key`.
    results: BTreeMap<String, Json>,
    /// Set by `set` steps and loops.
    names: BTreeMap<String, Json>,
    steps: BTreeMap<String, Json>,
    errors: Map<String, Json>,
    current_step: Option<&'m str>,
    completed_steps: Vec<&'m str>,
}

pub(super) fn run(args: &ContextArgs, locations: &Locations) -> Result<Code, Failure> {
    let moment = Moment::of(locations, args.id, args.at.as_deref())?;
    let document = ContextDocument::new(&moment)?;
    match args.output {
        Format::Text => {
            let text = serde_json::to_string_pretty(&document);
            output::line(&text.expect("documents hold only what JSON can say"))?;
        }
        Format::Json | Format::Jsonl => output::json(&document)?,
    }
    Ok(Code::Completed)
}

impl<'m> ContextDocument<'m> {
    fn new(moment: &'m Moment) -> Result<Self, Failure> {
        let (state, chain) = (&moment.state, moment.state.chain());
        let given = &state.selection().context.variables;
        let variable = |(name, value): (&String, &catena_core::Value)| {
            Ok((name.clone(), moment.whole(given.get(name).unwrap_or(value))?))
        };
        let is_result = |name: &str| chain.steps().any(|(_, step)| step.output_key.as_deref() == Some(name));
        let (mut results, mut names) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in state.names_seen(moment.frame) {
            let of = if is_result(&name) { &mut results } else { &mut names };
            of.insert(name, moment.whole(&value)?);
        }
        let mut steps = moment.steps()?;
        for (id, step) in &mut steps {
            let of = chain.step_by_id(id).map(|ix| chain.step(ix));
            let is_said = of.is_some_and(|step| match (&step.work, &step.output_key) {
                (Work::Set { values }, None) => values.iter().all(|(name, _)| names.contains_key(name)),
                (_, Some(key)) => results.contains_key(key),
                (_, None) => false,
            });
            // Said once, it can be changed in one place.
            if let (true, Some(step)) = (is_said, step.as_object_mut()) {
                step.remove("result");
            }
        }
        // Counts the rounds of a loop that nobody gives.
        names.remove("loop");
        let completed = state
            .visits()
            .filter(|(_, visit)| matches!(visit.phase, VisitPhase::Ended(VisitEnd::Completed(_))))
            .map(|(no, _)| state.step_of(no).name.as_str());
        Ok(Self {
            schema: SCHEMA,
            execution_id: state.id().0,
            chain: chain.name.as_str(),
            chain_id: moment.chain_number()?,
            start_time: output::rfc3339(state.started_at().unwrap_or(state.created_at())),
            params: moment.whole(state.params())?,
            variables: chain.variables.iter().map(variable).collect::<Result<_, Failure>>()?,
            results,
            names,
            steps,
            errors: state.errors(),
            current_step: moment.step.map(|step| chain.step(step).name.as_str()),
            completed_steps: completed.collect(),
        })
    }
}
