//! Runners: what carries out one attempt of a step, and the helper that owns the processes. They know an
//! attempt and nothing of chains around it, journals or retries.

mod attempt;
mod classify;
mod command;
mod file;
mod function;
mod mask;
mod prepare;
pub mod process;
mod process_runner;
mod secrets;
mod shell;
mod threads;
mod values;
mod yaml;

pub use attempt::{Attempt, AttemptKey, Beginning, Places, Recorded, Sink, StepRunner};
pub use function::{Call, Function, FunctionRunner, Functions};
pub use mask::MASKED_MIN_BYTES;
pub use prepare::CONTEXT_VARIABLE;
pub use process_runner::{Files, HelperAccess, HelperCommand, ProcessRunner, RunnerError, Sources};
pub use secrets::{NoSecrets, Secret, SecretMissing, Secrets};
