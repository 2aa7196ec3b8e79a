//! Large values in the input of an attempt are references; what runs gets the values. Reading them is I/O, so it is
//! done on a thread that may wait.

use catena_core::{
    Failure, FailureType, Value,
    value::{LOADED_MAX_BYTES, Stored},
};

use crate::{Attempt, prepare::cannot_start, process_runner::Files};

pub(crate) fn has_references(attempt: &Attempt) -> bool {
    attempt.input.values().chain(&attempt.context).any(Value::has_references)
}

/// Puts the values in place of the references to them.
pub(crate) fn fill_in(attempt: &mut Attempt, files: &dyn Files) -> Result<(), Failure> {
    let mut room = LOADED_MAX_BYTES;
    let mut read = |stored: &Stored| {
        room = room.checked_sub(stored.bytes).ok_or_else(too_much)?;
        let bytes = files.read(&stored.sha256).map_err(|error| unreadable(&error))?;
        stored.open(&bytes).map_err(|error| unreadable(&error.to_string()))
    };
    for value in attempt.input.values_mut().chain(&mut attempt.context) {
        if value.has_references() {
            *value = Value::from(value.whole(&mut read)?);
        }
    }
    Ok(())
}

fn unreadable(why: &str) -> Failure {
    cannot_start(format!("cannot read a large value of its input: {why}"))
}

fn too_much() -> Failure {
    let message =
        format!("its input has more than {LOADED_MAX_BYTES} bytes in all; pass large data as a file");
    Failure::lasting(FailureType::CannotStart, message)
}
