//! What follows from the end of an attempt: completion, another attempt, failure, doubt. This is where a retry
//! is decided.

use super::Decider;
use crate::{
    chain::{EffectKind, ErrorPolicy},
    command::Rejection,
    event::{Answer, Consequence, Event, StopReason},
    failure::{Failure, FailureType},
    ids::{AttemptNo, VisitNo},
    state::{ResultOrigin, VisitPhase},
    value::Value,
};

/// A step whose attempts were lost this often may be what brings the engine down.
const LOSSES_MAX: u32 = 3;

impl Decider<'_> {
    pub(super) fn end_attempt(
        &mut self,
        visit: VisitNo,
        attempt: AttemptNo,
        answer: Answer,
    ) -> Result<(), Rejection> {
        self.expect_live(visit, attempt)?;
        // Whoever tells it has mostly done so before: a digest takes its time.
        let answer = answer.keep(&mut self.blobs);
        self.emit(Event::AttemptEnded { visit, attempt, answer });
        Ok(())
    }

    pub(super) fn stop_for_cancel(&mut self, visit: VisitNo) {
        self.emit(Event::VisitStopping { visit, reason: StopReason::Cancelled });
    }

    pub(super) fn decide_answer(&mut self, visit: VisitNo, answer: Answer) {
        let frame = self.state.visit(visit).frame;
        let stopping = self.state.visit(visit).stopping.clone();
        let closing = self.state.is_closing(frame).then_some(StopReason::Cancelled);
        let must_stop = closing.or(stopping);
        match answer {
            // What has had its effect has completed, even where nobody wants it any more: an undo must know.
            Answer::Succeeded { value } if must_stop.is_none() && self.is_repeated(visit) => {
                let result = value.unwrap_or_else(Value::null);
                self.emit(Event::IterationEnded { visit, result });
            }
            Answer::Succeeded { .. } => self.emit(Event::VisitCompleted { visit, result: None }),
            Answer::Lost { .. } if self.is_in_doubt(visit) => self.emit(Event::VisitInDoubt { visit }),
            Answer::Failed { .. } | Answer::TimedOut { .. } | Answer::Cancelled {} | Answer::Lost { .. }
                if let Some(reason) = must_stop =>
            {
                self.end_stopped(visit, reason);
            }
            Answer::Failed { failure } => self.retry_or_fail(visit, failure),
            Answer::TimedOut { limit_ms } => {
                self.retry_or_fail(visit, Failure::timed_out("the attempt", limit_ms));
            }
            Answer::Cancelled {} => {
                let failure =
                    Failure::lasting(FailureType::Raised("cancelled".into()), "the step was cancelled");
                self.fail(visit, failure);
            }
            Answer::Lost { .. } if self.unforgiven_losses(visit) >= LOSSES_MAX => {
                self.emit(Event::VisitQuarantined { visit });
            }
            Answer::Lost { .. } => self.emit(Event::AttemptRequeued { visit }),
        }
    }

    /// What neither runs nor has an answer ends at once where it has to stop.
    pub(super) fn end_waiting(&mut self, visit: VisitNo) {
        let is_closing = self.state.is_closing(self.state.visit(visit).frame);
        let stopping = self.state.visit(visit).stopping.clone().filter(|_| !is_closing);
        self.end_stopped(visit, stopping.unwrap_or(StopReason::Cancelled));
    }

    /// Ends a visit that had to stop, and did.
    fn end_stopped(&mut self, visit: VisitNo, reason: StopReason) {
        match reason {
            StopReason::TimedOut { limit_ms } => {
                self.fail(visit, Failure::timed_out("the step", limit_ms));
            }
            StopReason::Cancelled | StopReason::Failed(_) | StopReason::Satisfied => {
                self.emit(Event::VisitCancelled { visit });
            }
        }
    }

    fn unforgiven_losses(&self, visit: VisitNo) -> u32 {
        let visit = self.state.visit(visit);
        visit.losses - visit.losses_forgiven
    }

    fn is_in_doubt(&self, visit: VisitNo) -> bool {
        self.state.step_of(visit).effect == EffectKind::AtMostOnce
    }

    pub(super) fn retry_or_fail(&mut self, visit: VisitNo, failure: Failure) {
        match self.retry_pause_ms(visit, &failure) {
            Some(pause_ms) => {
                let wake_at = self.outside.now.plus_ms(pause_ms);
                self.emit(Event::RetryScheduled { visit, wake_at });
            }
            None => self.fail(visit, failure),
        }
    }

    /// The pause before the next attempt, if there is to be one.
    fn retry_pause_ms(&self, no: VisitNo, failure: &Failure) -> Option<u64> {
        let retry = self.state.step_of(no).retry.as_ref()?;
        let visit = self.state.visit(no);
        let before = visit.iteration.as_ref().map_or(0, |iteration| iteration.tries_before);
        let tries = match visit.phase {
            VisitPhase::Open(_) => visit.block_tries + 1,
            _ => visit.attempts - visit.losses - before,
        };
        let again =
            failure.retriable && retry.covers(&failure.kind) && tries < retry.max_attempts && tries > 0;
        again.then(|| retry.pause_after(failure, tries, self.outside.jitter))
    }

    /// Ends a visit as failed, with what its policy makes of it, or has its alternative do the work.
    pub(super) fn fail(&mut self, visit: VisitNo, failure: Failure) {
        let policy = self.state.chain().policy_of(self.state.step_of(visit));
        let consequence = match policy {
            ErrorPolicy::Alternative if self.has_alternative_left(visit) => {
                return self.emit(Event::AlternativeStarted { visit, failure });
            }
            ErrorPolicy::Stop | ErrorPolicy::Alternative => Consequence::Stop,
            ErrorPolicy::Continue => Consequence::Continue,
            // The execution is undone already, or its end is known.
            ErrorPolicy::Rollback if self.state.is_aside(visit) => Consequence::Stop,
            ErrorPolicy::Rollback => Consequence::Rollback,
        };
        self.emit(Event::VisitFailed { visit, failure, consequence });
    }

    fn has_alternative_left(&self, no: VisitNo) -> bool {
        let visit = self.state.visit(no);
        visit.alternative_to.is_none() && !self.state.is_closing(visit.frame)
    }

    /// Whether there may be another iteration.
    pub(super) fn is_repeated(&self, no: VisitNo) -> bool {
        let visit = self.state.visit(no);
        let is_own = !matches!(visit.origin, ResultOrigin::Cached { .. });
        visit.iteration.is_some() && visit.alternative_to.is_none() && is_own
    }
}
