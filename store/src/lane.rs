//! What comes after what: effects of one capability, endpoint and key are a lane, and only its first may be tried.
//!
//! Who is not first is marked as behind. So to find what is due costs the same whether one or a million wait behind it.
//! This room must never know what came of an effect.

use rusqlite::{OptionalExtension, Transaction};

use crate::error::Fault;

/// A lane.
#[derive(Clone, Copy, Debug)]
pub struct Lane<'a> {
    pub capability: &'a str,
    pub endpoint: &'a str,
    pub key: &'a str,
}

impl Lane<'_> {
    /// Whether something in it is not finished.
    pub fn is_taken(self, transaction: &Transaction<'_>) -> Result<bool, Fault> {
        let mut statement = transaction.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM effect \
             WHERE capability = ?1 AND endpoint = ?2 AND key = ?3 AND state <= 1)",
        )?;
        Ok(statement.query_row([self.capability, self.endpoint, self.key], |row| row.get(0))?)
    }

    /// Lets the first go ahead, unless one is being tried: then its end will.
    pub fn release(self, transaction: &Transaction<'_>) -> Result<(), Fault> {
        let names = [self.capability, self.endpoint, self.key];
        let mut trying = transaction.prepare_cached(
            "SELECT 1 FROM effect WHERE capability = ?1 AND endpoint = ?2 AND key = ?3 AND state = 1",
        )?;
        if trying.exists(names)? {
            return Ok(());
        }
        let mut advance = transaction.prepare_cached(
            "UPDATE effect SET behind = 0 WHERE number = (SELECT min(number) FROM effect \
             WHERE capability = ?1 AND endpoint = ?2 AND key = ?3 AND state <= 1)",
        )?;
        advance.execute(names)?;
        Ok(())
    }

    /// Lets nobody go ahead who is not being tried: an earlier one comes back.
    pub fn hold(self, transaction: &Transaction<'_>) -> Result<(), Fault> {
        let names = [self.capability, self.endpoint, self.key];
        let mut first = transaction.prepare_cached(
            "SELECT number FROM effect INDEXED BY effect_lane \
             WHERE capability = ?1 AND endpoint = ?2 AND key = ?3 AND state <= 1 AND state = 0 \
             ORDER BY number LIMIT 1",
        )?;
        let first: Option<i64> = first.query_row(names, |row| row.get(0)).optional()?;
        if let Some(first) = first {
            let mut hold =
                transaction.prepare_cached("UPDATE effect SET behind = 1 WHERE number = ?1")?;
            hold.execute([first])?;
        }
        Ok(())
    }
}
