//! Runners: what carries out one attempt of a step, and the helper that owns the processes. They know an
//! attempt and nothing of chains, journals or retries.

pub mod process;
