//! Large values in the input of an attempt are references; what runs gets the values. Reading them is I/O, so it is
//! done on a thread that may wait.

use catena_core::{
    Failure, FailureType, Value,
    value::{LOADED_MAX_BYTES, Stored},
};

use crate::{Attempt, Context, prepare::cannot_start, process_runner::Files};

/// Whether the attempt needs time before it can be sent: large values are read, and a context is written.
pub(crate) fn takes_time(attempt: &Attempt) -> bool {
    attempt.context.is_some() || attempt.input.values().any(Value::has_references)
}

/// Puts the values in place of the references to them.
pub(crate) fn fill_in(attempt: &mut Attempt, files: &dyn Files) -> Result<(), Failure> {
    let mut room = LOADED_MAX_BYTES;
    let mut read = |stored: &Stored| {
        room = room.checked_sub(stored.bytes).ok_or_else(too_much)?;
        let bytes = files.read(&stored.sha256).map_err(|error| unreadable(&error))?;
        stored.open(&bytes).map_err(|error| unreadable(&error.to_string()))
    };
    let context = attempt.context.iter_mut().flat_map(Context::values_mut);
    for value in attempt.input.values_mut().chain(context) {
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
