//! A person's answer for a visit that nobody else can answer for: in doubt, in quarantine, or with an undo that
//! failed.

use super::Decider;
use crate::{
    command::Rejection,
    event::{Event, Resolution},
    ids::VisitNo,
    state::{UndoPhase, VisitPhase},
};

impl Decider<'_> {
    pub(super) fn resolve(&mut self, visit: VisitNo, resolution: Resolution) -> Result<(), Rejection> {
        if self.state.has_ended() {
            return Err(Rejection::Ended);
        }
        if !self.asks(visit) {
            return Err(Rejection::NotAsking { visit });
        }
        let resolution = match resolution {
            Resolution::Completed { value } => {
                // In the serial form null and nothing are the same.
                let value = value.filter(|value| !value.is_null());
                Resolution::Completed { value: value.map(|value| value.keep(&mut self.blobs)) }
            }
            Resolution::Failed {} | Resolution::RunAgain {} | Resolution::GiveUp {} => resolution,
        };
        self.emit(Event::VisitResolved { visit, resolution });
        Ok(())
    }

    fn asks(&self, no: VisitNo) -> bool {
        if no.index() >= self.state.visit_count() {
            return false;
        }
        let visit = self.state.visit(no);
        match (&visit.phase, &visit.undo) {
            (VisitPhase::InDoubt | VisitPhase::Quarantined, _)
            | (VisitPhase::Ended(_), UndoPhase::Failed(_)) => true,
            (VisitPhase::Ended(_), UndoPhase::None | UndoPhase::Running(_) | UndoPhase::Done)
            | (
                VisitPhase::Ready
                | VisitPhase::Attempting { .. }
                | VisitPhase::Answered(_)
                | VisitPhase::Backoff { .. }
                | VisitPhase::Waiting { .. }
                | VisitPhase::Open(_),
                _,
            ) => false,
        }
    }
}
