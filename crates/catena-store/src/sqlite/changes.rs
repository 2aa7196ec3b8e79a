//! Whether anybody has committed: for who looks now and then at a store that no host announces the commits of.

use rusqlite::Connection;

use super::SqliteStore;
use crate::Error;

/// SQLite counts the commits of others for each connection; so this has one of its own.
pub struct Changes {
    connection: Connection,
    seen: i64,
}

impl SqliteStore {
    /// What is committed from now on is a change.
    pub fn changes(&self) -> Result<Changes, Error> {
        let connection = self.connect_reader()?;
        let seen = version(&connection)?;
        Ok(Changes { connection, seen })
    }
}

impl Changes {
    /// Whether something was committed since this was last asked. Reads one number, and no table.
    pub fn any(&mut self) -> Result<bool, Error> {
        let seen = version(&self.connection)?;
        Ok(std::mem::replace(&mut self.seen, seen) != seen)
    }
}

fn version(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.query_row("PRAGMA data_version", [], |row| row.get(0))?)
}
