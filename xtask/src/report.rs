//! What a task tells at its end: what passed, what failed, what was left out and why.

use std::fmt;

/// The failure stands in the task's own last lines, so nothing more is printed about it.
#[derive(Debug)]
pub(crate) struct AlreadySaid;

impl fmt::Display for AlreadySaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed, as said above")
    }
}

impl std::error::Error for AlreadySaid {}

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    failures: Vec<String>,
    skipped: Vec<String>,
}

impl Report {
    pub(crate) fn pass(&mut self) {
        self.passed += 1;
    }

    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.failed += 1;
        self.failures.push(what.into());
    }

    /// Notes a failure that is counted already.
    pub(crate) fn note_failure(&mut self, what: impl Into<String>) {
        self.failures.push(what.into());
    }

    pub(crate) fn skip(&mut self, what: &str, why: &str) {
        self.skipped.push(format!("{what}: {why}"));
    }

    /// Prints the summary. Its last line is `N passed, M failed`.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        println!();
        for skipped in &self.skipped {
            println!("skipped  {skipped}");
        }
        for failure in &self.failures {
            println!("failed   {failure}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 { Ok(()) } else { Err(AlreadySaid.into()) }
    }
}
