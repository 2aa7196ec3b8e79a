//! The state of one execution: the fold of its journal and nothing else.
//!
//! Two lists, both only ever appended to: *visits* (each entry into a step) and *frames* (each opening of a
//! block: the root, a group's body, a branch, an item, an undo). A frame knows the visits that are open in it,
//! a visit of a block step knows its frames; so every decision looks at one place and its neighbours, and the
//! cost of a step does not grow with the chain.

mod agenda;
mod apply;
mod graph;
mod reader;
mod scope;
mod snapshot;
mod visit;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

pub use self::{
    agenda::{Agenda, Timer, Todo},
    apply::{Corrupt, HANDLER_LIMIT_MS, items_digest},
    graph::GraphProgress,
    scope::{RESERVED_NAMES, VisitScope},
    snapshot::SnapshotError,
    visit::{Iteration, Nest, Question, ResultOrigin, UndoPhase, UndoSight, Visit, VisitEnd, VisitPhase},
};
pub(crate) use self::{apply::with_defaults, reader::Met, scope::loop_value};
use crate::{
    chain::{Chain, HandlerKind, Pool, Step},
    context::GivenContext,
    event::{Adopted, BlockEnd, Trigger},
    failure::Failure,
    ids::{AttemptNo, BlockIx, ExecutionId, FrameNo, StepIx, VisitNo},
    status::{End, ExecutionStatus, StepStatus},
    time::Timestamp,
    value::{Value, some},
};

#[derive(Clone, Debug, PartialEq)]
pub struct State {
    id: ExecutionId,
    chain: Arc<Chain>,
    record: Record,
    /// Derived from `record`, kept by `apply`.
    agenda: Agenda,
}

/// What the journal says: the part of the state that has a serial form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    /// Sequence number of the last event, from 1; 0 before the first.
    seq: u64,
    phase: Phase,
    version: String,
    engine_rev: u32,
    params: Value,
    #[serde(default)]
    trigger: Option<Trigger>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    cancel: Option<Cancel>,
    /// The failure that asked for everything to be taken back.
    rollback: Option<Failure>,
    /// The failure that the execution ends with whatever its steps do: its time is over, or it was given up.
    #[serde(default)]
    verdict: Option<Failure>,
    /// What an `end` step has said.
    #[serde(default)]
    finish: Option<Finish>,
    /// A person wants it to stop wherever it is.
    #[serde(default)]
    forced: bool,
    /// There is no room for it yet.
    #[serde(default)]
    held: bool,
    /// Results of an earlier execution by address, as long as nothing has come to them.
    #[serde(default)]
    adopted: Adoption,
    #[serde(default)]
    selection: Selection,
    /// It is there to undo what another one has done.
    #[serde(default)]
    only_undoes: bool,
    /// Signals that nobody has waited for yet, in order, by name.
    #[serde(default)]
    signals: BTreeMap<String, VecDeque<Value>>,
    /// Nothing new starts.
    #[serde(default)]
    paused: bool,
    frames: Vec<Frame>,
    visits: Vec<Visit>,
    /// Visits whose failure was let pass, in order.
    passed: Vec<VisitNo>,
    /// Visits that an undo would take back, in order of completion.
    undo_due: Vec<VisitNo>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Created,
    Running,
    Undoing,
    /// What the chain wants to be done after this end runs.
    Handling(Handling),
    Ended {
        end: End,
        at: Timestamp,
        output: Value,
        error: Option<Failure>,
    },
}

/// What an earlier execution has left for this one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Adoption {
    pub from: Option<ExecutionId>,
    pub duty: bool,
    pub results: BTreeMap<String, Adopted>,
    /// The visits that stand for results which nothing had come to when all was taken back, by what those were called.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub taken_up: BTreeMap<VisitNo, String>,
}

/// What whoever started the execution has said of single steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    pub left_out: BTreeSet<StepIx>,
    pub pinned: BTreeMap<StepIx, Value>,
    #[serde(default)]
    pub only: Option<StepIx>,
    #[serde(default, skip_serializing_if = "GivenContext::is_empty")]
    pub context: GivenContext,
}

/// The end that is to be, and how far the handlers are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handling {
    pub end: End,
    pub output: Value,
    pub error: Option<Failure>,
    /// How many of the handlers have ended.
    pub done: u32,
    /// One of them runs.
    pub is_open: bool,
    /// One of them did not complete.
    pub has_failed: bool,
}

/// How an `end` step ends the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finish {
    pub visit: VisitNo,
    pub status: End,
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    pub rollback: bool,
}

/// One opening of a block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    pub block: BlockIx,
    pub origin: Origin,
    pub phase: FramePhase,
    /// The how manieth undo of its visit it is, or the how manieth time that its visit has opened its blocks, from 1.
    #[serde(default)]
    pub opening: u32,
    /// In a sequence where in the block the next visit is; in a graph the last place that has completed.
    pub cursor: u32,
    /// How far a graph is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<Box<GraphProgress>>,
    /// The failure with which the block ends when what runs beside it has finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// A handler's time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// A visit that ended and whose `next_step_logic` has not been asked yet.
    pub asks_next: Option<VisitNo>,
    /// The next visit is entered no sooner.
    #[serde(default)]
    pub delayed_until: Option<Timestamp>,
    /// A visit that ended and whose `run_next_after` has not been waited for.
    #[serde(default)]
    pub asks_delay: Option<VisitNo>,
    /// The visits that have not ended.
    pub open: BTreeSet<VisitNo>,
    /// The latest visit of each step in this frame.
    pub latest: BTreeMap<StepIx, VisitNo>,
    /// The latest visit of each step in this frame and those within it; in an undo, what its visit saw.
    pub seen: BTreeMap<StepIx, VisitNo>,
    /// In an undo what steps of an earlier execution have left.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub foreign: BTreeMap<StepIx, Value>,
    /// What `output_key`, `set` and items have named here.
    pub names: BTreeMap<String, Value>,
    /// The result of the visit that completed last.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

/// Why a block was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Root,
    Group { visit: VisitNo },
    Item { visit: VisitNo, index: u32 },
    Branch { visit: VisitNo, index: u32 },
    Undo { visit: VisitNo },
    Alternative { visit: VisitNo },
    Handler { handler: HandlerKind },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FramePhase {
    Open,
    /// Ends like this as soon as nothing is open in it.
    Closing(BlockEnd),
    Ended(BlockEnd),
}

impl State {
    /// The state before the first event.
    pub fn new(id: ExecutionId, chain: Arc<Chain>) -> Self {
        let record = Record {
            seq: 0,
            phase: Phase::Created,
            version: String::new(),
            engine_rev: 0,
            params: Value::null(),
            trigger: None,
            created_at: Timestamp::ZERO,
            started_at: None,
            cancel: None,
            rollback: None,
            verdict: None,
            finish: None,
            forced: false,
            held: false,
            adopted: Adoption::default(),
            selection: Selection::default(),
            only_undoes: false,
            signals: BTreeMap::new(),
            paused: false,
            frames: Vec::new(),
            visits: Vec::new(),
            passed: Vec::new(),
            undo_due: Vec::new(),
        };
        Self { id, chain, record, agenda: Agenda::default() }
    }

    pub fn id(&self) -> ExecutionId {
        self.id
    }

    pub fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// Sequence number of the last event.
    pub fn seq(&self) -> u64 {
        self.record.seq
    }

    pub fn phase(&self) -> &Phase {
        &self.record.phase
    }

    pub fn version(&self) -> &str {
        &self.record.version
    }

    pub fn params(&self) -> &Value {
        &self.record.params
    }

    pub fn created_at(&self) -> Timestamp {
        self.record.created_at
    }

    pub fn started_at(&self) -> Option<Timestamp> {
        self.record.started_at
    }

    pub fn cancel(&self) -> Option<Cancel> {
        self.record.cancel
    }

    pub fn rollback(&self) -> Option<&Failure> {
        self.record.rollback.as_ref()
    }

    /// The failure that the execution ends with whatever its steps do.
    pub fn verdict(&self) -> Option<&Failure> {
        self.record.verdict.as_ref()
    }

    /// What an `end` step has said.
    pub fn finish(&self) -> Option<&Finish> {
        self.record.finish.as_ref()
    }

    /// Whether a person wants it to stop wherever it is.
    pub fn is_forced(&self) -> bool {
        self.record.forced
    }

    /// What started it; none before the first event.
    pub fn trigger(&self) -> Option<Trigger> {
        self.record.trigger
    }

    /// Whether it waits for room beside other executions of its chain.
    pub fn is_held(&self) -> bool {
        self.record.held
    }

    /// What an earlier execution has left and nothing has come to yet.
    pub fn adopted(&self) -> &Adoption {
        &self.record.adopted
    }

    pub fn selection(&self) -> &Selection {
        &self.record.selection
    }

    /// Whether it is there only to undo what another one has done.
    pub fn only_undoes(&self) -> bool {
        self.record.only_undoes
    }

    /// Signals of a name that nobody has waited for yet.
    pub fn signals(&self, name: &str) -> usize {
        self.record.signals.get(name).map_or(0, VecDeque::len)
    }

    pub fn is_paused(&self) -> bool {
        self.record.paused
    }

    pub fn visit(&self, visit: VisitNo) -> &Visit {
        &self.record.visits[visit.index()]
    }

    /// All visits, in the order in which they were entered.
    pub fn visits(&self) -> impl Iterator<Item = (VisitNo, &Visit)> {
        self.record.visits.iter().enumerate().map(|(i, visit)| (VisitNo::next_of(i), visit))
    }

    pub fn visit_count(&self) -> usize {
        self.record.visits.len()
    }

    pub fn frame_count(&self) -> usize {
        self.record.frames.len()
    }

    pub fn frame(&self, frame: FrameNo) -> &Frame {
        &self.record.frames[frame.index()]
    }

    pub fn frames(&self) -> impl Iterator<Item = (FrameNo, &Frame)> {
        self.record.frames.iter().enumerate().map(|(i, frame)| (FrameNo::next_of(i), frame))
    }

    pub fn step_of(&self, visit: VisitNo) -> &Step {
        self.chain.step(self.visit(visit).step)
    }

    pub fn agenda(&self) -> &Agenda {
        &self.agenda
    }

    /// The visits that an undo has still to take back, the next one last.
    pub fn undo_due(&self) -> &[VisitNo] {
        &self.record.undo_due
    }

    /// Visits whose failure was let pass.
    pub fn passed(&self) -> &[VisitNo] {
        &self.record.passed
    }

    /// The attempt of a visit that runs now.
    pub fn live_attempt(&self, visit: VisitNo) -> Option<AttemptNo> {
        match self.record.visits.get(visit.index())?.phase {
            VisitPhase::Attempting { attempt, .. } => Some(attempt),
            VisitPhase::Ready
            | VisitPhase::Answered(_)
            | VisitPhase::Backoff { .. }
            | VisitPhase::Waiting { .. }
            | VisitPhase::Looking
            | VisitPhase::Awaiting { .. }
            | VisitPhase::Asking { .. }
            | VisitPhase::Iterated
            | VisitPhase::Interval { .. }
            | VisitPhase::Due
            | VisitPhase::Open(_)
            | VisitPhase::InDoubt
            | VisitPhase::Quarantined
            | VisitPhase::Ended(_) => None,
        }
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.record.phase, Phase::Ended { .. })
    }

    pub fn status(&self) -> ExecutionStatus {
        match self.record.phase {
            Phase::Created | Phase::Running | Phase::Undoing | Phase::Handling(_) if self.record.paused => {
                ExecutionStatus::Paused
            }
            Phase::Created => ExecutionStatus::Queued,
            Phase::Running | Phase::Handling(_) => {
                self.halted_status().unwrap_or_else(|| self.running_status())
            }
            Phase::Undoing if self.is_stuck() && !self.record.forced => ExecutionStatus::Stuck,
            Phase::Undoing => self.halted_status().unwrap_or(ExecutionStatus::Undoing),
            Phase::Ended { end, .. } => end.into(),
        }
    }

    /// Whether an attempt runs or can start, or something is left to decide.
    pub fn is_at_work(&self) -> bool {
        let agenda = &self.agenda;
        agenda.live().next().is_some()
            || agenda.lookups().next().is_some()
            || self.wants_slot()
            || agenda.waits_for_values()
    }

    /// Whether an attempt would start if there was a slot.
    pub fn wants_slot(&self) -> bool {
        self.wanted_pools().next().is_some()
    }

    /// The pools of which it would take a slot if there was one; `None` are those that all other steps take.
    pub fn wanted_pools(&self) -> impl Iterator<Item = Option<&Pool>> {
        let has_room = !self.record.paused && self.has_room();
        self.agenda.ready_pools().filter(move |_| has_room)
    }

    /// Whether the chain's own limit lets another attempt start.
    pub(crate) fn has_room(&self) -> bool {
        let max = self.chain.max_parallel.map_or(usize::MAX, |max| max as usize);
        self.agenda.live_count() < max
    }

    fn running_status(&self) -> ExecutionStatus {
        let only_waits = !self.is_at_work() && self.agenda.waits();
        if only_waits { ExecutionStatus::Waiting } else { ExecutionStatus::Running }
    }

    /// What a person has to answer before anything else goes on.
    fn halted_status(&self) -> Option<ExecutionStatus> {
        if self.is_at_work() {
            return None;
        }
        self.agenda.halted().map(|visit| &self.visit(visit).phase).find_map(|phase| match phase {
            VisitPhase::InDoubt => Some(ExecutionStatus::InDoubt),
            VisitPhase::Quarantined => Some(ExecutionStatus::Quarantined),
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
            | VisitPhase::Open(_)
            | VisitPhase::Ended(_) => None,
        })
    }

    /// An undo failed for good, or what carries it out waits for a person.
    pub fn is_stuck(&self) -> bool {
        matches!(self.undo_at_hand(), Some(UndoPhase::Failed(_) | UndoPhase::Halted(_)))
    }

    /// Whether a cancel wants what was done to be taken back.
    pub fn cancel_takes_back(&self) -> bool {
        self.record.cancel.as_ref().is_some_and(|cancel| cancel.rollback || self.chain.cancel_undoes)
    }

    /// Whether nothing goes on but by a person's answer or a signal.
    pub fn waits_for_somebody(&self) -> bool {
        let agenda = &self.agenda;
        let (mut halted, mut going) = (0, 0);
        for visit in agenda.calls() {
            *(if self.visit(visit).child_halted { &mut halted } else { &mut going }) += 1;
        }
        let asks = agenda.asking().next().is_some() || agenda.awaiting().next().is_some();
        !self.has_ended() && (asks || halted > 0) && going == 0 && !self.is_at_work()
    }

    /// Whether an execution of its own takes back what a child has done.
    pub fn undoes_child(&self) -> bool {
        self.record.phase == Phase::Undoing && self.undo_at_hand() == Some(&UndoPhase::Calling)
    }

    /// The undo that waits for a person as an execution of its own.
    pub fn halted_undo(&self) -> Option<(VisitNo, ExecutionId)> {
        let visit = self.record.undo_due.last().copied()?;
        match self.visit(visit).undo {
            UndoPhase::Halted(execution) => Some((visit, execution)),
            _ => None,
        }
    }

    /// The undo that is next or under way.
    fn undo_at_hand(&self) -> Option<&UndoPhase> {
        self.record.undo_due.last().map(|visit| &self.visit(*visit).undo)
    }

    pub fn step_status(&self, visit: VisitNo) -> StepStatus {
        let step = self.step_of(visit);
        let visit = self.visit(visit);
        match (&visit.phase, &visit.undo) {
            // A call that failed has failed, whatever of what its children did was there to be taken back.
            (VisitPhase::Ended(end), UndoPhase::Done)
                if step.undo.is_some() || matches!(end, VisitEnd::Completed(_)) =>
            {
                StepStatus::Undone
            }
            (
                VisitPhase::Ready
                | VisitPhase::Backoff { .. }
                | VisitPhase::Interval { .. }
                | VisitPhase::Due
                | VisitPhase::Waiting { .. }
                | VisitPhase::Looking
                | VisitPhase::Awaiting { .. }
                | VisitPhase::Asking { .. },
                _,
            ) => StepStatus::Waiting,
            (
                VisitPhase::Attempting { .. }
                | VisitPhase::Answered(_)
                | VisitPhase::Iterated
                | VisitPhase::Open(_),
                _,
            ) => StepStatus::Running,
            (VisitPhase::InDoubt, _) => StepStatus::InDoubt,
            (VisitPhase::Quarantined, _) => StepStatus::Quarantined,
            (VisitPhase::Ended(end), _) => match end {
                VisitEnd::Completed(_) => StepStatus::Completed,
                VisitEnd::Failed { .. } => StepStatus::Failed,
                VisitEnd::Skipped(_) => StepStatus::Skipped,
                VisitEnd::Cancelled => StepStatus::Cancelled,
            },
        }
    }
}
