//! `cargo xtask gen`: files of the tree that are made from code, so that they cannot say something else.

use std::{fmt::Write as _, fs};

use anyhow::Context as _;
use catena_spec::Code;

use crate::cargo::root;

/// A file that is made, below the root, and what makes it.
struct Generated {
    path: &'static str,
    make: fn() -> String,
}

const FILES: &[Generated] = &[Generated { path: "docs/errors/README.md", make: error_codes }];

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    match args {
        [] => write(),
        [flag] if flag == "--check" => check(),
        _ => anyhow::bail!("`gen` takes `--check` or nothing"),
    }
}

fn write() -> anyhow::Result<()> {
    for file in FILES {
        let path = root().join(file.path);
        fs::write(&path, (file.make)()).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

/// Fails if a file in the tree is not what would be made.
pub(crate) fn check() -> anyhow::Result<()> {
    let is_old = |file: &&Generated| fs::read_to_string(root().join(file.path)).ok() != Some((file.make)());
    let old: Vec<&str> = FILES.iter().filter(is_old).map(|file| file.path).collect();
    anyhow::ensure!(old.is_empty(), "out of date: {}; run `cargo xtask gen`", old.join(", "));
    Ok(())
}

fn error_codes() -> String {
    let mut text = String::from(
        "# Error codes\n\n<!-- Made by `cargo xtask gen` from the registry in crates/catena-spec/src/code.rs. -->\n\n\
         What `catena` says with a code, and where it is explained. `catena explain C0212` shows the same page.\n\n\
         | code | what it means |\n| --- | --- |\n",
    );
    for code in Code::ALL {
        writeln!(text, "| [{code}]({code}.md) | {} |", code.title()).expect("a string takes all text");
    }
    text
}
