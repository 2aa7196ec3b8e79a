//! Hosting the schedules of a chain in the foreground: each execution is followed as `run` follows one, until no start
//! is left or somebody interrupts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use catena_core::{
    ExecutionId, ScheduleId, Value,
    schedule::{Schedule, Timing},
    status::ScheduleStatus,
};
use catena_engine::{Begin, Change, Engine, Error, First, Reach, ScheduleRequest, Scheduled};
use catena_store::{ExecutionFilter, FireFilter, ScheduleRow, Store, Version, sqlite::SqliteStore};

use super::{Choice, Interrupts, RunArgs, Running, leave_now, realms, tell_host};
use crate::{
    exit::{Code, Failure},
    home::Locations,
    hosting::{self, Host, ScheduleNews},
    output,
    problem::ProblemEntry,
};

/// What `run` asks for.
pub(super) struct Plan {
    pub(super) version: Arc<Version>,
    pub(super) schedules: Vec<Schedule>,
    pub(super) params: BTreeMap<String, Value>,
    pub(super) begin: Begin,
}

/// Without `after`, `run` starts at once; a date is a date.
pub(super) fn begin(schedules: &[Schedule]) -> Begin {
    let at_once = |schedule: &Schedule| {
        let is_dated = matches!(schedule.timing, Timing::Once { .. });
        schedule.after_ms.is_none_or(|after| after == 0) && !is_dated
    };
    match schedules.first() {
        Some(first) if at_once(first) => Begin::AtOnce,
        Some(_) | None => Begin::AtInstant,
    }
}

/// Whether the store has schedules of the chain, which the definition may no longer have.
pub(super) fn had_schedules(store: &dyn Store, version: &Version) -> Result<bool, Failure> {
    let name = version.chain.name.as_str();
    Ok(store.schedules()?.iter().any(|row| row.chain == name && row.status != ScheduleStatus::Ended))
}

/// A key makes one start idempotent, and a schedule makes many.
pub(super) fn expect_no_key(args: &RunArgs, is_scheduled: bool) -> Result<(), Failure> {
    match args.key.is_some() && is_scheduled {
        false => Ok(()),
        true => Err(Failure::new(Code::Usage, "`--key` names one start, and the chain has a schedule")
            .next("the same with --once, which starts it once")),
    }
}

/// A chain whose schedules were stored.
pub(super) struct Hosting<'a> {
    args: &'a RunArgs,
    locations: Locations,
    chain: String,
    own: Vec<ScheduleId>,
    news: ScheduleNews,
    /// The execution that comes first.
    first: Option<ExecutionId>,
    current: Arc<Current>,
    interrupts: Interrupts,
}

/// The execution that is followed now, and who can cancel it.
#[derive(Default)]
struct Current(Mutex<(Option<ExecutionId>, Option<Weak<Engine>>)>);

impl Current {
    fn lock(&self) -> MutexGuard<'_, (Option<ExecutionId>, Option<Weak<Engine>>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, execution: Option<ExecutionId>, host: &Host) {
        let engine = match host {
            Host::Here { engine, .. } => Some(Arc::downgrade(engine)),
            Host::There(_) => None,
        };
        *self.lock() = (execution, engine);
    }
}

/// The same with the host that it goes on with.
pub(super) struct Followed<'a> {
    hosting: Hosting<'a>,
    host: Host,
}

impl<'a> Hosting<'a> {
    /// Stores the chain with its schedules and says what became of them; none where no start is left, and the chain
    /// runs as one without schedules.
    pub(super) fn start(
        args: &'a RunArgs,
        locations: &Locations,
        host: &mut Host,
        plan: Plan,
    ) -> Result<Option<Self>, Failure> {
        let Plan { version, schedules, params, begin } = plan;
        let definition = Arc::clone(&version);
        let chain = definition.chain.name.as_str().to_owned();
        let actor = hosting::actor();
        let request = ScheduleRequest { version, schedules: schedules.clone(), params, actor, begin };
        let (scheduled, news) = submit(host, locations, &request)?;
        if realms::is_asked_for(args) && !scheduled.schedules.is_empty() {
            realms::tell_scheduled(&definition.chain, &schedules, &scheduled);
        } else {
            tell_scheduled(&chain, &schedules, &scheduled);
        }
        tell_ended(&chain, &scheduled);
        if scheduled.schedules.is_empty() {
            return Ok(None);
        }
        tell_host(host);
        host.host_schedules();
        let first = match scheduled.first {
            First::Started(id) | First::Running(id) => Some(id),
            First::None => None,
        };
        let current = Arc::new(Current::default());
        current.set(None, host);
        let interrupts = watch(&chain, Arc::clone(&current))?;
        // Until the first execution there is nothing to cancel.
        interrupts.end();
        let own = scheduled.schedules.iter().map(|one| one.id).collect();
        let locations = locations.clone();
        Ok(Some(Self { args, locations, chain, own, news, first, current, interrupts }))
    }

    pub(super) fn with(self, host: Host) -> Followed<'a> {
        Followed { hosting: self, host }
    }

    /// The first execution of the schedules behind `last`.
    fn execution_after(
        &self,
        store: &SqliteStore,
        last: Option<ExecutionId>,
    ) -> Result<Option<ExecutionId>, Failure> {
        let Some(last) = last else { return Ok(self.first) };
        let filter = ExecutionFilter {
            chain: Some(self.chain.clone()),
            after: Some(last),
            ..ExecutionFilter::default()
        };
        for row in store.executions(&filter)?.into_iter().rev() {
            let fire = FireFilter { execution: Some(row.id), limit: Some(1), ..FireFilter::default() };
            if store.fires(&fire)?.iter().any(|fire| self.own.contains(&fire.schedule)) {
                return Ok(Some(row.id));
            }
        }
        Ok(None)
    }
}

impl Followed<'_> {
    /// Follows one execution after another; the answer is the last one's.
    pub(super) fn follow(self, mut problems: Vec<ProblemEntry>) -> Result<(Code, Host), Failure> {
        let Self { mut hosting, mut host } = self;
        let mut code = Code::Completed;
        let mut told = None;
        // What was numbered before is no start of this hosting.
        let mut last = match hosting.first {
            Some(_) => None,
            None => Some(ExecutionId(host.store(&hosting.locations)?.next_number()?.saturating_sub(1))),
        };
        loop {
            let store = host.store(&hosting.locations)?;
            while let Some(execution) = hosting.execution_after(&store, last)? {
                last = Some(execution);
                let running = hosting.running(host, execution)?;
                let (end, back) = running.follow(std::mem::take(&mut problems));
                (code, host) = (end?, back);
                hosting.current.set(None, &host);
                if hosting.interrupts.any() {
                    hosting.tell_left(&*host.store(&hosting.locations)?)?;
                    return Ok((Code::Interrupted, host));
                }
            }
            let rows = hosting.rows(&store)?;
            if is_over(&store, &rows)? {
                talk!("{} has no start left", hosting.chain);
                return Ok((code, host));
            }
            let next = next_start(&rows);
            if told.as_ref() != Some(&next) {
                talk!("{next}");
                told = Some(next);
            }
            host = hosting.wait_for_news(host)?;
        }
    }
}

impl<'a> Hosting<'a> {
    fn running(&self, host: Host, execution: ExecutionId) -> Result<Running<'a>, Failure> {
        talk!("execution {execution} of {}", self.chain);
        self.current.set(Some(execution), &host);
        self.interrupts.begin();
        let state = hosting::fresh_state(&*host.store(&self.locations)?, execution)?;
        let (locations, interrupts) = (self.locations.clone(), self.interrupts.clone());
        Ok(Running { args: self.args, locations, host, execution, state, interrupts })
    }

    fn rows(&self, store: &SqliteStore) -> Result<Vec<ScheduleRow>, Failure> {
        let mut rows = store.schedules()?;
        rows.retain(|row| self.own.contains(&row.id));
        Ok(rows)
    }

    /// Says what an interrupt leaves behind.
    fn tell_left(&self, store: &dyn Store) -> Result<(), Failure> {
        let chain = Some(self.chain.clone());
        let filter = ExecutionFilter { chain, unfinished_only: true, ..ExecutionFilter::default() };
        for row in store.executions(&filter)?.into_iter().rev() {
            talk!("leaving: execution {} goes on with the next `catena run`", row.id);
        }
        talk!("leaving: the schedule of {} goes on with its host or the next `catena run`", self.chain);
        Ok(())
    }

    /// Blocks until there is something new of this chain; takes over from a host that has gone.
    fn wait_for_news(&mut self, mut host: Host) -> Result<Host, Failure> {
        loop {
            match self.news.next() {
                Ok(announcement) if announcement.chain == self.chain => return Ok(host),
                Ok(_) => {}
                Err(error) if matches!(host, Host::There(_)) => {
                    talk!("{error}; taking over");
                    host = Host::reach(&self.locations, Reach::All)?;
                    self.current.set(None, &host);
                    self.news = ScheduleNews::of(&host, &self.locations)?;
                    host.host_schedules();
                    return Ok(host);
                }
                Err(error) => {
                    let next =
                        format!("catena schedule ls: {} goes on with the next `catena run`", self.chain);
                    return Err(Failure::from(error).next(next));
                }
            }
        }
    }
}

/// Nothing starts any more: every schedule has ended or has no instant left, and nothing waits.
fn is_over(store: &SqliteStore, rows: &[ScheduleRow]) -> Result<bool, Failure> {
    let goes_on = |row: &ScheduleRow| match row.status {
        ScheduleStatus::Active | ScheduleStatus::Paused => true,
        ScheduleStatus::Exhausted | ScheduleStatus::Ended => false,
    };
    if rows.iter().any(goes_on) {
        return Ok(false);
    }
    for row in rows {
        let waiting = FireFilter { schedule: Some(row.id), waiting_only: true, ..FireFilter::default() };
        if !store.fires(&waiting)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn next_start(rows: &[ScheduleRow]) -> String {
    let active = rows.iter().filter(|row| row.status == ScheduleStatus::Active);
    match active.filter_map(|row| row.next_at).min() {
        Some(at) => format!("next start: {}; Ctrl-C leaves", output::local(at)),
        None => match rows.iter().find(|row| row.status == ScheduleStatus::Paused) {
            Some(row) => format!("paused; `catena schedule resume {}` goes on, Ctrl-C leaves", row.id),
            None => "waiting for the last start; Ctrl-C leaves".to_owned(),
        },
    }
}

/// Stores the chain with its schedules, whatever becomes of the host meanwhile, and hears of all that follows.
/// The answer has the chain's number, the numbers of its schedules with their next starts, and the first execution.
pub(crate) fn submit(
    host: &mut Host,
    locations: &Locations,
    request: &ScheduleRequest,
) -> Result<(Scheduled, ScheduleNews), Failure> {
    loop {
        let news = ScheduleNews::of(host, locations);
        match news.and_then(|news| Ok((host.schedule(request.clone())?, news))) {
            Err(error @ Error::Stopped(_)) if matches!(host, Host::There(_)) => {
                talk!("{error}; asking the next one");
                *host = Host::reach(locations, Reach::All)?;
            }
            other => return Ok(other?),
        }
    }
}

fn tell_scheduled(chain: &str, schedules: &[Schedule], scheduled: &Scheduled) {
    for (answer, schedule) in scheduled.schedules.iter().zip(schedules) {
        let what = match answer.change {
            Change::Made => "",
            Change::Kept => ", as before",
            Change::KeptPaused => ", paused as before",
            Change::Restarted => ", which counts from now",
        };
        talk!("schedule {} of {chain}, chain {}: {schedule}{what}", answer.id, scheduled.chain);
    }
}

fn tell_ended(chain: &str, scheduled: &Scheduled) {
    for id in &scheduled.ended {
        talk!("schedule {id} of {chain} has ended: the definition no longer has it");
    }
    if let First::Running(execution) = scheduled.first {
        talk!("execution {execution} of it is running already");
    }
}

/// Ctrl-C asks the execution that runs here to end, and leaves where none does; a second one leaves at once. The
/// schedule stays in the store.
fn watch(chain: &str, current: Arc<Current>) -> Result<Interrupts, Failure> {
    let name = chain.to_owned();
    let leave = move || {
        talk!("leaving: the schedule of {name} goes on with its host or the next `catena run`");
        leave_now();
    };
    let (asked, leave_or_cancel) = (Arc::clone(&current), leave.clone());
    let cancel = move || {
        let (execution, engine) = current.lock().clone();
        match (execution, engine.and_then(|engine| engine.upgrade())) {
            (Some(execution), Some(engine)) => {
                talk!("cancelling execution {execution}; once more to leave at once");
                // What would come next is left to the next host.
                engine.leave_schedules();
                if let Err(error) = engine.cancel(execution, false, hosting::actor()) {
                    talk!("cannot cancel it: {error}");
                }
            }
            (None, _) | (_, None) => leave_or_cancel(),
        }
    };
    // Between two executions there is nothing to ask about.
    let question = move || match asked.lock().0 {
        None => Vec::new(),
        Some(_) => {
            let leave = "d: leave it and the schedule to the next host";
            ["Ctrl-C again or c: cancel it", leave, "Enter: go on"].map(str::to_owned).to_vec()
        }
    };
    let choice = Choice { question: Box::new(question), cancel: Box::new(cancel), leave: Box::new(leave) };
    Interrupts::watch(choice).map_err(|error| {
        Failure::new(Code::Environment, format!("cannot watch for signals: {error}"))
            .next("catena schedule ls: the schedule is stored")
    })
}

/// Waits for something to start, and says whether schedules may still start anything.
pub(super) fn stay_for_schedules(engine: &Engine) -> Result<bool, Failure> {
    let news = engine.follow_schedules()?;
    let mut rows = engine.store().schedules()?;
    rows.retain(|row| row.status == ScheduleStatus::Active && row.next_at.is_some());
    let Some(first) = rows.iter().min_by_key(|row| row.next_at) else { return Ok(false) };
    let at = first.next_at.map(output::local).unwrap_or_default();
    talk!(
        "staying for {}: next start {at}, of {}; Ctrl-C leaves them to the next host, and --once does not stay",
        if rows.len() == 1 { "a schedule".to_owned() } else { format!("{} schedules", rows.len()) },
        first.chain
    );
    news.next_news()?;
    Ok(true)
}
