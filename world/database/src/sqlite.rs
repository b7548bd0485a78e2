//! Rows into a file of SQLite.
//!
//! A file may be removed or replaced while it is open, and rows would go on into what has no name any more: before every
//! transaction it is looked at again.

use std::borrow::Cow;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use correlator_wire::clock;
use correlator_world::Cell;
use rusqlite::ffi;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, ToSql, params_from_iter};

use crate::dialect::Dialect;
use crate::fault::{Fault, shown};
use crate::limit::STATEMENTS_MAX;
use crate::link::{Found, Landed, Link, Target};
use crate::name::KEY;
use crate::value::{self, Row};

/// Who may read a file that is made: its owner, and the group.
const MODE: u32 = 0o640;
/// Steps of SQLite's machine between two looks at the clock.
const STEPS_BETWEEN: i32 = 10_000;

/// A file that is open.
pub struct Sqlite {
    connection: Connection,
    path: PathBuf,
    /// Which file it is, whatever its name means later.
    identity: Option<(u64, u64)>,
    timeout: Duration,
    /// When the statement that runs must have ended.
    until: Arc<Mutex<Instant>>,
}

impl Sqlite {
    /// Opens a file, or makes it if that is allowed. Others may keep it locked for so long.
    pub fn open(path: &Path, timeout: Duration, create: bool) -> Result<Self, Fault> {
        let made = if create { make(path).map_err(|error| lost(path, &error))? } else { false };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<(Connection, Arc<Mutex<Instant>>)> {
            let mut connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(timeout)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
            let until = Arc::new(Mutex::new(clock::instant() + timeout));
            let limit = Arc::clone(&until);
            let over =
                move || clock::instant() > *limit.lock().unwrap_or_else(PoisonError::into_inner);
            connection.progress_handler(STEPS_BETWEEN, Some(over))?;
            // Who reads the file doesn't hold up who writes. A file that was there keeps its mode.
            if made {
                connection.pragma_update(None, "journal_mode", "wal")?;
            }
            connection.pragma_update(None, "synchronous", "full")?;
            // A confined engine may not write to the folder for all where this would go otherwise.
            connection.pragma_update(None, "temp_store", "memory")?;
            Ok((connection, until))
        };
        let (connection, until) = open().map_err(|error| fault(&error).of_file(path))?;
        Ok(Self { connection, path: path.to_owned(), identity: identity(path), timeout, until })
    }

    fn begin(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) =
            clock::instant() + self.timeout;
    }

    /// Adds rows within the transaction that is open.
    fn add(&self, target: &Target, rows: &[Row<'_>]) -> Result<Vec<Landed>, Fault> {
        let text = Dialect::Sqlite.insert(&target.table, &target.columns, 1);
        let mut landed = Vec::with_capacity(rows.len());
        for row in rows {
            landed.push(self.put(&text, row)?);
            // A trigger may end the whole transaction with one row: then each goes on its own.
            if self.connection.is_autocommit() {
                return rows.iter().map(|row| self.put(&text, row)).collect();
            }
        }
        Ok(landed)
    }

    fn put(&self, text: &str, row: &Row<'_>) -> Result<Landed, Fault> {
        let mut statement = self.connection.prepare_cached(text).map_err(|error| fault(&error))?;
        let id = std::iter::once(Written::Id(row.id));
        let cells = row.cells.iter().map(|cell| Written::Cell(cell));
        match statement.execute(params_from_iter(id.chain(cells))).map_err(|error| fault(&error)) {
            Ok(0) => Ok(Landed::Known),
            Ok(_) => Ok(Landed::New),
            Err(Fault::Refused(why)) => Ok(Landed::Refused(why)),
            // Where the statement fits the schema, it is the row that a check or a trigger stumbles over.
            Err(Fault::Changed(_)) if self.connection.prepare(text).is_ok() => Ok(Landed::Refused(
                "a check or a trigger of the table fails with its values".into(),
            )),
            Err(other) => Err(other),
        }
    }
}

impl Link for Sqlite {
    fn look(&mut self, table: &str) -> Result<Option<Found>, Fault> {
        self.begin();
        look(&self.connection, table).map_err(|error| fault(&error))
    }

    fn run(&mut self, statement: &str) -> Result<(), Fault> {
        self.begin();
        self.connection.execute_batch(statement).map_err(|error| fault(&error))
    }

    fn insert(&mut self, target: &Target, rows: &[Row<'_>]) -> Result<Vec<Landed>, Fault> {
        self.begin();
        let run = |text: &str| self.connection.execute_batch(text).map_err(|error| fault(&error));
        run("BEGIN IMMEDIATE")?;
        let added = self.add(target, rows).and_then(|landed| {
            if !self.connection.is_autocommit() {
                run("COMMIT")?;
            }
            Ok(landed)
        });
        if added.is_err() && !self.connection.is_autocommit() {
            // What can't be rolled back now is when the file is closed.
            run("ROLLBACK").map_err(|fault| Fault::Lost(fault.to_string()))?;
        }
        added
    }

    fn delete(&mut self, table: &str, id: &str) -> Result<bool, Fault> {
        self.begin();
        let deleted = self.connection.execute(&Dialect::Sqlite.delete(table), [id]);
        deleted.map(|count| count > 0).map_err(|error| fault(&error))
    }

    fn stands(&self) -> bool {
        self.identity.is_some() && identity(&self.path) == self.identity
    }
}

fn look(connection: &Connection, table: &str) -> rusqlite::Result<Option<Found>> {
    let text = "SELECT type FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
    let kinds = connection
        .prepare_cached(text)?
        .query_map([table], |row| row.get(0))?
        .collect::<Result<Vec<String>, _>>()?;
    let Some(kind) = kinds.first() else { return Ok(None) };
    let text = "SELECT name, type, pk FROM pragma_table_xinfo(?1)";
    let mut statement = connection.prepare_cached(text)?;
    let columns =
        statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let columns: Vec<(String, String, i64)> = columns.collect::<Result<_, _>>()?;
    let keys: Vec<&str> =
        columns.iter().filter(|(_, _, pk)| *pk > 0).map(|(name, _, _)| name.as_str()).collect();
    let primary = matches!(keys.as_slice(), [one] if one.eq_ignore_ascii_case(KEY));
    let text = "SELECT count(*) FROM pragma_index_list(?1) AS list WHERE list.\"unique\" AND NOT list.partial \
                AND (SELECT group_concat(lower(name)) FROM pragma_index_info(list.name)) = ?2";
    let unique: i64 = connection.prepare_cached(text)?.query_row([table, KEY], |row| row.get(0))?;
    let keyed = kind == "table" && (primary || unique > 0);
    Ok(Some(Found {
        columns: columns.into_iter().map(|(name, kind, _)| (name, kind)).collect(),
        keyed,
    }))
}

/// What SQLite takes as a parameter.
enum Written<'a> {
    Id(&'a str),
    Cell(&'a Cell),
}

impl ToSql for Written<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let cell = match self {
            Self::Id(id) => return Ok(ToSqlOutput::Borrowed(ValueRef::Text(id.as_bytes()))),
            Self::Cell(cell) => cell,
        };
        Ok(match cell {
            Cell::Absent(_) => ToSqlOutput::Borrowed(ValueRef::Null),
            Cell::Text(text) => match value::text(text) {
                Cow::Borrowed(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
                Cow::Owned(text) => ToSqlOutput::Owned(Value::Text(text)),
            },
            Cell::Integer(number) | Cell::Duration(number) => {
                ToSqlOutput::Owned(Value::Integer(*number))
            }
            // SQLite would make null of it, too.
            Cell::Float(number) if number.is_nan() => ToSqlOutput::Borrowed(ValueRef::Null),
            Cell::Float(number) => ToSqlOutput::Owned(Value::Real(*number)),
            Cell::Boolean(yes) => ToSqlOutput::Owned(Value::Integer(i64::from(*yes))),
            Cell::Time(nanoseconds) => ToSqlOutput::Owned(Value::Text(value::iso(*nanoseconds))),
        })
    }
}

/// Makes a file if there is none, and says whether it is new.
fn make(path: &Path) -> io::Result<bool> {
    match OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|data| (data.dev(), data.ino()))
}

fn lost(path: &Path, error: &dyn std::fmt::Display) -> Fault {
    Fault::Lost(format!("{}: {error}", path.display()))
}

impl Fault {
    fn of_file(self, path: &Path) -> Self {
        lost(path, &self)
    }
}

/// What an error of SQLite means. Its messages name columns where a constraint of one failed, and nothing else is told of
/// them: triggers and checks may say anything.
fn fault(error: &Error) -> Fault {
    let Error::SqliteFailure(failure, words) = error else {
        return match error {
            // A statement that can't be prepared comes by this way.
            Error::SqlInputError { error, .. } => by_code(*error, None),
            other => Fault::Refused(format!("SQLite's client refused it: {}", kind_of(other))),
        };
    };
    by_code(*failure, words.as_deref())
}

fn kind_of(error: &Error) -> &'static str {
    match error {
        Error::ToSqlConversionFailure(_) => "a value can't be written",
        Error::InvalidColumnType(..) | Error::FromSqlConversionFailure(..) => {
            "its schema can't be read"
        }
        _ => "the statement can't be run",
    }
}

fn by_code(failure: ffi::Error, words: Option<&str>) -> Fault {
    let code = failure.extended_code;
    let said = |what: &str| format!("{what} (SQLite's code {code})");
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Fault::Later(said("others keep it locked"))
        }
        ErrorCode::DiskFull => Fault::Later(said("the disk is full")),
        ErrorCode::OutOfMemory => Fault::Later(said("there is no memory left")),
        ErrorCode::OperationInterrupted => Fault::Later(said("it took too long")),
        ErrorCode::ReadOnly => Fault::Lost(said("the file can't be written")),
        ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            Fault::Lost(said("the file can't be opened"))
        }
        ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed => {
            Fault::Lost(said("the file can't be read or written"))
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            Fault::Lost(said("the file is no database or is damaged; put it right or name another"))
        }
        ErrorCode::SchemaChanged => Fault::Changed(said("the schema has changed")),
        // No such table, no such column: the code says no more.
        ErrorCode::Unknown if code == ffi::SQLITE_ERROR => {
            Fault::Changed(said("the statement does not fit the schema"))
        }
        ErrorCode::ConstraintViolation => Fault::Refused(said(&constraint(code, words))),
        ErrorCode::TypeMismatch => Fault::Refused(said("a value does not fit its column")),
        ErrorCode::TooBig => Fault::Refused(said("the row is too large")),
        _ => Fault::Later(said("SQLite refused it")),
    }
}

fn constraint(code: i32, words: Option<&str>) -> String {
    let named = [
        ffi::SQLITE_CONSTRAINT_NOTNULL,
        ffi::SQLITE_CONSTRAINT_UNIQUE,
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY,
    ];
    match words {
        Some(words) if named.contains(&code) => shown(words),
        _ if code == ffi::SQLITE_CONSTRAINT_CHECK => "a check of the table forbids it".into(),
        _ if code == ffi::SQLITE_CONSTRAINT_TRIGGER => "a trigger of the table forbids it".into(),
        _ => "a constraint of the table forbids it".into(),
    }
}
