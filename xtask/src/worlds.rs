//! `cargo xtask worlds`: whole engines in simulated worlds, one for each seed. The worlds are a program of their own,
//! built with the faults that can be planted in them.

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    cargo::{cargo, target},
    report::AlreadySaid,
};

/// Planted in turn by `--all-faults`, each of them has to break a promise in some world.
const FAULTS: [&str; 9] = [
    "act_before_commit",
    "acknowledge_before_commit",
    "timer_lost",
    "timer_early",
    "not_attached",
    "end_twice",
    "pause_ignored",
    "stale_lease",
    "instant_forgotten",
];

pub(crate) fn run(args: &[String]) -> Result<()> {
    build()?;
    if let Some(rest) = without(args, "--all-faults") {
        return all_faults(&rest);
    }
    if worlds(args)?.is_empty() { Ok(()) } else { Err(AlreadySaid.into()) }
}

fn build() -> Result<()> {
    let mut build = cargo(&["build", "--quiet", "--package", "catena-worlds", "--features", "faults"]);
    ensure!(build.status().context("failed to start cargo")?.success(), "the worlds do not build");
    Ok(())
}

/// Runs worlds and shows what they say; gives the lines that tell of broken promises.
fn worlds(args: &[String]) -> Result<Vec<String>> {
    let program = target().join("debug").join("catena-worlds");
    let mut command = std::process::Command::new(&program);
    let output = command.args(args).stderr(std::process::Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    let broken: Vec<String> =
        said.lines().filter(|line| line.starts_with("seed ")).map(str::to_owned).collect();
    ensure!(output.status.success() || !broken.is_empty(), "the worlds did not end well");
    Ok(broken)
}

/// Whether each fault is noticed.
fn all_faults(args: &[String]) -> Result<()> {
    let mut unnoticed = Vec::new();
    for fault in FAULTS {
        println!("== with the fault {fault}");
        let planted: Vec<String> = ["--fault", fault, "--first"].iter().map(ToString::to_string).collect();
        if worlds(&[planted.as_slice(), args].concat())?.is_empty() {
            unnoticed.push(fault);
        }
    }
    if !unnoticed.is_empty() {
        bail!("nothing was broken by {}", unnoticed.join(", "));
    }
    println!("{} planted faults, and each is noticed", FAULTS.len());
    Ok(())
}

/// The arguments without an option, if it is there.
fn without(args: &[String], option: &str) -> Option<Vec<String>> {
    let rest: Vec<String> = args.iter().filter(|arg| *arg != option).cloned().collect();
    (rest.len() < args.len()).then_some(rest)
}
