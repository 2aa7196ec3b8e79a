//! What steps come to where none of them runs.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use catena_core::{
    Value, VisitNo,
    chain::{Step, Work},
    event::Answer,
    failure::{Failure, FailureType},
    state::State,
};

use crate::sample;

/// How long an attempt takes, and a person, where nothing else is said.
const TAKES_MS: u64 = 1_000;

/// A try of a visit: its outcome is asked for.
pub struct Asked<'a> {
    pub state: &'a State,
    pub visit: VisitNo,
    /// The how manieth try of the visit it is, from 1; lost attempts are no tries.
    pub nth: u32,
}

impl Asked<'_> {
    pub fn step(&self) -> &Step {
        self.state.step_of(self.visit)
    }

    pub fn address(&self) -> String {
        self.state.address(self.visit).to_string()
    }
}

/// How an attempt ends, and after how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub answer: Answer,
    pub takes_ms: u64,
}

impl Outcome {
    pub fn result(value: Value) -> Self {
        // In the serial form null and nothing are the same.
        let value = Some(value).filter(|value| !value.is_null());
        Self { answer: Answer::Succeeded { value }, takes_ms: TAKES_MS }
    }

    pub fn failure(kind: FailureType, message: &str) -> Self {
        Self { answer: Answer::Failed { failure: Failure::new(kind, message) }, takes_ms: TAKES_MS }
    }

    #[must_use]
    pub fn taking(mut self, takes_ms: u64) -> Self {
        self.takes_ms = takes_ms;
        self
    }
}

/// What a step that waits for somebody gets, and after how long.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// An approval's form, or a signal's value.
    Given(Value),
    Rejected,
}

/// Says what happens outside of an execution.
pub trait Script {
    fn outcome(&self, asked: &Asked<'_>) -> Outcome;

    /// What the visit, which waits for a person or a signal, gets; `None` if nobody ever comes.
    fn reply(&self, asked: &Asked<'_>) -> Option<(Reply, u64)>;
}

/// Outcomes by step, by its address, else by its id.
#[derive(Debug, Default)]
pub struct Scenario {
    said: BTreeMap<String, Said>,
    /// Steps that were asked about and of which nothing is said.
    unsaid: RefCell<BTreeSet<String>>,
}

/// What is said of a step: its first tries, one by one, and all that follow. Where nothing is said of those, they have
/// a result that is made up.
#[derive(Clone, Debug, Default)]
struct Said {
    first: Vec<Outcome>,
    then: Option<Outcome>,
    /// Of what is made up.
    takes_ms: Option<u64>,
    /// So many attempts are lost before the first try.
    lost: u32,
}

impl Scenario {
    /// What the tries of a step come to, one after another; the last one holds for all that follow.
    pub fn say(&mut self, step: &str, outcomes: Vec<Outcome>) {
        let mut first = outcomes;
        let then = first.pop();
        self.said.insert(step.to_owned(), Said { first, then, ..Said::default() });
    }

    /// Has the first tries of a step fail, before what else is said of it holds; without a number all of them.
    pub fn fail(&mut self, step: &str, times: Option<u32>, failure: &Outcome) {
        let said = self.said.entry(step.to_owned()).or_default();
        let takes_ms = said.takes_ms.unwrap_or(failure.takes_ms);
        let failure = failure.clone().taking(takes_ms);
        match times {
            Some(times) => {
                said.first.splice(0..0, std::iter::repeat_n(failure, times as usize));
            }
            None => (said.first, said.then) = (Vec::new(), Some(failure)),
        }
    }

    /// How long each try of a step takes; what it comes to stays as it is.
    pub fn takes(&mut self, step: &str, takes_ms: u64) {
        let said = self.said.entry(step.to_owned()).or_default();
        said.first.iter_mut().chain(&mut said.then).for_each(|outcome| outcome.takes_ms = takes_ms);
        said.takes_ms = Some(takes_ms);
    }

    /// Has the first attempts of a step lost: nobody sees their ends.
    pub fn lose(&mut self, step: &str, attempts: u32) {
        self.said.entry(step.to_owned()).or_default().lost = attempts;
    }

    /// Steps that had a result made up, since nothing was said of them.
    pub fn unsaid(&self) -> BTreeSet<String> {
        self.unsaid.borrow().clone()
    }

    fn said(&self, asked: &Asked<'_>) -> Option<&Said> {
        self.said.get(&asked.address()).or_else(|| self.said.get(asked.step().id.as_str()))
    }

    fn find(&self, asked: &Asked<'_>) -> Option<&Outcome> {
        let said = self.said(asked)?;
        said.first.get(asked.nth as usize - 1).or(said.then.as_ref())
    }
}

impl Script for Scenario {
    fn outcome(&self, asked: &Asked<'_>) -> Outcome {
        if self.said(asked).is_some_and(|said| asked.state.visit(asked.visit).losses < said.lost) {
            let answer = Answer::Lost { message: "the engine went down".to_owned() };
            return Outcome { answer, takes_ms: TAKES_MS };
        }
        if let Some(outcome) = self.find(asked) {
            return outcome.clone();
        }
        let step = asked.step();
        // What has done its work and leaves nothing needs no result.
        if step.keeps_result() {
            self.unsaid.borrow_mut().insert(step.id.to_string());
        }
        let value = step.output.as_deref().map_or_else(Value::null, |schema| Value::from(sample(schema)));
        let takes_ms = self.said(asked).and_then(|said| said.takes_ms);
        Outcome::result(value).taking(takes_ms.unwrap_or(TAKES_MS))
    }

    fn reply(&self, asked: &Asked<'_>) -> Option<(Reply, u64)> {
        let Outcome { answer, takes_ms } = self.find(asked)?;
        let reply = match answer {
            Answer::Succeeded { value } => Reply::Given(value.clone().unwrap_or_else(Value::null)),
            _ => Reply::Rejected,
        };
        Some((reply, *takes_ms))
    }
}

/// The failure that a step of this kind has by default.
pub fn usual_failure(work: &Work<catena_core::BlockIx>) -> FailureType {
    match work {
        Work::Shell { .. } | Work::Command { .. } | Work::File { .. } | Work::Code { .. } => {
            FailureType::ExitCode
        }
        Work::Http(_) => FailureType::HttpStatus,
        _ => FailureType::Raised("simulated".to_owned()),
    }
}
