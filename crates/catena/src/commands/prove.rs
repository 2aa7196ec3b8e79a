//! `catena prove`: looks for histories of a chain that end otherwise than its author allows.

use std::time::{Duration, Instant};

use catena_core::{Chain, Timestamp};
use catena_sim::{Counterexample, Fault, Proof, Scenario, prove};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::{
    chain,
    params::ParamArgs,
    schedule::milliseconds,
    sim::{Fail, Mock, take},
};
use crate::{
    args::Format,
    document::{ErrorDto, SCHEMA},
    exit::{Code, Failure},
    home::Locations,
    output,
};

/// Counterexamples that are shown; the shortest come first.
const SHOWN_MAX: usize = 10;
/// Ways that were never taken, of which the first are named.
const NAMED_MAX: usize = 20;
/// When each history begins: the clock is virtual, and the same history is to come out the same.
const BEGIN: Timestamp = Timestamp(1_767_225_600_000_000);

#[derive(Debug, Args)]
#[command(
    after_help = "Every step fails in turn, is lost in turn, and so does what follows from that; the engine goes down at every \
                  moment; what runs side by side ends in every order. `expect_ends` of the chain says which ends are as they \
                  are to be; waiting for a person for ever never is.\n\n\
                  Examples:\n  catena prove order.yaml\n  catena prove order.yaml --mock charge='{\"paid\": true}' --budget 10s"
)]
pub(crate) struct ProveArgs {
    /// A definition in YAML or JSON, or the name or number of a stored chain
    #[arg(value_name = "CHAIN_OR_FILE")]
    chain: String,
    /// How long to look, in seconds or as 1m30s
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = milliseconds)]
    budget: u64,
    /// The result of a step where it does not fail: JSON, else text; @FILE is a file's content
    #[arg(long = "mock", value_name = "STEP=VALUE", value_parser = Mock::parse)]
    mocks: Vec<Mock>,
    #[command(flatten)]
    params: ParamArgs,
    /// How to print what was found
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(
    args: &ProveArgs,
    locate: impl Fn() -> Result<Locations, Failure>,
) -> Result<Code, Failure> {
    let chain = chain::chain_of(&args.chain, locate)?;
    let given = args.params.read(&chain)?;
    let params = chain.resolve_params(given.clone()).map_err(catena_engine::Error::Params)?;
    let mut scenario = Scenario::default();
    take(&mut scenario, &chain, &args.mocks, &[], &[] as &[Fail])?;
    let begin = Instant::now();
    let budget = Duration::from_millis(args.budget);
    let proof = prove(&chain, &params, BEGIN, &scenario, || begin.elapsed() > budget);
    let case = |found: &Counterexample| as_case(&chain, &given, found);
    match args.output {
        Format::Text => tell(args, &chain, &proof, case)?,
        Format::Json | Format::Jsonl => output::json(&document(&chain, &proof, case))?,
    }
    if proof.histories == 0 {
        let message = "the budget was over before anything was looked at";
        return Err(Failure::new(Code::Failed, message).next("catena prove CHAIN --budget 60s"));
    }
    Ok(if proof.counterexamples.is_empty() { Code::Completed } else { Code::Failed })
}

fn tell(
    args: &ProveArgs,
    chain: &Chain,
    proof: &Proof,
    case: impl Fn(&Counterexample) -> Option<Json>,
) -> Result<(), Failure> {
    let mut text = format!("{}: {} histories, {} crashes\n", chain.name, proof.histories, proof.crashes);
    if proof.is_cut_short {
        text.push_str(&format!(
            "  the budget was spent before everything was looked at: --budget {}s\n",
            (args.budget / 100).max(60)
        ));
    }
    if chain.expected_ends.is_empty() {
        text.push_str("  the chain has no `expect_ends`: every end is allowed, and waiting for a person for ever is not\n");
    }
    for found in proof.counterexamples.iter().take(SHOWN_MAX) {
        text.push_str(&format!("\n✗ {}\n", verdict(found)));
        for fault in &found.faults {
            text.push_str(&format!("    {}\n", words(fault)));
        }
        text.push_str(&format!("    runs: {}\n", found.path.join(", ")));
        if !found.ending.undone.is_empty() {
            text.push_str(&format!("    taken back: {}\n", found.ending.undone.join(", ")));
        }
        if let Some(case) = case(found) {
            text.push_str(&format!("    a case for `catena test`: {case}\n"));
        }
    }
    if let Some(more) = proof.counterexamples.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        text.push_str(&format!("\n… and {more} more\n"));
    }
    let missed = proof.coverage.missed(chain);
    if !missed.is_empty() {
        text.push_str("\nnever taken:\n");
        missed
            .iter()
            .take(NAMED_MAX)
            .for_each(|branch| text.push_str(&format!("  {}\n", branch.words(chain))));
    }
    let verdict = match (proof.counterexamples.len(), proof.is_cut_short) {
        (0, false) => "holds: it ends as its author allows".to_owned(),
        (0, true) => "nothing was found so far".to_owned(),
        (count, _) => format!("does not hold: {count} counterexamples"),
    };
    text.push_str(&format!("\n{verdict}\n"));
    output::raw(text.as_bytes())
}

fn verdict(found: &Counterexample) -> String {
    let ending = &found.ending;
    let error = ending.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    match ending.standing.as_slice() {
        [] if ending.status.is_end() => format!("it ends {}{error}", ending.status),
        [] => format!("it does not end: it is {}", ending.status),
        left => {
            let (stands, is) = (left.join(", "), if left.len() == 1 { "is" } else { "are" });
            let is_undone = left.iter().any(|address| ending.undone.contains(address));
            match is_undone {
                true => format!("it ends {}, and {stands} {is} taken back out of turn", ending.status),
                false => format!("it ends {}, and {stands} {is} not taken back", ending.status),
            }
        }
    }
}

fn words(fault: &Fault) -> String {
    match fault {
        Fault::Fails(address) => format!("{address} fails"),
        Fault::Lost(address) => format!("the first attempt of {address} is lost"),
        Fault::Crash(events) => format!("the engine goes down after {events} events"),
        Fault::Order(seed) => format!("what runs side by side ends in another order ({seed})"),
    }
}

/// The history as a case that fails as long as the chain is as it is; a crash and an order cannot be said there.
fn as_case(
    chain: &Chain,
    params: &std::collections::BTreeMap<String, catena_core::Value>,
    found: &Counterexample,
) -> Option<Json> {
    let mut steps = Map::new();
    for fault in &found.faults {
        let (address, of) = match fault {
            Fault::Fails(address) => (address, json!({"fail": true})),
            Fault::Lost(address) => (address, json!({"lost": 1})),
            Fault::Crash(_) | Fault::Order(_) => return None,
        };
        steps.insert(address.clone(), of);
    }
    let end = chain.expected_ends.iter().find(|end| end.status.as_str() == found.ending.status.as_str());
    let expect = match end.or(chain.expected_ends.last()) {
        Some(end) if end.undone.is_empty() => json!({"status": end.status.as_str()}),
        Some(end) => {
            let completed = end.undone.iter().filter(|id| found.ending.completed.contains(*id));
            let undone: Vec<&str> = completed.map(|id| id.as_str()).collect();
            json!({"status": end.status.as_str(), "undone": undone})
        }
        None => json!({"status": "completed"}),
    };
    let mut given = json!({"steps": steps});
    if !params.is_empty() {
        let params: Map<String, Json> =
            params.iter().map(|(name, value)| (name.clone(), value.as_json().clone())).collect();
        given["params"] = params.into();
    }
    Some(json!({"name": verdict(found), "given": given, "expect": expect}))
}

#[derive(Serialize)]
struct ProofDocument {
    schema: &'static str,
    chain: String,
    holds: bool,
    histories: usize,
    crashes: usize,
    is_cut_short: bool,
    counterexamples: Vec<FoundDto>,
    never: Vec<String>,
}

#[derive(Serialize)]
struct FoundDto {
    verdict: String,
    faults: Vec<String>,
    path: Vec<String>,
    status: &'static str,
    error: Option<ErrorDto>,
    undone: Vec<String>,
    standing: Vec<String>,
    case: Option<Json>,
}

fn document(chain: &Chain, proof: &Proof, case: impl Fn(&Counterexample) -> Option<Json>) -> ProofDocument {
    let found = |found: &Counterexample| FoundDto {
        verdict: verdict(found),
        faults: found.faults.iter().map(words).collect(),
        path: found.path.clone(),
        status: found.ending.status.as_str(),
        error: found.ending.error.as_ref().map(ErrorDto::from),
        undone: found.ending.undone.clone(),
        standing: found.ending.standing.clone(),
        case: case(found),
    };
    ProofDocument {
        schema: SCHEMA,
        chain: chain.name.to_string(),
        holds: proof.counterexamples.is_empty() && !proof.is_cut_short,
        histories: proof.histories,
        crashes: proof.crashes,
        is_cut_short: proof.is_cut_short,
        counterexamples: proof.counterexamples.iter().map(found).collect(),
        never: proof.coverage.missed(chain).into_iter().map(|branch| branch.words(chain)).collect(),
    }
}
