//! `catena run --config`: what the authors of Realms know, a preview and the numbers of the task, as talk.

use catena_core::{BlockIx, Chain, Timestamp, schedule::Schedule};
use catena_engine::{Change, First, Scheduled};
use catena_store::{Store, sqlite::SqliteStore};

use super::RunArgs;
use crate::{
    args::Format,
    commands::{definition::Definition, preview},
    exit::Failure,
};

/// Whether the command line has the form of Realms, and a person reads the answer.
pub(super) fn is_asked_for(args: &RunArgs) -> bool {
    args.config.is_some() && args.output == Format::Text
}

/// The steps with their markers and pauses, and when the first one runs.
pub(super) fn tell_preview(definition: &Definition, schedules: &[Schedule]) {
    if let Some(text) = preview::text(definition, schedules) {
        talk!("{text}");
    }
}

/// The numbers of a task that was stored with its schedules.
pub(super) fn tell_scheduled(chain: &Chain, schedules: &[Schedule], scheduled: &Scheduled) {
    let is_new = scheduled.schedules.iter().any(|one| one.change == Change::Made);
    let answer = scheduled.schedules.iter().zip(schedules);
    let first_run = match scheduled.first {
        First::Started(_) | First::Running(_) => Some(now()),
        First::None => scheduled.schedules.iter().filter_map(|one| one.next_at).min(),
    };
    tell_task(chain, scheduled.chain, if is_new { Stored::Made } else { Stored::Kept });
    for (one, schedule) in answer {
        let paused = if one.change == Change::KeptPaused { ", paused" } else { "" };
        match schedule.every_ms() {
            Some(_) => talk!("   Schedule ID: {}{paused}", one.id),
            None => talk!("   Schedule ID: {} ({schedule}){paused}", one.id),
        }
    }
    tell_times(chain, first_run, schedules.iter().find_map(Schedule::every_ms));
}

/// The same for one that runs once and at once.
pub(super) fn tell_started(chain: &Chain, store: &SqliteStore) -> Result<(), Failure> {
    let rows = store.chains()?;
    if let Some(row) = rows.iter().find(|row| row.name == chain.name.as_str()) {
        tell_task(chain, row.id, Stored::Made);
        tell_times(chain, Some(now()), None);
    }
    Ok(())
}

/// Whether the task is new, or was there as it is.
enum Stored {
    Made,
    Kept,
}

fn tell_task(chain: &Chain, number: u64, stored: Stored) {
    match stored {
        Stored::Made => talk!("✅ Multi-step task created successfully!"),
        Stored::Kept => talk!("✅ Multi-step task is there already, with its schedule as before"),
    }
    talk!("   Task ID: {number}");
    talk!("   Task name: {}", chain.name);
}

fn tell_times(chain: &Chain, first_run: Option<Timestamp>, every_ms: Option<u64>) {
    talk!("   Steps: {}", chain.block(BlockIx::ROOT).steps.len());
    if let Some(at) = first_run {
        talk!("   First run at: {}", at.0.div_euclid(1_000_000));
    }
    if let Some(every_ms) = every_ms {
        talk!("   Repeat every: {}s", every_ms as f64 / 1_000.0);
    }
    talk!("\nUse 'catena ps ls' to view scheduled tasks\n");
}

fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_microsecond())
}
