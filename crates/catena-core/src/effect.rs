//! What must happen outside because of what stands in the journal. Derived, never stored: after a commit from
//! its events, after a crash from the state; both give the same.

use std::collections::BTreeSet;

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
    /// Have what the visit's latest child has done taken back; the how manieth of the visit's undos it is.
    UndoChild {
        visit: VisitNo,
        nth: u32,
    },
    /// By force: nothing else stops an undo.
    StopChildUndo {
        visit: VisitNo,
        nth: u32,
    },
}

impl State {
    /// The effects of events that were just appended, `self` being the state behind them. An attempt that has
    /// ended within the same events needs none.
    pub fn effects_of(&self, events: &[Event]) -> Vec<Effect> {
        let mut effects: Vec<Effect> = events.iter().filter_map(|event| self.effects_of_one(event)).collect();
        if events.iter().any(|event| matches!(event, Event::StopForced {})) {
            effects.extend(self.effects_of_force(events));
        }
        effects
    }

    /// What stops already, somewhere else, is to stop by force.
    fn effects_of_force(&self, events: &[Event]) -> impl Iterator<Item = Effect> {
        let told: BTreeSet<VisitNo> = events
            .iter()
            .filter_map(|event| match event {
                Event::VisitStopping { visit, .. } => Some(*visit),
                _ => None,
            })
            .collect();
        let calls = self.agenda().calls().filter(move |visit| !told.contains(visit));
        let stops = calls.filter_map(|visit| self.effect_of_stop(visit));
        stops.chain(self.child_undo().map(|(visit, nth)| Effect::StopChildUndo { visit, nth }))
    }

    fn effect_of_stop(&self, visit: VisitNo) -> Option<Effect> {
        self.visit(visit).stopping.as_ref()?;
        self.live_attempt(visit).map(|attempt| Effect::StopAttempt { visit, attempt })
    }

    /// The undo that an execution of its own carries out, if one does.
    fn child_undo(&self) -> Option<(VisitNo, u32)> {
        let visit = self.undo_due().last().copied()?;
        let is_elsewhere = matches!(self.visit(visit).undo, UndoPhase::Calling | UndoPhase::Halted(_));
        (*self.phase() == Phase::Undoing && is_elsewhere).then(|| (visit, self.visit(visit).undos))
    }

    fn effects_of_one(&self, event: &Event) -> Option<Effect> {
        match *event {
            Event::VisitEntered { visit, .. } | Event::IterationStarted { visit, .. } => {
                matches!(self.visit(visit).phase, VisitPhase::Looking).then_some(Effect::LookUp { visit })
            }
            Event::ChildUndoStarted { .. } => {
                self.child_undo().map(|(visit, nth)| Effect::UndoChild { visit, nth })
            }
            Event::AttemptStarted { visit, attempt } => {
                (self.live_attempt(visit) == Some(attempt)).then_some(Effect::StartAttempt { visit, attempt })
            }
            Event::VisitStopping { visit, .. } => self.effect_of_stop(visit),
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
            | Event::ChildHalted { .. }
            | Event::ChildUndoEnded { .. }
            | Event::ChildUndoHalted { .. }
            | Event::StopForced {}
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
                effects.extend(self.effect_of_stop(visit));
            }
        }
        effects.extend(self.agenda().lookups().map(|visit| Effect::LookUp { visit }));
        if let Some((visit, nth)) = self.child_undo() {
            effects.push(Effect::UndoChild { visit, nth });
            if self.is_forced() {
                effects.push(Effect::StopChildUndo { visit, nth });
            }
        }
        effects
    }
}
