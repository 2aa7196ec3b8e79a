//! The tables, and the way of an older store to them. A new format is one more script at the end.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::Error;

/// `CATN`: tells a store from any other SQLite file.
const APPLICATION_ID: i32 = 0x4341_544e;

/// Scripts in order; the store's format is how many of them it has seen.
const MIGRATIONS: [&str; 3] =
    [include_str!("schema_1.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];

pub const FORMAT: u32 = MIGRATIONS.len() as u32;

/// Whether a store has the tables of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Older,
    Current,
}

/// Refuses what is no store, and stores of a newer version.
pub(super) fn check_format(connection: &Connection, path: &Path) -> Result<Age, Error> {
    let (id, found) = identity(connection)?;
    if id != APPLICATION_ID {
        return Err(Error::NotAStore(path.to_owned()));
    }
    if found > FORMAT {
        return Err(Error::Newer { path: path.to_owned(), found, known: FORMAT });
    }
    Ok(if found < FORMAT { Age::Older } else { Age::Current })
}

pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    if !is_empty(connection)? {
        check_format(connection, path)?;
    }
    let (_, found) = identity(connection)?;
    if found == FORMAT {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for script in &MIGRATIONS[found as usize..] {
        transaction.execute_batch(script)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(())
}

fn identity(connection: &Connection) -> Result<(i32, u32), Error> {
    let id = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let format = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((id, format))
}

fn is_empty(connection: &Connection) -> Result<bool, Error> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0)
}
