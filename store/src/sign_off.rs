//! The beginning of the audit trail goes: an entry at its end signs off what goes, then that is deleted step by step.
//!
//! Of what is signed off two things stay: the decisions on effects that are still there, since whoever delivers these, or
//! asks why, needs them; and tears, so that they are told for good. Each is kept with the hash of the entry before it, and the
//! entry that signs off says what all of them together are, so none of them can be changed, added or taken away unseen. So
//! one effect that waits for long does not keep the whole trail.

use blake3::{Hash, Hasher};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::chain::Line;
use crate::entry::{By, Kind};
use crate::error::Fault;
use crate::trail::Trail;
use crate::{limit, row};

/// What stands before the hash of all that stays.
const STAYS: &str = " of these stay: ";

/// Which entries may go, by whom and when.
#[derive(Clone, Copy)]
pub struct Order {
    /// Those that were made before this.
    pub before: i64,
    /// At most so many.
    pub entries_max: i64,
    pub by: By,
    pub now: i64,
}

/// What a pruning entry says of what stays: how many, and the hash of all; nothing if nothing does.
pub fn staying(text: &str) -> Option<(u64, &str)> {
    let (before, hash) = text.split_once(STAYS)?;
    let (_, count) = before.rsplit_once(' ')?;
    Some((count.parse().ok()?, hash))
}

/// What all that stays comes to.
#[derive(Default)]
pub struct Sum {
    hasher: Hasher,
    pub count: u64,
}

impl Sum {
    pub fn add(&mut self, sequence: u64, hash: &[u8; 32]) {
        self.hasher.update(&sequence.to_le_bytes()).update(hash);
        self.count += 1;
    }

    pub fn finish(&self) -> Hash {
        self.hasher.finalize()
    }
}

/// How many entries there are: all that are not signed off, and what stays.
pub fn count(connection: &Connection) -> Result<u64, Fault> {
    let query = "SELECT coalesce((SELECT max(sequence) FROM audit), 0) \
                 - coalesce((SELECT max(through) FROM audit WHERE through IS NOT NULL), 0) \
                 + (SELECT count(*) FROM kept)";
    let count: i64 = connection.query_row(query, (), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// The last entry that may go; none if nothing may. To look for it takes a while, and it stays true whatever is appended.
pub fn last(connection: &Connection, order: Order) -> Result<Option<i64>, Fault> {
    let gone = gone(connection)?;
    let end = row::head(connection)?.sequence.cast_signed();
    let first = gone + 1;
    // One that is far ahead of its time is of a clock that was set back.
    let young = "SELECT sequence FROM audit WHERE sequence > ?1 AND time >= ?2 AND time <= ?3 \
                 ORDER BY sequence LIMIT 1";
    let latest = order.now.saturating_add(limit::AHEAD_OF_TIME_MAX).max(order.before);
    let young: Option<i64> = connection
        .prepare_cached(young)?
        .query_row([gone, order.before, latest], |row| row.get(0))
        .optional()?;
    let through = young.map_or(end, |at| at - 1).min(end);
    let through = through.min(first.saturating_add(order.entries_max - 1));
    // The last entry that signs something off says where the trail begins: alone it is no reason for another one.
    let alone = through == end && first == end;
    Ok((through >= first && !alone).then_some(through))
}

/// Signs off all up to this entry. How many these are.
pub fn sign_off(trail: &mut Trail<'_>, through: i64, order: Order) -> Result<u64, Fault> {
    let transaction = trail.transaction;
    let signed = (through - gone(transaction)?).unsigned_abs();
    let last = "SELECT hash FROM audit WHERE sequence = ?1";
    let hash: [u8; 32] = transaction.query_row(last, [through], |row| row.get(0))?;
    let sum = keep(transaction, through)?;
    let mut text = format!("{signed} entries signed off and removed");
    if sum.count > 0 {
        text = format!("{signed} entries signed off, {}{STAYS}{}", sum.count, sum.finish());
    }
    trail.append(&Line {
        by: order.by,
        text: &text,
        digest: Some(Hash::from_bytes(hash)),
        through: Some(through.unsigned_abs()),
        ..Line::new(Kind::Pruning, order.now)
    })?;
    Ok(signed)
}

/// The last entry that is signed off.
fn gone(connection: &Connection) -> Result<i64, Fault> {
    let gone = "SELECT coalesce(max(through), 0) FROM audit WHERE through IS NOT NULL";
    Ok(connection.prepare_cached(gone)?.query_row((), |row| row.get(0))?)
}

/// Notes what stays of all up to this entry, and what does not any more.
fn keep(connection: &Connection, through: i64) -> Result<Sum, Fault> {
    let from = gone(connection)?;
    connection
        .prepare_cached(
            "DELETE FROM kept WHERE NOT EXISTS (SELECT 1 FROM effect WHERE number = kept.sequence) \
             AND NOT EXISTS (SELECT 1 FROM audit WHERE sequence = kept.sequence AND kind = 7)",
        )?
        .execute(())?;
    // Tears are of kind 7: only as a number does their index serve. The entry before the first of these is gone; the one that
    // signed it off has its hash.
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO kept (sequence, before) SELECT found.sequence, coalesce( \
             (SELECT hash FROM audit WHERE sequence = found.sequence - 1), \
             (SELECT digest FROM audit WHERE through = found.sequence - 1), zeroblob(32)) FROM ( \
             SELECT number AS sequence FROM effect WHERE number > ?1 AND number <= ?2 UNION \
             SELECT sequence FROM audit INDEXED BY audit_tears WHERE kind = 7 AND sequence > ?1 \
             AND sequence <= ?2) AS found",
        )?
        .execute([from, through])?;
    let mut sum = Sum::default();
    let mut all = connection.prepare_cached(
        "SELECT audit.sequence, audit.hash FROM kept JOIN audit USING (sequence) \
         ORDER BY kept.sequence",
    )?;
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?));
    for row in all.query_map((), read)? {
        let (sequence, hash) = row?;
        sum.add(sequence.unsigned_abs(), &hash);
    }
    Ok(sum)
}

/// Lets go some of what is signed off behind this entry. How many went, and behind which to go on.
pub fn cut(connection: &Connection, behind: i64) -> Result<(u64, i64), Fault> {
    let mut some = connection.prepare_cached(
        "SELECT sequence FROM audit WHERE sequence > ?1 AND sequence <= ?2 \
         AND NOT EXISTS (SELECT 1 FROM kept WHERE kept.sequence = audit.sequence) \
         ORDER BY sequence LIMIT ?3",
    )?;
    let some = some
        .query_map(params![behind, gone(connection)?, limit::PRUNE_ROWS.cast_signed()], |row| {
            row.get(0)
        })?;
    let some: Vec<i64> = some.collect::<Result<_, _>>()?;
    for query in ["DELETE FROM cause WHERE sequence = ?1", "DELETE FROM audit WHERE sequence = ?1"]
    {
        let mut delete = connection.prepare_cached(query)?;
        for sequence in &some {
            delete.execute([sequence])?;
        }
    }
    Ok((some.len() as u64, some.last().copied().unwrap_or(behind)))
}
