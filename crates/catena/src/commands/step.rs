//! A step of a chain as a person names it.

use catena_core::{Chain, StepIx};
use catena_spec::did_you_mean;

use crate::{
    document::steps_aside,
    exit::{Code, Failure},
};

/// Of the steps of a chain, the first are named.
const NAMED_MAX: usize = 10;

/// The step with this id, else with this name.
pub(super) fn step_named(chain: &Chain, name: &str) -> Result<StepIx, Failure> {
    let by_name = || chain.steps().find(|(_, step)| step.name == name).map(|(ix, _)| ix);
    chain.step_by_id(name).or_else(by_name).ok_or_else(|| {
        let is_address = name.contains(['/', '[', '~']);
        if let Some(step) = chain.step_of_address(name).filter(|_| is_address) {
            let id = &chain.step(step).id;
            let message = format!("`{name}` is the address of one visit, and here a step is meant");
            return Failure::new(Code::Usage, message).next(format!("the step's id, `{id}`: all its visits"));
        }
        let message = format!("chain `{}` has no step `{name}`", chain.name);
        let failure = Failure::new(Code::NotFound, message);
        let ids = || chain.steps().map(|(_, step)| step.id.as_str());
        failure.next(did_you_mean(name, ids()).unwrap_or_else(|| {
            let (few, more): (Vec<_>, Vec<_>) =
                (ids().take(NAMED_MAX).collect(), ids().skip(NAMED_MAX).collect());
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            format!("one of its steps: {}{more}", few.join(", "))
        }))
    })
}

/// The same, of those that a part of a chain can be told by: what stands aside runs only where something has happened.
pub(super) fn step_on_the_way(chain: &Chain, name: &str) -> Result<StepIx, Failure> {
    let step = step_named(chain, name)?;
    if !steps_aside(chain).contains(&step) {
        return Ok(step);
    }
    let message =
        format!("step `{name}` stands in an undo, an alternative or a handler: it has no place on the way");
    let next = "the step that it belongs to".to_owned();
    Err(Failure::new(Code::Usage, message).next(next))
}
