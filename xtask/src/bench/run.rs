//! What is measured, in which order, and how much of it.

use std::{path::PathBuf, process::Command};

use anyhow::Context as _;

use super::{code, context, graph, long, many, measure::Measured, program, sequence, shell, table};
use crate::{
    cargo::{cargo, target},
    report::AlreadySaid,
};

/// A row of the table.
struct Row {
    name: &'static str,
    work: &'static str,
    measure: fn(&Setting) -> anyhow::Result<Measured>,
}

const ROWS: &[Row] = &[
    Row { name: "sequence", work: "durable no-op step, 1,000 in sequence", measure: sequence::measure },
    Row { name: "many", work: "durable no-op steps, 1,000 chains of 10 at once", measure: many::measure },
    Row { name: "shell", work: "shell step, 200 in sequence", measure: shell::measure },
    Row { name: "python", work: "Python step, cold", measure: code::python },
    Row { name: "javascript", work: "JavaScript step, cold", measure: code::javascript },
    Row { name: "run", work: "three-step chain, process start to exit", measure: program::run },
    Row { name: "run-cold", work: "the same, the first in a new home", measure: program::run_cold },
    Row { name: "help", work: "`catena --help`", measure: program::help },
    Row { name: "long", work: "no-op step in a chain of 10,000, against 10", measure: long::durable },
    Row { name: "long-core", work: "the same, decisions alone", measure: long::core_alone },
    Row { name: "graph", work: "no-op step in a graph of 10,000, against 10", measure: graph::durable },
    Row { name: "graph-core", work: "the same, decisions alone", measure: graph::core_alone },
    Row { name: "items-core", work: "an item of 10,000, against 10, decisions alone", measure: graph::items },
    Row { name: "context", work: "no-op step behind 1,000 results of 16 KiB", measure: context::measure },
    Row { name: "context-shell", work: "shell step behind the same", measure: context::process },
];

/// What every measurement is given.
pub(super) struct Setting {
    /// The folder that measurements make theirs in: on a disk, where the project is built.
    pub(super) folder: PathBuf,
    /// The release binary of `catena`.
    pub(super) catena: PathBuf,
    pub(super) size: Size,
}

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Full,
    /// Enough to see that the measurement works.
    Quick,
}

impl Size {
    pub(super) fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let (size, only) = parse(args)?;
    let folder = target().join("bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    build_release()?;
    if cfg!(debug_assertions) {
        return hand_over(args);
    }
    let setting = Setting { folder, catena: target().join("release/catena"), size };
    let mut complete = true;
    println!("{}", table::HEAD);
    for row in ROWS.iter().filter(|row| only.is_none_or(|only| only == row.name)) {
        match (row.measure)(&setting) {
            Ok(measured) => println!("{}", table::line(row.name, row.work, &measured)),
            Err(error) => {
                complete = false;
                println!("{}", table::failed(row.name, row.work, &error));
            }
        }
    }
    if complete { Ok(()) } else { Err(AlreadySaid.into()) }
}

fn parse(args: &[String]) -> anyhow::Result<(Size, Option<&str>)> {
    let (mut size, mut only) = (Size::Full, None);
    let mut args = args.iter().map(String::as_str);
    while let Some(arg) = args.next() {
        match arg {
            "--quick" => size = Size::Quick,
            "--only" => only = Some(args.next().context("`--only` needs the name of a row")?),
            other => anyhow::bail!("`bench` takes `--quick` and `--only ROW`, not `{other}`"),
        }
    }
    let names = || ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    anyhow::ensure!(
        only.is_none_or(|only| ROWS.iter().any(|row| row.name == only)),
        "there is no row `{}`; there are {}",
        only.unwrap_or_default(),
        names()
    );
    Ok((size, only))
}

fn build_release() -> anyhow::Result<()> {
    let mut build = cargo(&["build", "--release", "--quiet", "--package", "catena", "--package", "xtask"]);
    anyhow::ensure!(build.status().context("failed to start cargo")?.success(), "the release build failed");
    Ok(())
}

/// What is measured inside this process has to be optimised too, so the release build of it goes on.
fn hand_over(args: &[String]) -> anyhow::Result<()> {
    let mut measuring = Command::new(target().join("release/xtask"));
    let status = measuring.arg("bench").args(args).status().context("failed to start the release build")?;
    if status.success() { Ok(()) } else { Err(AlreadySaid.into()) }
}
