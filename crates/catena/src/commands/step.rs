//! A step of a chain as a person names it.

use catena_core::{Chain, StepIx};
use catena_spec::did_you_mean;

use crate::exit::{Code, Failure};

/// The step with this id, else with this name.
pub(super) fn step_named(chain: &Chain, name: &str) -> Result<StepIx, Failure> {
    let by_name = || chain.steps().find(|(_, step)| step.name == name).map(|(ix, _)| ix);
    chain.step_by_id(name).or_else(by_name).ok_or_else(|| {
        let message = format!("chain `{}` has no step `{name}`", chain.name);
        let failure = Failure::new(Code::NotFound, message);
        let ids = chain.steps().map(|(_, step)| step.id.as_str());
        failure.next_if(true, did_you_mean(name, ids))
    })
}
