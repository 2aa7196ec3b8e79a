//! Folding what waits for an instant: a retry, a wait that is over, `run_next_after`.

use super::Misfit;
use crate::{
    event::{Answer, StopReason},
    failure::Failure,
    ids::{FrameNo, VisitNo},
    state::{State, VisitPhase},
    time::Timestamp,
};

impl State {
    pub(super) fn retry_scheduled(&mut self, no: VisitNo, wake_at: Timestamp) -> Result<(), Misfit> {
        let visit = self.known(no)?;
        let failure = match (&visit.phase, &visit.stopping) {
            (VisitPhase::Answered(Answer::Failed { failure }), _) => failure.clone(),
            (VisitPhase::Answered(Answer::TimedOut { limit_ms }), _) => {
                Failure::timed_out("the attempt", *limit_ms)
            }
            (VisitPhase::Open(_), Some(StopReason::Failed(failure))) => failure.clone(),
            _ => return Err("no attempt of the visit has just failed"),
        };
        let visit = self.visit_mut(no);
        visit.last_failure = Some(failure);
        if let VisitPhase::Open(_) = visit.phase {
            visit.stopping = None;
            visit.block_tries += 1;
        }
        self.set_phase(no, VisitPhase::Backoff { wake_at });
        Ok(())
    }

    pub(super) fn timer_fired(&mut self, no: VisitNo) -> Result<(), Misfit> {
        let next = match self.known(no)?.phase {
            VisitPhase::Backoff { .. } if self.step_of(no).work.nested().is_some() => VisitPhase::Due,
            VisitPhase::Backoff { .. } => VisitPhase::Ready,
            VisitPhase::Interval { .. } => VisitPhase::Due,
            VisitPhase::Waiting { .. } => VisitPhase::Answered(Answer::Succeeded { value: None }),
            VisitPhase::Awaiting { wake_at: Some(_) } | VisitPhase::Asking { wake_at: Some(_), .. } => {
                VisitPhase::Answered(self.answer_of_time(no))
            }
            VisitPhase::Awaiting { wake_at: None }
            | VisitPhase::Asking { wake_at: None, .. }
            | VisitPhase::Looking
            | VisitPhase::Ready
            | VisitPhase::Attempting { .. }
            | VisitPhase::Answered(_)
            | VisitPhase::Iterated
            | VisitPhase::Due
            | VisitPhase::Open(_)
            | VisitPhase::InDoubt
            | VisitPhase::Quarantined
            | VisitPhase::Ended(_) => return Err("the visit waits for no timer"),
        };
        self.set_phase(no, next);
        Ok(())
    }

    pub(super) fn next_delayed(
        &mut self,
        no: FrameNo,
        after: VisitNo,
        wake_at: Timestamp,
    ) -> Result<(), Misfit> {
        let frame = self.open_frame_mut(no)?;
        if let Some(graph) = &mut frame.graph {
            if !graph.asks_delay.remove(&after) {
                return Err("the visit asks for no delay");
            }
            self.set_held(no, after, Some(wake_at));
            return Ok(());
        }
        if frame.asks_delay != Some(after) {
            return Err("the visit asks for no delay");
        }
        frame.asks_delay = None;
        self.set_delay(no, Some(wake_at));
        Ok(())
    }

    pub(super) fn delay_elapsed(&mut self, no: FrameNo, after: Option<VisitNo>) -> Result<(), Misfit> {
        let frame = self.known_frame(no)?;
        match after {
            None if frame.delayed_until.is_some() => self.set_delay(no, None),
            Some(visit) if frame.graph.as_ref().is_some_and(|graph| graph.held.contains_key(&visit)) => {
                self.set_held(no, visit, None);
                self.feed(no, visit);
                self.touch_frame(no);
            }
            None | Some(_) => return Err("the frame waits for no timer"),
        }
        Ok(())
    }
}
