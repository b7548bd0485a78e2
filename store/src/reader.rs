//! What is asked about: by the engine's own commands, and by other processes while it writes.
//!
//! A reader has a connection of its own, waits for nobody, and can change nothing.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, params_from_iter};

use crate::effect::{Cause, Effect, Shown};
use crate::entry::Entry;
use crate::error::{Fault, StoreError};
use crate::filter::{AuditFilter, EffectFilter};
use crate::status::{self, Status};
use crate::{connection, limit, row, store};

/// Somebody who asks.
#[derive(Debug)]
pub struct Reader {
    pub(crate) folder: PathBuf,
    pub(crate) path: PathBuf,
    pub(crate) connection: Connection,
}

impl Reader {
    /// Opens the store in a folder, whoever writes there.
    ///
    /// # Errors
    /// There is none, it is of another version, it is damaged, or it may not be read.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = store::path(folder);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(StoreError::Missing { folder: folder.to_owned() }),
            Err(error) => return Err(StoreError::io(&path, "open")(error)),
        }
        let connection = connection::open_reading(&path).map_err(|fault| fault.at(&path))?;
        Ok(Self { folder: folder.to_owned(), path, connection })
    }

    /// How the store fares, in numbers.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn status(&self) -> Result<Status, StoreError> {
        self.ask(status::status)
    }

    /// The effects that are wanted, the oldest first.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn effects(&self, filter: &EffectFilter) -> Result<Vec<Effect>, StoreError> {
        let conditions = filter.conditions();
        let limit = filter.limit.min(limit::ROWS_MAX);
        let (columns, decision) = (row::EFFECT_COLUMNS, row::DECISION);
        let query = format!(
            "SELECT {columns} FROM effect {decision}{} ORDER BY effect.number DESC LIMIT {limit}",
            conditions.text()
        );
        self.ask(|connection| {
            let mut room = limit::ANSWER_BYTES_MAX;
            let values = params_from_iter(&conditions.values);
            let mut effects = list(connection, &query, values, &mut room, effect)?;
            effects.reverse();
            Ok(effects)
        })
    }

    /// The entries of the audit trail that are wanted, the oldest first.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn audit(&self, filter: &AuditFilter) -> Result<Vec<Entry>, StoreError> {
        let conditions = filter.conditions();
        let limit = filter.limit.min(limit::ROWS_MAX);
        let order = if filter.after.is_some() { "ASC" } else { "DESC" };
        let query = format!(
            "SELECT {} FROM audit{} ORDER BY audit.sequence {order} LIMIT {limit}",
            row::ENTRY,
            conditions.text()
        );
        self.ask(|connection| {
            let mut room = limit::ANSWER_BYTES_MAX;
            let values = params_from_iter(&conditions.values);
            let mut entries = list(connection, &query, values, &mut room, entry(connection))?;
            if filter.after.is_none() {
                entries.reverse();
            }
            Ok(entries)
        })
    }

    /// Everything about an effect, pruned ones included as long as the trail tells of them.
    ///
    /// # Errors
    /// Nobody knows it, or the database can't be read.
    pub fn show(&self, id: &str) -> Result<Shown, StoreError> {
        self.ask(|connection| match show(connection, id, &mut { limit::ANSWER_BYTES_MAX })? {
            shown if shown.effect.is_none() && shown.entries.is_empty() => {
                Err(StoreError::Unknown { id: id.to_owned() }.into())
            }
            shown => Ok(shown),
        })
    }

    /// The effects that are for an event, with the records that caused it. None if nobody asked for anything.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn why(&self, event: &str) -> Result<Vec<Shown>, StoreError> {
        self.ask(|connection| {
            let query = format!(
                "SELECT DISTINCT audit.effect FROM cause \
                 JOIN audit ON audit.sequence = cause.sequence \
                 WHERE cause.event = ?1 AND audit.effect IS NOT NULL \
                 ORDER BY audit.sequence LIMIT {}",
                limit::SHOWN_MAX
            );
            let mut room = limit::ANSWER_BYTES_MAX;
            let name = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, 0));
            let mut all = Vec::new();
            for id in list(connection, &query, [event], &mut room, name)? {
                if room > 0 {
                    all.push(show(connection, &id, &mut room)?);
                }
            }
            Ok(all)
        })
    }

    /// Whether every page of the database is sound. It reads all of it: for a doubt, not for every day. What is wrong, in
    /// words; nothing if all is well.
    ///
    /// # Errors
    /// The database can't even be read.
    pub fn integrity(&self) -> Result<Vec<String>, StoreError> {
        self.ask(|connection| {
            let line = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, 0));
            let mut room = limit::ANSWER_BYTES_MAX;
            let found = list(connection, "PRAGMA integrity_check(100)", (), &mut room, line)?;
            Ok(found.into_iter().filter(|line| line != "ok").collect())
        })
    }

    /// Asks several things of one moment.
    pub(crate) fn ask<T>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let answer = || {
            let moment = self.connection.unchecked_transaction()?;
            ask(&moment)
        };
        answer().map_err(|fault| fault.at(&self.path))
    }
}

fn show(connection: &Connection, id: &str, room: &mut usize) -> Result<Shown, Fault> {
    let (columns, decision) = (row::EFFECT_COLUMNS, row::DECISION);
    let query = format!("SELECT {columns} FROM effect {decision} WHERE effect.id = ?1");
    let effect = list(connection, &query, [id], room, effect)?.pop();
    let query = format!(
        "SELECT {} FROM audit WHERE audit.effect = ?1 ORDER BY audit.sequence LIMIT {}",
        row::ENTRY,
        limit::SHOWN_MAX
    );
    let entries = list(connection, &query, [id], room, entry(connection))?;
    Ok(Shown { id: id.to_owned(), effect, entries })
}

/// An effect, and about what it takes.
fn effect(row: &Row<'_>) -> Result<(Effect, usize), Fault> {
    Ok((row::effect(row)?, row::request_bytes(row)))
}

/// An entry with its causes, and about what it takes.
fn entry(connection: &Connection) -> impl Fn(&Row<'_>) -> Result<(Entry, usize), Fault> {
    move |row| {
        let mut entry = row::entry(row)?;
        entry.causes = row::causes(connection, entry.sequence)?;
        let bytes = |cause: &Cause| {
            cause.event.len() + cause.record.as_ref().map_or(0, |record| record.raw.len())
        };
        let bytes = entry.causes.iter().map(bytes).sum::<usize>();
        Ok((entry, bytes))
    }
}

/// All rows, or as many as there is room for; of what there is, at least the first.
fn list<T>(
    connection: &Connection,
    query: &str,
    values: impl rusqlite::Params,
    room: &mut usize,
    read: impl Fn(&Row<'_>) -> Result<(T, usize), Fault>,
) -> Result<Vec<T>, Fault> {
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query(values)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let (one, bytes) = read(row)?;
        if bytes > *room && !all.is_empty() {
            break;
        }
        *room = room.saturating_sub(bytes);
        all.push(one);
    }
    Ok(all)
}
