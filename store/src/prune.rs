//! What is old goes: finished effects first, then the beginning of the audit trail.
//!
//! The trail is never cut without a word: an entry at its end signs off what goes, with the hash of the last of it, so
//! what stays can still be checked. What goes does so in small transactions, and whoever delivers gets in between.

use std::collections::{BTreeMap, HashMap};
use std::thread;

use rusqlite::{Connection, Row, params};

use crate::entry::By;
use crate::error::{Fault, StoreError};
use crate::sign_off::{self, Order, count, cut};
use crate::store::{self, Safety, Store};
use crate::{connection, limit};

/// What may go. All times are in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug)]
pub struct Retention<'a> {
    /// Effects that were finished before this: done, refused, denied, planned, undone, dropped.
    pub effects_before: i64,
    /// Effects that died before this: nobody will have them tried again.
    pub dead_before: i64,
    /// Entries of the audit trail that were made before this. Decisions on effects that are still there stay, and tears.
    pub trail_before: i64,
    /// If the database takes more than this, younger ones go as well, the oldest first: what was given up by an operator, by
    /// when it was asked for, what was denied or only planned, what else is finished, entries that are older than effects are kept, what is dead, entries.
    pub bytes_max: u64,
    /// What was denied a listener and what was only planned for it takes no more than this; the oldest go.
    pub planned_bytes_max: u64,
    /// What goes for that only where it is not enough that all older ones go: effects and entries since this.
    pub day_from: i64,
    /// What no bound makes go: effects and entries since this.
    pub keep_from: i64,
    /// Of these listeners, effects since these times stay, whatever else is said. They may hand effects over again that they
    /// asked for since their last saved state; when such an effect is not known any more, it is carried out twice.
    pub again: &'a BTreeMap<String, i64>,
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
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Given up by an operator.
    Dropped,
    Dead,
    /// Denied, or only planned.
    Planned,
    NotDead,
}

/// A finished effect, and about what its row takes.
struct Old {
    number: i64,
    changed_at: i64,
    /// By when it is old: when it ended, or when it was asked for if nobody wants it any more.
    aged_at: i64,
    listener: String,
    bytes: u64,
}

/// One pass over the finished effects, the oldest first.
struct Pass {
    which: Which,
    before: i64,
    /// The last that was looked at.
    at: (i64, i64),
}

impl Pass {
    fn new(which: Which, before: i64) -> Self {
        Self { which, before, at: (i64::MIN, i64::MIN) }
    }
}

impl Store {
    /// Lets go what is old.
    ///
    /// # Errors
    /// It can't be written. What went before that stays gone.
    pub fn prune(&self, retention: &Retention<'_>, by: By, now: i64) -> Result<Pruned, StoreError> {
        let looking =
            connection::open_reading(self.path()).map_err(|fault| fault.at(self.path()))?;
        let (pruned, steps) = (Pruned::default(), 0);
        let mut pruning = Pruning { store: self, looking, retention, by, now, pruned, steps };
        pruning.prune_old()?;
        pruning.prune_planned()?;
        pruning.prune_to_size()?;
        let mut pruned = pruning.pruned;
        self.shrink()?;
        pruned.bytes = self.bytes()?;
        Ok(pruned)
    }

    /// The bytes that the database takes, without those that are free. It costs nothing to ask.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        self.read(store::bytes)
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

/// What is being let go.
struct Pruning<'a> {
    store: &'a Store,
    /// To look for what goes takes a while: whoever delivers does not wait for it.
    looking: Connection,
    retention: &'a Retention<'a>,
    by: By,
    now: i64,
    pruned: Pruned,
    /// Transactions so far.
    steps: u64,
}

impl Pruning<'_> {
    /// Lets go what is kept no longer, whatever there is room for.
    fn prune_old(&mut self) -> Result<(), StoreError> {
        let Retention { effects_before, dead_before, trail_before, keep_from, .. } =
            *self.retention;
        for (which, before) in [(Which::NotDead, effects_before), (Which::Dead, dead_before)] {
            let mut pass = Pass::new(which, before.min(keep_from));
            while self.prune_some(&mut pass)? {}
        }
        self.prune_trail(trail_before.min(keep_from), i64::MAX)?;
        Ok(())
    }

    /// Lets go the oldest of what was denied a listener, or only planned for it, that takes more than its share.
    fn prune_planned(&mut self) -> Result<(), StoreError> {
        let most = self.retention.planned_bytes_max;
        let mut held: HashMap<String, u64> = HashMap::new();
        let (mut pass, mut more) = (Pass::new(Which::Planned, i64::MAX), true);
        while more {
            let found;
            (found, more) = self.look(&mut pass)?;
            for Old { listener, bytes, .. } in found {
                *held.entry(listener).or_default() += bytes;
            }
        }
        held.retain(|_, bytes| *bytes > most);
        let mut pass = Pass::new(Which::Planned, self.retention.keep_from);
        more = !held.is_empty();
        while more {
            let mut found;
            (found, more) = self.look(&mut pass)?;
            found.retain(|old| {
                let Some(held) = held.get_mut(&old.listener).filter(|held| **held > most) else {
                    return false;
                };
                let goes = self.may_go(old);
                *held -= if goes { old.bytes } else { 0 };
                goes
            });
            self.remove(&found)?;
        }
        Ok(())
    }

    /// Lets go the oldest that may, until the database takes no more than it should or nothing is left that may.
    fn prune_to_size(&mut self) -> Result<(), StoreError> {
        let Retention { effects_before, day_from, keep_from, .. } = *self.retention;
        self.prune_effects_to_size(Which::Dropped, keep_from)?;
        self.prune_effects_to_size(Which::Planned, keep_from)?;
        for before in [day_from.min(keep_from), keep_from] {
            self.prune_effects_to_size(Which::NotDead, before)?;
            // What nobody delivered may still be wanted: entries that tell of what is long over go before it, others after.
            self.prune_trail_to_size(effects_before.min(before))?;
            self.prune_effects_to_size(Which::Dead, before)?;
            self.prune_trail_to_size(before)?;
        }
        Ok(())
    }

    fn prune_effects_to_size(&mut self, which: Which, before: i64) -> Result<(), StoreError> {
        let mut pass = Pass::new(which, before);
        while self.excess()? > 0 && self.prune_some(&mut pass)? {}
        Ok(())
    }

    fn prune_trail_to_size(&mut self, before: i64) -> Result<(), StoreError> {
        loop {
            let (excess, bytes) = (self.excess()?, self.store.bytes()?);
            if excess == 0 {
                return Ok(());
            }
            let entries = self.store.read(count)?;
            // As large a part of the entries as of the bytes; what that misses, the next round gets.
            let part = u128::from(entries) * u128::from(excess) / u128::from(bytes.max(1));
            let entries_max = i64::try_from(part).unwrap_or(i64::MAX);
            let entries_max = entries_max.max(limit::SIGN_OFF_ENTRIES_MIN);
            // The entry that signed off the last ones is always there to go.
            if self.prune_trail(before, entries_max)? <= 1 {
                return Ok(());
            }
        }
    }

    /// The bytes that the database takes more than it should.
    fn excess(&self) -> Result<u64, StoreError> {
        Ok(self.store.bytes()?.saturating_sub(self.retention.bytes_max))
    }

    /// Lets go some finished effects. Whether there may be more.
    fn prune_some(&mut self, pass: &mut Pass) -> Result<bool, StoreError> {
        let (mut some, more) = self.look(pass)?;
        some.retain(|old| self.may_go(old));
        self.remove(&some)?;
        Ok(more)
    }

    /// The next finished effects, and whether there may be more.
    fn look(&self, pass: &mut Pass) -> Result<(Vec<Old>, bool), StoreError> {
        let query = match pass.which {
            Which::Dropped => FINISHED_DROPPED,
            Which::Dead => FINISHED_DEAD,
            Which::Planned => FINISHED_PLANNED,
            Which::NotDead => FINISHED,
        };
        let look = || {
            let mut statement = self.looking.prepare_cached(query)?;
            let most = limit::PRUNE_ROWS.cast_signed();
            let rows =
                statement.query_map(params![pass.before, pass.at.0, pass.at.1, most], old)?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let found = look().map_err(|error| Fault::from(error).at(self.store.path()))?;
        if let Some(last) = found.last() {
            pass.at = (last.aged_at, last.number);
        }
        let more = found.len() as u64 == limit::PRUNE_ROWS;
        Ok((found, more))
    }

    /// Whether nobody may hand it over again.
    fn may_go(&self, old: &Old) -> bool {
        let again = self.retention.again.get(&old.listener);
        again.is_none_or(|since| old.aged_at < *since)
    }

    /// Lets these go, where nobody did anything with them meanwhile.
    fn remove(&mut self, all: &[Old]) -> Result<(), StoreError> {
        if all.is_empty() {
            return Ok(());
        }
        self.pruned.effects += self.store.write(Safety::Program, |trail| {
            let mut delete = trail.transaction.prepare_cached(
                "DELETE FROM effect WHERE number = ?1 AND changed_at = ?2 AND state >= 2 \
                 AND undoing_at IS NULL",
            )?;
            let mut gone = 0;
            for old in all {
                gone += delete.execute([old.number, old.changed_at])? as u64;
            }
            Ok(gone)
        })?;
        self.let_others()
    }

    /// Lets others come in between.
    fn let_others(&mut self) -> Result<(), StoreError> {
        self.steps += 1;
        if self.steps.is_multiple_of(limit::PRUNE_STEPS_AHEAD) {
            self.store.settle()?;
        }
        thread::park_timeout(limit::PRUNE_PAUSE);
        Ok(())
    }

    /// Lets go the beginning of the trail: what is older, at most so many entries. How many were signed off or went.
    fn prune_trail(&mut self, before: i64, entries_max: i64) -> Result<u64, StoreError> {
        let order = Order { before, entries_max, by: self.by, now: self.now };
        let last = sign_off::last(&self.looking, order);
        let signed = match last.map_err(|fault| fault.at(self.store.path()))? {
            None => 0,
            Some(last) => {
                self.store.write(Safety::Machine, |trail| sign_off::sign_off(trail, last, order))?
            }
        };
        // Also what a prune signed off that was stopped half way.
        let (mut gone, mut behind) = (0, 0);
        loop {
            let (some, last) =
                self.store.write(Safety::Program, |trail| cut(trail.transaction, behind))?;
            (gone, behind) = (gone + some, last);
            self.let_others()?;
            if some < limit::PRUNE_ROWS {
                break;
            }
        }
        self.pruned.entries += gone;
        Ok(signed.max(gone))
    }
}

/// What is read of finished effects, the oldest first, behind the last that was read.
macro_rules! finished {
    ($index:literal, $which:literal, $aged_at:literal) => {
        concat!(
            "SELECT effect.number, effect.changed_at, ",
            $aged_at,
            ", coalesce(audit.listener, ''), length(effect.request) FROM effect INDEXED BY ",
            $index,
            " LEFT JOIN audit ON audit.sequence = effect.number WHERE ",
            $which,
            " AND ",
            $aged_at,
            " < ?1 AND (",
            $aged_at,
            ", effect.number) > (?2, ?3) AND effect.undoing_at IS NULL ORDER BY ",
            $aged_at,
            ", effect.number LIMIT ?4"
        )
    };
}

const FINISHED_DROPPED: &str = finished!("effect_dropped", "effect.state = 8", "effect.since");
const FINISHED_DEAD: &str = finished!("effect_dead", "effect.state = 4", "effect.changed_at");
const FINISHED_PLANNED: &str =
    finished!("effect_planned", "effect.state IN (5, 6)", "effect.changed_at");
const FINISHED: &str =
    finished!("effect_finished", "effect.state >= 2 AND effect.state <> 4", "effect.changed_at");

fn old(row: &Row<'_>) -> rusqlite::Result<Old> {
    Ok(Old {
        number: row.get(0)?,
        changed_at: row.get(1)?,
        aged_at: row.get(2)?,
        listener: row.get(3)?,
        bytes: row.get::<_, i64>(4)?.unsigned_abs() + limit::EFFECT_BYTES,
    })
}
