//! What is old goes: finished effects first, then the beginning of the audit trail.
//!
//! The trail is never cut without a word: an entry at its end signs off what goes, with the hash of the last of it, so
//! what stays can still be checked. What goes does so in small transactions, and whoever delivers gets in between.

use rusqlite::{Connection, OptionalExtension, params};

use crate::chain::Line;
use crate::entry::{By, Kind};
use crate::error::{Fault, StoreError};
use crate::limit;
use crate::store::{self, Safety, Store};
use crate::trail::Trail;

/// What may go. All times are in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Effects that were finished before this: done, refused, denied, planned, undone, dropped.
    pub effects_before: i64,
    /// Effects that died before this: nobody will have them tried again.
    pub dead_before: i64,
    /// Entries of the audit trail that were made before this. Those of effects that are still there stay, and whatever
    /// came after them.
    pub trail_before: i64,
    /// If the database takes more than this, younger ones go as well, the oldest first; dead ones stay.
    pub bytes_max: u64,
    /// What no bound makes go: effects and entries since this. Listeners may hand effects over again that they asked for
    /// since their last saved state; when such an effect is not known any more, it is carried out twice.
    pub keep_from: i64,
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Effects.
    pub effects: u64,
    /// Entries of the audit trail.
    pub entries: u64,
    /// The bytes that the database takes now, without those that are free.
    pub bytes: u64,
}

/// Which finished effects go.
#[derive(Clone, Copy)]
enum Which {
    Dead,
    NotDead,
}

impl Store {
    /// Lets go what is old.
    ///
    /// # Errors
    /// It can't be written. What went before that stays gone.
    pub fn prune(&self, retention: &Retention, by: By, now: i64) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        let before = retention.effects_before.min(retention.keep_from);
        while self.prune_effects(Which::NotDead, before, &mut pruned)? {}
        let before = retention.dead_before.min(retention.keep_from);
        while self.prune_effects(Which::Dead, before, &mut pruned)? {}
        let before = retention.trail_before.min(retention.keep_from);
        self.prune_trail(before, i64::MAX, by, now, &mut pruned)?;
        self.prune_to_size(retention, by, now, &mut pruned)?;
        self.shrink()?;
        pruned.bytes = self.read(store::bytes)?;
        Ok(pruned)
    }

    /// Lets go some finished effects. Whether there may be more.
    fn prune_effects(
        &self,
        which: Which,
        before: i64,
        pruned: &mut Pruned,
    ) -> Result<bool, StoreError> {
        let query = match which {
            Which::Dead => {
                "DELETE FROM effect WHERE number IN (SELECT number FROM effect \
                 INDEXED BY effect_finished WHERE state >= 2 AND state = 4 AND changed_at < ?1 \
                 AND undoing_at IS NULL ORDER BY changed_at LIMIT ?2)"
            }
            Which::NotDead => {
                "DELETE FROM effect WHERE number IN (SELECT number FROM effect \
                 INDEXED BY effect_finished WHERE state >= 2 AND state <> 4 AND changed_at < ?1 \
                 AND undoing_at IS NULL ORDER BY changed_at LIMIT ?2)"
            }
        };
        let gone = self.write(Safety::Program, |trail| {
            let mut delete = trail.transaction.prepare_cached(query)?;
            Ok(delete.execute(params![before, limit::PRUNE_ROWS.cast_signed()])? as u64)
        })?;
        pruned.effects += gone;
        Ok(gone == limit::PRUNE_ROWS)
    }

    /// Lets go the beginning of the trail: what is older, at most so many entries, and nothing of an effect that is there.
    fn prune_trail(
        &self,
        before: i64,
        entries_max: i64,
        by: By,
        now: i64,
        pruned: &mut Pruned,
    ) -> Result<u64, StoreError> {
        self.write(Safety::Machine, |trail| sign_off(trail, before, entries_max, by, now))?;
        // Also what a prune signed off that was stopped half way.
        let mut gone_all = 0;
        loop {
            let gone = self.write(Safety::Program, |trail| cut(trail.transaction))?;
            gone_all += gone;
            if gone < limit::PRUNE_ROWS {
                break;
            }
        }
        pruned.entries += gone_all;
        Ok(gone_all)
    }

    /// Lets go the oldest that may, until the database takes no more than it should or nothing is left that may.
    fn prune_to_size(
        &self,
        retention: &Retention,
        by: By,
        now: i64,
        pruned: &mut Pruned,
    ) -> Result<(), StoreError> {
        let excess = |store: &Self| -> Result<u64, StoreError> {
            Ok(store.read(store::bytes)?.saturating_sub(retention.bytes_max))
        };
        while excess(self)? > 0
            && self.prune_effects(Which::NotDead, retention.keep_from, pruned)?
        {}
        loop {
            let (excess, bytes) = (excess(self)?, self.read(store::bytes)?);
            if excess == 0 {
                return Ok(());
            }
            let entries = self.read(count)?;
            // As large a part of the entries as of the bytes; what that misses, the next round gets.
            let part = u128::from(entries) * u128::from(excess) / u128::from(bytes.max(1));
            let entries_max = i64::try_from(part).unwrap_or(i64::MAX);
            let entries_max = entries_max.max(limit::SIGN_OFF_ENTRIES_MIN);
            // The entry that signed off the last ones is always there to go.
            if self.prune_trail(retention.keep_from, entries_max, by, now, pruned)? <= 1 {
                return Ok(());
            }
        }
    }

    /// Gives pages back to the system if many are free.
    fn shrink(&self) -> Result<(), StoreError> {
        loop {
            let free = self.maintain(|connection| {
                let pages: i64 =
                    connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
                let free: i64 =
                    connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
                let (pages, free) = (pages.unsigned_abs(), free.unsigned_abs());
                if free * limit::FREE_PAGES_PART <= pages {
                    return Ok(0);
                }
                let step = limit::SHRINK_PAGES.min(free);
                let query = format!("PRAGMA incremental_vacuum({step})");
                let mut statement = connection.prepare(&query)?;
                let mut rows = statement.query(())?;
                while rows.next()?.is_some() {}
                let after: i64 =
                    connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
                Ok(free.saturating_sub(after.unsigned_abs()))
            })?;
            if free == 0 {
                return Ok(());
            }
        }
    }
}

/// How many entries there are, from the first to the last.
fn count(connection: &Connection) -> Result<u64, Fault> {
    let ends = "SELECT coalesce((SELECT max(sequence) FROM audit), 0) \
                - coalesce((SELECT min(sequence) FROM audit), 1) + 1";
    let count: i64 = connection.query_row(ends, (), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Signs off what may go, if anything may.
fn sign_off(
    trail: &mut Trail<'_>,
    before: i64,
    entries_max: i64,
    by: By,
    now: i64,
) -> Result<(), Fault> {
    let transaction = trail.transaction;
    let number = |query: &str, time: i64| -> Result<Option<i64>, Fault> {
        let mut statement = transaction.prepare_cached(query)?;
        Ok(statement.query_row([time], |row| row.get(0)).optional()?)
    };
    let first = "SELECT sequence FROM audit WHERE sequence > ?1 ORDER BY sequence LIMIT 1";
    let gone = "SELECT coalesce(max(through), 0) FROM audit WHERE through IS NOT NULL AND ?1 = ?1";
    let gone = number(gone, 0)?.unwrap_or_default();
    let Some(first) = number(first, gone)? else { return Ok(()) };
    let young = "SELECT sequence FROM audit WHERE time >= ?1 ORDER BY sequence LIMIT 1";
    let young = number(young, before)?;
    let effect = "SELECT number FROM effect WHERE number > ?1 ORDER BY number LIMIT 1";
    let effect = number(effect, 0)?;
    let end = trail.head.sequence.cast_signed();
    let bounds = [young.map(|at| at - 1), effect.map(|at| at - 1)];
    let through = bounds.into_iter().flatten().fold(end, i64::min);
    let through = through.min(first.saturating_add(entries_max - 1));
    // The last entry that signs something off says where the trail begins: alone it is no reason for another one.
    if through < first || through == end && first == end {
        return Ok(());
    }
    let last = "SELECT hash FROM audit WHERE sequence = ?1";
    let hash: [u8; 32] = transaction.query_row(last, [through], |row| row.get(0))?;
    let text = format!("{} entries signed off and removed", through - first + 1);
    trail.append(&Line {
        by,
        text: &text,
        digest: Some(blake3::Hash::from_bytes(hash)),
        through: Some(through.unsigned_abs()),
        ..Line::new(Kind::Pruning, now)
    })?;
    Ok(())
}

/// Lets go some of what is signed off.
fn cut(connection: &Connection) -> Result<u64, Fault> {
    let through = "SELECT max(through) FROM audit WHERE through IS NOT NULL";
    let through: Option<i64> =
        connection.prepare_cached(through)?.query_row((), |row| row.get(0))?;
    let first = "SELECT min(sequence) FROM audit";
    let first: Option<i64> = connection.prepare_cached(first)?.query_row((), |row| row.get(0))?;
    let (Some(through), Some(first)) = (through, first) else { return Ok(0) };
    let to = through.min(first.saturating_add(limit::PRUNE_ROWS.cast_signed() - 1));
    for query in
        ["DELETE FROM cause WHERE sequence <= ?1", "DELETE FROM audit WHERE sequence <= ?1"]
    {
        connection.prepare_cached(query)?.execute([to])?;
    }
    Ok(u64::try_from(to - first + 1).unwrap_or_default())
}
