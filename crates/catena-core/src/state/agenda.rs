//! The one derived index of a state: what can be decided, started or woken. `apply` keeps it by placing each
//! visit and frame that an event touches; tests compare it with the agenda computed from nothing.

use std::collections::BTreeSet;

use super::{FramePhase, Nest, Origin, Phase, State, UndoPhase, VisitPhase};
use crate::{
    chain::{Nested, WaitFor},
    failure::FailureType,
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

/// What happens when its time comes. Of two at one instant, the one that brings something on is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A visit waits for its next attempt, or for what its step says.
    Wake(VisitNo),
    /// A frame waits before its next step.
    Delay(FrameNo),
    /// A visit has had all its time.
    Deadline(VisitNo),
    /// The execution has had all its time.
    Execution,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agenda {
    todo: BTreeSet<Todo>,
    ready: BTreeSet<VisitNo>,
    live: BTreeSet<VisitNo>,
    timers: BTreeSet<(Timestamp, Timer)>,
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

    pub fn next_timer(&self) -> Option<(Timestamp, Timer)> {
        self.timers.first().copied()
    }

    pub fn timers(&self) -> impl Iterator<Item = (Timestamp, Timer)> {
        self.timers.iter().copied()
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

    fn set_timer(&mut self, at: Timestamp, timer: Timer, armed: bool) {
        if armed {
            self.timers.insert((at, timer));
        } else {
            self.timers.remove(&(at, timer));
        }
    }

    fn place(&mut self, no: VisitNo, phase: &VisitPhase) {
        match phase {
            VisitPhase::Ready => drop(self.ready.insert(no)),
            VisitPhase::Attempting { .. } => drop(self.live.insert(no)),
            VisitPhase::Backoff { wake_at } | VisitPhase::Waiting { wake_at } => {
                self.set_timer(*wake_at, Timer::Wake(no), true);
            }
            VisitPhase::InDoubt | VisitPhase::Quarantined => drop(self.halted.insert(no)),
            VisitPhase::Answered(_) | VisitPhase::Open(_) | VisitPhase::Ended(_) => {}
        }
    }

    fn displace(&mut self, no: VisitNo, phase: &VisitPhase) {
        match phase {
            VisitPhase::Ready => drop(self.ready.remove(&no)),
            VisitPhase::Attempting { .. } => drop(self.live.remove(&no)),
            VisitPhase::Backoff { wake_at } | VisitPhase::Waiting { wake_at } => {
                self.set_timer(*wake_at, Timer::Wake(no), false);
            }
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
            if let Some((at, armed)) = self.deadline_of(no) {
                agenda.set_timer(at, Timer::Deadline(no), armed);
            }
        }
        for (no, frame) in self.frames() {
            agenda.set(Todo::Frame(no), self.frame_is_due(no));
            if let Some(at) = frame.delayed_until {
                agenda.set_timer(at, Timer::Delay(no), true);
            }
        }
        agenda.set(Todo::Execution, self.execution_is_due());
        if let Some((at, armed)) = self.deadline() {
            agenda.set_timer(at, Timer::Execution, armed);
        }
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

    /// When a frame goes on, and its entry in the agenda with it.
    pub(super) fn set_delay(&mut self, no: FrameNo, until: Option<Timestamp>) {
        let old = std::mem::replace(&mut self.record.frames[no.index()].delayed_until, until);
        for (at, armed) in old.map(|at| (at, false)).into_iter().chain(until.map(|at| (at, true))) {
            self.agenda.set_timer(at, Timer::Delay(no), armed);
        }
        self.touch_frame(no);
    }

    pub(super) fn touch_visit(&mut self, no: VisitNo) {
        let due = self.visit_is_due(no);
        self.agenda.set(Todo::Visit(no), due);
        if let Some((at, armed)) = self.deadline_of(no) {
            self.agenda.set_timer(at, Timer::Deadline(no), armed);
        }
    }

    pub(super) fn touch_frame(&mut self, no: FrameNo) {
        let due = self.frame_is_due(no);
        self.agenda.set(Todo::Frame(no), due);
        if no == FrameNo::ROOT {
            self.touch_execution();
        }
    }

    pub(super) fn touch_execution(&mut self) {
        let due = self.execution_is_due();
        self.agenda.set(Todo::Execution, due);
        if let Some((at, armed)) = self.deadline() {
            self.agenda.set_timer(at, Timer::Execution, armed);
        }
    }

    /// When the time of a visit is over, and whether that still matters to it. What waits for a person has no
    /// hurry: a clock cannot answer what became of an attempt.
    fn deadline_of(&self, no: VisitNo) -> Option<(Timestamp, bool)> {
        let visit = self.visit(no);
        let limit_ms = self.chain.step(visit.step).total_timeout_ms?;
        let runs = match visit.phase {
            VisitPhase::Ready
            | VisitPhase::Attempting { .. }
            | VisitPhase::Backoff { .. }
            | VisitPhase::Waiting { .. }
            | VisitPhase::Open(_) => true,
            VisitPhase::Answered(_)
            | VisitPhase::InDoubt
            | VisitPhase::Quarantined
            | VisitPhase::Ended(_) => false,
        };
        Some((visit.entered_at.plus_ms(limit_ms), runs && visit.stopping.is_none()))
    }

    /// When the time of the execution is over, and whether it is not stopping for another reason.
    fn deadline(&self) -> Option<(Timestamp, bool)> {
        let at = self.record.started_at?.plus_ms(self.chain.timeout_ms?);
        let runs = self.record.phase == Phase::Running && !self.root_must_stop();
        let root = self.record.frames.first().map(|root| &root.phase);
        Some((at, runs && matches!(root, None | Some(FramePhase::Open))))
    }

    fn visit_is_due(&self, no: VisitNo) -> bool {
        let visit = self.visit(no);
        let must_stop = self.is_closing(visit.frame);
        match &visit.phase {
            VisitPhase::Answered(_) => true,
            VisitPhase::Ready | VisitPhase::Backoff { .. } | VisitPhase::Waiting { .. } => {
                must_stop || visit.stopping.is_some()
            }
            VisitPhase::Attempting { .. } => must_stop && visit.stopping.is_none(),
            // Only who gives up the whole answers for the part; a failure beside it asks about the doubt first.
            VisitPhase::InDoubt | VisitPhase::Quarantined => must_stop && self.is_given_up(),
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
            || (nest.open < limits.parallel && nest.next_index() < nest.total && !self.record.paused)
            || (nest.open == 0 && nest.next_index() == nest.total)
    }

    /// What the step's kind says about its frames.
    pub(crate) fn nest_limits(&self, no: VisitNo, nest: &Nest) -> NestLimits {
        let unlimited = NestLimits { needed: u32::MAX, tolerate: 0, parallel: u32::MAX };
        match self.step_of(no).work.nested() {
            Some(Nested::Parallel(_, WaitFor::Count(n))) => {
                NestLimits { needed: n, tolerate: nest.total - n, ..unlimited }
            }
            Some(Nested::ForEach(repeat, _)) => NestLimits {
                tolerate: repeat.tolerate,
                parallel: repeat.max_parallel.unwrap_or(u32::MAX),
                ..unlimited
            },
            Some(Nested::Parallel(_, WaitFor::All) | Nested::Group(_)) | None => unlimited,
        }
    }

    fn frame_is_due(&self, no: FrameNo) -> bool {
        let frame = self.frame(no);
        match frame.phase {
            FramePhase::Open => {
                let goes_on = frame.open.is_empty() && frame.delayed_until.is_none() && !self.record.paused;
                goes_on || self.frame_must_stop(no)
            }
            FramePhase::Closing(_) => frame.open.is_empty(),
            FramePhase::Ended(_) => false,
        }
    }

    /// Whether something outside an open frame wants it to stop.
    pub(crate) fn frame_must_stop(&self, no: FrameNo) -> bool {
        match self.frame(no).origin {
            Origin::Root => self.root_must_stop(),
            Origin::Group { visit } | Origin::Item { visit, .. } | Origin::Branch { visit, .. } => {
                self.visit(visit).stopping.is_some()
            }
            // What takes an effect back is not stopped on the way.
            Origin::Undo { .. } => false,
        }
    }

    /// Whether the execution is to stop, whatever its steps do.
    fn root_must_stop(&self) -> bool {
        self.record.cancel.is_some() || self.record.rollback.is_some() || self.record.verdict.is_some()
    }

    /// Whether a person has given up the whole execution.
    fn is_given_up(&self) -> bool {
        self.record.cancel.is_some() || self.is_given_up_by_verdict()
    }

    fn is_given_up_by_verdict(&self) -> bool {
        self.record.verdict.as_ref().is_some_and(|failure| failure.kind == FailureType::GivenUp)
    }

    pub(crate) fn is_closing(&self, no: FrameNo) -> bool {
        matches!(self.frame(no).phase, FramePhase::Closing(_))
    }

    fn execution_is_due(&self) -> bool {
        match self.record.phase {
            Phase::Created => self.record.seq > 0 && !self.record.paused,
            Phase::Running if self.record.frames.is_empty() => !self.record.paused,
            Phase::Running => self.root_has_ended(),
            Phase::Undoing => match self.record.undo_due.last().map(|visit| &self.visit(*visit).undo) {
                None => true,
                Some(UndoPhase::None) => !self.record.paused,
                // An undo that failed waits for a person, unless that has given it up.
                Some(UndoPhase::Failed(_)) => self.is_given_up_by_verdict(),
                Some(UndoPhase::Running(_)) => false,
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
