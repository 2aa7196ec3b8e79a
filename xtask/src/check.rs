//! `cargo xtask check`: everything about the tree that needs no test to run.

use std::process::Command;

use anyhow::Context as _;

use crate::{
    cargo::{cargo, has_subcommand},
    generated,
    report::Report,
};

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(args.is_empty(), "`check` takes no arguments");
    let mut report = Report::default();
    step(&mut report, "format", &mut cargo(&["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    step(&mut report, "lints", &mut cargo(&lints))?;
    let mut docs = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    step(&mut report, "docs", docs.env("RUSTDOCFLAGS", "-D warnings"))?;
    match generated::check() {
        Ok(()) => report.pass(),
        Err(error) => report.fail(format!("generated files: {error:#}")),
    }
    if has_subcommand("deny") {
        let deny = ["deny", "check", "bans", "licenses", "sources"];
        step(&mut report, "dependencies", &mut cargo(&deny))?;
    } else {
        report.skip("dependencies", "cargo-deny is not installed (`cargo install --locked cargo-deny`)");
    }
    report.finish()
}

fn step(report: &mut Report, name: &str, command: &mut Command) -> anyhow::Result<()> {
    println!("== {name}");
    let status = command.status().with_context(|| format!("failed to start cargo for `{name}`"))?;
    if status.success() {
        report.pass()
    } else {
        report.fail(name)
    }
    Ok(())
}
