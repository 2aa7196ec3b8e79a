//! Which transitions a simulation takes: the phase that a visit, a frame or the execution was in, and the event that
//! came. The tables say which of them there are; both are exhaustive, so that a new phase or event has to be entered.

use std::{cell::RefCell, collections::BTreeSet};

use catena_core::{
    Event, State,
    ids::{FrameNo, VisitNo},
    state::{FramePhase, Phase, VisitPhase},
};

/// The variants of another enum, without what is in them.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident of $source:ident { $($variant:ident)* } $($more:ident)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($more,)* $($variant),* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$more,)* $(Self::$variant),*];

            fn of(of: &$source) -> Self {
                match of { $($source::$variant { .. } => Self::$variant),* }
            }
        }
    };
}

mirror!(
    /// The phase of a visit, `New` before it is entered.
    VisitAt of VisitPhase {
        Ready Attempting Answered Backoff Waiting Looking Awaiting Asking Iterated Interval Due Open InDoubt
        Quarantined Ended
    } New
);
mirror!(
    /// The phase of a frame, `New` before it is opened.
    FrameAt of FramePhase { Open Closing Ended } New
);
mirror!(
    /// The phase of an execution, `New` before its first event.
    ExecutionAt of Phase { Created Running Undoing Handling Ended } New
);
mirror!(
    /// The kind of an event.
    Kind of Event {
        ExecutionCreated ExecutionStarted BlockOpened VisitEntered AttemptStarted CheckpointRecorded AttemptEnded
        RetryScheduled TimerFired NextDelayed DelayElapsed IterationEnded IterationScheduled IterationStarted
        AlternativeStarted AttemptRequeued VisitStopping VisitCompleted VisitFailed VisitCancelled VisitInDoubt
        VisitQuarantined VisitResolved Jumped BlockStopping BlockEnded CancelRequested ExecutionPaused
        ExecutionResumed ExecutionTimedOut UndoStarted ExecutionHeld ExecutionAdmitted StepsSelected ResultsAdopted
        DutiesAdopted SignalReceived SignalTaken ApprovalAnswered ChildStarted ChildHalted ChildUndoStarted ChildUndoEnded
        ChildUndoHalted CacheAnswered HandlersStarted StopForced ExecutionEnded
    }
);

/// An event, and the phase that what it is about was in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transition {
    Visit(VisitAt, Kind),
    Frame(FrameAt, Kind),
    Execution(ExecutionAt, Kind),
}

thread_local! {
    static TAKEN: RefCell<BTreeSet<Transition>> = const { RefCell::new(BTreeSet::new()) };
}

/// What the simulations of this thread have taken so far.
pub fn taken() -> BTreeSet<Transition> {
    TAKEN.with_borrow(Clone::clone)
}

/// Remembers what an event is about to do to a state.
pub(crate) fn record(state: &State, event: &Event) {
    let kind = Kind::of(event);
    let transition = match subject(event) {
        Subject::Visit(no) if no.index() < state.visit_count() => {
            Transition::Visit(VisitAt::of(&state.visit(no).phase), kind)
        }
        Subject::Visit(_) => Transition::Visit(VisitAt::New, kind),
        Subject::Frame(no) if no.index() < state.frame_count() => {
            Transition::Frame(FrameAt::of(&state.frame(no).phase), kind)
        }
        Subject::Frame(_) => Transition::Frame(FrameAt::New, kind),
        Subject::Execution if state.seq() == 0 => Transition::Execution(ExecutionAt::New, kind),
        Subject::Execution => Transition::Execution(ExecutionAt::of(state.phase()), kind),
    };
    TAKEN.with_borrow_mut(|taken| taken.insert(transition));
}

/// What an event is about.
enum Subject {
    Visit(VisitNo),
    Frame(FrameNo),
    Execution,
}

fn subject(event: &Event) -> Subject {
    match event {
        Event::VisitEntered { visit, .. }
        | Event::AttemptStarted { visit, .. }
        | Event::CheckpointRecorded { visit, .. }
        | Event::AttemptEnded { visit, .. }
        | Event::RetryScheduled { visit, .. }
        | Event::TimerFired { visit }
        | Event::IterationEnded { visit, .. }
        | Event::IterationScheduled { visit, .. }
        | Event::IterationStarted { visit, .. }
        | Event::AlternativeStarted { visit, .. }
        | Event::AttemptRequeued { visit }
        | Event::VisitStopping { visit, .. }
        | Event::VisitCompleted { visit, .. }
        | Event::VisitFailed { visit, .. }
        | Event::VisitCancelled { visit }
        | Event::VisitInDoubt { visit }
        | Event::VisitQuarantined { visit }
        | Event::VisitResolved { visit, .. }
        | Event::SignalTaken { visit }
        | Event::ApprovalAnswered { visit, .. }
        | Event::ChildStarted { visit, .. }
        | Event::ChildHalted { visit, .. }
        | Event::ChildUndoStarted { visit }
        | Event::ChildUndoEnded { visit, .. }
        | Event::ChildUndoHalted { visit, .. }
        | Event::CacheAnswered { visit, .. } => Subject::Visit(*visit),
        Event::BlockOpened { frame, .. }
        | Event::NextDelayed { frame, .. }
        | Event::DelayElapsed { frame, .. }
        | Event::Jumped { frame, .. }
        | Event::BlockStopping { frame, .. }
        | Event::BlockEnded { frame, .. } => Subject::Frame(*frame),
        Event::ExecutionCreated { .. }
        | Event::ExecutionStarted {}
        | Event::CancelRequested { .. }
        | Event::ExecutionPaused {}
        | Event::ExecutionResumed {}
        | Event::ExecutionTimedOut { .. }
        | Event::UndoStarted {}
        | Event::ExecutionHeld {}
        | Event::ExecutionAdmitted {}
        | Event::StepsSelected { .. }
        | Event::ResultsAdopted { .. }
        | Event::DutiesAdopted { .. }
        | Event::SignalReceived { .. }
        | Event::HandlersStarted { .. }
        | Event::StopForced {}
        | Event::ExecutionEnded { .. } => Subject::Execution,
    }
}

/// All transitions that a decision can give.
pub fn possible() -> BTreeSet<Transition> {
    Kind::ALL.iter().flat_map(|kind| transitions_of(*kind)).collect()
}

fn transitions_of(kind: Kind) -> Vec<Transition> {
    use ExecutionAt as E;
    use FrameAt as F;
    use VisitAt as V;
    let visit = |phases: &[V]| phases.iter().map(|at| Transition::Visit(*at, kind)).collect();
    let frame = |phases: &[F]| phases.iter().map(|at| Transition::Frame(*at, kind)).collect();
    let execution = |phases: &[E]| phases.iter().map(|at| Transition::Execution(*at, kind)).collect();
    match kind {
        Kind::VisitEntered => visit(&[V::New]),
        Kind::AttemptStarted => visit(&[V::Ready]),
        Kind::CheckpointRecorded | Kind::AttemptEnded | Kind::ChildStarted | Kind::ChildHalted => {
            visit(&[V::Attempting])
        }
        Kind::RetryScheduled | Kind::IterationEnded => visit(&[V::Answered, V::Open]),
        Kind::TimerFired => visit(&[V::Backoff, V::Waiting, V::Awaiting, V::Asking, V::Interval]),
        Kind::IterationScheduled => visit(&[V::Iterated]),
        Kind::IterationStarted => visit(&[V::Due]),
        Kind::AttemptRequeued | Kind::VisitInDoubt | Kind::VisitQuarantined => visit(&[V::Answered]),
        // By its limit whatever waits or runs; by what is around it what runs. The rest ends at once.
        Kind::VisitStopping => visit(&[
            V::Ready,
            V::Attempting,
            V::Backoff,
            V::Waiting,
            V::Looking,
            V::Awaiting,
            V::Asking,
            V::Interval,
            V::Due,
            V::Open,
        ]),
        // What waits fails and is replaced at its limit.
        Kind::VisitFailed | Kind::AlternativeStarted => visit(&[
            V::Ready,
            V::Answered,
            V::Backoff,
            V::Waiting,
            V::Looking,
            V::Awaiting,
            V::Asking,
            V::Iterated,
            V::Interval,
            V::Due,
            V::Open,
        ]),
        Kind::VisitCompleted => visit(&[V::Answered, V::Iterated, V::Open]),
        Kind::VisitCancelled => visit(&[
            V::Ready,
            V::Answered,
            V::Backoff,
            V::Waiting,
            V::Looking,
            V::Awaiting,
            V::Asking,
            V::Interval,
            V::Due,
            V::Open,
            V::InDoubt,
            V::Quarantined,
        ]),
        Kind::VisitResolved => visit(&[V::InDoubt, V::Quarantined, V::Ended]),
        Kind::SignalTaken => visit(&[V::Awaiting]),
        Kind::ApprovalAnswered => visit(&[V::Asking]),
        Kind::ChildUndoStarted | Kind::ChildUndoEnded | Kind::ChildUndoHalted => visit(&[V::Ended]),
        Kind::CacheAnswered => visit(&[V::Looking]),
        Kind::BlockOpened => frame(&[F::New]),
        Kind::NextDelayed | Kind::DelayElapsed | Kind::Jumped | Kind::BlockStopping => frame(&[F::Open]),
        Kind::BlockEnded => frame(&[F::Open, F::Closing]),
        Kind::ExecutionCreated => execution(&[E::New]),
        Kind::ExecutionStarted
        | Kind::ExecutionHeld
        | Kind::ExecutionAdmitted
        | Kind::StepsSelected
        | Kind::ResultsAdopted
        | Kind::DutiesAdopted => execution(&[E::Created]),
        Kind::ExecutionTimedOut | Kind::UndoStarted => execution(&[E::Running]),
        Kind::CancelRequested => execution(&[E::Created, E::Running]),
        Kind::HandlersStarted => execution(&[E::Running, E::Undoing]),
        Kind::ExecutionEnded => execution(&[E::Running, E::Undoing, E::Handling]),
        Kind::SignalReceived | Kind::ExecutionPaused | Kind::ExecutionResumed | Kind::StopForced => {
            execution(&[E::Created, E::Running, E::Undoing, E::Handling])
        }
    }
}
