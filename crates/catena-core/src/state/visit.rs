//! One entry into a step: how far it is, what it left, and what there is to take back of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    event::{Answer, Consequence, Input, SkipReason, StopReason},
    failure::Failure,
    ids::{AttemptNo, ExecutionId, FrameNo, StepIx, VisitNo},
    time::Timestamp,
    value::{Value, some},
};

/// One entry into a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    pub step: StepIx,
    pub frame: FrameNo,
    pub nth: u32,
    pub entered_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Attempts started; the next one has the number after it.
    pub attempts: u32,
    /// Those of them whose end nobody saw: they do not count as tries.
    pub losses: u32,
    /// Those of the losses after which a person had it run again.
    #[serde(default)]
    pub losses_forgiven: u32,
    /// Why the attempt before failed, of a visit that has not ended.
    #[serde(default)]
    pub last_failure: Option<Failure>,
    pub input: Input,
    pub checkpoints: BTreeMap<String, Value>,
    pub phase: VisitPhase,
    pub stopping: Option<StopReason>,
    /// Of a repeated step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iteration: Option<Box<Iteration>>,
    /// How often its blocks have been opened, and how many of those it failed in this iteration.
    #[serde(default)]
    pub openings: u32,
    #[serde(default)]
    pub block_tries: u32,
    /// The failure in whose place its alternative runs or ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative_to: Option<Failure>,
    /// The executions of another chain that its attempts are, in the order of their starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ExecutionId>,
    /// The last of them waited for somebody when it was last heard of.
    #[serde(default)]
    pub child_halted: bool,
    /// Of how many of them, from the last, what they have done is taken back.
    #[serde(default)]
    pub children_undone: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_key: Option<String>,
    /// Its result was there before it: an earlier execution's, a given one.
    #[serde(default)]
    pub origin: ResultOrigin,
    pub undo: UndoPhase,
    /// How many undos of it have been opened.
    #[serde(default)]
    pub undos: u32,
    pub undo_sight: UndoSight,
}

/// Whose work a result is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultOrigin {
    #[default]
    Own,
    /// An earlier execution's, and whether the duty to undo it came along.
    Adopted {
        from: ExecutionId,
        duty: bool,
    },
    Cached {
        from: ExecutionId,
    },
    Pinned,
}

/// Where a repeated step is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Iteration {
    /// From 0.
    pub index: u32,
    /// What the iteration before left.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub previous: Option<Value>,
    /// What this one has left, once it has ended.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Tries of the iterations before, which do not count for the retries of this one.
    pub tries_before: u32,
}

/// What the undo of a visit reads of what was there when the visit ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UndoSight {
    pub names: BTreeMap<String, Value>,
    /// Which visit `steps.<id>` means.
    pub steps: BTreeMap<StepIx, VisitNo>,
    /// What it means of an earlier execution.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub foreign: BTreeMap<StepIx, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitPhase {
    /// Waits for a slot.
    Ready,
    Attempting {
        attempt: AttemptNo,
        started_at: Timestamp,
    },
    /// An attempt has ended, and what follows is not decided.
    Answered(Answer),
    /// Waits for its next attempt.
    Backoff {
        wake_at: Timestamp,
    },
    /// A `wait` step.
    Waiting {
        wake_at: Timestamp,
    },
    /// Asks whether an earlier result holds.
    Looking,
    /// Waits for a signal.
    Awaiting {
        wake_at: Option<Timestamp>,
    },
    /// Waits for a person's answer.
    Asking {
        title: String,
        wake_at: Option<Timestamp>,
    },
    /// An iteration has ended, and whether there is another one is not decided.
    Iterated,
    /// Waits for its next iteration.
    Interval {
        wake_at: Timestamp,
    },
    /// The input of its next iteration is not resolved.
    Due,
    /// A block step whose frames run.
    Open(Nest),
    InDoubt,
    Quarantined,
    Ended(VisitEnd),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitEnd {
    Completed(Value),
    Failed { failure: Failure, consequence: Consequence },
    Skipped(SkipReason),
    Cancelled,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoPhase {
    None,
    Running(FrameNo),
    /// An execution of its own takes back what a child of the visit has done.
    Calling,
    /// That execution waits for a person.
    Halted(ExecutionId),
    Done,
    Failed(Failure),
}

/// The frames of a block step, with counts so that no decision has to look through them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Nest {
    /// How many frames there are to be in all.
    pub total: u32,
    pub frames: Vec<FrameNo>,
    pub open: u32,
    pub completed: u32,
    pub failed: u32,
    pub first_failure: Option<Failure>,
    pub items: Vec<Value>,
}

impl Nest {
    pub(super) fn of(total: usize, items: Vec<Value>) -> Self {
        Self { total: u32::try_from(total).expect("blocks and items are bounded"), items, ..Self::default() }
    }
}

/// Why a visit waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Nobody saw whether it had its effect.
    InDoubt,
    /// Its attempts were lost again and again.
    Quarantined,
    /// What was to take it back has failed.
    UndoFailed,
}

impl Visit {
    /// What a person has to answer for it.
    pub fn question(&self) -> Option<Question> {
        match (&self.phase, &self.undo) {
            (VisitPhase::InDoubt, _) => Some(Question::InDoubt),
            (VisitPhase::Quarantined, _) => Some(Question::Quarantined),
            (VisitPhase::Ended(_), UndoPhase::Failed(_)) => Some(Question::UndoFailed),
            (
                VisitPhase::Ended(_),
                UndoPhase::None
                | UndoPhase::Running(_)
                | UndoPhase::Calling
                | UndoPhase::Halted(_)
                | UndoPhase::Done,
            )
            | (
                VisitPhase::Ready
                | VisitPhase::Attempting { .. }
                | VisitPhase::Answered(_)
                | VisitPhase::Backoff { .. }
                | VisitPhase::Waiting { .. }
                | VisitPhase::Looking
                | VisitPhase::Awaiting { .. }
                | VisitPhase::Asking { .. }
                | VisitPhase::Iterated
                | VisitPhase::Interval { .. }
                | VisitPhase::Due
                | VisitPhase::Open(_),
                _,
            ) => None,
        }
    }

    /// The execution that its latest attempt is, of another chain.
    pub fn child(&self) -> Option<ExecutionId> {
        self.children.last().copied()
    }

    /// Those whose work was not taken back.
    pub fn standing_children(&self) -> &[ExecutionId] {
        &self.children[..self.children.len() - self.children_undone as usize]
    }

    /// How it ended, once it has.
    pub fn end(&self) -> Option<&VisitEnd> {
        match &self.phase {
            VisitPhase::Ended(end) => Some(end),
            _ => None,
        }
    }

    pub fn has_ended(&self) -> bool {
        self.end().is_some()
    }

    pub fn result(&self) -> Option<&Value> {
        match &self.phase {
            VisitPhase::Ended(VisitEnd::Completed(result)) => Some(result),
            _ => None,
        }
    }

    /// Whether what it did is this execution's to undo.
    pub fn owes_undo(&self) -> bool {
        match self.origin {
            ResultOrigin::Own | ResultOrigin::Adopted { duty: true, .. } => true,
            ResultOrigin::Adopted { duty: false, .. }
            | ResultOrigin::Cached { .. }
            | ResultOrigin::Pinned => false,
        }
    }

    /// What the latest iteration of a repeated step has left.
    pub fn iterated(&self) -> Option<&Value> {
        self.iteration.as_ref()?.result.as_ref()
    }

    pub fn failure(&self) -> Option<&Failure> {
        match &self.phase {
            VisitPhase::Ended(VisitEnd::Failed { failure, .. }) => Some(failure),
            _ => None,
        }
    }
}
