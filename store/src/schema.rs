//! The tables, and how a store of one version becomes one of the next.
//!
//! This room must never know what is asked of the tables.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Fault, StoreError};

/// What tells a store from other databases: "Corr".
const APPLICATION: i64 = 0x436f_7272;
/// How every database begins, and where its header has its version and whose it is.
const MAGIC: &[u8] = b"SQLite format 3\0";
const VERSION_AT: usize = 60;
const APPLICATION_AT: usize = 68;
const HEADER_BYTES: usize = 100;

/// Each step makes a version out of the one before it. A step that was released never changes.
pub const STEPS: &[&str] =
    &[include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing was ever written to it.
    Empty,
    /// A store of this version.
    Store(u32),
    /// A database of something else.
    Other,
}

/// What this file is.
pub fn find(connection: &Connection) -> Result<Found, Fault> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = number("user_version")?;
    match (number("application_id")?, u32::try_from(version)) {
        (APPLICATION, Ok(version)) if version > 0 => Ok(Found::Store(version)),
        (0, Ok(0)) => {
            let count = "SELECT count(*) FROM sqlite_schema";
            let tables: i64 = connection.query_row(count, (), |row| row.get(0))?;
            Ok(if tables == 0 { Found::Empty } else { Found::Other })
        }
        _ => Ok(Found::Other),
    }
}

/// Refuses a store that a newer program has written, by the first bytes of its file: to open a database changes the files
/// beside it. A version that is only written ahead yet is seen when it is opened.
pub fn refuse_newer(path: &Path) -> Result<(), StoreError> {
    let mut header = [0; HEADER_BYTES];
    // What is not there, or can't be read, is told by whoever opens it.
    let Ok(()) = File::open(path).and_then(|file| file.read_exact_at(&mut header, 0)) else {
        return Ok(());
    };
    let number = |at: usize| header[at..].first_chunk().copied().map_or(0, u32::from_be_bytes);
    let (found, known) = (number(VERSION_AT), STEPS.len() as u32);
    let is_store = header.starts_with(MAGIC) && i64::from(number(APPLICATION_AT)) == APPLICATION;
    if is_store && found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// Takes the steps that are missing, each whole or not at all.
pub fn step_up(connection: &mut Connection, from: u32, steps: &[&str]) -> Result<(), Fault> {
    for (version, step) in (1_i64..).zip(steps).skip(from as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_brought_up_to_date_step_by_step_and_loses_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(find(&connection).unwrap(), Found::Empty);
        step_up(&mut connection, 0, STEPS).unwrap();
        let newest = STEPS.len() as u32;
        assert_eq!(find(&connection).unwrap(), Found::Store(newest));
        connection.execute("INSERT INTO meta (name, value) VALUES ('a', 'b')", ()).unwrap();

        let add = "ALTER TABLE meta ADD COLUMN added INTEGER NOT NULL DEFAULT 5;";
        let more: Vec<_> =
            STEPS.iter().copied().chain([add, "CREATE TABLE late (a) STRICT;"]).collect();
        // The last step is wrong: STRICT wants kinds. What was done before it stays, and nothing of it does.
        step_up(&mut connection, newest, &more).unwrap_err();
        assert_eq!(find(&connection).unwrap(), Found::Store(newest + 1));
        let read = "SELECT value, added FROM meta WHERE name = 'a'";
        let row = connection.query_row(read, (), |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row.unwrap(), ("b".to_owned(), 5));

        let right: Vec<_> =
            STEPS.iter().copied().chain([add, "CREATE TABLE late (a TEXT) STRICT;"]).collect();
        step_up(&mut connection, newest + 1, &right).unwrap();
        assert_eq!(find(&connection).unwrap(), Found::Store(newest + 2));
    }

    #[test]
    fn what_an_older_store_holds_is_counted() {
        let mut connection = Connection::open_in_memory().unwrap();
        step_up(&mut connection, 0, &STEPS[..2]).unwrap();
        for (number, state) in [(1, 0), (2, 1), (3, 2)] {
            let sql = format!(
                "INSERT INTO audit (sequence, time, kind, listener, plan, text, hash) \
                 VALUES ({number}, 1, 1, 'ops', 'plan', '', x'');
                 INSERT INTO cause (sequence, ordinal, event, raw) VALUES ({number}, 0, 'e', x'00');
                 INSERT INTO effect (number, id, capability, endpoint, state, since, changed_at, request) \
                 VALUES ({number}, '{number}', 'mail', 'ops/x', {state}, 1, 1, x'0000');"
            );
            connection.execute_batch(&sql).unwrap();
        }
        step_up(&mut connection, 2, STEPS).unwrap();
        let read = "SELECT listener, capability, open_bytes, all_bytes FROM held";
        let row = connection
            .query_row(read, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        let each = 1_024 + 2 + 4 + 2;
        assert_eq!(row.unwrap(), ("ops".to_owned(), "mail".to_owned(), 2 * each, 3 * each));
    }

    #[test]
    fn databases_of_others_are_told_apart() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
        assert_eq!(find(&connection).unwrap(), Found::Other);
        let connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "application_id", 5).unwrap();
        assert_eq!(find(&connection).unwrap(), Found::Other);
    }
}
