//! `--pin STEP=VALUE`: results that are given to steps.

use catena_core::{
    Chain, StepIx, Value,
    chain::{Work, schema::mismatches},
};

use super::{params, step::step_named};
use crate::exit::{Code, Failure};

/// Reads the options: JSON, else text; `@FILE` is a file's content.
pub(super) fn read(pins: &[String], chain: &Chain) -> Result<Vec<(StepIx, Value)>, Failure> {
    let mut read = Vec::new();
    for written in pins {
        let (step, value) = pin(written, chain)?;
        if read.iter().any(|(other, _)| *other == step) {
            let message = format!("step `{}` is given two results", chain.step(step).id);
            return Err(Failure::new(Code::Usage, message).next("--pin STEP=VALUE, once for each step"));
        }
        read.push((step, value));
    }
    Ok(read)
}

/// A `set` step leaves its names.
fn expect_names(chain: &Chain, step: StepIx, value: &Value) -> Result<(), Failure> {
    let Work::Set { values } = &chain.step(step).work else { return Ok(()) };
    let id = &chain.step(step).id;
    let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
    let next = format!("--pin {id}='{{\"{}\": VALUE}}'", names.first().unwrap_or(&"name"));
    let Some(fields) = value.fields() else {
        let message = format!("step `{id}` sets names, and what it is given is no object of them");
        return Err(Failure::new(Code::Usage, message).next(next));
    };
    match fields.iter().find(|(name, _)| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some((name, _)) => Err(Failure::new(Code::Usage, format!("step `{id}` sets no `{name}`")).next(next)),
    }
}

fn pin(written: &str, chain: &Chain) -> Result<(StepIx, Value), Failure> {
    let Some((name, text)) = written.split_once('=') else {
        let message = format!("`--pin {written}` has no `=`");
        return Err(Failure::new(Code::Usage, message).next("--pin STEP=VALUE, or --pin STEP=@FILE"));
    };
    let (step, value) = (step_named(chain, name)?, params::given_json(text, "--pin")?);
    expect_names(chain, step, &value)?;
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
