//! How a database is opened: by the one who writes, and by those who only read.
//!
//! What is written goes ahead to a second file first, so who reads never waits for who writes, nor the other way round.
//! This room must never know a table.

use std::fmt::Write;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, StatVfsMountFlags};

use crate::error::{Fault, StoreError};
use crate::limit;
use crate::schema::{self, Found};

/// Opens or makes the database, and brings it up to date. Also says from which version.
pub fn open_writing(path: &Path) -> Result<(Connection, Found), Fault> {
    // Made here, because the database would make it readable for everybody. Its other files follow this one.
    // One that is there is not touched: to close it here would let go of locks that others in this process have on it.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StoreError::io(path, "make")(error).into()),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // What turns out not to be ours, or too new, is left as it is, with what was written ahead.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    prepare(&connection)?;
    let known = schema::STEPS.len() as u32;
    let found = schema::find(&connection)?;
    let version = match found {
        Found::Other => return Err(StoreError::NotAStore { path: path.to_owned() }.into()),
        Found::Store(found) if found > known => {
            return Err(StoreError::Newer { path: path.to_owned(), found, known }.into());
        }
        Found::Store(version) => version,
        Found::Empty => {
            // Has to be said before there is a table, and lets the file shrink later.
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            0
        }
    };
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let kept = limit::AHEAD_BYTES_KEPT.cast_signed();
    connection.pragma_update_and_check(None, "journal_size_limit", kept, |_| Ok(()))?;
    let ahead = limit::AHEAD_PAGES_MAX;
    connection.pragma_update_and_check(None, "wal_autocheckpoint", ahead, |_| Ok(()))?;
    schema::step_up(&mut connection, version, schema::STEPS)?;
    Ok((connection, found))
}

/// Opens the database for whoever moves what was written ahead to its place.
pub fn open_settling(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    prepare(&connection)?;
    Ok(connection)
}

/// Opens the database to read it, whoever writes meanwhile.
pub fn open_reading(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    rustix::fs::access(path, Access::READ_OK).map_err(StoreError::io(path, "read"))?;
    let connection = if is_read_only(path) {
        // Nobody can write there, and who reads can't take note of that it does: it has to be promised. Then nothing
        // looks at what was written ahead, so there must be nothing.
        let ahead = path.with_extension("db-wal");
        if fs::metadata(ahead).is_ok_and(|found| found.len() > 0) {
            let what = "it was not closed in good order; copy its folder to a disk that may be \
                        written and read it there";
            return Err(StoreError::ReadOnly { path: path.to_owned(), what: what.into() }.into());
        }
        Connection::open_with_flags(immutable(path), flags | OpenFlags::SQLITE_OPEN_URI)?
    } else {
        Connection::open_with_flags(path, flags)?
    };
    prepare(&connection)?;
    let known = schema::STEPS.len() as u32;
    let path = path.to_owned();
    match schema::find(&connection)? {
        Found::Store(found) if found > known => {
            Err(StoreError::Newer { path, found, known }.into())
        }
        Found::Store(found) if found < known => {
            Err(StoreError::Older { path, found, known }.into())
        }
        Found::Store(_) => Ok(connection),
        // An engine made the file and has not come to writing to it.
        Found::Empty => {
            let folder = path.parent().unwrap_or(&path).to_owned();
            Err(StoreError::Missing { folder }.into())
        }
        Found::Other => Err(StoreError::NotAStore { path }.into()),
    }
}

/// What every connection wants: nothing in the file may make it do anything but store.
fn prepare(connection: &Connection) -> Result<(), Fault> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Otherwise a statement that is kept is planned anew for each value that it is given.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(Duration::from_millis(limit::BUSY_MS_MAX))?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // What a large turn takes besides would go to a file in a folder for all, which a confined engine may not write to.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(limit::STATEMENTS_MAX);
    Ok(())
}

/// Whether the disk may not be written by anybody.
fn is_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn immutable(path: &Path) -> String {
    let mut name = "file:".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02x}");
        }
    }
    name + "?immutable=1"
}
