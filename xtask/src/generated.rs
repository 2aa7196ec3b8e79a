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

const FILES: &[Generated] = &[
    Generated { path: "docs/errors/README.md", make: error_codes },
    Generated { path: "docs/reference/keys.md", make: crate::reference::keys },
    Generated { path: "docs/reference/chain.schema.json", make: schema },
    Generated { path: "docs/SUMMARY.md", make: summary },
];

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

fn schema() -> String {
    let text =
        serde_json::to_string_pretty(&catena_spec::schema()).expect("a schema holds only what JSON can say");
    text + "\n"
}

/// The contents of the book.
fn summary() -> String {
    let mut text = String::from(
        "# Summary\n\n<!-- Made by `cargo xtask gen`. -->\n\n\
         - [The language](reference/language.md)\n- [Keys and kinds](reference/keys.md)\n\
         - [Python and JavaScript](reference/code.md)\n\
         - [The command line](reference/command-line.md)\n- [Error codes](errors/README.md)\n",
    );
    for code in Code::ALL {
        writeln!(text, "  - [{code}: {}](errors/{code}.md)", code.title()).expect("a string takes all text");
    }
    text.push_str("- [Decisions](decisions/README.md)\n");
    for name in decisions() {
        writeln!(text, "  - [{}](decisions/{name}.md)", name.replace('-', " "))
            .expect("a string takes all text");
    }
    text
}

fn decisions() -> Vec<String> {
    let entries = fs::read_dir(root().join("docs/decisions")).into_iter().flatten().flatten();
    let stems = entries.filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()));
    let mut names: Vec<String> = stems.filter(|name| name != "README").collect();
    names.sort();
    names
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
