//! The engine as its users see it: open a store, start executions, follow them, close.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::channel,
    },
    thread::JoinHandle,
};

use catena_core::{
    Chain, ExecutionId,
    chain::Overload,
    event::{Event, Trigger},
};
use catena_runners::{
    FileExistsRunner, Files, FunctionRunner, HelperAccess, Places, ProcessRunner, Secrets, Sink, Sources,
    StepRunner, missing_programs,
};
use catena_store::{
    Actor, ExecutionFilter, ExecutionRow, InboxCommand, Lease, Store,
    sqlite::{HostLock, Reserve, SqliteStore},
};

use crate::{
    Config, Error, Follower, Reach, StartRequest, Started, Stream,
    clock::Watch,
    dispatcher::{Dispatcher, Input, Recovered, Shared},
    in_process::InProcess,
    launch::{Inbound, Launcher},
    load::{Loader, load_unfinished, serve_loads},
    schedule::{self, expect_not_archived},
    start::{CheckedStart, is_known},
    trace,
};

/// The one host of a store. Dropping it closes it: attempts in processes go on, and the next engine attaches to
/// them.
pub struct Engine {
    shared: Arc<Shared>,
    sqlite: Arc<SqliteStore>,
    dispatcher: Option<JoinHandle<()>>,
    recovered: Vec<ExecutionId>,
    damaged: Vec<(ExecutionId, String)>,
    folds: Arc<AtomicU64>,
    secrets: Arc<dyn Secrets>,
    pools: BTreeMap<String, u32>,
    /// Of steps, for looking whether their programs are there.
    environment: Vec<(OsString, OsString)>,
    root: PathBuf,
    stream_ttl: std::time::Duration,
    _watch: Option<Watch>,
    _lock: HostLock,
}

impl Engine {
    /// Takes the store over and goes on with what is unfinished in it.
    pub fn open(config: Config) -> Result<Self, Error> {
        make_home(&config)?;
        let lock = HostLock::take(&config.store)?;
        let reserve = Reserve::of(&config.store);
        let sqlite = Arc::new(open_store(&config, &lock, &reserve)?);
        let store: Arc<dyn Store> = Arc::clone(&sqlite) as Arc<dyn Store>;
        let lease = sqlite.lease().expect("a store opened for writing has a lease");
        let mut found = find_unfinished(&*store, config.reach, sqlite.first_lease_of_boot())?;
        let next_number = store.next_number()?;
        let ((inputs, receiver), (loads, wanted)) = (channel(), channel());
        let launcher = launcher(&config, &inputs, &sqlite, lease)?;
        let folds = Arc::new(AtomicU64::new(found.running.len() as u64));
        let loader = Loader {
            store: Arc::clone(&store),
            lease,
            first_of_boot: found.first_of_boot,
            reach: config.reach,
            reserve,
            clock: Arc::clone(&config.clock),
        };
        let (loaded, counted) = (inputs.clone(), Arc::clone(&folds));
        std::thread::Builder::new()
            .name("catena-load".into())
            .spawn(move || serve_loads(&loader, &wanted, &loaded, &counted))
            .map_err(Error::io("start the loader"))?;
        let shared = Arc::new(Shared {
            store,
            clock: config.clock,
            launcher,
            hub: Arc::default(),
            loads,
            inputs,
            lease,
            notify: config.notify,
        });
        let recovered = found
            .running
            .iter()
            .map(|one| one.state.id())
            .chain(found.sleeping.iter().map(|(id, _)| *id))
            .collect();
        let damaged = std::mem::take(&mut found.damaged);
        trace::opened(&config.store, lease, found.running.len(), found.sleeping.len(), damaged.len());
        let (slots, seed) = ((config.slots, config.pools.clone()), RandomState::new().hash_one(lease.0));
        let mut dispatcher = Dispatcher::new(Arc::clone(&shared), receiver, slots, next_number, seed);
        let hub = Arc::clone(&shared.hub);
        let watch = watch_clock(&shared)?;
        let thread = std::thread::Builder::new()
            .name("catena-dispatch".into())
            .spawn(move || {
                let _farewell = Farewell(Arc::clone(&hub));
                dispatcher.recover(found);
                dispatcher.run();
            })
            .map_err(Error::io("start the dispatcher"))?;
        Ok(Self {
            shared,
            sqlite,
            dispatcher: Some(thread),
            recovered,
            damaged,
            folds,
            secrets: config.secrets,
            pools: config.pools,
            environment: config.environment,
            root: config.places.root,
            stream_ttl: config.stream_ttl,
            _watch: watch,
            _lock: lock,
        })
    }

    /// The unfinished executions that were found and are going on; those that wait for a person are not.
    pub fn recovered(&self) -> &[ExecutionId] {
        &self.recovered
    }

    /// The unfinished executions that cannot go on, and why: their journals are damaged.
    pub fn damaged(&self) -> &[(ExecutionId, String)] {
        &self.damaged
    }

    /// How many executions were folded from the store since the engine was opened, recovery included.
    pub fn folds(&self) -> u64 {
        self.folds.load(Ordering::Relaxed)
    }

    /// Starts an execution; returns when its start is durable, with its number. Refused where a secret of the chain
    /// has no value, or nothing is there that runs its code: later, half of the chain may have run.
    pub fn start(&self, request: StartRequest) -> Result<Started, Error> {
        let secrets = request.version.chain.secrets().iter();
        let missing: Vec<_> = secrets.filter_map(|name| self.secrets.resolve(name).err()).collect();
        if !missing.is_empty() {
            return Err(Error::SecretsMissing(missing));
        }
        let missing = missing_programs(&request.version.chain, &self.environment, &self.root);
        if !missing.is_empty() {
            return Err(Error::ProgramsMissing(missing));
        }
        let chain = self.shared.store.chain(request.version.chain.name.as_str())?;
        let is_known = is_known(&*self.shared.store, &request, chain.as_ref());
        expect_not_archived(chain.as_ref())?;
        self.expect_pools(&request.version.chain)?;
        let request = CheckedStart::new(request, &*self.shared.store)?;
        if let Some(first) = self.started_before(&request)? {
            return Ok(first);
        }
        self.ask(|reply| Input::Start { request: Box::new(request), is_known, reply })
    }

    /// The first start with the same key of a chain that refuses a second execution: it is no second one.
    fn started_before(&self, request: &CheckedStart) -> Result<Option<Started>, Error> {
        let refuses = request.version.chain.concurrency.is_some_and(|one| one.policy == Overload::Skip);
        let Some(key) = request.key.as_ref().filter(|_| refuses) else { return Ok(None) };
        match self.shared.store.started(key)? {
            None => Ok(None),
            Some((execution, of)) if of == request.fingerprint() => {
                Ok(Some(Started { execution, is_new: false }))
            }
            Some((execution, _)) => Err(Error::KeyConflict { key: key.clone(), execution }),
        }
    }

    /// A step of a pool that nobody has given slots to would wait for ever.
    fn expect_pools(&self, chain: &Chain) -> Result<(), Error> {
        let named: BTreeSet<&str> =
            chain.steps().filter_map(|(_, step)| Some(step.pool.as_ref()?.as_str())).collect();
        let missing: Vec<String> =
            named.into_iter().filter(|name| !self.pools.contains_key(*name)).map(str::to_owned).collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::PoolsMissing(missing)) }
    }

    /// Asks an execution to end; returns when that is durable. Its end comes as an event.
    pub fn cancel(&self, execution: ExecutionId, rollback: bool, actor: Actor) -> Result<(), Error> {
        self.tell(execution, InboxCommand::Cancel { rollback, force: false }, actor)
    }

    /// Tells an execution something; returns when what follows from it at once is durable.
    pub fn tell(&self, execution: ExecutionId, command: InboxCommand, actor: Actor) -> Result<(), Error> {
        self.ask(|reply| Input::Tell { execution, command, actor, reply })
    }

    pub(crate) fn ask<T: Send + 'static>(
        &self,
        input: impl FnOnce(Box<dyn FnOnce(Result<T, Error>) + Send>) -> Input,
    ) -> Result<T, Error> {
        let (sender, receiver) = channel();
        let reply = Box::new(move |answer| drop(sender.send(answer)));
        let gone = |_| Error::Stopped("its dispatcher has gone".to_owned());
        self.shared
            .inputs
            .send(input(reply))
            .map_err(|_| Error::Stopped("its dispatcher has gone".to_owned()))?;
        receiver.recv().map_err(gone)?
    }

    /// The events of an execution behind `after`, those that are there and those to come.
    pub fn follow(&self, execution: ExecutionId, after: u64) -> Result<Follower, Error> {
        Follower::new(Arc::clone(&self.shared.store), Arc::clone(&self.shared.hub), execution, after)
    }

    /// Gives a message after commits of any execution, one for all that have gathered since the last was taken; ends with
    /// the engine.
    pub fn commits(&self) -> std::sync::mpsc::Receiver<()> {
        self.shared.hub.bell()
    }

    /// The stream of an execution, for asking now and then.
    pub fn stream(&self, execution: ExecutionId) -> Stream {
        Stream {
            store: Arc::clone(&self.shared.store),
            clock: Arc::clone(&self.shared.clock),
            execution,
            ttl: self.stream_ttl,
        }
    }

    /// Waits for the end of an execution.
    pub fn wait(&self, execution: ExecutionId) -> Result<ExecutionRow, Error> {
        let mut follower = self.follow(execution, 0)?;
        while follower.next_event()?.is_some() {}
        self.shared.store.execution(execution)?.ok_or(Error::UnknownExecution(execution))
    }

    /// Closes the store; the same as dropping the engine, but it reads as what it is.
    pub fn close(self) {}

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn secrets(&self) -> &dyn Secrets {
        &*self.secrets
    }

    pub fn store(&self) -> &Arc<SqliteStore> {
        &self.sqlite
    }

    /// Says that a clock which is told rather than read has moved.
    pub fn tick(&self) {
        drop(self.shared.inputs.send(Input::Tick));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.shared.inputs.send(Input::Stop));
        if let Some(dispatcher) = self.dispatcher.take() {
            // A panic of the dispatcher has been reported by its thread.
            drop(dispatcher.join());
        }
        // Before the lock goes, nothing may be left that writes.
        self.sqlite.close();
        trace::closed(self.shared.lease);
    }
}

/// A timer is not late because the clock was set or the machine slept.
fn watch_clock(shared: &Shared) -> Result<Option<Watch>, Error> {
    let inputs = shared.inputs.clone();
    let moved = Box::new(move || drop(inputs.send(Input::Tick)));
    shared.clock.watch(moved).map_err(Error::io("watch the clock"))
}

fn make_home(config: &Config) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(&config.places.root).map_err(Error::io("make the home folder"))?;
    match config.store.parent() {
        Some(folder) => builder.create(folder).map_err(Error::io("make the store's folder")),
        None => Ok(()),
    }
}

/// Opens the store, for one execution also on a full disk: who comes for that comes to end it.
fn open_store(config: &Config, lock: &HostLock, reserve: &Reserve) -> Result<SqliteStore, Error> {
    let opened = SqliteStore::open(&config.store, lock);
    let is_full = matches!(opened, Err(catena_store::Error::Unavailable { disk_full: true, .. }));
    let store = match (is_full, config.reach) {
        (true, Reach::Only(_)) => {
            reserve.release();
            SqliteStore::open(&config.store, lock)?
        }
        (false, _) | (true, Reach::All | Reach::Records) => opened?,
    };
    if config.reach == Reach::All {
        reserve.hold();
    }
    Ok(store)
}

/// All that an engine takes up.
pub(crate) fn find_unfinished(
    store: &dyn Store,
    reach: Reach,
    first_of_boot: Lease,
) -> Result<Recovered, catena_store::Error> {
    let filter = ExecutionFilter { unfinished_only: true, ..ExecutionFilter::default() };
    let mut rows = store.executions(&filter)?;
    rows.reverse();
    let family = match reach {
        Reach::All | Reach::Records => BTreeSet::new(),
        Reach::Only(only) => family(store, only, &rows)?,
    };
    let is_within = |id: ExecutionId| match reach {
        Reach::All => true,
        Reach::Only(_) => family.contains(&id),
        Reach::Records => false,
    };
    let inbox: Vec<_> = store.inbox()?.into_iter().filter(|item| is_within(item.execution)).collect();
    let commanded: BTreeSet<ExecutionId> = inbox.iter().map(|item| item.execution).collect();
    let schedules = schedule::find(store)?;
    let mut found =
        Recovered { inbox, first_of_boot, schedules, is_all: reach == Reach::All, ..Recovered::default() };
    let mut limited = BTreeMap::new();
    for row in rows.into_iter().filter(|row| is_within(row.id)) {
        if let Some(at) = row.wake_at
            && !row.owned
            && !commanded.contains(&row.id)
            && !is_limited(store, &row.version, &mut limited)?
        {
            found.sleeping.push((row.id, at));
            continue;
        }
        match load_unfinished(store, row.id) {
            Ok(unfinished) => found.running.push(unfinished),
            Err(error @ (catena_store::Error::Corrupt(_) | catena_store::Error::NotFound(_))) => {
                found.damaged.push((row.id, error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whether executions of a version are counted, so that each has to be known.
fn is_limited(
    store: &dyn Store,
    version: &str,
    known: &mut BTreeMap<String, bool>,
) -> Result<bool, catena_store::Error> {
    if let Some(limited) = known.get(version) {
        return Ok(*limited);
    }
    let limited = store.version(version)?.chain.concurrency.is_some();
    known.insert(version.to_owned(), limited);
    Ok(limited)
}

/// An execution and all that were started by it, so that what it is told reaches them.
fn family(
    store: &dyn Store,
    head: ExecutionId,
    unfinished: &[ExecutionRow],
) -> Result<BTreeSet<ExecutionId>, catena_store::Error> {
    let mut family = BTreeSet::from([head]);
    // Who was started by another one has a higher number.
    for row in unfinished.iter().filter(|row| row.id > head) {
        let first = store.journal(row.id, 0)?.into_iter().next().map(|entry| entry.event);
        if let Some(Event::ExecutionCreated {
            trigger: Trigger::Call { parent, .. } | Trigger::Undo { parent, .. },
            ..
        }) = first
            && family.contains(&parent)
        {
            family.insert(row.id);
        }
    }
    Ok(family)
}

fn launcher(
    config: &Config,
    inputs: &std::sync::mpsc::Sender<Input>,
    sqlite: &Arc<SqliteStore>,
    lease: Lease,
) -> Result<Launcher, Error> {
    let sink: Arc<dyn Sink> = Arc::new(Inbound(inputs.clone()));
    let threads = usize::try_from(config.slots).unwrap_or(usize::MAX).min(512);
    let stored = StoredFiles(Arc::clone(sqlite) as Arc<dyn Store>);
    let sources = Sources { files: Arc::new(stored), secrets: Arc::clone(&config.secrets) };
    let functions = InProcess::new(sink.clone(), |sink| {
        let runner = FunctionRunner::new(config.functions.clone(), threads, sources.clone(), sink);
        runner.map(|runner| Box::new(runner) as _).map_err(Error::io("start the threads of functions"))
    })?;
    let files = InProcess::new(sink.clone(), |sink| {
        let runner = FileExistsRunner::new(config.places.clone(), threads, sources.clone(), sink);
        runner.map(|runner| Box::new(runner) as _).map_err(Error::io("start a thread that looks for files"))
    })?;
    let requests =
        InProcess::new(sink.clone(), |sink| Ok::<_, Error>(requests(&config.places, &sources, sink)))?;
    let (command, environment) = (Arc::clone(&config.helper), config.environment.clone());
    let helper = HelperAccess { command, environment, lease: lease.0 };
    let processes = ProcessRunner::new(config.places.clone(), sources, helper, sqlite.id(), sink);
    let (functions, files, requests) = (Arc::new(functions), Arc::new(files), Arc::new(requests));
    Ok(Launcher { functions, files, requests, processes })
}

#[cfg(feature = "http")]
fn requests(places: &Places, sources: &Sources, sink: Arc<dyn Sink>) -> Box<dyn StepRunner> {
    Box::new(catena_runners::HttpRunner::new(places.clone(), sources.clone(), sink))
}

#[cfg(not(feature = "http"))]
fn requests(_places: &Places, _sources: &Sources, sink: Arc<dyn Sink>) -> Box<dyn StepRunner> {
    Box::new(crate::launch::NoRequests(sink))
}

/// Whatever ends the dispatcher, nobody waits for its events any more.
struct Farewell(Arc<crate::follow::Hub>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.stop("the engine was closed");
    }
}

struct StoredFiles(Arc<dyn Store>);

impl Files for StoredFiles {
    fn read(&self, digest: &str) -> Result<Vec<u8>, String> {
        self.0.blob(digest).map_err(|error| error.to_string())
    }

    fn chain_number(&self, chain: &str) -> Option<u64> {
        self.0.chain(chain).ok().flatten().map(|row| row.id)
    }
}
