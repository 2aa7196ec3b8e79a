//! What the test is asked to do.

use anyhow::{Context, Result, bail, ensure};
use catena_core::faults::Fault;

#[derive(Clone, Debug)]
pub(super) struct Options {
    kills: Option<u32>,
    pub(super) seed: u64,
    pub(super) faults: Faults,
    /// Leave the folder of the test where it is.
    pub(super) keep: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Faults {
    None,
    One(String),
    All,
}

const USAGE: &str = "usage: cargo xtask chaos [--kills N] [--seed S] [--fault NAME | --all-faults] [--keep]";

impl Options {
    pub(super) fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self { kills: None, seed: 1, faults: Faults::None, keep: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("`{arg}` needs a value\n{USAGE}"));
            match arg.as_str() {
                "--kills" => options.kills = Some(value()?.parse().context("--kills is a number")?),
                "--seed" => options.seed = value()?.parse().context("--seed is a number")?,
                "--fault" => options.faults = Faults::One(known(value()?)?),
                "--all-faults" => options.faults = Faults::All,
                "--keep" => options.keep = true,
                other => bail!("unknown argument `{other}`\n{USAGE}"),
            }
        }
        Ok(options)
    }

    /// A planted fault shows soon.
    pub(super) fn kills(&self) -> u32 {
        self.kills.unwrap_or(if self.faults == Faults::None { 50 } else { 20 })
    }
}

fn known(name: &str) -> Result<String> {
    let names: Vec<&str> = Fault::ALL.iter().map(|(_, name)| *name).collect();
    ensure!(names.contains(&name), "there is no fault `{name}`; there are {}", names.join(", "));
    Ok(name.to_owned())
}
