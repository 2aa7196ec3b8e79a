//! The floor of a durable step: commits of plain SQLite, with the settings of the store and a row like its own.

use std::{path::Path, time::Instant};

use rusqlite::{Connection, OpenFlags, params};

/// A database beside the engine's.
pub(super) struct Plain {
    connection: Connection,
    seq: u64,
}

impl Plain {
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(folder.join("plain.db"))?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 2_000)?;
        connection.execute_batch(
            "CREATE TABLE journal (id INTEGER PRIMARY KEY, execution INTEGER NOT NULL, seq INTEGER NOT NULL,
                                   at INTEGER NOT NULL, actor TEXT NOT NULL, events TEXT NOT NULL);
             CREATE UNIQUE INDEX journal_execution_seq ON journal (execution, seq);",
        )?;
        Ok(Self { connection, seq: 0 })
    }

    /// Milliseconds per commit of one row with `bytes` of events, over `commits` of them.
    pub(super) fn commit_ms(&mut self, commits: usize, bytes: usize) -> anyhow::Result<f64> {
        let events = "e".repeat(bytes);
        let begun = Instant::now();
        for _ in 0..commits {
            self.seq += 1;
            let transaction = self.connection.transaction()?;
            transaction
                .prepare_cached(
                    "INSERT INTO journal (execution, seq, at, actor, events) VALUES (?, ?, ?, ?, ?)",
                )?
                .execute(params![1, self.seq, 1_700_000_000_000_000_i64, "engine", events])?;
            transaction.commit()?;
        }
        Ok(begun.elapsed().as_secs_f64() * 1_000.0 / commits as f64)
    }
}

/// The bytes of all events in the store at `path`.
pub(super) fn journal_bytes(path: &Path) -> anyhow::Result<u64> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(connection
        .query_row("SELECT coalesce(sum(octet_length(events)), 0) FROM journal", [], |row| row.get(0))?)
}
