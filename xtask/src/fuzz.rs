//! `cargo xtask fuzz`: made-up definitions, texts and expressions for the readers of what people write. Pieces of known
//! inputs are cut, doubled and mixed; whatever makes a reader panic is kept under `fixtures/fuzz` and read again ever after.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use catena_core::{
    Value,
    expr::{Expr, FILTERS, FUNCTIONS, Scope, TESTS, to_jinja},
    template::Template,
};
use catena_spec::{Colour, NoFiles, Source, check, dto::ProblemDto, render};
use serde_json::json;

use crate::chaos::random::Random;

const DEFAULT_SECONDS: u64 = 10;
const SECONDS_MAX: u64 = 24 * 3_600;
/// An input grows no further: what only long inputs show, the tests of limits show.
const INPUT_MAX_BYTES: usize = 8_192;

/// Pieces with a meaning to one reader or another.
const PIECES: [&str; 44] = [
    "{",
    "}",
    "{{",
    "}}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "'",
    "\\",
    "|",
    " | ",
    ".",
    ",",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\r\n",
    "\t",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "|\n",
    ">-\n",
    "? ",
    "---\n",
    "!!str ",
    "%",
    "~",
    "{city}",
    "{= 1}",
    "{{x}}",
    "${HOME}",
    "\u{0}",
    "\u{feff}",
    "é",
    "🦀",
    "1e99",
    "-9223372036854775808",
    " if ",
    " is ",
];

/// A reader of input: it may refuse, but not panic.
struct Target {
    name: &'static str,
    read: fn(&str),
}

const TARGETS: [Target; 3] = [
    Target { name: "definitions", read: read_definition },
    Target { name: "texts", read: read_text },
    Target { name: "expressions", read: read_expression },
];

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let seconds = match args {
        [] => DEFAULT_SECONDS,
        [flag, seconds] if flag == "--seconds" => seconds.parse().context("--seconds takes a number")?,
        _ => anyhow::bail!("`fuzz` takes --seconds N"),
    };
    anyhow::ensure!((1..=SECONDS_MAX).contains(&seconds), "--seconds is between 1 and {SECONDS_MAX}");
    let seed =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
    let end = Instant::now() + Duration::from_secs(seconds);
    println!("== fuzz, {seconds} s, seed {seed}");
    let tried = pass(seed, || Instant::now() < end)?;
    println!("{tried} inputs, none made a reader panic");
    Ok(())
}

/// Tries inputs as long as `go_on` says; those that are kept come first.
fn pass(seed: u64, mut go_on: impl FnMut() -> bool) -> anyhow::Result<u64> {
    for path in files_below(&folder())? {
        let input =
            fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        for target in &TARGETS {
            survives(target, &input).with_context(|| format!("{} again", path.display()))?;
        }
    }
    let mut fuzzer = Fuzzer { random: Random::new(seed), seeds: seeds()? };
    let mut tried = 0;
    while go_on() {
        let input = fuzzer.input();
        for target in &TARGETS {
            survives(target, &input).or_else(|error| Err(error.context(keep(&input, tried)?)))?;
        }
        tried += 1;
    }
    Ok(tried)
}

fn survives(target: &Target, input: &str) -> anyhow::Result<()> {
    match catch_unwind(AssertUnwindSafe(|| (target.read)(input))) {
        Ok(()) => Ok(()),
        Err(_) => anyhow::bail!("the reader of {} panicked", target.name),
    }
}

fn keep(input: &str, number: u64) -> anyhow::Result<String> {
    let path = folder().join(format!("{}-{number}.txt", std::process::id()));
    fs::create_dir_all(folder())?;
    fs::write(&path, input)?;
    Ok(format!("the input is kept as {}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

fn folder() -> PathBuf {
    root().join("fixtures/fuzz")
}

/// The definitions among the fixtures, and every example of an expression.
fn seeds() -> anyhow::Result<Vec<String>> {
    let mut seeds = Vec::new();
    for folder in ["fixtures/chains/valid", "fixtures/chains/broken"] {
        // Some broken ones are no text at all; they are not for us.
        seeds.extend(files_below(&root().join(folder))?.iter().flat_map(fs::read_to_string));
    }
    for builtin in FILTERS.iter().chain(TESTS).chain(FUNCTIONS) {
        seeds.push(builtin.example.to_owned());
        seeds.push(format!("steps:\n  - set: {{a: \"{{= {}}} and {{city}}\"}}\n", builtin.example));
    }
    anyhow::ensure!(seeds.len() > 100, "the fixtures are looked for in the wrong place");
    Ok(seeds)
}

fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

struct Fuzzer {
    random: Random,
    seeds: Vec<String>,
}

impl Fuzzer {
    fn input(&mut self) -> String {
        let mut input = self.seed();
        for _ in 0..self.random.between(1, 6) {
            let (start, end) = self.range(&input);
            let with = match self.random.between(0, 5) {
                0 => String::new(),
                1 => input[start..end].repeat(2),
                2 => {
                    let other = self.seed();
                    let (start, end) = self.range(&other);
                    other[start..end].to_owned()
                }
                _ => PIECES[self.below(PIECES.len())].to_owned(),
            };
            if input.len() + with.len() <= INPUT_MAX_BYTES {
                input.replace_range(start..end, &with);
            }
        }
        input
    }

    fn seed(&mut self) -> String {
        let at = self.below(self.seeds.len());
        self.seeds[at].clone()
    }

    fn below(&mut self, count: usize) -> usize {
        self.random.between(0, count.max(1) as u64 - 1) as usize
    }

    /// A piece of a text, at the borders of letters, mostly a short one.
    fn range(&mut self, text: &str) -> (usize, usize) {
        let start = self.below(text.len() + 1);
        let longest = if self.random.one_in(8) { text.len() } else { 12 };
        let end = (start + self.below(longest + 1)).min(text.len());
        let border = |at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        (border(start), border(end))
    }
}

fn read_definition(input: &str) {
    let source = Source::new("fuzz.yaml", input);
    let checked = check(&source, &NoFiles);
    for problem in &checked.problems {
        assert!(problem.span.start <= problem.span.end && problem.span.end <= source.text().len());
        ProblemDto::new(problem, &source);
    }
    render(&checked.problems, &source, Colour::On);
    // What is stored must be readable again, and be the same.
    if let Some(chain) = &checked.chain {
        let stored = serde_json::to_string(chain).expect("a chain can be written");
        let again = serde_json::from_str::<catena_core::Chain>(&stored).expect("a chain can be read again");
        assert_eq!(serde_json::to_string(&again).expect("a chain can be written"), stored);
    }
}

struct Names;

impl Scope for Names {
    fn get(&self, root: &str, _paths: &[&str]) -> Option<minijinja::Value> {
        let value = match root {
            "city" => json!("Rome"),
            "x" | "n" => json!(7),
            "items" => json!([1, "b", null]),
            "weather" => json!({"temperature": 20.6}),
            _ => return None,
        };
        Some(to_jinja(&Value::from(value)))
    }
}

fn read_text(input: &str) {
    let known = |name: &str| ["city", "x", "n", "items", "weather"].contains(&name);
    if let Ok(scanned) = Template::scan(input, &known) {
        for range in &scanned.doubled {
            assert!(input[range.clone()].starts_with("{{"));
        }
        if scanned.template.exprs().is_empty() && scanned.doubled.is_empty() {
            assert_eq!(scanned.template, Template::constant(input));
        }
        _ = scanned.template.eval(&Names);
    }
}

fn read_expression(input: &str) {
    match Expr::parse(input) {
        Ok(expr) => {
            _ = expr.eval(&Names);
            _ = expr.eval_condition(&Names);
        }
        Err(error) => assert!(error.range.is_none_or(|range| input.get(range).is_some())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A short pass of what `cargo xtask fuzz` does at length, the same each time.
    #[test]
    fn made_up_inputs_make_no_reader_panic() {
        let mut left = 1_500;
        let more = || {
            left -= 1;
            left > 0
        };
        assert_eq!(pass(1, more).expect("no reader panics"), 1_499);
    }
}
