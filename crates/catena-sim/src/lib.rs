//! Executions on simulated time. The core decides as it does in the engine; what is outside of it (steps, people, other
//! executions, the clock, slots) is a script. No process, no network and no file is touched: this crate has no way to.

mod calendar;
mod coverage;
mod prove;
mod run;
mod sample;
mod script;

pub use self::{
    calendar::{Calendar, Ended, Fired},
    coverage::{Branch, Coverage},
    prove::{Counterexample, Ending, Fault, Proof, path, prove, undone},
    run::Run,
    sample::sample,
    script::{Asked, Outcome, Reply, Scenario, Script, usual_failure},
};
