//! How an execution begins: whether there is room for it, which steps run, and what an earlier one has left.

use super::{Decider, read::EVENT_MAX_BYTES};
use crate::{
    chain::Work,
    command::{Legacy, Rejection},
    context::GivenContext,
    event::{Adopted, Duty, Event, Plan, SkipReason},
    ids::{FrameNo, StepIx},
    value::Value,
};

impl Decider<'_> {
    pub(super) fn select(
        &mut self,
        left_out: Vec<StepIx>,
        pinned: Vec<(StepIx, Value)>,
        only: Option<StepIx>,
        context: GivenContext,
    ) {
        if !left_out.is_empty() || !pinned.is_empty() || only.is_some() || !context.is_empty() {
            let chain = self.state.chain();
            let mut keep = |step, value| chain.step(step).keep_result(value, &mut self.blobs);
            let pinned = pinned.into_iter().map(|(step, value)| (step, keep(step, value))).collect();
            let context = (!context.is_empty()).then(|| Box::new(context.keep(&mut self.blobs)));
            self.emit(Event::StepsSelected { left_out, pinned, only, context });
        }
    }

    pub(super) fn begin(&mut self, held: bool, legacy: Legacy) {
        match legacy {
            Legacy::None => {}
            Legacy::Results { from, duty, results } => {
                for results in in_parts(results, adopted_bytes) {
                    self.emit(Event::ResultsAdopted { from, duty, results });
                }
            }
            Legacy::Duties { from, duties } if duties.is_empty() => {
                self.emit(Event::DutiesAdopted { from, duties });
            }
            Legacy::Duties { from, duties } => {
                for duties in in_parts(duties, duty_bytes) {
                    self.emit(Event::DutiesAdopted { from, duties });
                }
            }
        }
        if held {
            self.emit(Event::ExecutionHeld {});
        }
    }

    pub(super) fn admit(&mut self) -> Result<(), Rejection> {
        if self.state.has_ended() {
            return Err(Rejection::Ended);
        }
        if !self.state.is_held() {
            return Err(Rejection::NotHeld);
        }
        self.emit(Event::ExecutionAdmitted {});
        Ok(())
    }

    /// What the step comes to without being looked at: it is left out, or its result is there.
    pub(super) fn settled_before(&self, frame: FrameNo, step: StepIx, nth: u32) -> Option<Plan> {
        let selection = self.state.selection();
        if let Some(value) = selection.pinned.get(&step) {
            let kept = self.edited_before(frame, step, nth, value);
            return kept
                .or_else(|| match self.state.chain().step(step).work {
                    // Its names are in its result.
                    Work::Set { .. } => value.fields().map(Plan::Values),
                    _ => None,
                })
                .or_else(|| Some(Plan::Pin(value.clone())));
        }
        if selection.left_out.contains(&step) {
            return Some(Plan::Skip(SkipReason::LeftOut));
        }
        if self.state.is_frame_aside(frame) {
            return None;
        }
        self.adopted_before(frame, step, nth).or_else(|| {
            let only = selection.only?;
            let chain = self.state.chain();
            let is_meant = chain.stands_in(step, only) || chain.step(step).work.nested().is_some();
            (!is_meant).then_some(Plan::Skip(SkipReason::LeftOut))
        })
    }

    /// What an earlier execution has done, with the result that is given in place of its own: to take it back stays a
    /// duty.
    fn edited_before(&self, frame: FrameNo, step: StepIx, nth: u32, value: &Value) -> Option<Plan> {
        let results = &self.state.adopted().results;
        if results.is_empty() || self.state.is_frame_aside(frame) {
            return None;
        }
        let earlier = results.get(self.state.address_of(frame, step, nth).as_str())?;
        let is_edited = earlier.result == *value && !earlier.is_free;
        if is_edited { self.adopted_before(frame, step, nth) } else { None }
    }

    /// What a loop goes through where that was given, whatever its own text says.
    pub(super) fn items_given(&self, step: StepIx) -> Option<Plan> {
        self.state.selection().context.items.get(&step).cloned().map(Plan::Items)
    }

    /// The result that an earlier execution has left for it.
    fn adopted_before(&self, frame: FrameNo, step: StepIx, nth: u32) -> Option<Plan> {
        let adopted = &self.state.adopted().results;
        if adopted.is_empty() {
            return None;
        }
        let earlier = adopted.get(self.state.address_of(frame, step, nth).as_str())?;
        match self.state.chain().step(step).work {
            Work::ForEach { .. } => None,
            // Its names are in its result.
            Work::Set { .. } => Some(Plan::Values(earlier.result.fields()?)),
            _ => Some(Plan::Adopt),
        }
    }
}

fn adopted_bytes(adopted: &Adopted) -> usize {
    let values = adopted.values();
    adopted.address.len() + values.map(Value::json_bytes).sum::<usize>()
}

fn duty_bytes(duty: &Duty) -> usize {
    let values = duty.input.values().chain(duty.names.values()).chain(duty.steps.values());
    values.chain([&duty.result]).map(Value::json_bytes).sum()
}

/// Lists of which each fits into an event.
fn in_parts<T>(items: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut parts: Vec<Vec<T>> = Vec::new();
    let mut room = 0;
    for item in items {
        let size = bytes(&item) + 100;
        match parts.last_mut() {
            Some(part) if size <= room => part.push(item),
            Some(_) | None => {
                parts.push(vec![item]);
                room = EVENT_MAX_BYTES;
            }
        }
        room = room.saturating_sub(size);
    }
    parts
}
