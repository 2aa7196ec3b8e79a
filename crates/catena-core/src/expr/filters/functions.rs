//! The functions that stand alone.

use minijinja::Value as Jinja;

use crate::expr::{
    bounds::{Result, fault},
    builtin::{Builtin, Call},
};

pub const FUNCTIONS: &[Builtin] = &[Builtin::new("range", &["start", "stop?", "step?"], range)
    .doc("Integers from `start`, or 0, to before `stop`.")
    .example("range(1, 6, 2)", "[1,3,5]")];

fn range(call: &mut Call<'_>) -> Result<Jinja> {
    let (first, second) = (call.int_arg(0)?.unwrap_or(0), call.int_arg(1)?);
    let step = call.int_arg(2)?.unwrap_or(1);
    let (start, stop) = second.map_or((0, first), |stop| (first, stop));
    if step == 0 {
        return fault("the step of a range cannot be 0");
    }
    let (span, step) = (i128::from(stop) - i128::from(start), i128::from(step));
    let count = if (span > 0) == (step > 0) {
        span.abs().div_euclid(step.abs()) + i128::from(span % step != 0)
    } else {
        0
    };
    call.budget.items(usize::try_from(count).unwrap_or(usize::MAX))?;
    Ok((0..count).map(|at| Jinja::from((i128::from(start) + at * step) as i64)).collect())
}
