//! The definition of a chain: what the parser makes of a text and what an execution follows.
//!
//! Steps and blocks stand in two flat lists, in order of definition, so that a step is a small number wherever
//! it is referred to and the cost of a step does not grow with its chain. The serial form of these types is
//! what a stored version holds; like the journal's events it is fixed, which is why it needs no second set of
//! types.

mod draft;
mod flow;
mod http;
mod params;
pub mod schema;
mod selection;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};

pub use self::{
    draft::{Draft, DraftError, Flow, StepDraft},
    flow::{
        Cache, Concurrency, Dependencies, EndStep, FailStep, Feed, Graph, HandlerKind, Handlers, Interval,
        Iterations, IterationsStop, Join, Need, Node, On, Overload, Pool,
    },
    http::{Auth, Base, Body, HttpStep, Statuses, Url},
    params::{Param, ParamProblem},
    selection::Part,
    work::{
        Approval, Branch, CallStep, CodeLanguage, CodeSource, CodeStep, Enough, FileStep, Interpreter,
        Nested, OnTimeout, Parse, Process, Repeat, Wait, WaitFor, Work,
    },
};
use crate::{
    expr::Expr,
    ids::{BlockIx, StepId, StepIx},
    retry::Retry,
    schedule::Schedule,
    secret::SecretName,
    status::End,
    template::Template,
    value::{Blob, Value},
};

/// How often a step may be visited in one opening of its block.
pub const VISITS_MAX: u32 = 1_000;
/// How many visits an execution may make in all: loops in loops multiply.
pub const VISITS_TOTAL_MAX: usize = 1_000_000;

/// One version of a chain, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    pub name: ChainName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Param>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Template>,
    /// Working folder of the steps, absolute; absent for chains that come from no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// The default of top-level steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_policy: Option<ErrorPolicy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Template>,
    /// Limits the execution from its start; what stops it is its end, failed of type `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// When executions start by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
    /// How many attempts of one execution run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// How many executions of the chain, started by themselves or by a person, run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// A cancel undoes what was done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancel_undoes: bool,
    /// The ends that its author allows; nothing but a proof looks at them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_ends: Vec<ExpectedEnd>,
    #[serde(default, skip_serializing_if = "Handlers::is_empty")]
    pub handlers: Handlers<BlockIx>,
    steps: Vec<Step>,
    blocks: Vec<Block>,
    #[serde(skip)]
    lookups: Lookups,
}

/// What is asked for with every step and would cost a look at all of them: made when it is first asked for. Says
/// nothing that the steps do not say.
#[derive(Debug, Default)]
struct Lookups {
    by_id: OnceLock<BTreeMap<StepId, StepIx>>,
    secrets: OnceLock<BTreeSet<SecretName>>,
    /// For each block the step that it stands in.
    owners: OnceLock<Vec<Option<StepIx>>>,
}

impl Clone for Lookups {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Lookups {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

/// An end that is as it is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedEnd {
    pub status: End,
    /// Of these steps what has completed is taken back, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<StepId>,
}

/// A list of steps that run in order, or by what they depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    pub steps: Vec<StepIx>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<Graph>,
    /// A failure lets finish what runs beside it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lets_finish: bool,
    /// The block that its step stands in; none for the chain's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outer: Option<BlockIx>,
}

/// One unit of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub id: StepId,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The block that it stands in, and its place there.
    pub block: BlockIx,
    pub position: u32,
    pub work: Work<BlockIx>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Expr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_key: Option<String>,
    /// A JSON Schema that the result must fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Arc<serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Limits each attempt, from its process start. A registered function has no process that could be ended: it
    /// looks whether it was cancelled, and has no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Limits the visit from its entry: attempts, the pauses between them, waiting for a slot, and all that a
    /// block has in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_policy: Option<ErrorPolicy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo<BlockIx>>,
    #[serde(default)]
    pub effect: EffectKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextLogic<StepIx>>,
    /// `run_next_after`: how long the step after this one waits, 0 for not at all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delay_next_ms: u64,
    /// `max_visits`, where it is not [`VISITS_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visits_max: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<Iterations>,
    /// Runs where the step has failed, and gives its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<BlockIx>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// The pool that its attempts take their slots of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    /// `fail_fast: false`: its failure, or one within it, lets finish what runs beside that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lets_finish: bool,
}

// serde passes the field by reference.
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Step {
    /// Whether what the step leaves is more than a log: who names a result wants it, and so does who declares it.
    pub fn keeps_result(&self) -> bool {
        self.output_key.is_some() || self.output.is_some()
    }

    /// A result that is given, as it stands in a journal: large values are references.
    #[must_use]
    pub fn keep_result(&self, result: Value, blobs: &mut Vec<Blob>) -> Value {
        match self.work {
            // Its names are looked up in it.
            Work::Set { .. } => result.keep_fields(blobs),
            _ => result.keep(blobs),
        }
    }
}

/// A chain's name: unique in its store, on one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainName(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a chain's name cannot be empty")]
    Empty,
    #[error("a chain's name has at most {} characters", ChainName::MAX_CHARS)]
    TooLong,
    #[error("a chain's name stands on one line, without control characters")]
    Control,
}

impl ChainName {
    pub const MAX_CHARS: usize = 200;

    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text.is_empty() {
            Err(NameError::Empty)
        } else if text.chars().count() > Self::MAX_CHARS {
            Err(NameError::TooLong)
        } else if text.chars().any(char::is_control) {
            Err(NameError::Control)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ChainName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<ChainName> for String {
    fn from(name: ChainName) -> Self {
        name.0
    }
}

/// What a failure does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorPolicy {
    /// Fails the block.
    Stop,
    /// Is recorded, and the chain goes on.
    Continue,
    /// The step's alternative runs, and gives the result.
    Alternative,
    /// Takes back the whole execution.
    Rollback,
}

/// Whether an attempt whose end nobody saw may run again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    #[default]
    Idempotent,
    AtMostOnce,
}

/// The steps that take one visit's effect back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undo<B> {
    pub block: B,
    /// Also after visits that failed, timed out, were cancelled or lost.
    pub if_started: bool,
}

/// `next_step_logic`: where to go after the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextLogic<S> {
    pub conditions: Vec<(Expr, Target<S>)>,
    pub default: Option<Target<S>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target<S> {
    Step(S),
    /// The end of the block.
    End,
}

impl Chain {
    pub fn step(&self, step: StepIx) -> &Step {
        &self.steps[step.index()]
    }

    pub fn block(&self, block: BlockIx) -> &Block {
        &self.blocks[block.index()]
    }

    /// Whether a step stands in a block or in one within it.
    pub fn is_within(&self, step: StepIx, block: BlockIx) -> bool {
        let mut around = Some(self.step(step).block);
        while let Some(outer) = around {
            if outer == block {
                return true;
            }
            around = self.block(outer).outer;
        }
        false
    }

    /// All steps in order of definition, those of undo blocks too.
    pub fn steps(&self) -> impl Iterator<Item = (StepIx, &Step)> {
        self.steps.iter().enumerate().map(|(i, step)| (StepIx::next_of(i), step))
    }

    pub fn step_by_id(&self, id: &str) -> Option<StepIx> {
        let id = StepId::parse(id).ok()?;
        let index =
            self.lookups.by_id.get_or_init(|| self.steps().map(|(ix, step)| (step.id.clone(), ix)).collect());
        index.get(&id).copied()
    }

    /// Every secret that the chain's processes are given.
    pub fn secrets(&self) -> &BTreeSet<SecretName> {
        self.lookups.secrets.get_or_init(|| {
            let of_steps = self.steps.iter().flat_map(|step| step.work.secrets());
            self.env.values().flat_map(Template::secrets).chain(of_steps).cloned().collect()
        })
    }

    /// Every expression in a block and in the blocks within it.
    pub fn exprs_of(&self, block: BlockIx) -> Vec<&Expr> {
        let mut found = Vec::new();
        let mut blocks = vec![block];
        while let Some(block) = blocks.pop() {
            for step in self.block(block).steps.iter().map(|ix| self.step(*ix)) {
                found.extend(&step.when);
                found.extend(step.next.iter().flat_map(|next| next.conditions.iter().map(|(expr, _)| expr)));
                found.extend(step.work.exprs());
                found.extend(step.iterations.iter().flat_map(Iterations::exprs));
                blocks.extend(step.work.blocks());
                blocks.extend(step.alternative);
            }
        }
        found
    }

    /// What a failure of `step` does, all defaults applied.
    pub fn policy_of(&self, step: &Step) -> ErrorPolicy {
        let default = if step.block == BlockIx::ROOT { self.error_policy } else { None };
        match step.error_policy.or(default) {
            // As the chain's policy it means the steps that have one.
            Some(ErrorPolicy::Alternative) if step.alternative.is_none() => ErrorPolicy::Stop,
            policy => policy.unwrap_or(ErrorPolicy::Stop),
        }
    }

    /// What a step waits for and feeds in its block, if that is a graph.
    pub fn node_of(&self, step: &Step) -> Option<&Node> {
        self.block(step.block).graph.as_ref().map(|graph| &graph.nodes[step.position as usize])
    }

    /// Whether a failure of a step of a graph lets finish what runs beside it.
    pub(crate) fn lets_finish(&self, step: &Step) -> bool {
        let watched = || self.node_of(step).is_some_and(Node::is_watched);
        step.lets_finish || self.block(step.block).lets_finish || watched()
    }
}
