//! The chaos test: chains run while their engine is killed again and again, an oracle that is told what each
//! step does keeps its own account, and in the end journal and account must agree on promises 1 to 4.
//!
//! The oracle and the steps are this same program under hidden names; the engine is `catena`, built with the
//! feature `faults`, so that each planted fault can be switched on to see whether it is noticed.

mod chains;
mod driver;
mod engine;
mod faults;
mod helper;
mod ledger;
mod options;
mod oracle;
pub(crate) mod random;
mod round;
mod step;
mod verdict;

use anyhow::Result;

use self::options::{Faults, Options};

/// `cargo xtask chaos`, and what it starts of itself.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args.split_first() {
        Some((role, rest)) if role == "oracle" => oracle::run(rest),
        Some((role, rest)) if role == "step" => step::run(rest),
        _ => test(&Options::parse(args)?),
    }
}

fn test(options: &Options) -> Result<()> {
    match &options.faults {
        Faults::None => driver::run(options, None)?.finish(),
        Faults::One(name) => driver::run(options, Some(name))?.finish(),
        Faults::All => faults::run_all(options),
    }
}
