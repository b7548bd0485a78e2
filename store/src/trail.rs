//! Appending to the audit trail: in the transaction of what an entry tells of, so that neither is there without the other.
//!
//! This room must never know why an entry is made.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::chain::{self, Line};
use crate::entry::Head;
use crate::error::Fault;
use crate::row;

/// A transaction, and the end of the trail in it.
pub struct Trail<'a> {
    pub transaction: &'a Transaction<'a>,
    pub head: Head,
}

impl<'a> Trail<'a> {
    pub fn new(transaction: &'a Transaction<'a>) -> Result<Self, Fault> {
        Ok(Self { transaction, head: row::head(transaction)? })
    }

    /// Appends an entry. Says its number.
    pub fn append(&mut self, line: &Line<'_>) -> Result<i64, Fault> {
        let head = chain::follow(&self.head, line);
        let sequence = head.sequence.cast_signed();
        self.transaction
            .prepare_cached(
                "INSERT INTO audit (sequence, time, kind, verdict, effect, listener, component, \
                 capability, endpoint, attempt, uid, plan, text, digest, through, hash) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
            )?
            .execute(params![
                sequence,
                line.time,
                line.kind as u8,
                line.verdict.map(|verdict| verdict as u8),
                line.effect,
                line.listener,
                line.component,
                line.capability,
                line.endpoint,
                line.attempt,
                line.by.uid(),
                line.plan,
                line.text,
                line.digest.map(|digest| *digest.as_bytes()),
                line.through.map(u64::cast_signed),
                head.hash.as_bytes(),
            ])?;
        for (ordinal, cause) in (0_i64..).zip(&line.causes) {
            let record = cause.record;
            self.transaction
                .prepare_cached(
                    "INSERT INTO cause (sequence, ordinal, event, source, position, raw, bytes) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    sequence,
                    ordinal,
                    cause.event,
                    record.map(|record| record.source),
                    record.map(|record| record.position.cast_signed()),
                    record.map(|record| record.raw),
                    record.map(|record| record.bytes.cast_signed()),
                ])?;
        }
        self.head = head;
        Ok(sequence)
    }

    /// What is known of the store itself.
    pub fn meta(&self, name: &str) -> Result<Option<String>, Fault> {
        let mut statement =
            self.transaction.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    pub fn set_meta(&self, name: &str, value: &str) -> Result<(), Fault> {
        let mut statement = self.transaction.prepare_cached(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) \
             ON CONFLICT (name) DO UPDATE SET value = ?2",
        )?;
        statement.execute([name, value])?;
        Ok(())
    }
}
