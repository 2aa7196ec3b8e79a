//! What follows from the end of an attempt: completion, another attempt, failure, doubt. This is where a retry
//! is decided.

use super::Decider;
use crate::{
    chain::{EffectKind, ErrorPolicy},
    command::Rejection,
    event::{Answer, Consequence, Event, StopReason},
    failure::{Failure, FailureType},
    ids::{AttemptNo, VisitNo},
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
        let must_stop = self.state.visit(visit).stopping.is_some() || self.state.is_closing(frame);
        match answer {
            // What has had its effect has completed, even where nobody wants it any more: an undo must know.
            Answer::Succeeded { .. } => self.emit(Event::VisitCompleted { visit, result: None }),
            Answer::Lost { .. } if self.is_in_doubt(visit) => self.emit(Event::VisitInDoubt { visit }),
            Answer::Failed { .. } | Answer::TimedOut { .. } | Answer::Cancelled {} | Answer::Lost { .. }
                if must_stop =>
            {
                self.emit(Event::VisitCancelled { visit });
            }
            Answer::Failed { failure } => self.retry_or_fail(visit, failure),
            Answer::TimedOut { limit_ms } => self.retry_or_fail(visit, timed_out(limit_ms)),
            Answer::Cancelled {} => {
                let failure =
                    Failure::lasting(FailureType::Raised("cancelled".into()), "the step was cancelled");
                self.fail(visit, failure);
            }
            Answer::Lost { .. } if self.state.visit(visit).losses >= LOSSES_MAX => {
                self.emit(Event::VisitQuarantined { visit });
            }
            Answer::Lost { .. } => self.emit(Event::AttemptRequeued { visit }),
        }
    }

    fn is_in_doubt(&self, visit: VisitNo) -> bool {
        self.state.step_of(visit).effect == EffectKind::AtMostOnce
    }

    fn retry_or_fail(&mut self, visit: VisitNo, failure: Failure) {
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
        let tries = visit.attempts - visit.losses;
        let again =
            failure.retriable && retry.covers(&failure.kind) && tries < retry.max_attempts && tries > 0;
        again.then(|| retry.pause_ms(tries, self.outside.jitter))
    }

    /// Ends a visit as failed, with what its policy makes of it.
    pub(super) fn fail(&mut self, visit: VisitNo, failure: Failure) {
        let policy = self.state.chain().policy_of(self.state.step_of(visit));
        let consequence = match policy {
            ErrorPolicy::Stop => Consequence::Stop,
            ErrorPolicy::Continue => Consequence::Continue,
            ErrorPolicy::Rollback => Consequence::Rollback,
        };
        self.emit(Event::VisitFailed { visit, failure, consequence });
    }
}

fn timed_out(limit_ms: u64) -> Failure {
    let seconds = limit_ms as f64 / 1_000.0;
    Failure::new(FailureType::Timeout, format!("not done after {seconds} s"))
}
