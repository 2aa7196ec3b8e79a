//! `catena ps watch`: an execution that runs elsewhere as `run` shows its own, or all that are unfinished. Only reads.
//! The host of the store announces its commits. Without a host nothing goes on by itself; then a look at one number of
//! the store, now and then, is enough to see the next host come, or a command that hosts for a moment.

use std::{collections::BTreeMap, time::Duration};

use catena_core::{ExecutionId, State, status::ExecutionStatus};
use catena_engine::{host::HostClient, read_state};
use catena_store::{
    ExecutionFilter, ExecutionRow, Store,
    sqlite::{Changes, SqliteStore},
};
use clap::Args;

use super::{
    super::{ending, interrupt::Interrupts, run::leave_now},
    execution_id,
};
use crate::{
    exit::{Code, Failure, Strictness},
    home::Locations,
    hosting, output,
    view::{List, View},
};

/// How often a store without a host is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena ps watch 42\n  catena ps watch\n\n\
                        With a number it ends when the execution does, with the exit code of `run`.")]
pub(super) struct WatchArgs {
    /// The execution's number; without it all unfinished executions are listed
    #[arg(value_parser = execution_id)]
    id: Option<ExecutionId>,
}

pub(super) fn run(args: &WatchArgs, locations: &Locations) -> Result<Code, Failure> {
    let reader = hosting::reader(locations)?;
    match args.id {
        Some(id) => watch_one(hosting::resolve(&reader, id)?, &reader, locations),
        None => watch_all(&reader, locations),
    }
}

fn watch_one(id: ExecutionId, reader: &SqliteStore, locations: &Locations) -> Result<Code, Failure> {
    let mut announced = Announced::new(reader, locations, Some(id))?;
    let (mut state, _) = read_state(reader, id)?;
    if !is_over(&state) {
        watch_signals(format!("leaving: execution {id} is not touched by that"))?;
        talk!("execution {id} of {}: {}", state.chain().name, state.status());
        let view = View::new(locations.places());
        view.begin(&state);
        while !is_over(&state) {
            let host = announced.host.as_ref().map(HostClient::pid);
            if announced.is_new_host() {
                view.note(host.is_none().then_some("no process hosts the store; the next `catena run` does"));
            }
            announced.wait(state.seq())?;
            fold_new(&mut state, reader, &view)?;
        }
    }
    ending::tell(&state);
    Ok(Code::of(state.status(), Strictness::Lenient))
}

/// Nothing comes after it without a person's doing.
fn is_over(state: &State) -> bool {
    state.has_ended() || state.is_stuck()
}

fn fold_new(state: &mut State, reader: &SqliteStore, view: &View) -> Result<(), Failure> {
    for entry in reader.journal(state.id(), state.seq())? {
        let before = state.status();
        state.apply(entry.at, &entry.event).map_err(catena_store::Error::from)?;
        ending::tell_wait(state, before);
        view.event(state, &entry);
    }
    Ok(())
}

fn watch_all(reader: &SqliteStore, locations: &Locations) -> Result<Code, Failure> {
    let mut announced = Announced::new(reader, locations, None)?;
    watch_signals(String::new())?;
    let view = View::new(locations.places());
    let mut known = BTreeMap::new();
    loop {
        let filter = ExecutionFilter { unfinished_only: true, ..ExecutionFilter::default() };
        let rows = reader.executions(&filter)?;
        let host = announced.host.as_ref().map(HostClient::pid);
        let is_listed = view.list(List::new(&rows, summary(rows.len(), host)));
        tell_changes(&mut known, &rows, reader, is_listed)?;
        announced.wait(0)?;
    }
}

fn summary(count: usize, host: Option<u32>) -> String {
    let count = match count {
        0 => "no unfinished executions".to_owned(),
        1 => "1 unfinished execution".to_owned(),
        count => format!("{count} unfinished executions"),
    };
    let host =
        host.map_or("no process hosts the store".to_owned(), |pid| format!("process {pid} hosts the store"));
    format!("{count}, {host}; Ctrl-C leaves")
}

/// A line for each execution that has come to another status; those that a list shows are told of when they end.
fn tell_changes(
    known: &mut BTreeMap<ExecutionId, ExecutionStatus>,
    rows: &[ExecutionRow],
    reader: &SqliteStore,
    is_listed: bool,
) -> Result<(), Failure> {
    let now: BTreeMap<ExecutionId, ExecutionStatus> = rows.iter().map(|row| (row.id, row.status)).collect();
    for id in known.keys().filter(|id| !now.contains_key(id)) {
        if let Some(row) = reader.execution(*id)? {
            tell_status(&row);
        }
    }
    if !is_listed {
        rows.iter().rev().filter(|row| known.get(&row.id) != Some(&row.status)).for_each(tell_status);
    }
    *known = now;
    Ok(())
}

fn tell_status(row: &ExecutionRow) {
    let took = row.started_at.zip(row.finished_at);
    let took = took.map(|(from, to)| format!(" in {}", output::duration(from, to))).unwrap_or_default();
    talk!("execution {} of {} {}{took}", row.id, row.chain, row.status);
}

fn watch_signals(farewell: String) -> Result<Interrupts, Failure> {
    let leave = move || {
        if !farewell.is_empty() {
            talk!("{farewell}");
        }
        leave_now();
    };
    Interrupts::watch_leaving(leave).map_err(|error| {
        Failure::new(Code::Environment, format!("cannot watch for signals: {error}"))
            .next("catena ps ls, which watches nothing")
    })
}

/// Commits of an execution, or of all, as the host announces them or the store shows them.
struct Announced<'a> {
    locations: &'a Locations,
    execution: Option<ExecutionId>,
    host: Option<HostClient>,
    changes: Changes,
    /// The host that was last asked about; none before the first time.
    told: Option<Option<u32>>,
}

impl<'a> Announced<'a> {
    /// To be made before the store is read: what is committed in between is then announced.
    fn new(
        reader: &SqliteStore,
        locations: &'a Locations,
        execution: Option<ExecutionId>,
    ) -> Result<Self, Failure> {
        let changes = reader.changes()?;
        let mut announced = Self { locations, execution, host: None, changes, told: None };
        announced.find_host();
        Ok(announced)
    }

    /// Whether there is another host, or none, since this was last asked.
    fn is_new_host(&mut self) -> bool {
        let host = self.host.as_ref().map(HostClient::pid);
        self.told.replace(host) != Some(host)
    }

    /// Returns when there may be something to read behind event `seq`. A host that has just come or gone is such a
    /// moment too.
    fn wait(&mut self, seq: u64) -> Result<(), Failure> {
        if let Some(client) = &mut self.host {
            let announced = match self.execution {
                Some(_) => next_behind(client, seq),
                None => client.next_change(),
            };
            if announced.is_err() {
                self.host = None;
            }
            return Ok(());
        }
        while !self.find_host() {
            std::thread::sleep(LOOK_EVERY);
            if self.changes.any()? {
                break;
            }
        }
        Ok(())
    }

    fn find_host(&mut self) -> bool {
        // A host that speaks another protocol announces nothing to this one, but its commits are seen.
        let Ok(Some(mut client)) = HostClient::connect(&self.locations.root) else { return false };
        let follows = match self.execution {
            Some(id) => client.follow(id),
            None => client.follow_all(),
        };
        if follows.is_ok() {
            self.host = Some(client);
        }
        follows.is_ok()
    }
}

fn next_behind(client: &mut HostClient, seq: u64) -> Result<(), catena_engine::Error> {
    while client.next_commit()?.0 <= seq {}
    Ok(())
}
