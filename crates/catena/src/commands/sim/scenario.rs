//! What steps come to in a simulation: as the command line says, and as they came to in an execution.

use std::collections::BTreeMap;

use catena_core::{
    Chain, Event, FailureType, State, StepIx, Timestamp, Value, VisitNo, chain::schema::mismatches,
    event::Answer,
};
use catena_sim::{Outcome, Scenario, usual_failure};
use catena_spec::{is_asked, step_meant, unknown_part};
use catena_store::{Entry, Store, whole};

use crate::{
    commands::{params, schedule::milliseconds, step::step_named},
    exit::{Code, Failure},
};

/// The longest that a step may take, in milliseconds: beyond it no clock goes.
const TAKES_MAX_MS: u64 = 1_000 * 366 * 86_400_000;

/// `STEP=VALUE`.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Mock {
    step: String,
    value: String,
}

impl Mock {
    pub(in crate::commands) fn parse(text: &str) -> Result<Self, String> {
        let (step, value) = text.split_once('=').filter(|(step, _)| !step.is_empty()).ok_or_else(|| {
            "a step and its result: STEP=VALUE, such as charge='{\"paid\": true}'".to_owned()
        })?;
        Ok(Self { step: step.to_owned(), value: value.to_owned() })
    }
}

/// `STEP[:N[:TYPE]]`.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Fail {
    step: String,
    times: Option<u32>,
    kind: Option<FailureType>,
}

impl Fail {
    pub(in crate::commands) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let step = parts.next().unwrap_or_default().to_owned();
        if step.is_empty() {
            return Err("a step: STEP, STEP:N or STEP:N:TYPE, such as ship:2:timeout".to_owned());
        }
        let times = match parts.next() {
            None | Some("") => None,
            Some(text) => {
                Some(text.parse().ok().filter(|times| (1..=10_000).contains(times)).ok_or_else(|| {
                    format!("`{text}` is no number of tries from 1 to 10000: STEP:N, such as ship:2")
                })?)
            }
        };
        let kind = parts.next().map(|kind| FailureType::from(kind.to_owned()));
        Ok(Self { step, times, kind })
    }
}

/// `STEP=DURATION`.
pub(super) fn takes(text: &str) -> Result<(String, u64), String> {
    let (step, duration) = text
        .split_once('=')
        .ok_or_else(|| "a step and a duration: STEP=DURATION, such as build=5m".to_owned())?;
    let ms = milliseconds(duration)?;
    if ms > TAKES_MAX_MS {
        return Err(format!("`{duration}` is longer than anybody can mean"));
    }
    Ok((step.to_owned(), ms))
}

/// Adds what the command line says: results, then how long they take, then what fails before.
pub(in crate::commands) fn take(
    scenario: &mut Scenario,
    chain: &Chain,
    mocks: &[Mock],
    takes: &[(String, u64)],
    fails: &[Fail],
) -> Result<(), Failure> {
    for Mock { step, value } in mocks {
        let (key, ix) = key_of(chain, step)?;
        let value = params::given_json(value, "--mock")?;
        expect_fit(chain, ix, step, &value)?;
        scenario.say(&key, vec![Outcome::result(value)]);
    }
    for (step, ms) in takes {
        let (key, _) = key_of(chain, step)?;
        scenario.takes(&key, *ms);
    }
    for Fail { step, times, kind } in fails {
        let (key, ix) = key_of(chain, step)?;
        let kind = kind.clone().unwrap_or_else(|| usual_failure(&chain.step(ix).work));
        scenario.fail(&key, *times, &Outcome::failure(kind, "simulated"));
    }
    Ok(())
}

/// A step by its id or name, or what stands at an address, and the step that this is.
fn key_of(chain: &Chain, word: &str) -> Result<(String, StepIx), Failure> {
    let Some(ix) = step_meant(chain, word) else {
        return step_named(chain, word).map(|ix| (word.to_owned(), ix));
    };
    let step = chain.step(ix);
    if !is_asked(&step.work) {
        let message = format!("step `{}` makes no attempts: what it comes to follows from the rest", step.id);
        return Err(Failure::new(Code::Usage, message).next("the steps that stand in it, or come before it"));
    }
    if let Some(part) = unknown_part(chain, word) {
        let message = format!("`{word}` is no address: the chain has no `{part}`");
        return Err(Failure::new(Code::NotFound, message).next("an address such as a simulation prints it"));
    }
    let key = if word == step.name { step.id.as_str() } else { word };
    Ok((key.to_owned(), ix))
}

fn expect_fit(chain: &Chain, ix: StepIx, word: &str, value: &Value) -> Result<(), Failure> {
    let Some(schema) = &chain.step(ix).output else { return Ok(()) };
    let Some(wrong) = mismatches(schema, value.as_json()).into_iter().next() else { return Ok(()) };
    let message = format!(
        "`--mock {word}` does not fit the step's `output`: the value{} {}",
        wrong.path, wrong.message
    );
    Err(Failure::new(Code::Usage, message).next("--mock STEP=VALUE, as the step's schema has it"))
}

/// Has steps come to what they came to in an execution: each visit as it did, by its address; steps that are visited
/// elsewhere as their last visit did.
pub(super) fn sample(
    scenario: &mut Scenario,
    store: &dyn Store,
    state: &State,
    entries: &[Entry],
) -> Result<(), Failure> {
    let mut began: BTreeMap<VisitNo, Timestamp> = BTreeMap::new();
    let mut outcomes: BTreeMap<VisitNo, Vec<Outcome>> = BTreeMap::new();
    for entry in entries {
        match &entry.event {
            Event::VisitEntered { visit, .. } | Event::AttemptStarted { visit, .. } => {
                began.insert(*visit, entry.at);
            }
            Event::AttemptEnded { visit, answer, .. } if !matches!(answer, Answer::Lost { .. }) => {
                let takes_ms = passed_ms(&began, *visit, entry.at);
                let answer = whole_answer(store, answer)?;
                outcomes.entry(*visit).or_default().push(Outcome { answer, takes_ms });
            }
            Event::ApprovalAnswered { visit, answer } => {
                let takes_ms = passed_ms(&began, *visit, entry.at);
                let value =
                    answer.form.clone().filter(|_| answer.approved).unwrap_or_else(|| Value::object([]));
                let outcome = match answer.approved {
                    true => Outcome::result(value),
                    false => Outcome::failure(FailureType::from("rejected".to_owned()), "rejected"),
                };
                outcomes.entry(*visit).or_default().push(outcome.taking(takes_ms));
            }
            Event::SignalTaken { visit } => {
                let takes_ms = passed_ms(&began, *visit, entry.at);
                let value = state.visit(*visit).result().cloned().unwrap_or_else(Value::null);
                let value = Value::from(whole(store, &value)?);
                outcomes.entry(*visit).or_default().push(Outcome::result(value).taking(takes_ms));
            }
            _ => {}
        }
    }
    for (visit, outcomes) in outcomes {
        scenario.say(state.step_of(visit).id.as_str(), outcomes.clone());
        scenario.say(state.address(visit).as_str(), outcomes);
    }
    Ok(())
}

fn passed_ms(began: &BTreeMap<VisitNo, Timestamp>, visit: VisitNo, at: Timestamp) -> u64 {
    began.get(&visit).map_or(0, |from| at.micros_since(*from) / 1_000)
}

fn whole_answer(store: &dyn Store, answer: &Answer) -> Result<Answer, Failure> {
    Ok(match answer {
        Answer::Succeeded { value: Some(value) } => {
            Answer::Succeeded { value: Some(Value::from(whole(store, value)?)) }
        }
        other => other.clone(),
    })
}
