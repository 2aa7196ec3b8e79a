//! `catena sim`: a chain on a virtual clock. Nothing of it runs: what steps come to is said on the command line, sampled
//! from an execution, or made up.

mod scenario;
mod show;

use std::{collections::BTreeMap, sync::Arc};

use catena_core::{
    Chain, ExecutionId, GivenContext, StepIx, Timestamp, Value, chain::Part, command::Start, event::Trigger,
};
use catena_engine::read_state;
use catena_sim::{Calendar, Coverage, Run, Scenario};
use catena_store::{Store, sqlite::SqliteStore, whole};
use clap::Args;

pub(super) use self::{
    scenario::{Fail, Mock, take},
    show::{MomentDto, timeline},
};
use super::{
    chain, context, params::ParamArgs, ps::execution_id, schedule::milliseconds, step::step_on_the_way,
};
use crate::{
    args::{Format, instant},
    exit::{Code, Failure, Strictness},
    home::Locations,
    hosting,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Steps succeed after a second, with a result that fits their `output` or none; `wait`, retries and limits \
                  take the time that they take, on a clock that jumps.\n\n\
                  Examples:\n  catena sim order.yaml --mock charge='{\"paid\": true}' --fail ship:2\n  \
                  catena sim nightly.yaml --for 30d\n  catena sim --from-execution 42 --fail mail"
)]
pub(crate) struct SimArgs {
    /// A definition in YAML or JSON, or the name or number of a stored chain
    #[arg(value_name = "CHAIN_OR_FILE", required_unless_present = "from_execution")]
    chain: Option<String>,
    /// The result of a step, an approval's form, a signal's value: JSON, else text; @FILE is a file's content
    #[arg(long = "mock", value_name = "STEP=VALUE", value_parser = Mock::parse)]
    mocks: Vec<Mock>,
    /// Let a step fail: its first N tries, or all; with a failure of this type. An approval is rejected
    #[arg(long = "fail", value_name = "STEP[:N[:TYPE]]", value_parser = Fail::parse)]
    fails: Vec<Fail>,
    /// How long each try of a step takes, in seconds or as 1m30s
    #[arg(long = "takes", value_name = "STEP=DURATION", value_parser = scenario::takes)]
    takes: Vec<(String, u64)>,
    /// Take parameters, results, failures and durations from an execution
    #[arg(long, value_name = "ID", value_parser = execution_id)]
    from_execution: Option<ExecutionId>,
    #[command(flatten)]
    params: ParamArgs,
    /// Only this step, with what stands in it
    #[arg(long, value_name = "STEP", conflicts_with = "span_ms")]
    only: Option<String>,
    /// What steps find in place of what others would have left: an object, or @FILE; see `ps context`
    #[arg(long, value_name = "OBJECT", conflicts_with = "span_ms")]
    context: Option<String>,
    /// When it begins: RFC 3339, or a date or time of this machine's zone [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
    /// Let the chain's schedules start it for so long, such as 30d
    #[arg(long = "for", value_name = "DURATION", value_parser = milliseconds)]
    span_ms: Option<u64>,
    /// What is random follows from it: jitter of retries and schedules
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Count errors that were let pass as failure
    #[arg(long)]
    strict: bool,
    /// How to print what happens
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// A chain with all that is said about what it is simulated with.
struct Plan {
    chain: Arc<Chain>,
    params: Value,
    /// The steps that are left out, and what was given in their place.
    left_out: Vec<StepIx>,
    context: GivenContext,
    scenario: Scenario,
    from: Timestamp,
}

pub(crate) fn run(args: &SimArgs, locate: impl Fn() -> Result<Locations, Failure>) -> Result<Code, Failure> {
    let plan = args.plan(locate)?;
    match args.span_ms {
        None => {
            let start = Start {
                left_out: plan.left_out.clone(),
                context: plan.context.clone(),
                ..Start::new("simulated", plan.params.clone(), Trigger::Manual)
            };
            let (id, chain) = (ExecutionId(1), &plan.chain);
            let mut run = Run::start_with(id, chain, start, plan.from, args.seed, &plan.scenario);
            run.run(None, &plan.scenario);
            let mut coverage = Coverage::default();
            coverage.add(&run.state, run.journal.iter().map(|(_, event)| event));
            show::execution(args, &plan, &run, &coverage)?;
            Ok(args.code(&run))
        }
        Some(span_ms) => {
            let chain = &plan.chain;
            if chain.schedules.is_empty() {
                let message = format!("chain `{}` has no schedule that could start it", chain.name);
                let next =
                    "catena sim without --for, or add `schedule: {frequency: daily, time: \"05:00\"}` to it";
                return Err(Failure::new(Code::Usage, message).next(next));
            }
            let calendar = Calendar::new(
                chain,
                &chain.schedules,
                plan.params.clone(),
                plan.from,
                args.seed,
                &plan.scenario,
            );
            let (fired, coverage) = calendar.run(plan.from.plus_ms(span_ms));
            show::calendar(args, &plan, &fired, &coverage)?;
            let codes = fired.iter().filter_map(|fired| fired.execution.as_ref());
            let mut codes = codes.map(|ended| match ended.ended_at {
                Some(_) => Code::of(ended.status, args.strictness()),
                None => Code::Waits,
            });
            Ok(codes.find(|code| *code != Code::Completed).unwrap_or(Code::Completed))
        }
    }
}

impl SimArgs {
    fn plan(&self, locate: impl Fn() -> Result<Locations, Failure>) -> Result<Plan, Failure> {
        let mut scenario = Scenario::default();
        let mut given = BTreeMap::new();
        let mut sampled = None;
        if let Some(id) = self.from_execution {
            let locations = locate()?;
            let reader = hosting::reader(&locations)?;
            let (state, entries) = read_state(&reader, id).map_err(|_| hosting::unknown(id))?;
            scenario::sample(&mut scenario, &reader, &state, &entries)?;
            given = params_of(&reader, state.params())?;
            sampled = Some(Arc::clone(state.chain()));
        }
        let chain = match (&self.chain, sampled) {
            (Some(word), _) => chain::chain_of(word, locate)?,
            (None, Some(chain)) => chain,
            (None, None) => unreachable!("clap asks for one of them"),
        };
        given.retain(|name, _| chain.params.contains_key(name));
        let only = self.only.as_ref().map(|name| step_on_the_way(&chain, name)).transpose()?;
        let text = self.context.as_ref();
        let said = text
            .map(|text| context::read(text, &chain, only, &mut Vec::new()))
            .transpose()?
            .unwrap_or_default();
        let said = said.without_own(&chain);
        given.extend(said.params);
        let given = self.params.read_over(given, &chain)?;
        let params = chain.resolve_params(given).map_err(catena_engine::Error::Params)?;
        take(&mut scenario, &chain, &self.mocks, &self.takes, &self.fails)?;
        let from = self.at.unwrap_or_else(|| Timestamp(jiff::Timestamp::now().as_second() * 1_000_000));
        let left_out = only.map(|step| chain.left_out(Part::Only(step))).unwrap_or_default();
        Ok(Plan { chain, params, left_out, context: said.context, scenario, from })
    }

    fn strictness(&self) -> Strictness {
        if self.strict { Strictness::Strict } else { Strictness::Lenient }
    }

    fn code(&self, run: &Run) -> Code {
        match run.state.waits_for_somebody() {
            true => Code::Waits,
            false => Code::of(run.state.status(), self.strictness()),
        }
    }
}

/// What an execution was given.
fn params_of(store: &SqliteStore, params: &Value) -> Result<BTreeMap<String, Value>, Failure> {
    let serde_json::Value::Object(params) = whole(store as &dyn Store, params)? else {
        return Ok(BTreeMap::new());
    };
    Ok(params.into_iter().map(|(name, value)| (name, Value::from(value))).collect())
}
