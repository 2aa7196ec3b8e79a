//! The examples in the documents are definitions: each `yaml` block is checked as it stands.

#![expect(clippy::disallowed_methods, reason = "documents are files")]

use std::{fs, path::Path};

use catena_spec::{Colour, NoFiles, Source, check, render};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");

/// The blocks of a document, with the line that each begins on.
fn yaml_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.trim_end()) {
            (None, "```yaml") => open = Some((number + 1, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, block)), line) => *block += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn the_examples_in_the_documents_are_valid() {
    let mut count = 0;
    for name in
        ["README.md", "docs/reference/language.md", "docs/reference/code.md", "docs/reference/patterns.md"]
    {
        let text = fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
        for (line, block) in yaml_blocks(&text) {
            let source = Source::new(format!("{name}, from line {line}"), &block);
            let checked = check(&source, &NoFiles);
            assert!(checked.chain.is_some(), "{}", render(&checked.problems, &source, Colour::Off));
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} examples were found");
}
