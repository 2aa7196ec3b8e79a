//! A person's answer for a visit that nobody else can answer for: in doubt, in quarantine, or with an undo that
//! failed.

use super::Decider;
use crate::{
    command::Rejection,
    event::{Event, Resolution},
    ids::VisitNo,
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
        no.index() < self.state.visit_count() && self.state.visit(no).question().is_some()
    }
}
