//! `cargo xtask worlds` runs this: many seeds, or one of them with all that happens in it.

#![expect(clippy::print_stdout, reason = "a developer's tool whose output is its report")]

use std::process::ExitCode;

use anyhow::{Result, bail};
use catena_worlds::{Report, kept_seeds, run};

const USAGE: &str = "usage: worlds [--seeds N] [--from SEED] [--seed SEED] [--fault NAME] [--first]";

#[derive(Default)]
struct Options {
    seeds: u64,
    from: u64,
    one: Option<u64>,
    /// Stop at the first world that is broken.
    first: bool,
}

fn main() -> ExitCode {
    match options().and_then(|options| go(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("worlds: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options() -> Result<Options> {
    let mut options = Options { seeds: 200, ..Options::default() };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| anyhow::anyhow!("{arg} needs a value\n{USAGE}"));
        match arg.as_str() {
            "--seeds" => options.seeds = value()?.parse()?,
            "--from" => options.from = value()?.parse()?,
            "--seed" => options.one = Some(value()?.parse()?),
            "--first" => options.first = true,
            "--fault" => switch_on(&value()?)?,
            other => bail!("there is no option {other}\n{USAGE}"),
        }
    }
    Ok(options)
}

#[cfg(feature = "faults")]
fn switch_on(name: &str) -> Result<()> {
    if !catena_core::faults::switch_on(name) {
        bail!("there is no fault {name}");
    }
    Ok(())
}

#[cfg(not(feature = "faults"))]
fn switch_on(name: &str) -> Result<()> {
    bail!("this build has no faults, so {name} cannot be planted: build it with --features faults")
}

/// Whether everything holds.
fn go(options: &Options) -> Result<bool> {
    if let Some(seed) = options.one {
        let report = run(seed)?;
        report.trace.iter().for_each(|line| println!("{line}"));
        tell(&report);
        return Ok(report.holds());
    }
    let seeds: Vec<u64> = kept_seeds().chain(options.from..options.from + options.seeds).collect();
    let (mut broken, mut happenings, mut crashes, mut attempts, mut executions) = (Vec::new(), 0, 0, 0, 0);
    for seed in &seeds {
        let report = run(*seed)?;
        happenings += report.happenings;
        crashes += report.crashes;
        attempts += report.attempts;
        executions += report.executions;
        if !report.holds() {
            tell(&report);
            broken.push(*seed);
            if options.first {
                break;
            }
        }
    }
    println!(
        "{} worlds: {executions} executions, {attempts} attempts, {crashes} crashes, {happenings} happenings; {} broken",
        seeds.len(),
        broken.len(),
    );
    Ok(broken.is_empty())
}

fn tell(report: &Report) {
    for violation in &report.violations {
        println!("seed {}: promise {}: {}", report.seed, violation.promise, violation.what);
    }
    if !report.holds() {
        println!("  again with all that happens: cargo xtask worlds --seed {}", report.seed);
    }
}
