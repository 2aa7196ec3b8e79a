//! `cargo xtask test`: every test of the project, on a machine that has nothing but Rust and a C compiler.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Command, Stdio},
    thread,
};

use anyhow::Context as _;

use crate::{
    cargo::{cargo, has_subcommand},
    report::Report,
};

/// A program by its name, and what has to be installed for it.
struct Program {
    name: &'static str,
    package: &'static str,
}

/// What tests and examples start.
const NEEDED: [Program; 3] = [
    Program { name: "python3", package: "python3" },
    Program { name: "node", package: "nodejs" },
    Program { name: "git", package: "git" },
];
/// Tests with a `main` of their own, which nextest cannot list: package and name.
const OWN_MAIN: [(&str, &str); 2] = [("catena-runners", "process"), ("catena-runners", "code")];

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    anyhow::ensure!(args.is_empty(), "`test` takes no arguments");
    provide_programs()?;
    let mut report = Report::default();
    if has_subcommand("nextest") {
        run_nextest(&mut report)?
    } else {
        run_cargo_test(&mut report)?
    }
    run_example(&mut report)?;
    run_chaos(&mut report)?;
    run_worlds(&mut report)?;
    run_dst(&mut report)?;
    report.finish()
}

/// Sees to it that what the tests start is there: installed as root, asked for otherwise.
fn provide_programs() -> anyhow::Result<()> {
    let missing = NEEDED.into_iter().filter(|program| !is_there(program.name));
    let missing: Vec<&str> = missing.map(|program| program.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let advice = format!("the tests need {}: install it and run this again", missing.join(" and "));
    anyhow::ensure!(is_root() && is_there("apt-get"), "{advice}");
    for args in [&["update"][..], &[&["install", "-y", "--no-install-recommends"][..], &missing].concat()] {
        let mut apt = Command::new("apt-get");
        apt.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        let status = apt.status().with_context(|| advice.clone())?;
        anyhow::ensure!(status.success(), "`apt-get {}` failed; {advice}", args.join(" "));
    }
    Ok(())
}

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

fn run_cargo_test(report: &mut Report) -> anyhow::Result<()> {
    println!("== tests");
    count_tests(report, cargo(&["test", "--workspace", "--no-fail-fast"]))
}

/// Nextest for all it can list, cargo for the rest.
fn run_nextest(report: &mut Report) -> anyhow::Result<()> {
    println!("== tests, by nextest");
    let listed: Vec<String> =
        OWN_MAIN.iter().map(|(package, name)| format!("not binary_id({package}::{name})")).collect();
    let filter = listed.join(" and ");
    count_tests(report, cargo(&["nextest", "run", "--workspace", "--no-fail-fast", "-E", &filter]))?;
    for (package, name) in OWN_MAIN {
        count_tests(report, cargo(&["test", "--package", package, "--test", name]))?;
    }
    count_tests(report, cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]))
}

fn run_example(report: &mut Report) -> anyhow::Result<()> {
    println!("== the example of an embedding program");
    let mut example = cargo(&["run", "--quiet", "--package", "catena-engine", "--example", "embed"]);
    if example.status().context("failed to start cargo")?.success() {
        report.pass();
    } else {
        report.fail("examples/embed.rs");
    }
    Ok(())
}

/// The chaos test with the number of kills that a test run can afford; by hand it takes more. A process of its own,
/// because building the tests may have replaced the program that this one was started from.
fn run_chaos(report: &mut Report) -> anyhow::Result<()> {
    let args = ["run", "--quiet", "--package", "xtask", "--", "chaos", "--kills", "50", "--seed", "1"];
    let status = cargo(&args).status().context("failed to start cargo")?;
    if status.success() {
        report.passed += 1;
    } else {
        report.fail("chaos");
    }
    Ok(())
}

/// As many worlds as a test run can afford, then each planted fault until it is noticed; by hand it takes more.
fn run_worlds(report: &mut Report) -> anyhow::Result<()> {
    for args in [["--seeds", "400"].as_slice(), &["--all-faults", "--seeds", "100"]] {
        println!("== worlds {}", args.join(" "));
        let all = [&["run", "--quiet", "--package", "xtask", "--", "worlds"], args].concat();
        if cargo(&all).status().context("failed to start cargo")?.success() {
            report.pass();
        } else {
            report.fail("worlds");
        }
    }
    Ok(())
}

/// Schedules beside their oracle, for the zones that a test run can afford; by hand it takes all of them.
fn run_dst(report: &mut Report) -> anyhow::Result<()> {
    println!("== schedules and their oracle");
    let status = cargo(&["run", "--quiet", "--package", "xtask", "--", "dst", "--quick"]).status();
    if status.context("failed to start cargo")?.success() {
        report.pass();
    } else {
        report.fail("dst");
    }
    Ok(())
}

/// Runs tests, shows their output as it comes, and counts.
fn count_tests(report: &mut Report, mut command: Command) -> anyhow::Result<()> {
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("failed to start cargo")?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (from_stdout, from_stderr) = thread::scope(|scope| {
        let out = scope.spawn(|| stdout.map(|pipe| show_and_count(pipe, Tone::Data)).unwrap_or_default());
        let err = scope.spawn(|| stderr.map(|pipe| show_and_count(pipe, Tone::Talk)).unwrap_or_default());
        (out.join().expect("counting does not panic"), err.join().expect("counting does not panic"))
    });
    let status = child.wait().context("failed to wait for cargo")?;
    let counted = from_stdout.plus(from_stderr);
    report.passed += counted.passed;
    report.failed += counted.failed;
    for name in counted.names {
        report.note_failure(name);
    }
    if counted.ignored > 0 {
        report.skip(&format!("{} tests", counted.ignored), "they are marked as ignored");
    }
    if !status.success() && counted.failed == 0 {
        report.fail("a test program did not build, or ended without a result");
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Tone {
    Data,
    Talk,
}

fn show_and_count(pipe: impl Read, tone: Tone) -> Counted {
    let mut counted = Counted::default();
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    // Bytes rather than text: a test may print anything.
    while pipe.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        let text = String::from_utf8_lossy(&line);
        match tone {
            Tone::Data => print!("{text}"),
            Tone::Talk => eprint!("{text}"),
        }
        counted.take(text.trim_end());
        line.clear();
    }
    counted
}

/// What the lines of a test run add up to.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    passed: u64,
    failed: u64,
    ignored: u64,
    names: Vec<String>,
}

impl Counted {
    /// Takes one line. Nextest shows the lines of a test that failed indented: they are not counted a second time.
    fn take(&mut self, line: &str) {
        if let Some(summary) = line.strip_prefix("test result: ") {
            // `ok. 3 passed; 0 failed; 0 ignored; …`: the end of each test program.
            self.passed += number_before(summary, " passed");
            self.failed += number_before(summary, " failed");
            self.ignored += number_before(summary, " ignored");
        } else if let Some(test) = line.strip_prefix("test ") {
            self.take_test(test);
        } else if line.trim_start().starts_with("Summary [") {
            // Nextest's: `Summary [ 1.2s] 9 tests run: 8 passed, 1 failed, 0 skipped`.
            self.passed += number_before(line, " passed");
            self.failed += number_before(line, " failed");
        } else if let Some(test) = line.trim_start().strip_prefix("FAIL [") {
            // Nextest's, once as it happens and once at the end: `FAIL [ 1.2s] (3/9) catena-core::law a_test`.
            let name = test.rsplit(' ').next().unwrap_or(test).to_owned();
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }

    /// One test's line. A test with a `main` of its own prints its time too, and no summary.
    fn take_test(&mut self, test: &str) {
        if let Some((name, _)) = test.split_once(" ... FAILED") {
            self.names.push(name.to_owned());
            self.failed += u64::from(test.contains(" ... FAILED ("));
        } else if test.contains(" ... ok (") {
            self.passed += 1;
        }
    }

    fn plus(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.names.extend(other.names);
        self
    }
}

/// The number that stands before `word`, or 0.
fn number_before(text: &str, word: &str) -> u64 {
    let Some((before, _)) = text.split_once(word) else { return 0 };
    before.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_every_kind_of_test_program_are_counted() {
        let mut counted = Counted::default();
        for line in [
            "test decide::tests::a ... ok",
            "test decide::tests::b ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.1s",
            "test a_stop_ends_the_group ... ok (0.12 s)",
            "test an_idle_helper_leaves ... FAILED (3.00 s)",
            "        FAIL [   1.2s] (3/9) catena-core::law recovers",
            "    test recovers ... FAILED",
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s",
            "     Summary [   1.2s] 9 tests run: 8 passed, 1 failed, 0 skipped",
            "        FAIL [   1.2s] (3/9) catena-core::law recovers",
            "something else",
        ] {
            counted.take(line);
        }
        let names = ["decide::tests::b", "an_idle_helper_leaves", "recovers"].map(str::to_owned).to_vec();
        assert_eq!(counted, Counted { passed: 10, failed: 3, ignored: 2, names });
    }
}
