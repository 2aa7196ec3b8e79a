//! What must happen outside because of what stands in the journal. Derived, never stored: after a commit from
//! its events, after a crash from the state; both give the same.

use crate::{
    event::Event,
    ids::{AttemptNo, VisitNo},
    state::{State, VisitPhase},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    StartAttempt { visit: VisitNo, attempt: AttemptNo },
    StopAttempt { visit: VisitNo, attempt: AttemptNo },
}

impl State {
    /// The effects of events that were just appended, `self` being the state behind them. An attempt that has
    /// ended within the same events needs none.
    pub fn effects_of(&self, events: &[Event]) -> Vec<Effect> {
        events.iter().filter_map(|event| self.effect_of(event)).collect()
    }

    fn effect_of(&self, event: &Event) -> Option<Effect> {
        match *event {
            Event::AttemptStarted { visit, attempt } => {
                (self.live_attempt(visit) == Some(attempt)).then_some(Effect::StartAttempt { visit, attempt })
            }
            Event::VisitStopping { visit, .. } => {
                self.live_attempt(visit).map(|attempt| Effect::StopAttempt { visit, attempt })
            }
            Event::ExecutionCreated { .. }
            | Event::ExecutionStarted {}
            | Event::BlockOpened { .. }
            | Event::VisitEntered { .. }
            | Event::CheckpointRecorded { .. }
            | Event::AttemptEnded { .. }
            | Event::RetryScheduled { .. }
            | Event::TimerFired { .. }
            | Event::AttemptRequeued { .. }
            | Event::VisitCompleted { .. }
            | Event::VisitFailed { .. }
            | Event::VisitCancelled { .. }
            | Event::VisitInDoubt { .. }
            | Event::VisitQuarantined { .. }
            | Event::VisitResolved { .. }
            | Event::NextDelayed { .. }
            | Event::DelayElapsed { .. }
            | Event::ExecutionPaused {}
            | Event::ExecutionResumed {}
            | Event::ExecutionTimedOut { .. }
            | Event::Jumped { .. }
            | Event::BlockStopping { .. }
            | Event::BlockEnded { .. }
            | Event::CancelRequested { .. }
            | Event::UndoStarted {}
            | Event::ExecutionEnded { .. } => None,
        }
    }

    /// All effects that the state still waits for: what recovery asks of the runners again. Starting an attempt
    /// that already runs, and stopping one that stops, are no-ops there.
    pub fn pending_effects(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for visit in self.agenda().live() {
            if let VisitPhase::Attempting { attempt, .. } = self.visit(visit).phase {
                effects.push(Effect::StartAttempt { visit, attempt });
                if self.visit(visit).stopping.is_some() {
                    effects.push(Effect::StopAttempt { visit, attempt });
                }
            }
        }
        effects
    }
}
