//! Evaluating with stored values, and keeping what an evaluation gave: large values become references.

use super::Decider;
use crate::{
    event::Plan,
    failure::{Failure, FailureType},
    ids::FrameNo,
    state::{Iteration, Met, State, VisitScope},
    value::{INLINE_MAX_BYTES, VALUE_MAX_BYTES, Value},
};

/// Where many values together are too many for one event, those with more bytes than this are references: one takes
/// about a fourth of it.
const CROWDED_MAX_BYTES: usize = 512;
/// How many bytes of values an event has before it is crowded.
pub(super) const EVENT_MAX_BYTES: usize = 4 * INLINE_MAX_BYTES;

impl Decider<'_> {
    /// Evaluates in the view from a frame. `None` if a value is not at hand: then nothing is decided, and what the
    /// evaluation reads is noted.
    pub(super) fn evaluate<T>(
        &mut self,
        frame: FrameNo,
        read: impl FnOnce(&State, &VisitScope<'_>) -> Result<T, Failure>,
    ) -> Option<Result<T, Failure>> {
        self.evaluate_in(frame, None, read)
    }

    /// The same in an iteration of a repeated step of the frame.
    pub(super) fn evaluate_in<T>(
        &mut self,
        frame: FrameNo,
        iteration: Option<&Iteration>,
        read: impl FnOnce(&State, &VisitScope<'_>) -> Result<T, Failure>,
    ) -> Option<Result<T, Failure>> {
        let scope = self.state.scope(frame, self.outside.now, self.loaded).in_iteration(iteration);
        let outcome = read(self.state, &scope);
        match scope.met() {
            Met::Wholly => Some(outcome),
            Met::Never(failure) => Some(Err(failure)),
            Met::Not(needs) => {
                self.needs = needs;
                None
            }
        }
    }

    pub(super) fn keep(&mut self, value: Value) -> Result<Value, Failure> {
        if !value.is_larger_than(INLINE_MAX_BYTES) {
            return Ok(value);
        }
        if value.is_larger_than(VALUE_MAX_BYTES) {
            let message = format!("a value has at most {VALUE_MAX_BYTES} bytes; pass larger data as a file");
            return Err(Failure::lasting(FailureType::ResultTooLarge, message));
        }
        Ok(value.keep(&mut self.blobs))
    }

    pub(super) fn keep_plan(&mut self, plan: Plan) -> Result<Plan, Failure> {
        match plan {
            Plan::Attempt(mut input) => {
                self.keep_all(&mut input.values_mut().collect::<Vec<_>>())?;
                Ok(Plan::Attempt(input))
            }
            Plan::Items(mut items) => {
                self.keep_all(&mut items.iter_mut().collect::<Vec<_>>())?;
                Ok(Plan::Items(items))
            }
            Plan::Values(mut values) => {
                self.keep_all(&mut values.iter_mut().map(|(_, value)| value).collect::<Vec<_>>())?;
                Ok(Plan::Values(values))
            }
            Plan::End { status, output } => {
                let output = output.map(|output| self.keep(output)).transpose()?;
                Ok(Plan::End { status, output })
            }
            Plan::Blocks
            | Plan::Wait { .. }
            | Plan::Await { .. }
            | Plan::Ask { .. }
            | Plan::Adopt
            | Plan::Pin(_)
            | Plan::Skip(_)
            | Plan::Fail(_)
            | Plan::Raise(_) => Ok(plan),
        }
    }

    /// The values of one event: each within its limit, and not too much together.
    fn keep_all(&mut self, values: &mut [&mut Value]) -> Result<(), Failure> {
        for value in values.iter_mut() {
            **value = self.keep((*value).clone())?;
        }
        if are_larger_than(EVENT_MAX_BYTES, values) {
            for value in values {
                **value = (*value).clone().keep_above(CROWDED_MAX_BYTES, &mut self.blobs);
            }
        }
        Ok(())
    }
}

fn are_larger_than(max: usize, values: &[&mut Value]) -> bool {
    // So many of the largest that stand in an event are no more than that.
    values.len() > max / INLINE_MAX_BYTES
        && values.iter().map(|value| value.json_bytes()).sum::<usize>() > max
}
