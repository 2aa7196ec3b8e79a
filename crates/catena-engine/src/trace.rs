//! What the engine tells of itself, with the ids by which its lines find each other: execution, visit and address,
//! attempt, lease. Nobody listens by default; then a line costs a look at one number, and nothing is put together.

use catena_core::{Effect, Event, ExecutionId, State, Timestamp, VisitNo, event::Answer};
use catena_store::{Error, Lease};
use tracing::{Level, debug, enabled, error, info, trace};

/// Events that an execution has decided; they are on their way to the writer.
pub(crate) fn decided(state: &State, lease: Lease, events: &[Event]) {
    if enabled!(Level::INFO) {
        events.iter().for_each(|event| tell(state, lease.0, event));
    }
}

fn tell(state: &State, lease: u64, event: &Event) {
    let execution = state.id().0;
    let kind = event.kind();
    match event {
        Event::ExecutionCreated { chain, version, .. } => info!(execution, lease, chain, version, kind),
        Event::ExecutionStarted {}
        | Event::ExecutionPaused {}
        | Event::ExecutionResumed {}
        | Event::ExecutionTimedOut { .. }
        | Event::ExecutionHeld {}
        | Event::ExecutionAdmitted {}
        | Event::StopForced {}
        | Event::SignalReceived { .. }
        | Event::UndoStarted {} => info!(execution, lease, kind),
        Event::HandlersStarted { end, .. } => {
            info!(execution, lease, end = catena_core::status::ExecutionStatus::from(*end).as_str(), kind);
        }
        Event::ResultsAdopted { from, .. } | Event::DutiesAdopted { from, .. } => {
            info!(execution, lease, from = from.0, kind);
        }
        Event::ChildStarted { visit, child, .. } => {
            info!(execution, visit = visit.0, address = %state.address(*visit), child = child.0, lease, kind);
        }
        Event::CancelRequested { rollback } => info!(execution, lease, rollback, kind),
        Event::ExecutionEnded { end, .. } => {
            info!(execution, lease, end = catena_core::status::ExecutionStatus::from(*end).as_str(), kind);
        }
        Event::VisitInDoubt { visit }
        | Event::VisitQuarantined { visit }
        | Event::ApprovalAnswered { visit, .. }
        | Event::ChildHalted { visit, .. }
        | Event::ChildUndoStarted { visit }
        | Event::ChildUndoEnded { visit, .. }
        | Event::ChildUndoHalted { visit, .. }
        | Event::VisitResolved { visit, .. } => {
            info!(execution, visit = visit.0, address = %state.address(*visit), lease, kind);
        }
        Event::AttemptStarted { visit, attempt } if enabled!(Level::DEBUG) => {
            debug!(execution, visit = visit.0, address = %state.address(*visit), attempt = attempt.0, lease, kind);
        }
        Event::AttemptEnded { visit, attempt, answer } if enabled!(Level::DEBUG) => {
            let (address, answer) = (state.address(*visit), word(answer));
            debug!(execution, visit = visit.0, %address, attempt = attempt.0, lease, answer, kind);
        }
        Event::RetryScheduled { visit, wake_at } if enabled!(Level::DEBUG) => {
            debug!(execution, visit = visit.0, address = %state.address(*visit), wake_at = wake_at.0, lease, kind);
        }
        Event::BlockOpened { .. }
        | Event::VisitEntered { .. }
        | Event::AttemptStarted { .. }
        | Event::CheckpointRecorded { .. }
        | Event::AttemptEnded { .. }
        | Event::RetryScheduled { .. }
        | Event::TimerFired { .. }
        | Event::StepsSelected { .. }
        | Event::SignalTaken { .. }
        | Event::CacheAnswered { .. }
        | Event::IterationEnded { .. }
        | Event::IterationScheduled { .. }
        | Event::IterationStarted { .. }
        | Event::AlternativeStarted { .. }
        | Event::NextDelayed { .. }
        | Event::DelayElapsed { .. }
        | Event::AttemptRequeued { .. }
        | Event::VisitStopping { .. }
        | Event::VisitCompleted { .. }
        | Event::VisitFailed { .. }
        | Event::VisitCancelled { .. }
        | Event::Jumped { .. }
        | Event::BlockStopping { .. }
        | Event::BlockEnded { .. } => small(state, lease, event),
    }
}

/// What happens so often that it is told only to who wants everything.
fn small(state: &State, lease: u64, event: &Event) {
    if !enabled!(Level::TRACE) {
        return;
    }
    let (execution, kind) = (state.id().0, event.kind());
    match event.visit() {
        Some(visit) => trace!(execution, visit = visit.0, address = %state.address(visit), lease, kind),
        None => trace!(execution, lease, kind),
    }
}

fn word(answer: &Answer) -> &'static str {
    match answer {
        Answer::Succeeded { .. } => "succeeded",
        Answer::Failed { .. } => "failed",
        Answer::TimedOut { .. } => "timed_out",
        Answer::Cancelled {} => "cancelled",
        Answer::Lost { .. } => "lost",
    }
}

/// An engine has its store.
pub(crate) fn opened(store: &std::path::Path, lease: Lease, running: usize, sleeping: usize, damaged: usize) {
    info!(store = %store.display(), lease = lease.0, running, sleeping, damaged, "the engine is open");
}

pub(crate) fn closed(lease: Lease) {
    info!(lease = lease.0, "the engine is closed");
}

/// An attempt of an earlier engine is attached to, or stopped, or seen dead.
pub(crate) fn taken_up(state: &State, effect: &Effect, started_under: Lease) {
    let (what, visit, attempt): (&str, VisitNo, _) = match effect {
        Effect::StartAttempt { visit, attempt } => ("an attempt is taken up", *visit, *attempt),
        Effect::StopAttempt { visit, attempt } => ("an attempt is stopped again", *visit, *attempt),
        Effect::LookUp { .. } | Effect::UndoChild { .. } | Effect::StopChildUndo { .. } => return,
    };
    if enabled!(Level::INFO) {
        let (execution, address) = (state.id().0, state.address(visit));
        info!(execution, visit = visit.0, %address, attempt = attempt.0, lease = started_under.0, "{what}");
    }
}

pub(crate) fn due(execution: ExecutionId, at: Timestamp, now: Timestamp) {
    debug!(execution = execution.0, late_us = now.micros_since(at), "a timer is due");
}

/// A storage error: the engine accepts nothing any more.
pub(crate) fn stopped(lease: Lease, error: &Error) {
    error!(lease = lease.0, %error, "the engine has stopped");
}

pub(crate) fn door_opened(path: &std::path::Path) {
    info!(path = %path.display(), "other processes can connect");
}

/// What another process asks of the host.
pub(crate) fn asked(pid: u32, request: &'static str, execution: Option<ExecutionId>) {
    debug!(pid, request, execution = execution.map(|id| id.0), "a process asks");
}
