//! How the steps of a block, and the iterations of a step, follow each other: graphs, loops, and what comes after the end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    expr::Expr,
    ids::{BlockIx, StepId},
    status::End,
    template::Template,
};

/// The order of a block whose steps run by what they depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// One for each step of the block, in its order.
    pub nodes: Vec<Node>,
}

/// What a step of a graph waits for, and what waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub needs: Vec<Need>,
    /// How many of the needs must be met; 0 where there are none.
    pub join: u32,
    pub feeds: Vec<Feed>,
}

/// A step of the same block, by its place there, that has to end in a certain way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    pub step: u32,
    pub on: On,
}

/// A step of the same block, by its place there, that waits for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    pub to: u32,
    pub on: On,
}

/// How a step must have ended for a dependency on it to be met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// It completed, or its failure was let pass, or its own `when` skipped it.
    #[default]
    Completed,
    Failed,
    Skipped,
    Ended,
}

impl On {
    /// As a definition names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Ended => "ended",
        }
    }
}

/// How many of a step's dependencies must be met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    #[default]
    All,
    Count(u32),
}

/// `depends_on` and `join` as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    pub needs: Vec<(StepId, On)>,
    pub join: Join,
}

impl Node {
    /// Whether some step waits for more than this one's completion: then its failure is somebody's business, and does
    /// not stop what runs beside it.
    pub fn is_watched(&self) -> bool {
        self.feeds.iter().any(|feed| matches!(feed.on, On::Failed | On::Ended))
    }
}

impl Graph {
    /// Whether the steps wait for each other in a circle: then none of those would ever start.
    pub(super) fn has_circle(&self) -> bool {
        let mut waits_for: Vec<usize> = self.nodes.iter().map(|node| node.needs.len()).collect();
        let mut free: Vec<usize> = (0..waits_for.len()).filter(|at| waits_for[*at] == 0).collect();
        let mut seen = 0;
        while let Some(at) = free.pop() {
            seen += 1;
            for feed in &self.nodes[at].feeds {
                let to = feed.to as usize;
                waits_for[to] -= 1;
                if waits_for[to] == 0 {
                    free.push(to);
                }
            }
        }
        seen < self.nodes.len()
    }
}

/// `repeat_config`: the iterations of a step. Whether there is another one is asked after each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Iterations {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<IterationsStop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_max: Option<u32>,
    #[serde(default)]
    pub interval: Interval,
    /// By how much each pause is longer than the last.
    pub backoff_factor: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_max_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IterationsStop {
    /// When it holds.
    Until(Expr),
    /// When it does not hold any more.
    While(Expr),
}

/// The pause between two iterations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    Ms(u64),
    /// As long as the expression says after each iteration.
    Expr(Expr),
}

impl Default for Interval {
    fn default() -> Self {
        Self::Ms(0)
    }
}

impl Iterations {
    pub(super) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let stop = self.stop.iter().map(|stop| match stop {
            IterationsStop::Until(expr) | IterationsStop::While(expr) => expr,
        });
        let interval = match &self.interval {
            Interval::Ms(_) => None,
            Interval::Expr(expr) => Some(expr),
        };
        stop.chain(interval)
    }

    /// The pause after iteration `n`, from 1, given what the first one is.
    pub fn pause_ms(&self, first_ms: u64, n: u32) -> u64 {
        let exponent = i32::try_from(n.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = first_ms as f64 * self.backoff_factor.max(1.0).powi(exponent);
        let bounded = self.interval_max_ms.map_or(grown, |max| grown.min(max as f64));
        // A cast from float saturates.
        bounded.round() as u64
    }
}

/// `end`: how the whole chain ends, from wherever it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndStep {
    pub status: End,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Template>,
}

/// `fail`: the failure that the whole chain ends with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailStep {
    #[serde(rename = "type")]
    pub kind: String,
    pub message: Template,
}

/// The blocks that run when the outcome of an execution is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handlers<B> {
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<B>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub on_success: Option<B>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub finally: Option<B>,
}

// A derived default would ask the same of what it holds.
fn none<T>() -> Option<T> {
    None
}

impl<B> Default for Handlers<B> {
    fn default() -> Self {
        Self { on_failure: None, on_success: None, finally: None }
    }
}

/// Which of the handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandlerKind {
    OnFailure,
    OnSuccess,
    Finally,
}

impl HandlerKind {
    /// The key as a definition has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnFailure => "on_failure",
            Self::OnSuccess => "on_success",
            Self::Finally => "finally",
        }
    }
}

impl<B> Handlers<B> {
    pub fn is_empty(&self) -> bool {
        self.on_failure.is_none() && self.on_success.is_none() && self.finally.is_none()
    }
}

impl<B: Copy> Handlers<B> {
    /// What runs after an end, in this order.
    pub fn after(&self, end: End) -> impl Iterator<Item = (HandlerKind, B)> {
        let of_outcome = match end {
            End::Completed | End::CompletedWithErrors => self.on_success.map(|b| (HandlerKind::OnSuccess, b)),
            End::Failed | End::RolledBack => self.on_failure.map(|b| (HandlerKind::OnFailure, b)),
            End::Cancelled => None,
        };
        of_outcome.into_iter().chain(self.finally.map(|b| (HandlerKind::Finally, b)))
    }
}

/// The drafts of a chain's handlers, by their kind.
pub(super) fn each_handler<B>(handlers: Handlers<B>) -> impl Iterator<Item = (HandlerKind, B)> {
    let Handlers { on_failure, on_success, finally } = handlers;
    let kinds = [HandlerKind::OnFailure, HandlerKind::OnSuccess, HandlerKind::Finally];
    kinds.into_iter().zip([on_failure, on_success, finally]).filter_map(|(kind, block)| Some((kind, block?)))
}

/// The places of a block's steps by their ids.
pub(super) type Places = BTreeMap<StepId, u32>;

/// Which of a chain's blocks is which handler.
pub(super) fn set_handler(handlers: &mut Handlers<BlockIx>, kind: HandlerKind, block: BlockIx) {
    let slot = match kind {
        HandlerKind::OnFailure => &mut handlers.on_failure,
        HandlerKind::OnSuccess => &mut handlers.on_success,
        HandlerKind::Finally => &mut handlers.finally,
    };
    *slot = Some(block);
}

/// How many executions of a chain run at once, and what becomes of one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    pub limit: u32,
    #[serde(default)]
    pub policy: Overload,
}

/// What becomes of a start for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overload {
    /// It waits for its turn.
    #[default]
    Queue,
    /// Nothing starts.
    Skip,
    /// The oldest one that runs is cancelled for it.
    CancelRunning,
}

/// `cache`: an earlier result is reused for the same step, input and files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Paths and globs of files whose content counts as input, relative to the working folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// How old a result may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
}

/// The name of a pool of slots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pool(std::sync::Arc<str>);

impl Pool {
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
