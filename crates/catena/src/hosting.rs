//! Reaching the engine: this process hosts the store, or asks the one that does.

use std::sync::Arc;

use catena_core::{ExecutionId, ScheduleId, State, Timestamp, status::ScheduleStatus};
use catena_engine::{
    Announcement, Backfilled, Engine, Error, Reach, ScheduleFollower, ScheduleRequest, Scheduled, Standing,
    StartRequest, Started,
    host::{HostClient, HostSocket},
};
use catena_store::{Actor, Entry, InboxCommand, Store, sqlite::SqliteStore};

use crate::{
    exit::{Code, Failure},
    home::Locations,
    output,
};

/// How often a host that has just gone, is just coming, or hosts for a moment only is asked for again: longer
/// than a step has to end when it is cancelled.
const TRIES: u32 = 350;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// Who hosts the store.
pub(crate) enum Host {
    /// The socket closes before the engine lets the store go: the next host opens its own.
    Here {
        _socket: Option<HostSocket>,
        engine: Arc<Engine>,
    },
    There(HostClient),
}

impl Host {
    /// Becomes the host, or connects to it.
    pub(crate) fn reach(locations: &Locations, reach: Reach) -> Result<Self, Failure> {
        let mut holder = 0;
        for _ in 0..TRIES {
            let mut config = locations.engine_config()?;
            config.reach = reach;
            match Engine::open(config) {
                Ok(engine) => {
                    let engine = Arc::new(engine);
                    tell_damaged(&engine);
                    // A command that takes up one execution for a moment is no host for others.
                    let socket = match reach {
                        Reach::All => {
                            Some(HostSocket::open(&engine, &locations.root).map_err(refused(locations))?)
                        }
                        Reach::Only(_) | Reach::Records => None,
                    };
                    return Ok(Self::Here { _socket: socket, engine });
                }
                Err(Error::Store(catena_store::Error::Locked { pid })) => holder = pid,
                Err(other) => return Err(refused(locations)(other)),
            }
            match HostClient::connect(&locations.root) {
                Ok(Some(client)) => return Ok(Self::There(client)),
                // Nobody listens, or who listened has gone in the middle of a word.
                Ok(None) | Err(Error::Io { .. }) => {}
                Err(other) => return Err(other.into()),
            }
            // Between its lock and its socket, in either direction, a host needs a moment.
            std::thread::sleep(PAUSE);
        }
        let message =
            format!("process {holder} holds the store {} and does not answer", locations.store.display());
        Err(Failure::new(Code::Conflict, message)
            .next(format!("end process {holder}, or use another --home")))
    }

    pub(crate) fn start(&mut self, request: StartRequest) -> Result<Started, Error> {
        match self {
            Self::Here { engine, .. } => engine.start(request),
            Self::There(client) => client.start(request),
        }
    }

    /// Starts, whatever becomes of the host meanwhile: whether one that has gone had started it, nobody can tell, so
    /// it is asked again with the same key.
    pub(crate) fn start_once(
        &mut self,
        mut request: StartRequest,
        locations: &Locations,
    ) -> Result<Started, Failure> {
        loop {
            let Self::There(client) = self else { return Ok(self.start(request)?) };
            request.key.get_or_insert_with(own_key);
            match client.start(request.clone()) {
                Err(error @ Error::Stopped(_)) => {
                    talk!("{error}; asking the next one");
                    *self = Self::reach(locations, Reach::All)?;
                }
                other => return Ok(other?),
            }
        }
    }

    /// The store, for reading.
    pub(crate) fn store(&self, locations: &Locations) -> Result<Arc<SqliteStore>, Failure> {
        match self {
            Self::Here { engine, .. } => Ok(Arc::clone(engine.store())),
            Self::There(_) => Ok(Arc::new(reader(locations)?)),
        }
    }

    /// From now on the schedules of the store fire in this process, if it is the host.
    pub(crate) fn host_schedules(&self) {
        match self {
            Self::Here { engine, .. } => engine.host_schedules(),
            Self::There(_) => {}
        }
    }

    pub(crate) fn schedule(&mut self, request: ScheduleRequest) -> Result<Scheduled, Error> {
        match self {
            Self::Here { engine, .. } => engine.schedule(request),
            Self::There(client) => client.schedule(request),
        }
    }

    pub(crate) fn change_chain(&mut self, chain: &str, standing: Standing) -> Result<(), Error> {
        match self {
            Self::Here { engine, .. } => engine.change_chain(chain, standing),
            Self::There(client) => client.change_chain(chain, standing),
        }
    }

    pub(crate) fn remove_chain(&mut self, chain: &str) -> Result<(), Error> {
        match self {
            Self::Here { engine, .. } => engine.remove_chain(chain),
            Self::There(client) => client.remove_chain(chain),
        }
    }

    pub(crate) fn change_schedule(&mut self, id: ScheduleId, standing: Standing) -> Result<(), Error> {
        match self {
            Self::Here { engine, .. } => engine.change_schedule(id, standing),
            Self::There(client) => client.change_schedule(id, standing),
        }
    }

    pub(crate) fn run_now(&mut self, id: ScheduleId) -> Result<Started, Error> {
        match self {
            Self::Here { engine, .. } => engine.run_now(id, actor()),
            Self::There(client) => client.run_now(id, actor()),
        }
    }

    pub(crate) fn backfill(
        &mut self,
        id: ScheduleId,
        span: (Timestamp, Timestamp),
    ) -> Result<Backfilled, Error> {
        match self {
            Self::Here { engine, .. } => engine.backfill(id, span, actor()),
            Self::There(client) => client.backfill(id, span, actor()),
        }
    }

    pub(crate) fn tell(&mut self, execution: ExecutionId, command: InboxCommand) -> Result<(), Error> {
        match self {
            Self::Here { engine, .. } => engine.tell(execution, command, actor()),
            Self::There(client) => client.tell(execution, command, actor()),
        }
    }
}

/// Hears what is new of schedules.
pub(crate) enum ScheduleNews {
    Here(ScheduleFollower),
    There(HostClient),
}

impl ScheduleNews {
    pub(crate) fn of(host: &Host, locations: &Locations) -> Result<Self, Error> {
        match host {
            Host::Here { engine, .. } => Ok(Self::Here(engine.follow_schedules()?)),
            Host::There(_) => {
                let gone = || Error::Stopped("the host of the store has gone".to_owned());
                let mut client = HostClient::connect(&locations.root)?.ok_or_else(gone)?;
                client.follow_schedules()?;
                Ok(Self::There(client))
            }
        }
    }

    /// Blocks until there is something; an error when the host has gone.
    pub(crate) fn next(&mut self) -> Result<Announcement, Error> {
        match self {
            Self::Here(follower) => follower.next_news(),
            Self::There(client) => client.next_news(),
        }
    }
}

/// The process that hosts the store, if it is another one.
pub(crate) fn other_host(locations: &Locations) -> Option<u32> {
    let client = HostClient::connect(&locations.root).ok().flatten()?;
    Some(client.pid()).filter(|pid| *pid != std::process::id())
}

/// A key that no other start has: this process, and the moment.
fn own_key() -> String {
    let now = jiff::Timestamp::now().as_nanosecond();
    format!("run of process {} at {now}", std::process::id())
}

/// Names the place that an error is about: what the operating system refuses, it refuses in the home folder.
fn refused(locations: &Locations) -> impl Fn(Error) -> Failure {
    |error| match &error {
        Error::Store(catena_store::Error::Corrupt(_)) => {
            Failure::new(Code::Store, format!("{error} ({})", locations.store.display()))
                .next("catena … --home DIR, with another store or a backup of this one")
        }
        Error::Io { .. } => {
            Failure::new(Code::Environment, format!("{error} ({})", locations.root.display()))
                .next("catena … --home DIR, with a folder that you may write")
        }
        _ => error.into(),
    }
}

fn tell_damaged(engine: &Engine) {
    for (execution, why) in engine.damaged() {
        talk!("execution {execution} cannot go on: {why}; see `catena doctor`");
    }
}

/// Whether there is a store; that one may not look is not the same as that there is none.
pub(crate) fn has_store(locations: &Locations) -> Result<bool, Failure> {
    match std::fs::metadata(&locations.store) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            let message = format!("cannot look at the store {}: {error}", locations.store.display());
            Err(Failure::new(Code::Store, message)
                .next("catena … --home DIR, with a folder that you may read"))
        }
    }
}

/// Reads the store beside whoever writes it.
pub(crate) fn reader(locations: &Locations) -> Result<SqliteStore, Failure> {
    if !has_store(locations)? {
        let message = format!("there is no store at {} yet", locations.store.display());
        return Err(Failure::new(Code::NotFound, message).next("catena run FILE, which makes one"));
    }
    SqliteStore::open_for_reading(&locations.store).map_err(|error| refused(locations)(error.into()))
}

/// The person at the terminal.
pub(crate) fn actor() -> Actor {
    let name = std::env::var("USER").ok().filter(|name| !name.is_empty());
    Actor::new(&name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw())))
}

/// Follows an execution event by event, folding it on the way.
pub(crate) enum Events {
    Here(catena_engine::Follower),
    There { client: HostClient, store: SqliteStore, queue: std::collections::VecDeque<Entry>, last: u64 },
}

impl Events {
    pub(crate) fn next(&mut self, execution: ExecutionId) -> Result<Option<Entry>, Error> {
        match self {
            Self::Here(follower) => follower.next_event(),
            Self::There { client, store, queue, last } => {
                while queue.is_empty() {
                    let (seq, _) = client.next_commit()?;
                    if seq > *last {
                        queue.extend(store.journal(execution, *last)?);
                        *last = queue.back().map_or(*last, |entry| entry.seq);
                    }
                }
                Ok(queue.pop_front())
            }
        }
    }
}

/// The state that events are folded into, before the first.
pub(crate) fn fresh_state(store: &dyn Store, execution: ExecutionId) -> Result<State, Failure> {
    let row = store.execution(execution)?.ok_or_else(|| unknown(execution))?;
    Ok(State::new(execution, store.version(&row.version)?.chain))
}

/// The execution that a number on the command line means: its own, or the latest of the chain of that number, which
/// is said.
pub(crate) fn resolve(store: &dyn Store, number: ExecutionId) -> Result<ExecutionId, Failure> {
    if store.execution(number)?.is_some() {
        return Ok(number);
    }
    let (chain, latest) = latest_of_chain(store, number)?;
    talk!("{number} is the chain {chain}; this is its latest execution, {latest}");
    Ok(latest)
}

/// The name and the latest execution of the chain of a number.
pub(crate) fn latest_of_chain(
    store: &dyn Store,
    number: ExecutionId,
) -> Result<(String, ExecutionId), Failure> {
    let chain = store.chains()?.into_iter().find(|chain| chain.id == number.0);
    let chain = chain.ok_or_else(|| unknown(number))?;
    let Some(latest) = chain.last_execution else {
        let next = next_of_unstarted(store, number)?.map(output::local);
        let when = next.map(|at| format!("; it starts at {at}")).unwrap_or_default();
        let message = format!("{number} is the chain {}, which has not run yet{when}", chain.name);
        return Err(Failure::new(Code::NotFound, message).next("catena ps ls, which shows what is scheduled"));
    };
    Ok((chain.name, latest))
}

/// When the chain of a number starts for the first time, if it has not yet and will.
pub(crate) fn next_of_unstarted(
    store: &dyn Store,
    number: ExecutionId,
) -> Result<Option<Timestamp>, Failure> {
    let chain = store.chains()?.into_iter().find(|chain| chain.id == number.0);
    let Some(chain) = chain.filter(|chain| chain.last_execution.is_none()) else { return Ok(None) };
    let rows = store.schedules()?;
    let of_chain = rows.iter().filter(|row| row.chain == chain.name && row.status == ScheduleStatus::Active);
    Ok(of_chain.filter_map(|row| row.next_at).min())
}

pub(crate) fn unknown(execution: ExecutionId) -> Failure {
    Failure::new(Code::NotFound, format!("there is no execution {execution}")).next("catena ps ls")
}
