//! `--pin STEP=VALUE`: results that are given to steps.

use catena_core::{Chain, StepIx, Value, chain::schema::mismatches};

use super::{params, step::step_named};
use crate::exit::{Code, Failure};

/// Reads the options: JSON, else text; `@FILE` is a file's content.
pub(super) fn read(pins: &[String], chain: &Chain) -> Result<Vec<(StepIx, Value)>, Failure> {
    pins.iter().map(|written| pin(written, chain)).collect()
}

fn pin(written: &str, chain: &Chain) -> Result<(StepIx, Value), Failure> {
    let Some((name, text)) = written.split_once('=') else {
        let message = format!("`--pin {written}` has no `=`");
        return Err(Failure::new(Code::Usage, message).next("--pin STEP=VALUE, or --pin STEP=@FILE"));
    };
    let (step, value) = (step_named(chain, name)?, params::given_json(text, "--pin")?);
    let schema = chain.step(step).output.as_ref();
    let wrong = schema.map(|schema| mismatches(schema, value.as_json())).unwrap_or_default();
    match wrong.first() {
        None => Ok((step, value)),
        Some(wrong) => {
            let (path, why) = (&wrong.path, &wrong.message);
            let message = format!("`--pin {name}` does not fit the step's `output`: the value{path} {why}");
            Err(Failure::new(Code::Usage, message).next("--pin STEP=VALUE, as the step's schema has it"))
        }
    }
}
