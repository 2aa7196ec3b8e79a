//! Whether the test notices what is planted: one run per fault, and a table of what caught it.

use std::{collections::BTreeMap, io::Write};

use anyhow::{Result, bail};
use catena_core::faults::Fault;

use super::{driver, options::Options};

/// Runs the test with each of the faults; fails if one of them goes unnoticed.
pub(super) fn run_all(options: &Options) -> Result<()> {
    let mut table = Vec::new();
    for (_, name) in Fault::ALL {
        eprintln!("with the fault {name}:");
        let outcome = driver::run(options, Some(name))?;
        let mut caught: BTreeMap<String, usize> = BTreeMap::new();
        for violation in &outcome.violations {
            *caught.entry(format!("{}: {}", violation.promise, violation.check)).or_default() += 1;
        }
        table.push((name, outcome.kills, caught));
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{:<26} {:>5}  caught by", "fault", "kills")?;
    for (name, kills, caught) in &table {
        let checks: Vec<String> = caught.iter().map(|(check, count)| format!("{check} ({count})")).collect();
        let checks = if checks.is_empty() { "NOTHING".to_owned() } else { checks.join("; ") };
        writeln!(stdout, "{name:<26} {kills:>5}  {checks}")?;
    }
    let unnoticed = table.iter().filter(|(_, _, caught)| caught.is_empty()).count();
    if unnoticed > 0 {
        bail!("{unnoticed} planted faults were not noticed");
    }
    Ok(())
}
