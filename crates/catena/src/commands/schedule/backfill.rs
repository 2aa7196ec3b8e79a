//! `catena schedule backfill`: executions for instants of the past that have none, one after another. Without a host
//! this process hosts the store until the last has ended.

use catena_core::{ExecutionId, Timestamp};
use catena_engine::{Backfilled, Reach};
use catena_store::{FireFilter, ScheduleRow, Store};
use clap::Args;

use super::find::find;
use crate::{
    args::instant,
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host, ScheduleNews},
};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  catena schedule backfill 43 --from 2026-11-01 --to 2026-11-08T00:00:00Z")]
pub(super) struct BackfillArgs {
    /// The schedule's number, or the chain that has it alone
    schedule: String,
    /// The first instant of the span: RFC 3339, or a date or time by the clock of this machine
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Timestamp,
    /// Its last instant
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Timestamp,
}

pub(super) fn run(args: &BackfillArgs, locations: Locations) -> Result<Code, Failure> {
    if args.to < args.from {
        return Err(Failure::new(Code::Usage, "the span ends before it begins")
            .next("the same with --from and --to the other way round"));
    }
    let row = find(&hosting::reader(&locations)?, &args.schedule)?;
    let mut host = Host::reach(&locations, Reach::All)?;
    let news = ScheduleNews::of(&host, &locations)?;
    let asked = host
        .backfill(row.id, (args.from, args.to))
        .map_err(|error| Failure::from(error).next(format!("catena schedule show {}", row.id)))?;
    talk!(
        "backfill {} of schedule {}: {} to start one after another, {} have an execution",
        asked.trigger,
        row.id,
        asked.starts,
        asked.skipped
    );
    match &host {
        Host::There(client) => {
            talk!("process {} starts them; `catena schedule show {}` follows", client.pid(), row.id);
            Ok(Code::Completed)
        }
        Host::Here { .. } => {
            host.host_schedules();
            wait_for_all(&host, &locations, &row, asked, news)
        }
    }
}

/// Until every fire of the backfill has its execution, and that has ended.
fn wait_for_all(
    host: &Host,
    locations: &Locations,
    row: &ScheduleRow,
    asked: Backfilled,
    mut news: ScheduleNews,
) -> Result<Code, Failure> {
    let Host::Here { engine, .. } = host else { return Ok(Code::Completed) };
    let store = host.store(locations)?;
    let mut last = ExecutionId(asked.trigger);
    let mut code = Code::Completed;
    loop {
        let filter = FireFilter { schedule: Some(row.id), ..FireFilter::default() };
        let fires = store.fires(&filter)?;
        let own = || fires.iter().filter(|fire| fire.trigger == asked.trigger);
        let next = own().filter_map(|fire| fire.execution).filter(|execution| *execution > last).min();
        if let Some(execution) = next {
            last = execution;
            let ended = engine.wait(execution)?;
            talk!("execution {execution} of {} {}", ended.chain, ended.status);
            match Code::of(ended.status, crate::exit::Strictness::Lenient) {
                Code::Completed => {}
                worse => code = worse,
            }
        } else if own().any(catena_store::FireRow::is_waiting) {
            news.next()?;
        } else {
            return Ok(code);
        }
    }
}
