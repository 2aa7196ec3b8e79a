//! The verdict: whether the store, the oracle's account and what the driver was told agree on promises 1 to 4.

mod acknowledged;
mod attempts;
mod ends;
mod schedules;
mod store;
mod time;

use std::{
    collections::BTreeMap,
    fmt,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

use self::store::Stored;
use super::{driver::Account, ledger};

/// Two clocks are compared only where the machine may be late by less than this: the oracle sees a death when
/// it gets a processor.
const LATE_US: i64 = 1_000_000;

/// A promise of the design, by what it comes to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Promise {
    /// What was acknowledged survives.
    Survives = 1,
    /// An attempt is journalled before it starts, ends once, under the current lease, and is alone.
    AttemptsOnce = 2,
    /// An execution reaches one end, and nothing of it runs after.
    EndsOnce = 3,
    /// Nothing unfinished is without an owner or a wake-up.
    NothingForgotten = 4,
    /// An instant of a schedule starts at most one execution.
    InstantOnce = 5,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "promise {}", *self as u8)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) promise: Promise,
    /// Which check found it.
    pub(super) check: &'static str,
    pub(super) detail: String,
}

/// What a run came to.
pub(super) struct Outcome {
    pub(super) kills: usize,
    helper_kills: usize,
    executions: usize,
    attempts: usize,
    /// Acknowledged ones.
    cancels: usize,
    /// Attempts that were given up as lost.
    lost: usize,
    /// Attempts that outlived an engine, and whose end was taken by another one.
    attached: usize,
    /// Timers that fired.
    timers: usize,
    /// Executions that a schedule started.
    fires: usize,
    pub(super) violations: Vec<Violation>,
}

/// How many violations of one check are told.
const TOLD_MAX: usize = 5;

impl Outcome {
    /// Tells the result; fails if a promise was broken.
    pub(super) fn finish(&self) -> Result<()> {
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        for Violation { promise, check, detail } in &self.violations {
            let count = told.entry(check).or_default();
            *count += 1;
            if *count <= TOLD_MAX {
                eprintln!("{promise}, {check}: {detail}");
            }
        }
        let Self {
            kills,
            helper_kills,
            executions,
            attempts,
            cancels,
            lost,
            attached,
            timers,
            fires,
            violations,
        } = self;
        let mut stdout = std::io::stdout().lock();
        writeln!(
            stdout,
            "kills {kills}, of the helper {helper_kills}, executions {executions}, attempts {attempts}, timers {timers}, fires {fires}, \
             cancels {cancels}, attached {attached}, lost {lost}, violations {}",
            violations.len()
        )?;
        let promises: std::collections::BTreeSet<String> =
            violations.iter().map(|violation| violation.promise.to_string()).collect();
        if !promises.is_empty() {
            bail!("violated: {}", Vec::from_iter(promises).join(", "));
        }
        Ok(())
    }
}

/// Collects what is wrong.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, promise: Promise, check: &'static str, detail: impl Into<String>) {
        self.0.push(Violation { promise, check, detail: detail.into() });
    }
}

pub(super) fn of(account: &Account) -> Result<Outcome> {
    let mut findings = Findings(account.violations.clone());
    let lives = ledger::read(&account.ledger)?;
    let stored = match Stored::read(&account.store, &mut findings) {
        Ok(stored) => stored,
        Err(error) => {
            findings.add(Promise::Survives, "the store can be read", format!("{error:#}"));
            Stored::default()
        }
    };
    acknowledged::check(account, &stored, &mut findings);
    let attached = attempts::check(&lives, &stored, &account.kills, &mut findings);
    let timers = time::check(&stored, &mut findings);
    let fires = schedules::check(&account.store, &stored, &mut findings);
    attempts::check_effects(&account.effects, &mut findings)?;
    ends::check(account, &lives, &stored, &mut findings)?;
    Ok(Outcome {
        kills: account.kills.engines.len(),
        helper_kills: account.kills.helpers.len(),
        attached,
        timers,
        fires,
        executions: stored.executions.len(),
        attempts: stored.attempts(),
        cancels: account.cancelled.len(),
        lost: stored.lost(),
        violations: findings.0,
    })
}

/// The size of each step's log.
pub(super) fn log_sizes(home: &Path) -> Result<BTreeMap<PathBuf, u64>> {
    let mut sizes = BTreeMap::new();
    let mut folders = vec![home.join("logs")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                sizes.insert(entry.path(), metadata.len());
            }
        }
    }
    Ok(sizes)
}
