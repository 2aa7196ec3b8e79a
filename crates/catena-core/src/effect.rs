//! What must happen outside because of what stands in the journal. Derived, never stored: after a commit from
//! its events, after a crash from the state; both give the same.

use crate::{
    event::Event,
    ids::{AttemptNo, VisitNo},
    state::{Phase, State, UndoPhase, VisitPhase},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    StartAttempt {
        visit: VisitNo,
        attempt: AttemptNo,
    },
    StopAttempt {
        visit: VisitNo,
        attempt: AttemptNo,
    },
    /// Ask whether an earlier result holds.
    LookUp {
        visit: VisitNo,
    },
    /// Have what the visit's child has done taken back; the how manieth try it is.
    UndoChild {
        visit: VisitNo,
        nth: u32,
    },
    StopChildUndo {
        visit: VisitNo,
        nth: u32,
    },
}

impl State {
    /// The effects of events that were just appended, `self` being the state behind them. An attempt that has
    /// ended within the same events needs none.
    pub fn effects_of(&self, events: &[Event]) -> Vec<Effect> {
        events.iter().flat_map(|event| self.effects_of_one(event)).collect()
    }

    fn effects_of_one(&self, event: &Event) -> Option<Effect> {
        match *event {
            Event::VisitEntered { visit, .. } | Event::IterationStarted { visit, .. } => {
                matches!(self.visit(visit).phase, VisitPhase::Looking).then_some(Effect::LookUp { visit })
            }
            Event::ChildUndoStarted { visit } => match self.visit(visit).undo {
                UndoPhase::Calling => Some(Effect::UndoChild { visit, nth: self.visit(visit).undos }),
                UndoPhase::None | UndoPhase::Running(_) | UndoPhase::Done | UndoPhase::Failed(_) => None,
            },
            Event::StopForced {} => {
                let visit = self.undo_due().last().copied()?;
                let nth = self.visit(visit).undos;
                (self.visit(visit).undo == UndoPhase::Calling).then_some(Effect::StopChildUndo { visit, nth })
            }
            Event::AttemptStarted { visit, attempt } => {
                (self.live_attempt(visit) == Some(attempt)).then_some(Effect::StartAttempt { visit, attempt })
            }
            Event::VisitStopping { visit, .. } => {
                self.live_attempt(visit).map(|attempt| Effect::StopAttempt { visit, attempt })
            }
            Event::ExecutionCreated { .. }
            | Event::ExecutionStarted {}
            | Event::BlockOpened { .. }
            | Event::ExecutionHeld {}
            | Event::ExecutionAdmitted {}
            | Event::StepsSelected { .. }
            | Event::ResultsAdopted { .. }
            | Event::DutiesAdopted { .. }
            | Event::SignalReceived { .. }
            | Event::SignalTaken { .. }
            | Event::ApprovalAnswered { .. }
            | Event::ChildStarted { .. }
            | Event::ChildUndoEnded { .. }
            | Event::CacheAnswered { .. }
            | Event::CheckpointRecorded { .. }
            | Event::AttemptEnded { .. }
            | Event::RetryScheduled { .. }
            | Event::TimerFired { .. }
            | Event::IterationEnded { .. }
            | Event::IterationScheduled { .. }
            | Event::AlternativeStarted { .. }
            | Event::HandlersStarted { .. }
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
        for visit in self.agenda().live().chain(self.agenda().calls()) {
            if let VisitPhase::Attempting { attempt, .. } = self.visit(visit).phase {
                effects.push(Effect::StartAttempt { visit, attempt });
                if self.visit(visit).stopping.is_some() {
                    effects.push(Effect::StopAttempt { visit, attempt });
                }
            }
        }
        effects.extend(self.agenda().lookups().map(|visit| Effect::LookUp { visit }));
        if let (Phase::Undoing, Some(visit)) = (self.phase(), self.undo_due().last().copied())
            && self.visit(visit).undo == UndoPhase::Calling
        {
            effects.push(Effect::UndoChild { visit, nth: self.visit(visit).undos });
        }
        effects
    }
}
