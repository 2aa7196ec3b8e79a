//! The one thread that writes. It takes what has gathered, commits it in one transaction, and only then says
//! so. After an error nothing of the batch is there, and everybody in it is told.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::Instant,
};

use catena_core::{
    ExecutionId,
    faults::{self, Fault},
};
use rusqlite::{Connection, TransactionBehavior, params};

use super::{slow::Slow, write::Batch};
use crate::{Commit, Done, Error, Head, Lease};

/// Commits that go into one transaction at most: bounds how long the first of them waits for the last.
const BATCH_MAX: usize = 1_024;
/// Journal heads that are remembered between batches.
const HEADS_MAX: usize = 100_000;

pub(super) struct Writer {
    queue: Queue,
    thread: Mutex<Option<JoinHandle<()>>>,
    lease: Lease,
    store_id: String,
    first_of_boot: Lease,
    counts: Arc<Counts>,
}

/// Where commits are handed in. Empty once the writer is closed.
type Queue = Arc<Mutex<Option<Sender<(Commit, Done)>>>>;

#[derive(Default)]
struct Counts {
    commits: AtomicU64,
    events: AtomicU64,
}

impl Writer {
    pub(super) fn start(mut connection: Connection, path: &Path) -> Result<Self, Error> {
        let store_id = connection.query_row("SELECT store FROM identity", [], |row| row.get(0))?;
        let before: u64 = connection.query_row(
            "SELECT coalesce(max(lease), 0) FROM leases WHERE boot <> ?",
            [boot_id()],
            |row| row.get(0),
        )?;
        let first_of_boot = Lease(before + 1);
        let lease = take_lease(&mut connection)?;
        let (queue, receiver) = channel();
        let counts = Arc::new(Counts::default());
        let worker = Worker {
            path: path.to_owned(),
            connection,
            lease,
            heads: HashMap::new(),
            counts: Arc::clone(&counts),
            slow: Slow::default(),
        };
        let queue: Queue = Arc::new(Mutex::new(Some(queue)));
        let handed_in = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("catena-writer".into())
            .spawn(move || worker.run(&receiver, handed_in))
            .map_err(Error::from)?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { queue, thread, lease, store_id, first_of_boot, counts })
    }

    pub(super) fn lease(&self) -> Lease {
        self.lease
    }

    pub(super) fn store_id(&self) -> &str {
        &self.store_id
    }

    pub(super) fn first_of_boot(&self) -> Lease {
        self.first_of_boot
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        (self.counts.commits.load(Ordering::Relaxed), self.counts.events.load(Ordering::Relaxed))
    }

    pub(super) fn submit(&self, commit: Commit, done: Done) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = match queue.as_ref() {
            Some(queue) => queue.send((commit, done)).err().map(|refused| refused.0.1),
            None => Some(done),
        };
        drop(queue);
        if let Some(done) = refused {
            done(Err(Error::unavailable("its writer has stopped")));
        }
    }

    /// Commits what is queued, then ends; returns when nothing is written any more.
    pub(super) fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The last owner of a store may be a callback on the writer's own thread.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // A panic of the writer has been reported by its thread; there is nothing to add to it here.
            drop(thread.join());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// This boot of this machine: processes of another one are gone.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| String::new(), |id| id.trim().to_owned())
}

/// The time is read when nobody else can write any more: nothing under an earlier lease is later.
fn take_lease(connection: &mut Connection) -> Result<Lease, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    transaction.execute(
        "INSERT INTO leases (pid, boot, at) VALUES (?, ?, ?)",
        params![std::process::id(), boot_id(), i64::try_from(at.as_micros()).unwrap_or(i64::MAX)],
    )?;
    let lease = Lease(transaction.last_insert_rowid().unsigned_abs());
    transaction.commit()?;
    Ok(lease)
}

/// Those who wait for the answer to a commit. A writer that fails by a bug leaves nobody waiting.
struct Waiting<'q> {
    batch: VecDeque<Done>,
    queue: &'q Receiver<(Commit, Done)>,
    handed_in: Queue,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        drop(self.handed_in.lock().unwrap_or_else(PoisonError::into_inner).take());
        let queued = std::iter::from_fn(|| self.queue.try_recv().ok()).map(|(_, done)| done);
        for done in self.batch.drain(..).chain(queued) {
            done(Err(Error::unavailable("its writer has failed, which is a bug of Catena's own")));
        }
    }
}

struct Worker {
    path: PathBuf,
    connection: Connection,
    lease: Lease,
    heads: HashMap<ExecutionId, Head>,
    counts: Arc<Counts>,
    slow: Slow,
}

impl Worker {
    fn run(mut self, queue: &Receiver<(Commit, Done)>, handed_in: Queue) {
        let mut commits = Vec::with_capacity(BATCH_MAX);
        let mut waiting = Waiting { batch: VecDeque::with_capacity(BATCH_MAX), queue, handed_in };
        while let Ok((commit, done)) = queue.recv() {
            commits.push(commit);
            waiting.batch.push_back(done);
            while commits.len() < BATCH_MAX
                && let Ok((commit, done)) = queue.try_recv()
            {
                commits.push(commit);
                waiting.batch.push_back(done);
            }
            let answers = self.commit(&mut commits);
            for answer in answers {
                if let Some(done) = waiting.batch.pop_front() {
                    done(answer);
                }
            }
        }
    }

    /// Commits a batch and gives each member its answer: refused on its own, or as the whole batch went.
    fn commit(&mut self, commits: &mut Vec<Commit>) -> Vec<Result<(), Error>> {
        let count = commits.len();
        let mut answers = Vec::with_capacity(count);
        let began = Instant::now();
        let written = self.write(commits.drain(..), &mut answers);
        let took = began.elapsed();
        match written {
            Ok(events) => {
                let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                tracing::debug!(lease = self.lease.0, commits = count, events, took_us, "committed");
                self.slow.look(began, took, &self.path);
                answers
            }
            Err(error) => {
                tracing::error!(lease = self.lease.0, commits = count, %error, "a commit has failed");
                // What the heads say was never written.
                self.heads.clear();
                let error = error.at(&self.path);
                vec![Err(error); count]
            }
        }
    }

    /// Gives how many events were committed.
    fn write(
        &mut self,
        commits: impl Iterator<Item = Commit>,
        answers: &mut Vec<Result<(), Error>>,
    ) -> Result<u64, Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        check_lease(&transaction, self.lease)?;
        let mut batch = Batch::new(&transaction, &mut self.heads);
        let mut events = 0;
        for commit in commits {
            let written = commit.append.as_ref().map_or(0, |append| append.events.len() as u64);
            let answer = if commit.lease == self.lease { batch.add(commit)? } else { Err(Error::LeaseLost) };
            if answer.is_ok() {
                events += written;
            }
            answers.push(answer);
        }
        batch.finish()?;
        transaction.commit()?;
        self.counts.commits.fetch_add(1, Ordering::Relaxed);
        self.counts.events.fetch_add(events, Ordering::Relaxed);
        if self.heads.len() > HEADS_MAX {
            self.heads.clear();
        }
        Ok(events)
    }
}

fn check_lease(connection: &Connection, mine: Lease) -> Result<(), Error> {
    let latest: u64 =
        connection.prepare_cached("SELECT max(lease) FROM leases")?.query_row([], |row| row.get(0))?;
    if latest == mine.0 || faults::is_on(Fault::StaleLease) { Ok(()) } else { Err(Error::LeaseLost) }
}
