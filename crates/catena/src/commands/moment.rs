//! A moment of an execution, seen from one of its places: as a step saw it when it was entered, or as it stands now.

use std::collections::BTreeMap;

use catena_core::{
    Event, ExecutionId, Failure as StepFailure, FrameNo, Loaded, State, StepIx, Timestamp, Value, VisitNo,
    state::VisitScope,
};
use catena_engine::{Clock, SystemClock, read_state};
use catena_store::{Entry, Store, sqlite::SqliteStore, whole};
use serde_json::Value as Json;

use super::step::step_named;
use crate::{
    exit::{Code, Failure},
    home::Locations,
    hosting,
};

pub(super) struct Moment {
    reader: SqliteStore,
    pub(super) state: State,
    /// The place: what a step of this frame sees.
    pub(super) frame: FrameNo,
    /// The step that is about to be entered, if it is one.
    pub(super) step: Option<StepIx>,
    pub(super) now: Timestamp,
}

impl Moment {
    /// The execution as it stands, or as it was when the last visit was entered that `at` names: by its address, or by
    /// the id or the name of its step.
    pub(super) fn of(locations: &Locations, id: ExecutionId, at: Option<&str>) -> Result<Self, Failure> {
        let reader = hosting::reader(locations)?;
        let id = hosting::resolve(&reader, id)?;
        let (state, entries) = read_state(&reader, id)?;
        let Some(at) = at else {
            let now = match (state.has_ended(), entries.last()) {
                (true, Some(last)) => last.at,
                (true, None) | (false, _) => SystemClock.now(),
            };
            return Ok(Self { reader, state, frame: FrameNo::ROOT, step: None, now });
        };
        let (visit, entered) = entry_of(&state, &entries, at)?;
        let (step, frame) = (state.visit(visit).step, state.visit(visit).frame);
        let mut before = State::new(id, std::sync::Arc::clone(state.chain()));
        for entry in &entries[..entered] {
            before.apply(entry.at, &entry.event).map_err(catena_store::Error::from)?;
        }
        let now = entries[entered].at;
        Ok(Self { reader, state: before, frame, step: Some(step), now })
    }

    /// Evaluates with what the execution has at this place; large values are read as they are needed.
    pub(super) fn evaluate<T>(
        &self,
        evaluation: impl Fn(&VisitScope<'_>) -> Result<T, StepFailure>,
    ) -> Result<Result<T, StepFailure>, Failure> {
        let mut loaded = Loaded::default();
        loop {
            let scope = match self.step {
                Some(step) => self.state.scope_of_step(self.frame, step, self.now, &loaded),
                None => self.state.scope(self.frame, self.now, &loaded),
            };
            let outcome = evaluation(&scope);
            let needs = match scope.needs() {
                Ok(needs) if needs.is_empty() => return Ok(outcome),
                Ok(needs) => needs,
                Err(failure) => return Ok(Err(failure)),
            };
            drop(scope);
            for stored in &needs {
                let value = self.reader.value(stored)?;
                loaded.insert(stored, value);
            }
        }
    }

    /// The JSON of a value with all that it refers to.
    pub(super) fn whole(&self, value: &Value) -> Result<Json, Failure> {
        Ok(whole(&self.reader, value)?)
    }

    pub(super) fn chain_number(&self) -> Result<Option<u64>, Failure> {
        Ok(self.reader.chain(self.state.chain().name.as_str())?.map(|row| row.id))
    }

    /// What `steps.<id>` is, by id.
    pub(super) fn steps(&self) -> Result<BTreeMap<String, Json>, Failure> {
        let chain = self.state.chain();
        let seen = self.state.steps_seen_from(self.frame);
        seen.map(|(ix, value)| Ok((chain.step(ix).id.to_string(), self.whole(&value)?))).collect()
    }
}

/// The last visit that a word names, and where in the journal it was entered.
fn entry_of(state: &State, entries: &[Entry], at: &str) -> Result<(VisitNo, usize), Failure> {
    let by_address = state.visits().map(|(no, _)| no).find(|no| state.address(*no).to_string() == at);
    let visit = match by_address {
        Some(visit) => visit,
        None => {
            let by_address = state.chain().step_of_address(at).filter(|_| at.contains(['/', '[', '~']));
            let step = by_address.map_or_else(|| step_named(state.chain(), at), Ok)?;
            // An address means its visit and no other.
            let of_address = by_address.is_some();
            let of_step = |(no, visit): (VisitNo, _)| {
                let visit: &catena_core::state::Visit = visit;
                (visit.step == step && !of_address).then_some(no)
            };
            state.visits().filter_map(of_step).last().ok_or_else(|| {
                let id = state.id();
                let message = format!("execution {id} never came to step `{at}`");
                Failure::new(Code::NotFound, message).next(format!("catena ps show {id}"))
            })?
        }
    };
    let enters = |entry: &Entry| matches!(entry.event, Event::VisitEntered { visit: no, .. } if no == visit);
    let entered = entries.iter().position(enters);
    entered.map(|entered| (visit, entered)).ok_or_else(|| {
        // What another execution has left was never entered here.
        let message = format!("`{at}` was taken over from an execution before, and not entered in this one");
        Failure::new(Code::NotFound, message).next(format!("catena ps show {}", state.id()))
    })
}
