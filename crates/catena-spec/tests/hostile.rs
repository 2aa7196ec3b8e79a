//! Definitions that nobody means well with, or that are simply large: nothing panics, everything ends soon, places
//! stay right.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use catena_spec::dto::ProblemDto;
use catena_spec::{Checked, Code, Colour, NoFiles, Source, check, render};
use proptest::prelude::*;

fn check_text(text: &str) -> (Source, Checked) {
    let source = Source::new("t.yaml", text);
    let checked = check(&source, &NoFiles);
    (source, checked)
}

/// Each problem as `line:column code`.
fn places(text: &str) -> Vec<String> {
    let (source, checked) = check_text(text);
    let place = |problem: &catena_spec::Problem| {
        let at = source.position(problem.span.start);
        format!("{}:{} {}", at.line, at.column, problem.code)
    };
    checked.problems.iter().map(place).collect()
}

#[test]
fn columns_count_characters_and_lines_may_end_in_two_ways() {
    assert_eq!(places("steps:\n  - {größe: 1, shell: echo}\n"), ["2:6 C0201"]);
    assert_eq!(places("steps:\r\n  - shell: echo\r\n    wehn: x\r\n"), ["3:5 C0201"]);
    assert_eq!(places("steps:\n  - command: [\"🦀🦀\", \"{x}\"]\n"), ["2:23 C0401"]);
    assert_eq!(
        places("steps:\r\n  - set:\r\n      a: |\r\n        ünö\r\n        {x} ok\r\n"),
        ["5:10 C0401"]
    );
    assert_eq!(places("\u{feff}stepz: []\n"), ["1:1 C0201", "1:10 C0202"]);
}

/// The bound is generous: it tells bounded from unbounded, not fast from slow.
fn refused_soon(text: &str, code: Code) {
    let start = Instant::now();
    let (source, checked) = check_text(text);
    assert!(start.elapsed() < Duration::from_secs(20), "{code} took {:?}", start.elapsed());
    assert!(checked.chain.is_none());
    assert!(checked.problems.iter().any(|problem| problem.code == code), "{:?}", checked.problems.first());
    assert!(render(&checked.problems, &source, Colour::On).len() < 1_000_000);
}

#[test]
fn bombs_are_refused_with_a_position() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let before = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [before.as_str(); 9].join(", ")));
    }
    refused_soon(&bomb, Code::TooLarge);
    refused_soon(&format!("steps: {}", "[".repeat(100_000)), Code::TooLarge);
    refused_soon(&"- ".repeat(100_000), Code::TooLarge);
    refused_soon(&"{a: ".repeat(100_000), Code::TooLarge);
    refused_soon(&format!("name: {}\nsteps: [1]", "x".repeat(17 << 20)), Code::TooLarge);
    refused_soon("a: &a {b: *a}\nsteps: [1]", Code::Syntax);
}

#[test]
fn a_thousand_problems_are_enough() {
    let text = format!("steps:\n{}", "  - {banana: 1, shell: x}\n".repeat(3_000));
    let (_, checked) = check_text(&text);
    assert_eq!((checked.problems.len(), checked.left_out), (1_000, 2_000));
}

#[test]
fn a_large_definition_is_no_burden() {
    let mut text = "params: {city: {type: string}}\nsteps:\n".to_owned();
    for number in 0..10_000 {
        text.push_str(&format!(
            "  - name: Step\n    command: [echo, \"{{city}} {number}\"]\n    output_key: result{number}\n"
        ));
    }
    let start = Instant::now();
    let (_, checked) = check_text(&text);
    assert!(checked.problems.is_empty() && checked.chain.is_some());
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
}

#[test]
fn problems_have_a_wire_form() {
    let (source, checked) = check_text("steps:\n  - shel: echo\n");
    let problems: Vec<_> = checked.problems.iter().map(|problem| ProblemDto::new(problem, &source)).collect();
    let json = serde_json::to_string(&problems).unwrap();
    insta::assert_snapshot!(json, @r#"[{"code":"C0208","severity":"error","message":"there is no kind of step `shel`","file":"t.yaml","line":2,"column":5,"end_line":2,"end_column":9,"help":"did you mean `shell`?"}]"#);
}

fn seeds() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/chains");
    let mut seeds = Vec::new();
    for folder in ["valid", "broken"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            seeds.extend(fs::read_to_string(entry.unwrap().path()));
        }
    }
    seeds.sort();
    seeds
}

/// One change of a text: a piece taken out, doubled, or replaced by something with a meaning.
fn mutate(text: &str, at: usize, length: usize, with: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let at = at % (letters.len() + 1);
    let end = (at + length).min(letters.len());
    letters[..at].iter().copied().chain(with.chars()).chain(letters[end..].iter().copied()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<usize>(), 0usize..12, prop::sample::select(PIECES)), 1..6),
        colour in prop::sample::select(&[Colour::Off, Colour::On][..]),
    ) {
        let seeds = seeds();
        let mut text = seed.get(&seeds).clone();
        for (at, length, with) in changes {
            text = mutate(&text, at, length, with);
        }
        let (source, checked) = check_text(&text);
        for problem in &checked.problems {
            prop_assert!(problem.span.start <= problem.span.end && problem.span.end <= source.text().len());
            ProblemDto::new(problem, &source);
        }
        render(&checked.problems, &source, colour);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let source = Source::from_bytes("t", &bytes);
        let checked = check(&source, &NoFiles);
        render(&checked.problems, &source, Colour::Off);
    }
}

const PIECES: &[&str] = &[
    "", " ", "\n", "\r\n", "\t", ": ", "- ", "{", "}", "[", "]", "\"", "'", "|\n", ">-\n", "*a", "&a ",
    "!!str ", "#", "{city}", "{{x}}", "{= 1}", "\u{0}", "ö", "🦀", "\u{feff}", "~", "1e99", "steps: ",
    "<<: ", "? ", "---\n", "%", "\\u",
];

#[test]
fn script_text_full_of_braces_costs_little_and_warnings_hide_no_error() {
    // Looked at once, not once for each brace: this would take minutes.
    let text = format!("steps:\n- shell: '{}'\n", "{a".repeat(400_000));
    assert!(check(&Source::new("a.yaml", &text), &NoFiles).chain.is_some());
    let later = "- {shell: echo, notify: ann}\n".repeat(3_000);
    let checked = check(&Source::new("a.yaml", &format!("steps:\n{later}")), &NoFiles);
    assert!(!checked.has_error() && checked.chain.is_none() && checked.left_out > 0);
    let checked = check(&Source::new("a.yaml", &format!("steps:\n{later}- shel: echo\n")), &NoFiles);
    assert!(checked.has_error());
    let digits = "9".repeat(100_000);
    let checked =
        check(&Source::new("a.yaml", &format!("steps:\n- shell: echo\n  timeout: {digits}\n")), &NoFiles);
    assert!(checked.problems.iter().all(|problem| problem.message.len() < 2_000));
}
