//! A store in one SQLite file: one writer thread, readers beside it.

mod changes;
mod check;
mod lock;
#[cfg(feature = "faults")]
mod power;
mod read;
mod reserve;
mod schedules;
mod schema;
mod slow;
mod write;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use catena_core::{
    ExecutionId,
    faults::{self, Fault},
};
use rusqlite::{Connection, OpenFlags};

use self::writer::Writer;
pub use self::{
    changes::Changes,
    check::{Finding, check, rebuild},
    lock::HostLock,
    reserve::Reserve,
    schema::FORMAT,
};
use crate::{Commit, Done, Error, ExecutionRow, Lease, Store};

/// How long a reader waits for a moment in which SQLite rearranges its files.
const BUSY_TIMEOUT_MS: u64 = 5_000;
/// Readers that are kept open between uses.
const READERS_MAX: usize = 4;

/// A store that can be read; with a writer, also written.
pub struct SqliteStore {
    path: PathBuf,
    readers: Mutex<Vec<Connection>>,
    writer: Option<Writer>,
}

impl SqliteStore {
    /// Opens an existing store for reading, beside whatever host there is. One of an older version is migrated first.
    pub fn open_for_reading(path: &Path) -> Result<Self, Error> {
        let store = Self { path: path.to_owned(), readers: Mutex::default(), writer: None };
        let reader = store.connect_reader()?;
        if schema::check_format(&reader, path)? == schema::Age::Older {
            // Its tables are not those that are read here; without a host there is nobody else who could make them.
            let _lock = HostLock::take(path)?;
            schema::migrate(&mut connect_writer(path)?, path)?;
        }
        store.give_back(reader);
        Ok(store)
    }

    /// Opens a store for writing, making or migrating it; the lock says that no one else does.
    pub fn open(path: &Path, _lock: &HostLock) -> Result<Self, Error> {
        let open = || {
            let mut connection = connect_writer(path)?;
            schema::migrate(&mut connection, path)?;
            Writer::start(connection, path)
        };
        let writer = open().map_err(|error| error.at(path))?;
        Ok(Self { path: path.to_owned(), readers: Mutex::default(), writer: Some(writer) })
    }

    /// The lease under which this store writes.
    pub fn lease(&self) -> Option<Lease> {
        self.writer.as_ref().map(Writer::lease)
    }

    /// Commits what was submitted and writes nothing from then on.
    pub fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close();
        }
    }

    /// Tells this store from every other one.
    pub fn id(&self) -> &str {
        self.writer.as_ref().map_or("", Writer::store_id)
    }

    /// The first lease since the machine came up: no process of an earlier one is alive.
    pub fn first_lease_of_boot(&self) -> Lease {
        self.writer.as_ref().map_or(Lease(0), Writer::first_of_boot)
    }

    /// How many transactions were committed, and how many events in them, since the store was opened.
    pub fn counts(&self) -> (u64, u64) {
        self.writer.as_ref().map_or((0, 0), Writer::counts)
    }

    /// The row of an execution that must be there.
    pub fn execution_row(&self, execution: ExecutionId) -> Result<ExecutionRow, Error> {
        self.execution(execution)?.ok_or_else(|| Error::NotFound(format!("execution {execution}")))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn submit_to_writer(&self, commit: Commit, done: Done) {
        match &self.writer {
            Some(writer) => writer.submit(commit, done),
            None => done(Err(Error::unavailable("it is open for reading only"))),
        }
    }

    fn with_reader<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let pooled = self.readers.lock().expect("no reader panics while it holds the pool").pop();
        let reader = match pooled {
            Some(reader) => reader,
            None => self.connect_reader()?,
        };
        let result = read(&reader);
        self.give_back(reader);
        result
    }

    fn give_back(&self, reader: Connection) {
        let mut pool = self.readers.lock().expect("no reader panics while it holds the pool");
        if pool.len() < READERS_MAX {
            pool.push(reader);
        }
    }

    fn connect_reader(&self) -> Result<Connection, Error> {
        if !self.path.exists() {
            return Err(Error::NotFound(format!("store at {}", self.path.display())));
        }
        #[cfg(feature = "faults")]
        power::install_if_asked();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&self.path, flags)?;
        reader.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
        // Not opened read-only: a reader of a store without host must be able to recover its log.
        reader.pragma_update(None, "query_only", true)?;
        reader.pragma_update(None, "mmap_size", 0)?;
        Ok(reader)
    }
}

/// A new store is its owner's alone; SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn connect_writer(path: &Path) -> Result<Connection, Error> {
    if rusqlite::version_number() < 3_051_003 {
        return Err(Error::unavailable(format!("SQLite {} can damage its log", rusqlite::version())));
    }
    #[cfg(feature = "faults")]
    power::install_if_asked();
    make_private(path)?;
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    let synchronous = if faults::is_on(Fault::NoSync) { "OFF" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 2_000)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}
