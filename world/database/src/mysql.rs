//! Rows into MySQL or MariaDB.
//!
//! Rows go as statements with many rows each. If one fails, its rows go again one by one. A row that is there already shows
//! as a conflict of some unique key; only if it is the one of the request's id is it the same row, which `IGNORE` and
//! `ON DUPLICATE KEY` don't tell apart, so it is looked at.

mod connection;
mod error;
mod login;
mod packet;

use std::borrow::Cow;
use std::collections::HashMap;

use correlator_world::{Cell, Secret};

use crate::dialect::Dialect;
use crate::fault::Fault;
use crate::limit::{PARAMETERS_MAX, STATEMENT_BYTES_MAX, STATEMENT_ROWS_MAX};
use crate::link::{Found, Landed, Link, Target};
use crate::name::KEY;
use crate::settings::Login;
use crate::value::{self, Row};
use connection::{Connection, Parameter};
use error::Trouble;

/// What a packet has besides its rows, generously.
const PACKET_BYTES_BESIDE: usize = 64 * 1024;

/// A session with a server.
pub struct Mysql {
    connection: Connection,
    /// Bytes that the server takes at once.
    packet_bytes_max: usize,
}

impl Mysql {
    /// Connects and logs in.
    pub fn connect(login: &Login, password: Option<&Secret>) -> Result<Self, Fault> {
        let mut connection = Connection::open(login, password)?;
        // Half of the time is for locks, so that the server gives up before we do.
        let seconds = login.way.timeout.as_secs().max(1);
        let locks = (seconds / 2).max(1);
        // Values that don't fit are errors, not something else; moments are in UTC.
        let session = format!(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00', \
             SESSION autocommit = 1, SESSION innodb_lock_wait_timeout = {locks}, SESSION lock_wait_timeout = {locks}"
        );
        // What is wrong before there is a row is no row's fault.
        let lost = |trouble: Trouble| trouble.fault().of_connection();
        connection.query("SET NAMES utf8mb4").map_err(lost)?;
        connection.query(&session).map_err(lost)?;
        // Only MariaDB has it. Where it is missing, our own limit has to do.
        match connection.query(&format!("SET SESSION max_statement_time = {seconds}")) {
            Ok(_) | Err(Trouble::Server(_)) => {}
            Err(Trouble::Broken(why)) => return Err(Fault::Lost(why)),
        }
        let answer = connection.query("SELECT @@max_allowed_packet").map_err(lost)?;
        let cell = answer.rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
        let packet_bytes_max =
            cell.and_then(|text| text.parse().ok()).unwrap_or(STATEMENT_BYTES_MAX);
        Ok(Self { connection, packet_bytes_max })
    }

    fn query(&mut self, statement: &str) -> Result<(), Fault> {
        self.connection.query(statement).map(|_| ()).map_err(|trouble| trouble.fault())
    }

    /// Adds rows within the transaction that is open.
    fn add(&mut self, target: &Target, rows: &[Row<'_>]) -> Result<Vec<Landed>, Fault> {
        let mut landed = Vec::with_capacity(rows.len());
        while landed.len() < rows.len() {
            let rest = &rows[landed.len()..];
            let now = &rest[..self.share(rest)];
            if now.len() == 1 {
                landed.push(self.put(target, &now[0])?);
                continue;
            }
            match self.insert_all(target, now) {
                Ok(()) => landed.extend(now.iter().map(|_| Landed::New)),
                Err(Fault::Refused(_)) => {
                    for row in now {
                        landed.push(self.put(target, row)?);
                    }
                }
                Err(other) => return Err(other),
            }
        }
        Ok(landed)
    }

    /// How many rows go into one statement.
    fn share(&self, rows: &[Row<'_>]) -> usize {
        let bytes_max = STATEMENT_BYTES_MAX.min(self.packet_bytes_max / 2);
        let wide = rows.first().map_or(1, |row| row.cells.len() + 1);
        let mut bytes = 0;
        let fits = |row: &&Row<'_>| {
            bytes += row.bytes();
            bytes <= bytes_max
        };
        let most = STATEMENT_ROWS_MAX.min(PARAMETERS_MAX / wide);
        rows.iter().take(most).take_while(fits).count().max(1)
    }

    fn insert_all(&mut self, target: &Target, rows: &[Row<'_>]) -> Result<(), Fault> {
        self.execute_insert(target, rows).map_err(|trouble| trouble.fault())
    }

    fn execute_insert(&mut self, target: &Target, rows: &[Row<'_>]) -> Result<(), Trouble> {
        let text = Dialect::Mysql.insert(&target.table, &target.columns, rows.len());
        let parameters: Vec<Parameter<'_>> = rows.iter().flat_map(parameters).collect();
        self.connection.execute(&text, &parameters).map(|_| ())
    }

    fn put(&mut self, target: &Target, row: &Row<'_>) -> Result<Landed, Fault> {
        if row.bytes() + PACKET_BYTES_BESIDE > self.packet_bytes_max {
            return Ok(Landed::Refused(
                "the row is larger than the server's max_allowed_packet".into(),
            ));
        }
        let trouble = match self.execute_insert(target, std::slice::from_ref(row)) {
            Ok(()) => return Ok(Landed::New),
            Err(trouble) => trouble,
        };
        if trouble.is_conflict() && self.is_there(&target.table, row.id)? {
            return Ok(Landed::Known);
        }
        match trouble.fault() {
            Fault::Refused(why) => Ok(Landed::Refused(why)),
            other => Err(other),
        }
    }

    /// Whether the row of an id is there now, also if it came after this transaction began.
    fn is_there(&mut self, table: &str, id: &str) -> Result<bool, Fault> {
        let key = Dialect::Mysql.quote(KEY);
        let text = format!("SELECT 1 FROM {table} WHERE {key} = ? LOCK IN SHARE MODE");
        let answer = self.connection.execute(&text, &[Parameter::Text(Cow::Borrowed(id))]);
        answer.map(|answer| answer.row_count > 0).map_err(|trouble| trouble.fault())
    }
}

impl Link for Mysql {
    fn look(&mut self, table: &str) -> Result<Option<Found>, Fault> {
        let quoted = Dialect::Mysql.quote(table);
        let columns = match self.connection.query(&format!("SHOW COLUMNS FROM {quoted}")) {
            Ok(answer) => answer.rows,
            Err(trouble) if trouble.is_no_table() => return Ok(None),
            Err(trouble) => return Err(trouble.fault()),
        };
        let indices = self.connection.query(&format!("SHOW INDEX FROM {quoted}"));
        let indices = indices.map_err(|trouble| trouble.fault())?.rows;
        let named = columns.into_iter().filter_map(|row| {
            let mut row = row.into_iter();
            Some((row.next()??, row.next()??))
        });
        Ok(Some(Found { columns: named.collect(), keyed: is_keyed(&indices) }))
    }

    fn run(&mut self, statement: &str) -> Result<(), Fault> {
        self.query(statement)
    }

    fn insert(&mut self, target: &Target, rows: &[Row<'_>]) -> Result<Vec<Landed>, Fault> {
        self.query("START TRANSACTION").map_err(Fault::of_connection)?;
        let added = self.add(target, rows).and_then(|landed| {
            self.query("COMMIT")?;
            Ok(landed)
        });
        if let Err(Fault::Later(_) | Fault::Changed(_) | Fault::Refused(_)) = &added {
            self.connection.forget()?;
            self.query("ROLLBACK").map_err(Fault::of_connection)?;
        }
        added
    }

    fn delete(&mut self, table: &str, id: &str) -> Result<bool, Fault> {
        let text = Dialect::Mysql.delete(table);
        let answer = self.connection.execute(&text, &[Parameter::Text(Cow::Borrowed(id))]);
        answer.map(|answer| answer.affected > 0).map_err(|trouble| trouble.fault())
    }
}

/// Whether a unique index of the key alone is among the rows of `SHOW INDEX`: table, not unique, index, place in it,
/// column, order, cardinality, length of its part.
fn is_keyed(indices: &[Vec<Option<String>>]) -> bool {
    let mut columns: HashMap<&str, Vec<bool>> = HashMap::new();
    for row in indices {
        let cell = |at: usize| row.get(at).and_then(Option::as_deref);
        let key = cell(1) == Some("0")
            && cell(4).is_some_and(|column| column.eq_ignore_ascii_case(KEY))
            && cell(7).is_none();
        columns.entry(cell(2).unwrap_or_default()).or_default().push(key);
    }
    columns.values().any(|keys| keys.as_slice() == [true])
}

fn parameters<'a>(row: &'a Row<'a>) -> impl Iterator<Item = Parameter<'a>> {
    std::iter::once(Parameter::Text(Cow::Borrowed(row.id)))
        .chain(row.cells.iter().map(|cell| parameter(cell)))
}

fn parameter(cell: &Cell) -> Parameter<'_> {
    match cell {
        Cell::Absent(_) => Parameter::Null,
        Cell::Text(text) => Parameter::Text(value::text(text)),
        Cell::Integer(number) | Cell::Duration(number) => Parameter::Integer(*number),
        // There are no such numbers in its columns.
        Cell::Float(number) if !number.is_finite() => Parameter::Null,
        Cell::Float(number) => Parameter::Float(*number),
        Cell::Boolean(yes) => Parameter::Integer(i64::from(*yes)),
        Cell::Time(nanoseconds) => Parameter::Text(Cow::Owned(value::sql_time(*nanoseconds))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let row = |unique: &str, index: &str, column: &str, part: Option<&str>| {
            let cells = [
                Some("t"),
                Some(unique),
                Some(index),
                Some("1"),
                Some(column),
                Some("A"),
                Some("0"),
                part,
            ];
            cells.map(|cell| cell.map(str::to_owned)).to_vec()
        };
        assert!(is_keyed(&[row("0", "PRIMARY", KEY, None)]));
        assert!(is_keyed(&[row("1", "other", "x", None), row("0", "u", "Correlator_ID", None)]));
        assert!(!is_keyed(&[row("1", "plain", KEY, None)]));
        assert!(!is_keyed(&[row("0", "u", KEY, Some("10"))]));
        assert!(!is_keyed(&[row("0", "u", KEY, None), row("0", "u", "x", None)]));
        assert!(!is_keyed(&[]));
    }
}
