//! The program as somebody at a terminal meets it, from its start to its exit.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Instant,
};

use anyhow::Context as _;
use tempfile::TempDir;

use super::{
    measure::{Goal, Measured, Unit, in_turns},
    run::Setting,
};

const THREE_STEPS: &str = "\
name: three
steps:
  - shell: \"true\"
  - shell: \"true\"
  - shell: \"true\"
";

pub(super) fn help(setting: &Setting) -> anyhow::Result<Measured> {
    let mut command = || {
        let mut command = Command::new(&setting.catena);
        command.arg("--help");
        Ok(command)
    };
    measure(setting, &mut command, Goal::AtMost(10.0))
}

/// Runs after the first in a home.
pub(super) fn run(setting: &Setting) -> anyhow::Result<Measured> {
    let home = Home::new(setting)?;
    measure(setting, &mut || Ok(home.run(setting)), Goal::AtMost(50.0))
}

/// Each run makes its store and starts its helper.
pub(super) fn run_cold(setting: &Setting) -> anyhow::Result<Measured> {
    let mut homes = Vec::new();
    let mut command = || {
        let home = Home::new(setting)?;
        let command = home.run(setting);
        homes.push(home);
        Ok(command)
    };
    measure(setting, &mut command, Goal::AtMost(50.0))
}

fn measure(
    setting: &Setting,
    command: &mut dyn FnMut() -> anyhow::Result<Command>,
    goal: Goal,
) -> anyhow::Result<Measured> {
    let rounds = setting.size.pick(40, 2);
    let (mine, floor) = in_turns(rounds, || run_ms(command()?), || run_ms(Command::new("/bin/true")))?;
    Ok(Measured { unit: Unit::Ms, mine, floor, beside: "`/bin/true`", goal, counts: None })
}

fn run_ms(mut command: Command) -> anyhow::Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let begun = Instant::now();
    // A helper that was started outlives the command, so nothing may wait for its pipes to close.
    let mut child = command.spawn().with_context(|| format!("failed to start {command:?}"))?;
    let status = child.wait()?;
    let took = begun.elapsed().as_secs_f64() * 1_000.0;
    if status.success() {
        return Ok(took);
    }
    let Output { stderr, .. } = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&stderr);
    anyhow::bail!(
        "`{:?}` ended with {status}: {}",
        command.get_program(),
        said.lines().next().unwrap_or_default()
    )
}

/// A home with a definition in it.
struct Home(TempDir);

impl Home {
    fn new(setting: &Setting) -> anyhow::Result<Self> {
        let home = tempfile::tempdir_in(&setting.folder)?;
        std::fs::write(home.path().join("three.yaml"), THREE_STEPS)?;
        Ok(Self(home))
    }

    fn run(&self, setting: &Setting) -> Command {
        let folder: &Path = self.0.path();
        let mut command = Command::new(&setting.catena);
        command.arg("run").arg(folder.join("three.yaml")).env("CATENA_HOME", folder.join("home"));
        command
    }
}
