//! The one derived index of a state: what can be decided, started or woken. `apply` keeps it by placing each
//! visit and frame that an event touches; tests compare it with the agenda computed from nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{FramePhase, Nest, Origin, Phase, State, UndoPhase, VisitPhase};
use crate::{
    chain::{Enough, Nested, Pool, Step, Wait, WaitFor, Work},
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
    /// In a graph what depends on a visit is held up.
    Held(VisitNo),
    /// A handler has had all its time.
    Handler(FrameNo),
    /// A visit has had all its time.
    Deadline(VisitNo),
    /// The execution has had all its time.
    Execution,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agenda {
    todo: BTreeSet<Todo>,
    /// Those that wait for a slot, by its pool.
    ready: BTreeMap<Option<Pool>, BTreeSet<VisitNo>>,
    /// Those that need none.
    callable: BTreeSet<VisitNo>,
    live: BTreeSet<VisitNo>,
    /// Live attempts that are executions of their own and hold no slot.
    calls: BTreeSet<VisitNo>,
    lookups: BTreeSet<VisitNo>,
    /// Those that wait for a signal, by its name.
    awaiting: BTreeMap<String, BTreeSet<VisitNo>>,
    /// Those that a person is asked about.
    asking: BTreeSet<VisitNo>,
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
        self.ready.values().flatten().copied()
    }

    /// The pools that visits wait for a slot of.
    pub(crate) fn ready_pools(&self) -> impl Iterator<Item = Option<&Pool>> {
        self.ready.keys().map(Option::as_ref)
    }

    pub(crate) fn first_ready(&self, pool: Option<&Pool>) -> Option<VisitNo> {
        self.ready.get(&pool.cloned())?.first().copied()
    }

    /// Visits whose next attempt needs no slot.
    pub(crate) fn first_callable(&self) -> Option<VisitNo> {
        self.callable.first().copied()
    }

    /// Visits with an attempt that runs and holds a slot.
    pub fn live(&self) -> impl Iterator<Item = VisitNo> {
        self.live.iter().copied()
    }

    pub fn live_count(&self) -> usize {
        self.live.len()
    }

    /// Visits with an attempt that is an execution of its own.
    pub fn calls(&self) -> impl Iterator<Item = VisitNo> {
        self.calls.iter().copied()
    }

    /// Visits that ask for an earlier result.
    pub fn lookups(&self) -> impl Iterator<Item = VisitNo> {
        self.lookups.iter().copied()
    }

    /// Visits that wait for a signal, by its name.
    pub fn awaiting(&self) -> impl Iterator<Item = (&str, VisitNo)> {
        self.awaiting.iter().flat_map(|(name, visits)| visits.iter().map(|no| (name.as_str(), *no)))
    }

    /// Visits that a person is asked to approve.
    pub fn asking(&self) -> impl Iterator<Item = VisitNo> {
        self.asking.iter().copied()
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
        let at_work = [&self.callable, &self.live, &self.calls, &self.lookups];
        let is_at_work = at_work.iter().any(|set| !set.is_empty());
        self.todo.is_empty() && self.ready.is_empty() && !is_at_work && self.timers.is_empty()
    }

    /// Whether something is waited for: an instant, a signal, a person's answer, another execution.
    pub(crate) fn waits(&self) -> bool {
        let waits = !self.awaiting.is_empty() || !self.asking.is_empty() || !self.calls.is_empty();
        waits || !self.timers.is_empty()
    }

    fn set(&mut self, todo: Todo, due: bool) {
        if due {
            self.todo.insert(todo);
        } else {
            self.todo.remove(&todo);
        }
    }

    fn set_wake(&mut self, no: VisitNo, at: Option<Timestamp>, armed: bool) {
        if let Some(at) = at {
            self.set_timer(at, Timer::Wake(no), armed);
        }
    }

    fn set_timer(&mut self, at: Timestamp, timer: Timer, armed: bool) {
        if armed {
            self.timers.insert((at, timer));
        } else {
            self.timers.remove(&(at, timer));
        }
    }

    fn place(&mut self, no: VisitNo, phase: &VisitPhase, step: &Step) {
        match phase {
            VisitPhase::Ready if step.work.is_call() => drop(self.callable.insert(no)),
            VisitPhase::Ready => drop(self.ready.entry(step.pool.clone()).or_default().insert(no)),
            VisitPhase::Attempting { .. } if step.work.is_call() => drop(self.calls.insert(no)),
            VisitPhase::Attempting { .. } => drop(self.live.insert(no)),
            VisitPhase::Looking => drop(self.lookups.insert(no)),
            VisitPhase::Awaiting { wake_at } => {
                self.set_wake(no, *wake_at, true);
                self.awaiting.entry(signal_of(step).to_owned()).or_default().insert(no);
            }
            VisitPhase::Asking { wake_at, .. } => {
                self.set_wake(no, *wake_at, true);
                self.asking.insert(no);
            }
            VisitPhase::Backoff { wake_at }
            | VisitPhase::Waiting { wake_at }
            | VisitPhase::Interval { wake_at } => self.set_timer(*wake_at, Timer::Wake(no), true),
            VisitPhase::InDoubt | VisitPhase::Quarantined => drop(self.halted.insert(no)),
            VisitPhase::Answered(_)
            | VisitPhase::Iterated
            | VisitPhase::Due
            | VisitPhase::Open(_)
            | VisitPhase::Ended(_) => {}
        }
    }

    fn displace(&mut self, no: VisitNo, phase: &VisitPhase, step: &Step) {
        match phase {
            VisitPhase::Ready if step.work.is_call() => drop(self.callable.remove(&no)),
            VisitPhase::Ready => remove_from(&mut self.ready, &step.pool, no),
            VisitPhase::Attempting { .. } if step.work.is_call() => drop(self.calls.remove(&no)),
            VisitPhase::Attempting { .. } => drop(self.live.remove(&no)),
            VisitPhase::Looking => drop(self.lookups.remove(&no)),
            VisitPhase::Awaiting { wake_at } => {
                self.set_wake(no, *wake_at, false);
                remove_from(&mut self.awaiting, signal_of(step), no);
            }
            VisitPhase::Asking { wake_at, .. } => {
                self.set_wake(no, *wake_at, false);
                self.asking.remove(&no);
            }
            VisitPhase::Backoff { wake_at }
            | VisitPhase::Waiting { wake_at }
            | VisitPhase::Interval { wake_at } => self.set_timer(*wake_at, Timer::Wake(no), false),
            VisitPhase::InDoubt | VisitPhase::Quarantined => drop(self.halted.remove(&no)),
            VisitPhase::Answered(_)
            | VisitPhase::Iterated
            | VisitPhase::Due
            | VisitPhase::Open(_)
            | VisitPhase::Ended(_) => {}
        }
    }
}

/// The signal that a step waits for.
fn signal_of(step: &Step) -> &str {
    match &step.work {
        Work::Wait { wait: Wait::Signal { name, .. } } => name,
        _ => unreachable!("only a step with a signal waits for one"),
    }
}

fn remove_from<K, Q>(sets: &mut BTreeMap<K, BTreeSet<VisitNo>>, key: &Q, no: VisitNo)
where
    K: Ord + std::borrow::Borrow<Q>,
    Q: Ord + ?Sized,
{
    if let Some(set) = sets.get_mut(key) {
        set.remove(&no);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

impl State {
    /// The agenda computed from nothing.
    pub fn recomputed_agenda(&self) -> Agenda {
        let mut agenda = Agenda::default();
        for (no, visit) in self.visits() {
            agenda.place(no, &visit.phase, self.chain.step(visit.step));
            if let Some((at, armed)) = self.deadline_of(no) {
                agenda.set_timer(at, Timer::Deadline(no), armed);
            }
        }
        for (no, _) in self.visits() {
            agenda.set(Todo::Visit(no), self.visit_is_due(no, &agenda.awaiting));
        }
        for (no, frame) in self.frames() {
            agenda.set(Todo::Frame(no), self.frame_is_due(no));
            if let Some(at) = frame.delayed_until {
                agenda.set_timer(at, Timer::Delay(no), true);
            }
            for (visit, at) in frame.graph.iter().flat_map(|graph| &graph.held) {
                agenda.set_timer(*at, Timer::Held(*visit), frame.phase == FramePhase::Open);
            }
            if let Some(at) = frame.deadline {
                agenda.set_timer(at, Timer::Handler(no), frame.phase == FramePhase::Open);
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
        let visit = &self.record.visits[no.index()];
        let step = self.chain.step(visit.step);
        self.agenda.displace(no, &old, step);
        self.agenda.place(no, &visit.phase, step);
        if let VisitPhase::Awaiting { .. } = old {
            let name = signal_of(step).to_owned();
            self.touch_waiter(&name);
        }
        self.touch_visit(no);
        old
    }

    /// The first of those that wait for a signal of this name.
    pub(super) fn touch_waiter(&mut self, name: &str) {
        if let Some(first) = self.agenda.awaiting.get(name).and_then(BTreeSet::first).copied() {
            self.touch_visit(first);
        }
    }

    /// When a frame goes on, and its entry in the agenda with it.
    pub(super) fn set_delay(&mut self, no: FrameNo, until: Option<Timestamp>) {
        let old = std::mem::replace(&mut self.record.frames[no.index()].delayed_until, until);
        for (at, armed) in old.map(|at| (at, false)).into_iter().chain(until.map(|at| (at, true))) {
            self.agenda.set_timer(at, Timer::Delay(no), armed);
        }
        self.touch_frame(no);
    }

    /// Until when the dependents of a visit of a graph are held up, and its entry in the agenda with it.
    pub(super) fn set_held(&mut self, no: FrameNo, visit: VisitNo, until: Option<Timestamp>) {
        let Some(graph) = &mut self.record.frames[no.index()].graph else { return };
        let old = match until {
            Some(at) => graph.held.insert(visit, at),
            None => graph.held.remove(&visit),
        };
        for (at, armed) in old.map(|at| (at, false)).into_iter().chain(until.map(|at| (at, true))) {
            self.agenda.set_timer(at, Timer::Held(visit), armed);
        }
        self.touch_frame(no);
    }

    /// When the time of a handler is over, and its entry in the agenda with it.
    pub(super) fn set_deadline(&mut self, no: FrameNo, at: Timestamp) {
        self.record.frames[no.index()].deadline = Some(at);
        self.agenda.set_timer(at, Timer::Handler(no), true);
    }

    /// Takes the timers of a frame that closes or has ended out of the agenda.
    pub(super) fn disarm_frame(&mut self, no: FrameNo) {
        let frame = &self.record.frames[no.index()];
        let held = frame.graph.iter().flat_map(|graph| &graph.held);
        let held = held.map(|(visit, at)| (*at, Timer::Held(*visit)));
        let timers: Vec<_> = held.chain(frame.deadline.map(|at| (at, Timer::Handler(no)))).collect();
        for (at, timer) in timers {
            self.agenda.set_timer(at, timer, false);
        }
    }

    pub(super) fn touch_visit(&mut self, no: VisitNo) {
        let due = self.visit_is_due(no, &self.agenda.awaiting);
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
            | VisitPhase::Looking
            | VisitPhase::Awaiting { .. }
            | VisitPhase::Asking { .. }
            | VisitPhase::Interval { .. }
            | VisitPhase::Due
            | VisitPhase::Open(_) => true,
            VisitPhase::Answered(_)
            | VisitPhase::Iterated
            | VisitPhase::InDoubt
            | VisitPhase::Quarantined
            | VisitPhase::Ended(_) => false,
        };
        // What stands in for a step that had its time has limits of its own.
        let runs = runs && visit.stopping.is_none() && visit.alternative_to.is_none();
        Some((visit.entered_at.plus_ms(limit_ms), runs))
    }

    /// When the time of the execution is over, and whether it is not stopping for another reason.
    fn deadline(&self) -> Option<(Timestamp, bool)> {
        let at = self.record.started_at?.plus_ms(self.chain.timeout_ms?);
        let runs = self.record.phase == Phase::Running && !self.root_must_stop();
        let root = self.record.frames.first().map(|root| &root.phase);
        Some((at, runs && matches!(root, None | Some(FramePhase::Open))))
    }

    fn visit_is_due(&self, no: VisitNo, awaiting: &BTreeMap<String, BTreeSet<VisitNo>>) -> bool {
        let visit = self.visit(no);
        let must_stop = self.is_closing(visit.frame);
        match &visit.phase {
            VisitPhase::Answered(_) | VisitPhase::Iterated => true,
            VisitPhase::Ready
            | VisitPhase::Backoff { .. }
            | VisitPhase::Waiting { .. }
            | VisitPhase::Looking
            | VisitPhase::Asking { .. }
            | VisitPhase::Interval { .. } => must_stop || visit.stopping.is_some(),
            VisitPhase::Awaiting { .. } => {
                let name = signal_of(self.chain.step(visit.step));
                let is_first = || awaiting.get(name).and_then(BTreeSet::first) == Some(&no);
                must_stop || visit.stopping.is_some() || (self.signals(name) > 0 && is_first())
            }
            VisitPhase::Due => must_stop || visit.stopping.is_some() || !self.record.paused,
            VisitPhase::Attempting { .. } => must_stop && visit.stopping.is_none(),
            // Only who gives up the whole answers for the part; a failure beside it asks about the doubt first.
            // So does the undo that a cancel asks for.
            VisitPhase::InDoubt | VisitPhase::Quarantined => {
                must_stop && (self.record.forced || (self.is_given_up() && !self.cancel_takes_back()))
            }
            VisitPhase::Open(nest) => match visit.stopping {
                None => must_stop || self.nest_is_due(no, nest),
                Some(_) => nest.open == 0,
            },
            VisitPhase::Ended(_) => false,
        }
    }

    fn nest_is_due(&self, no: VisitNo, nest: &Nest) -> bool {
        let limits = self.nest_limits(no, nest);
        limits.are_passed(nest)
            || (nest.open < limits.parallel && nest.next_index() < nest.total && !self.record.paused)
            || (nest.open == 0 && nest.next_index() == nest.total)
    }

    /// What the step's kind says about its frames.
    pub(crate) fn nest_limits(&self, no: VisitNo, nest: &Nest) -> NestLimits {
        let step = self.step_of(no);
        let unlimited = NestLimits {
            needed: u32::MAX,
            tolerate: 0,
            parallel: u32::MAX,
            lets_finish: step.lets_finish,
            keeps_rest: false,
        };
        match step.work.nested().filter(|_| self.visit(no).alternative_to.is_none()) {
            Some(Nested::Parallel(_, Enough { wait_for: WaitFor::Count(n), keeps_rest })) => {
                NestLimits { needed: n, tolerate: nest.total - n, keeps_rest, ..unlimited }
            }
            Some(Nested::ForEach(repeat, _)) => NestLimits {
                tolerate: repeat.tolerate,
                parallel: repeat.max_parallel.unwrap_or(u32::MAX),
                ..unlimited
            },
            Some(Nested::Parallel(_, Enough { wait_for: WaitFor::All, .. }) | Nested::Group(_)) | None => {
                unlimited
            }
        }
    }

    fn frame_is_due(&self, no: FrameNo) -> bool {
        let frame = self.frame(no);
        match frame.phase {
            FramePhase::Open => {
                let goes_on = match &frame.graph {
                    None => frame.open.is_empty() && frame.delayed_until.is_none(),
                    Some(graph) => {
                        let is_done = frame.open.is_empty() && graph.held.is_empty();
                        is_done || !graph.due.is_empty() || !graph.asks_delay.is_empty()
                    }
                };
                (goes_on && !self.record.paused) || self.frame_must_stop(no)
            }
            FramePhase::Closing(_) => frame.open.is_empty(),
            FramePhase::Ended(_) => false,
        }
    }

    /// Whether something outside an open frame wants it to stop.
    pub(crate) fn frame_must_stop(&self, no: FrameNo) -> bool {
        match self.frame(no).origin {
            Origin::Root => self.root_must_stop(),
            Origin::Group { visit }
            | Origin::Item { visit, .. }
            | Origin::Branch { visit, .. }
            | Origin::Alternative { visit } => self.visit(visit).stopping.is_some(),
            // What takes an effect back, or follows the end, is not stopped on the way but by force.
            Origin::Undo { .. } | Origin::Handler { .. } => self.record.forced,
        }
    }

    /// Whether the execution is to stop, whatever its steps do.
    fn root_must_stop(&self) -> bool {
        let record = &self.record;
        record.cancel.is_some()
            || record.rollback.is_some()
            || record.verdict.is_some()
            || record.finish.is_some()
    }

    /// Whether a person has given up the whole execution.
    fn is_given_up(&self) -> bool {
        self.record.cancel.is_some() || self.record.forced || self.is_given_up_by_verdict()
    }

    fn is_given_up_by_verdict(&self) -> bool {
        self.record.verdict.as_ref().is_some_and(|failure| failure.kind == FailureType::GivenUp)
    }

    pub(crate) fn is_closing(&self, no: FrameNo) -> bool {
        matches!(self.frame(no).phase, FramePhase::Closing(_))
    }

    fn execution_is_due(&self) -> bool {
        match self.record.phase {
            Phase::Created => {
                let may_start = !self.record.held || self.root_must_stop();
                self.record.seq > 0 && !self.record.paused && may_start
            }
            Phase::Running if self.record.frames.is_empty() => !self.record.paused,
            Phase::Running => self.root_has_ended(),
            Phase::Undoing => match self.undo_at_hand() {
                None => true,
                Some(UndoPhase::None) => !self.record.paused || self.record.forced,
                // An undo that failed waits for a person, unless that has given it up.
                Some(UndoPhase::Failed(_)) => self.record.forced || self.is_given_up_by_verdict(),
                Some(UndoPhase::Running(_) | UndoPhase::Calling | UndoPhase::Halted(_) | UndoPhase::Done) => {
                    false
                }
            },
            Phase::Handling(ref handling) => !handling.is_open && (!self.record.paused || self.record.forced),
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
    /// Too many failures let the others finish.
    pub(crate) lets_finish: bool,
    /// Enough that completed let the others finish.
    pub(crate) keeps_rest: bool,
}

impl NestLimits {
    /// Whether enough completed, or too much failed, for the rest to be stopped.
    pub(crate) fn are_passed(&self, nest: &Nest) -> bool {
        (nest.failed > self.tolerate && !self.lets_finish)
            || (nest.completed >= self.needed && !self.keeps_rest)
    }
}

impl Nest {
    /// The index of the next frame to open.
    pub(crate) fn next_index(&self) -> u32 {
        u32::try_from(self.frames.len()).expect("frames are bounded by `total`")
    }
}
