//! Store errors, by what the caller can do about them.

use std::path::{Path, PathBuf};

use catena_core::{ExecutionId, ScheduleId, Timestamp, state::Corrupt};

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no {0}")]
    NotFound(String),
    /// The execution has moved on: fold again and decide anew.
    #[error("execution {execution} stands at event {found}, not {expected}")]
    Conflict { execution: ExecutionId, expected: u64, found: u64 },
    /// A start with this key was made before.
    #[error("the key was used for execution {execution}")]
    KeyTaken { execution: ExecutionId, same_input: bool },
    /// The instant has been decided before: it starts nothing more.
    #[error("the instant {} of schedule {schedule} was decided before", at.0)]
    FireTaken { schedule: ScheduleId, at: Timestamp },
    #[error("there is a chain `{0}` already")]
    ChainExists(String),
    #[error("execution {execution} of chain `{chain}` has not ended")]
    ChainBusy { chain: String, execution: ExecutionId },
    /// Another host has taken over: stop.
    #[error("another host has taken over this store")]
    LeaseLost,
    /// Nothing was written; the same may succeed later.
    #[error("the store cannot be used now: {message}")]
    Unavailable { message: String, disk_full: bool },
    /// What is stored is not what was written: stop, and look.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    #[error("{path} has store format {found}, this version of Catena reads formats up to {known}")]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("{0} is an SQLite database, but no Catena store")]
    NotAStore(PathBuf),
    #[error("the store is in use by process {pid}")]
    Locked { pid: u32 },
}

impl Error {
    /// Says of which store it is, and whether its file system is full: SQLite calls that an I/O error where it
    /// meets it in its shared memory.
    pub(crate) fn at(self, store: &Path) -> Self {
        match self {
            Self::Unavailable { message, disk_full } => Self::Unavailable {
                message: format!("{message} ({})", store.display()),
                disk_full: disk_full || is_full(store),
            },
            other => other,
        }
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), disk_full: false }
    }
}

/// Less than this is no room for a transaction.
const ROOM_MIN_BYTES: u64 = 64 * 1024;

fn is_full(store: &Path) -> bool {
    let folder = store.parent().unwrap_or(store);
    rustix::fs::statvfs(folder).is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) < ROOM_MIN_BYTES)
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(error.to_string()),
            code => {
                Self::Unavailable { message: error.to_string(), disk_full: code == Some(ErrorCode::DiskFull) }
            }
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let disk_full = error.kind() == std::io::ErrorKind::StorageFull;
        Self::Unavailable { message: error.to_string(), disk_full }
    }
}

impl From<Corrupt> for Error {
    fn from(error: Corrupt) -> Self {
        Self::Corrupt(error.to_string())
    }
}
