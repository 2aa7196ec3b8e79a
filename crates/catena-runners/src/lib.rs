//! Runners: what carries out one attempt of a step, and the helper that owns the processes. They know an
//! attempt and nothing of chains around it, journals or retries.

mod attempt;
mod classify;
mod code;
mod command;
mod file;
mod file_exists;
mod function;
#[cfg(feature = "http")]
mod http;
mod mask;
mod prepare;
pub mod process;
mod process_runner;
mod secrets;
mod shell;
mod threads;
mod values;
mod yaml;

pub use attempt::{Attempt, AttemptKey, Beginning, Context, Places, Recorded, Sink, StepRunner};
pub use code::{ProgramMissing, missing_programs};
pub use file_exists::FileExistsRunner;
pub use function::{Call, Function, FunctionRunner, Functions};
#[cfg(feature = "http")]
pub use http::HttpRunner;
pub use mask::MASKED_MIN_BYTES;
pub use prepare::{CONTEXT_VARIABLE, PARAMETERS_VARIABLE};
pub use process_runner::{Files, HelperAccess, HelperCommand, ProcessRunner, RunnerError, Sources};
pub use secrets::{NoSecrets, Secret, SecretMissing, Secrets};
