//! `cargo xtask`: what a contributor and the continuous integration run. Only dispatches; one module per task.

#![expect(clippy::print_stdout, reason = "a developer's tool whose output is its report")]

mod bench;
mod cargo;
mod chaos;
mod check;
mod dst;
mod fuzz;
mod generated;
mod reference;
mod report;
mod test;
mod worlds;

use std::process::ExitCode;

use crate::report::AlreadySaid;

const USAGE: &str = "\
usage: cargo xtask TASK

  check                       format, lints, docs, generated files, licences
  test                        all tests; installs or says what it needs
  bench [--quick] [--only ROW]
                              measures each kind of work beside its floor
  chaos [--kills N] [--seed S] [--fault NAME | --all-faults] [--keep]
                              kills the engine again and again, and sees what holds
  dst [--quick]               compares schedules with an oracle around every change of every zone's clocks
  worlds [--seeds N] [--from SEED] [--seed SEED] [--fault NAME | --all-faults]
                              whole engines with a simulated clock, store and helper, which all fail
  fuzz [--seconds N]          makes up definitions, texts and expressions; no reader may panic
  gen [--check]               writes the generated files, or says which are out of date";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<AlreadySaid>() {
                eprintln!("xtask: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> anyhow::Result<()> {
    let Some((task, rest)) = args.split_first() else {
        anyhow::bail!("no task given\n\n{USAGE}");
    };
    match task.as_str() {
        "check" => check::run(rest),
        "test" => test::run(rest),
        "bench" => bench::run(rest),
        "chaos" => chaos::run(rest),
        "dst" => dst::run(rest),
        "worlds" => worlds::run(rest),
        "fuzz" => fuzz::run(rest),
        "gen" => generated::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => anyhow::bail!("there is no task `{other}`\n\n{USAGE}"),
    }
}
