//! The one derived index of a state: what can be decided, started or woken. `apply` keeps it by placing each
//! visit and frame that an event touches; tests compare it with the agenda computed from nothing.

use std::collections::BTreeSet;

use super::{FramePhase, Nest, Origin, Phase, State, UndoPhase, VisitPhase};
use crate::{
    chain::{WaitFor, Work},
    ids::{FrameNo, VisitNo},
    time::Timestamp,
};

/// Something that needs a decision and no input from outside. Visits come before frames before the execution,
/// so that what is inside is settled before what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Todo {
    Visit(VisitNo),
    Frame(FrameNo),
    Execution,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agenda {
    todo: BTreeSet<Todo>,
    ready: BTreeSet<VisitNo>,
    live: BTreeSet<VisitNo>,
    timers: BTreeSet<(Timestamp, VisitNo)>,
    halted: BTreeSet<VisitNo>,
}

impl Agenda {
    pub(crate) fn next_todo(&self) -> Option<Todo> {
        self.todo.first().copied()
    }

    /// Whether something is left to decide: it waits for stored values.
    pub fn waits_for_values(&self) -> bool {
        !self.todo.is_empty()
    }

    /// Visits that wait for a slot, the longest waiting first.
    pub fn ready(&self) -> impl Iterator<Item = VisitNo> {
        self.ready.iter().copied()
    }

    /// Visits with an attempt that runs.
    pub fn live(&self) -> impl Iterator<Item = VisitNo> {
        self.live.iter().copied()
    }

    /// Visits that wait for a person's answer.
    pub fn halted(&self) -> impl Iterator<Item = VisitNo> {
        self.halted.iter().copied()
    }

    pub fn next_timer(&self) -> Option<(Timestamp, VisitNo)> {
        self.timers.first().copied()
    }

    /// Whether nothing at all will happen without a person.
    pub fn is_idle(&self) -> bool {
        self.todo.is_empty() && self.ready.is_empty() && self.live.is_empty() && self.timers.is_empty()
    }

    fn set(&mut self, todo: Todo, due: bool) {
        if due {
            self.todo.insert(todo);
        } else {
            self.todo.remove(&todo);
        }
    }

    fn place(&mut self, no: VisitNo, phase: &VisitPhase) {
        match phase {
            VisitPhase::Ready => drop(self.ready.insert(no)),
            VisitPhase::Attempting { .. } => drop(self.live.insert(no)),
            VisitPhase::Backoff { wake_at } => drop(self.timers.insert((*wake_at, no))),
            VisitPhase::InDoubt | VisitPhase::Quarantined => drop(self.halted.insert(no)),
            VisitPhase::Answered(_) | VisitPhase::Open(_) | VisitPhase::Ended(_) => {}
        }
    }

    fn displace(&mut self, no: VisitNo, phase: &VisitPhase) {
        match phase {
            VisitPhase::Ready => drop(self.ready.remove(&no)),
            VisitPhase::Attempting { .. } => drop(self.live.remove(&no)),
            VisitPhase::Backoff { wake_at } => drop(self.timers.remove(&(*wake_at, no))),
            VisitPhase::InDoubt | VisitPhase::Quarantined => drop(self.halted.remove(&no)),
            VisitPhase::Answered(_) | VisitPhase::Open(_) | VisitPhase::Ended(_) => {}
        }
    }
}

impl State {
    /// The agenda computed from nothing.
    pub fn recomputed_agenda(&self) -> Agenda {
        let mut agenda = Agenda::default();
        for (no, visit) in self.visits() {
            agenda.place(no, &visit.phase);
            agenda.set(Todo::Visit(no), self.visit_is_due(no));
        }
        for (no, _) in self.frames() {
            agenda.set(Todo::Frame(no), self.frame_is_due(no));
        }
        agenda.set(Todo::Execution, self.execution_is_due());
        agenda
    }

    pub(super) fn rebuild_agenda(&mut self) {
        self.agenda = self.recomputed_agenda();
    }

    /// Moves a visit into another phase, and its entry in the agenda with it.
    pub(super) fn set_phase(&mut self, no: VisitNo, phase: VisitPhase) -> VisitPhase {
        let old = std::mem::replace(&mut self.record.visits[no.index()].phase, phase);
        self.agenda.displace(no, &old);
        self.agenda.place(no, &self.record.visits[no.index()].phase);
        self.touch_visit(no);
        old
    }

    pub(super) fn touch_visit(&mut self, no: VisitNo) {
        let due = self.visit_is_due(no);
        self.agenda.set(Todo::Visit(no), due);
    }

    pub(super) fn touch_frame(&mut self, no: FrameNo) {
        let due = self.frame_is_due(no);
        self.agenda.set(Todo::Frame(no), due);
    }

    pub(super) fn touch_execution(&mut self) {
        let due = self.execution_is_due();
        self.agenda.set(Todo::Execution, due);
    }

    fn visit_is_due(&self, no: VisitNo) -> bool {
        let visit = self.visit(no);
        let must_stop = self.is_closing(visit.frame);
        match &visit.phase {
            VisitPhase::Answered(_) => true,
            VisitPhase::Ready | VisitPhase::Backoff { .. } => must_stop,
            VisitPhase::Attempting { .. } => must_stop && visit.stopping.is_none(),
            // Only a cancel answers for the person; a failure beside it asks about the doubt first.
            VisitPhase::InDoubt | VisitPhase::Quarantined => must_stop && self.record.cancel.is_some(),
            VisitPhase::Open(nest) => match visit.stopping {
                None => must_stop || self.nest_is_due(no, nest),
                Some(_) => nest.open == 0,
            },
            VisitPhase::Ended(_) => false,
        }
    }

    fn nest_is_due(&self, no: VisitNo, nest: &Nest) -> bool {
        let limits = self.nest_limits(no, nest);
        nest.failed > limits.tolerate
            || nest.completed >= limits.needed
            || (nest.open < limits.parallel && nest.next_index() < nest.total)
            || nest.open == 0
    }

    /// What the step's kind says about its frames.
    pub(crate) fn nest_limits(&self, no: VisitNo, nest: &Nest) -> NestLimits {
        match &self.step_of(no).work {
            Work::Parallel { wait_for: WaitFor::Count(n), .. } => {
                NestLimits { needed: *n, tolerate: nest.total - n, parallel: u32::MAX }
            }
            Work::ForEach { repeat, .. } => NestLimits {
                needed: u32::MAX,
                tolerate: repeat.tolerate,
                parallel: repeat.max_parallel.unwrap_or(u32::MAX),
            },
            Work::Parallel { wait_for: WaitFor::All, .. }
            | Work::Group { .. }
            | Work::Shell { .. }
            | Work::Command { .. }
            | Work::File { .. }
            | Work::Function { .. }
            | Work::Set { .. } => NestLimits { needed: u32::MAX, tolerate: 0, parallel: u32::MAX },
        }
    }

    fn frame_is_due(&self, no: FrameNo) -> bool {
        let frame = self.frame(no);
        match frame.phase {
            FramePhase::Open => frame.open.is_empty() || self.frame_must_stop(no),
            FramePhase::Closing(_) => frame.open.is_empty(),
            FramePhase::Ended(_) => false,
        }
    }

    /// Whether something outside an open frame wants it to stop.
    pub(crate) fn frame_must_stop(&self, no: FrameNo) -> bool {
        match self.frame(no).origin {
            Origin::Root => self.record.cancel.is_some() || self.record.rollback.is_some(),
            Origin::Group { visit } | Origin::Item { visit, .. } | Origin::Branch { visit, .. } => {
                self.visit(visit).stopping.is_some()
            }
            // What takes an effect back is not stopped on the way.
            Origin::Undo { .. } => false,
        }
    }

    pub(crate) fn is_closing(&self, no: FrameNo) -> bool {
        matches!(self.frame(no).phase, FramePhase::Closing(_))
    }

    fn execution_is_due(&self) -> bool {
        match self.record.phase {
            Phase::Created => self.record.seq > 0,
            Phase::Running => self.record.frames.is_empty() || self.root_has_ended(),
            Phase::Undoing => match self.record.undo_due.last().map(|visit| &self.visit(*visit).undo) {
                None | Some(UndoPhase::None) => true,
                Some(UndoPhase::Running(_) | UndoPhase::Failed(_)) => false,
                Some(UndoPhase::Done) => false,
            },
            Phase::Ended { .. } => false,
        }
    }

    fn root_has_ended(&self) -> bool {
        matches!(self.frame(FrameNo::ROOT).phase, FramePhase::Ended(_))
    }
}

/// The limits that a block step sets to its frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NestLimits {
    /// Completed frames that are enough.
    pub(crate) needed: u32,
    /// Failed frames that are not yet too many.
    pub(crate) tolerate: u32,
    /// Frames that may be open at once.
    pub(crate) parallel: u32,
}

impl Nest {
    /// The index of the next frame to open.
    pub(crate) fn next_index(&self) -> u32 {
        u32::try_from(self.frames.len()).expect("frames are bounded by `total`")
    }
}
