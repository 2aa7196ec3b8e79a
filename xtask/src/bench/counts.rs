//! What work costs in things that can be counted: they are the same on every machine.

use std::fmt;

use catena_engine::Engine;

use super::sqlite::journal_bytes;

/// Counts per step.
#[derive(Clone, Copy)]
pub(super) struct Counts {
    commits: f64,
    events: f64,
    events_per_commit: f64,
    journal_bytes: f64,
    /// Executions read from the store and folded.
    folds: f64,
    /// Times that a thread of this process went to sleep and was woken.
    wake_ups: f64,
}

/// The counters of an engine and of this process at one moment.
pub(super) struct Reading {
    commits: u64,
    events: u64,
    journal_bytes: u64,
    folds: u64,
    wake_ups: u64,
}

impl Reading {
    pub(super) fn of(engine: &Engine) -> anyhow::Result<Self> {
        let (commits, events) = engine.store().counts();
        let journal_bytes = journal_bytes(engine.store().path())?;
        Ok(Self { commits, events, journal_bytes, folds: engine.folds(), wake_ups: wake_ups()? })
    }

    /// The counts of `steps` steps between this moment and `later`.
    pub(super) fn until(&self, later: &Self, steps: usize) -> Counts {
        let difference = |before: u64, after: u64| after.saturating_sub(before) as f64;
        let (steps, commits) = (steps as f64, difference(self.commits, later.commits));
        let events = difference(self.events, later.events);
        Counts {
            commits: commits / steps,
            events: events / steps,
            events_per_commit: events / commits,
            journal_bytes: difference(self.journal_bytes, later.journal_bytes) / steps,
            folds: difference(self.folds, later.folds) / steps,
            wake_ups: difference(self.wake_ups, later.wake_ups) / steps,
        }
    }
}

impl Counts {
    /// How many bytes of events a commit holds.
    pub(super) fn bytes_a_commit(&self) -> usize {
        (self.journal_bytes / self.commits) as usize
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} commits, {:.2} events, {:.2} events a commit, {:.0} bytes journalled, {} folds, {:.1} wake-ups",
            self.commits, self.events, self.events_per_commit, self.journal_bytes, self.folds, self.wake_ups
        )
    }
}

/// Voluntary context switches of all threads that live now.
fn wake_ups() -> anyhow::Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        // A thread that has just ended has no status any more.
        let Ok(status) = std::fs::read_to_string(task?.path().join("status")) else { continue };
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(sum)
}
