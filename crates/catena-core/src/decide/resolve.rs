//! A person's answer for a visit that nobody else can answer for: in doubt, in quarantine, or with an undo that
//! failed.

use super::Decider;
use crate::{
    command::Rejection,
    event::{Event, Resolution},
    ids::VisitNo,
    state::UndoPhase,
};

impl Decider<'_> {
    pub(super) fn resolve(&mut self, visit: VisitNo, resolution: Resolution) -> Result<(), Rejection> {
        if self.state.has_ended() {
            return Err(Rejection::Ended);
        }
        if visit.index() >= self.state.visit_count() {
            return Err(Rejection::NotAsking { visit });
        }
        let asked = self.state.visit(visit);
        if let (None, UndoPhase::Halted(execution)) = (asked.question(), &asked.undo) {
            return Err(Rejection::ChildUndoHalted { execution: *execution });
        }
        if asked.question().is_none() {
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
}
