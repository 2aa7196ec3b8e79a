//! A store that writes when it is told to: a commit waits in a queue, is written, and is answered, each at a moment of
//! its own. What is written is in SQLite; what waits is gone with the engine.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
};

use catena_core::ExecutionId;
use catena_store::{
    Cached, ChainRow, Commit, Done, Entry, Error, ExecutionFilter, ExecutionRow, FireFilter, FireRow,
    InboxItem, ScheduleRow, StepRow, Store, Version, VersionRow, sqlite::SqliteStore,
};

pub(crate) struct QueuedStore {
    inner: Arc<SqliteStore>,
    queue: Mutex<VecDeque<(Commit, Done)>>,
    answers: Mutex<VecDeque<(Done, Result<(), Error>)>>,
    /// Nothing is written.
    refuses: AtomicBool,
    /// Nothing is read either.
    is_blind: AtomicBool,
    /// Who submits something now waits for its answer.
    is_awaited: AtomicBool,
}

/// What becomes of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    Well,
    /// They are written, and the answer is that they were not.
    Unsaid,
}

impl QueuedStore {
    pub(crate) fn new(inner: Arc<SqliteStore>) -> Self {
        Self {
            inner,
            queue: Mutex::default(),
            answers: Mutex::default(),
            refuses: AtomicBool::new(false),
            is_blind: AtomicBool::new(false),
            is_awaited: AtomicBool::new(false),
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        lock(&self.queue).len()
    }

    pub(crate) fn unanswered(&self) -> usize {
        lock(&self.answers).len()
    }

    pub(crate) fn set_refusing(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    pub(crate) fn set_blind(&self, is_blind: bool) {
        self.is_blind.store(is_blind, Ordering::Relaxed);
    }

    pub(crate) fn set_awaited(&self, is_awaited: bool) {
        self.is_awaited.store(is_awaited, Ordering::Relaxed);
    }

    pub(crate) fn is_refusing(&self) -> bool {
        self.refuses.load(Ordering::Relaxed)
    }

    /// Writes the first of those that wait, as one batch. They are answered later.
    pub(crate) fn write(&self, count: usize, writing: Writing) {
        let commits: Vec<(Commit, Done)> = {
            let mut queue = lock(&self.queue);
            let count = count.min(queue.len());
            queue.drain(..count).collect()
        };
        let (commits, dones): (Vec<Commit>, Vec<Done>) = commits.into_iter().unzip();
        let results = if self.is_refusing() {
            commits.iter().map(|_| Err(unavailable())).collect()
        } else {
            let written = self.write_through(commits);
            match writing {
                Writing::Well => written,
                Writing::Unsaid => written.iter().map(|_| Err(unavailable())).collect(),
            }
        };
        lock(&self.answers).extend(dones.into_iter().zip(results));
    }

    /// Answers the first commit that is written. False if there is none.
    pub(crate) fn answer(&self) -> bool {
        let answer = lock(&self.answers).pop_front();
        let is_there = answer.is_some();
        if let Some((done, result)) = answer {
            done(result);
        }
        is_there
    }

    fn write_through(&self, commits: Vec<Commit>) -> Vec<Result<(), Error>> {
        let answers: Vec<_> = commits
            .into_iter()
            .map(|commit| {
                let (sender, answer) = channel();
                self.inner.submit(commit, Box::new(move |result| drop(sender.send(result))));
                answer
            })
            .collect();
        let closed = || Err(Error::Unavailable { message: "its writer has gone".into(), disk_full: false });
        answers.into_iter().map(|answer| answer.recv().unwrap_or_else(|_| closed())).collect()
    }

    fn read<T>(&self, read: impl FnOnce(&SqliteStore) -> Result<T, Error>) -> Result<T, Error> {
        if self.is_blind.load(Ordering::Relaxed) { Err(unavailable()) } else { read(&self.inner) }
    }
}

fn unavailable() -> Error {
    Error::Unavailable { message: "the world's disk fails".into(), disk_full: false }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for QueuedStore {
    fn submit(&self, commit: Commit, done: Done) {
        lock(&self.queue).push_back((commit, done));
        // The loader waits for the answer to what it submits, and for all that was submitted before.
        if self.is_awaited.load(Ordering::Relaxed) {
            let waiting = self.waiting();
            self.write(waiting, Writing::Well);
            while self.answer() {}
        }
    }

    fn journal(&self, execution: ExecutionId, after: u64) -> Result<Vec<Entry>, Error> {
        self.read(|store| store.journal(execution, after))
    }

    fn execution(&self, execution: ExecutionId) -> Result<Option<ExecutionRow>, Error> {
        self.read(|store| store.execution(execution))
    }

    fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<ExecutionRow>, Error> {
        self.read(|store| store.executions(filter))
    }

    fn steps(&self, execution: ExecutionId) -> Result<Vec<StepRow>, Error> {
        self.read(|store| store.steps(execution))
    }

    fn chains(&self) -> Result<Vec<ChainRow>, Error> {
        self.read(SqliteStore::chains)
    }

    fn chain(&self, name: &str) -> Result<Option<ChainRow>, Error> {
        self.read(|store| store.chain(name))
    }

    fn versions(&self, chain: &str) -> Result<Vec<VersionRow>, Error> {
        self.read(|store| store.versions(chain))
    }

    fn schedules(&self) -> Result<Vec<ScheduleRow>, Error> {
        self.read(SqliteStore::schedules)
    }

    fn fires(&self, filter: &FireFilter) -> Result<Vec<FireRow>, Error> {
        self.read(|store| store.fires(filter))
    }

    fn version(&self, digest: &str) -> Result<Version, Error> {
        self.read(|store| store.version(digest))
    }

    fn has_version(&self, digest: &str) -> Result<bool, Error> {
        self.read(|store| store.has_version(digest))
    }

    fn blob(&self, digest: &str) -> Result<Vec<u8>, Error> {
        self.read(|store| store.blob(digest))
    }

    fn snapshot(&self, execution: ExecutionId) -> Result<Option<(u64, Vec<u8>)>, Error> {
        self.read(|store| store.snapshot(execution))
    }

    fn started(&self, key: &str) -> Result<Option<(ExecutionId, String)>, Error> {
        self.read(|store| store.started(key))
    }

    fn cached(&self, key: &str) -> Result<Option<Cached>, Error> {
        self.read(|store| store.cached(key))
    }

    fn heir(&self, source: ExecutionId) -> Result<Option<ExecutionId>, Error> {
        self.read(|store| store.heir(source))
    }

    fn inbox(&self) -> Result<Vec<InboxItem>, Error> {
        self.read(SqliteStore::inbox)
    }

    fn next_number(&self) -> Result<u64, Error> {
        self.read(SqliteStore::next_number)
    }
}
