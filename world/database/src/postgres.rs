//! Rows into PostgreSQL.
//!
//! All rows of a transaction are sent at once and the server answers them one by one, which costs one way to it and back.
//! If one of them fails, nothing of it counts, and they go again one after the other, each behind a savepoint.

mod connection;
mod error;

use std::borrow::Cow;

use correlator_world::Secret;

use crate::dialect::Dialect;
use crate::fault::Fault;
use crate::link::{Found, Landed, Link, Target};
use crate::name::KEY;
use crate::settings::Login;
use crate::value::{self, Row};
use connection::{Answer, Connection};

/// Columns and types of a table, and whether it takes rows at all. Ordinary and partitioned tables do.
const COLUMNS: &str = "SELECT a.attname, t.typname, c.relkind IN ('r', 'p') \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
    WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind NOT IN ('i', 'I', 'S', 'c', 't') ORDER BY a.attnum";

/// Whether a unique index of the key alone is there, such as `ON CONFLICT` needs.
const UNIQUE: &str = "SELECT 1 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
    WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND i.indisunique AND i.indisvalid AND i.indimmediate \
    AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indexprs IS NULL LIMIT 1";

/// A session with a server.
pub struct Postgres {
    connection: Connection,
    schema: String,
    /// How every transaction begins. It is said every time, for there may be a pool on the way that shares sessions.
    begin: String,
}

impl Postgres {
    /// Connects and logs in.
    pub fn connect(login: &Login, schema: &str, password: Option<&Secret>) -> Result<Self, Fault> {
        let limit = login.way.timeout.as_millis();
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = {limit}; \
             SET LOCAL client_min_messages = error; SET CONSTRAINTS ALL IMMEDIATE"
        );
        let connection = Connection::open(login, password)?;
        Ok(Self { connection, schema: schema.to_owned(), begin })
    }

    /// Does something in a transaction, which is there as a whole or not at all.
    fn transaction<T>(
        &mut self,
        act: impl FnOnce(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let begun = self.connection.simple(&self.begin).and_then(Answer::done);
        let acted = begun.map_err(Fault::of_connection);
        let acted = acted.and_then(|_| act(&mut self.connection)).and_then(|done| {
            let answer = self.connection.simple("COMMIT")?.done()?;
            // A transaction that has failed is ended by COMMIT, too, but said to be rolled back.
            if answer.tag == "COMMIT" {
                Ok(done)
            } else {
                Err(Fault::Later("the server has rolled the transaction back".into()))
            }
        });
        if let Err(Fault::Later(_) | Fault::Changed(_) | Fault::Refused(_)) = &acted {
            let back = self.connection.simple("ROLLBACK").and_then(Answer::done);
            back.map_err(Fault::of_connection)?;
        }
        acted
    }
}

impl Link for Postgres {
    fn look(&mut self, table: &str) -> Result<Option<Found>, Fault> {
        let schema = self.schema.clone();
        self.transaction(|connection| {
            let names = [Some(schema.as_bytes()), Some(table.as_bytes()), Some(KEY.as_bytes())];
            let columns = connection.one(COLUMNS, &names[..2])?.done()?.rows;
            let Some(first) = columns.first() else { return Ok(None) };
            let takes_rows = first.get(2).is_some_and(|is| is.as_deref() == Some("t"));
            let unique = !connection.one(UNIQUE, &names)?.done()?.rows.is_empty();
            let named = columns.into_iter().filter_map(|row| {
                let mut row = row.into_iter();
                Some((row.next()??, row.next()??))
            });
            Ok(Some(Found { columns: named.collect(), keyed: takes_rows && unique }))
        })
    }

    fn run(&mut self, statement: &str) -> Result<(), Fault> {
        self.transaction(|connection| connection.simple(statement)?.done().map(|_| ()))
    }

    fn insert(&mut self, target: &Target, rows: &[Row<'_>]) -> Result<Vec<Landed>, Fault> {
        let text = Dialect::Postgres.insert(&target.table, &target.columns, 1);
        let together = self.transaction(|connection| {
            let answer =
                connection.many(&text, rows.iter().map(|row| parameters(target, row)))?.done()?;
            if answer.counts.len() != rows.len() {
                return Err(Fault::Lost(
                    "the server answered another number of rows than it got".into(),
                ));
            }
            Ok(answer.counts.into_iter().map(landed).collect())
        });
        match together {
            Err(Fault::Refused(_)) => {
                self.transaction(|connection| apart(connection, &text, target, rows))
            }
            other => other,
        }
    }

    fn delete(&mut self, table: &str, id: &str) -> Result<bool, Fault> {
        let text = Dialect::Postgres.delete(table);
        self.transaction(|connection| {
            let answer = connection.one(&text, &[Some(id.as_bytes())])?.done()?;
            Ok(answer.counts.iter().any(|count| *count > 0))
        })
    }
}

/// Rows one after the other, so that one that fails takes none with it.
fn apart(
    connection: &mut Connection,
    text: &str,
    target: &Target,
    rows: &[Row<'_>],
) -> Result<Vec<Landed>, Fault> {
    let mut all = Vec::with_capacity(rows.len());
    connection.simple("SAVEPOINT correlator")?.done()?;
    for row in rows {
        let answer: Answer = connection.many(text, std::iter::once(parameters(target, row)))?;
        match answer.done() {
            Ok(answer) => {
                all.push(landed(answer.counts.first().copied().unwrap_or(0)));
                connection.simple("RELEASE SAVEPOINT correlator; SAVEPOINT correlator")?.done()?;
            }
            Err(Fault::Refused(why)) => {
                all.push(Landed::Refused(why));
                connection.simple("ROLLBACK TO SAVEPOINT correlator")?.done()?;
            }
            Err(other) => return Err(other),
        }
    }
    Ok(all)
}

fn landed(count: u64) -> Landed {
    if count == 0 { Landed::Known } else { Landed::New }
}

/// A row as texts: the key, then the columns.
fn parameters<'a>(
    target: &'a Target,
    row: &'a Row<'a>,
) -> impl Iterator<Item = Option<Cow<'a, str>>> {
    let cells =
        row.cells.iter().zip(&target.forms).map(|(cell, form)| value::postgres(cell, *form));
    std::iter::once(Some(Cow::Borrowed(row.id))).chain(cells)
}
