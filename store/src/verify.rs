//! Whether the audit trail is what was written: every entry follows from the one before it, the end is where the anchor
//! says, and the effects that are there are those that were decided on. What that can show and what not says the crate.
//!
//! It goes in steps, so that whoever writes is not held up by the longest trail.

use blake3::Hash;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::anchor;
use crate::chain::{self, Line};
use crate::entry::{Entry, Head, Kind};
use crate::error::{Fault, StoreError};
use crate::reader::Reader;
use crate::sign_off::{self, Sum};
use crate::{limit, row};

/// Whether the trail is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Every entry fits.
    Whole {
        /// How many entries there are.
        count: u64,
        /// The first entry that is still there: what was before it is signed off.
        first: u64,
        /// The end of the trail. Keep it elsewhere, and hand it in the next time.
        head: Head,
        /// Entries that tell of a tear: there the trail did not reach as far as it should have when an engine started, so
        /// something is lost for good. They are told for good, too: no pruning takes them away.
        tears: Vec<u64>,
    },
    /// Something does not fit.
    Broken {
        /// The first entry that doesn't.
        sequence: u64,
        /// What does not fit, in words.
        what: String,
    },
}

/// How far somebody has come.
struct Walk {
    first: u64,
    head: Head,
    tears: Vec<u64>,
}

/// Why a walk ends early.
enum Stop {
    Broken {
        sequence: u64,
        what: String,
    },
    Fault(Fault),
    /// Somebody pruned what was to come next.
    Overtaken,
}

impl<E: Into<Fault>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl Reader {
    /// Checks all of the trail, the effects that are there, the anchor, and heads that somebody kept elsewhere.
    ///
    /// # Errors
    /// The database or the anchor can't be read.
    pub fn verify(&self, kept: &[Head]) -> Result<Verification, StoreError> {
        // The anchor first: whoever writes on meanwhile moves it on.
        let anchored = anchor::read(&self.folder)?;
        loop {
            match self.walk(anchored, kept) {
                Ok(Walk { first, head, tears }) => {
                    let count = head.sequence + 1 - first;
                    return Ok(Verification::Whole { count, first, head, tears });
                }
                Err(Stop::Broken { sequence, what }) => {
                    return Ok(Verification::Broken { sequence, what });
                }
                Err(Stop::Fault(fault)) => return Err(fault.at(&self.path)),
                Err(Stop::Overtaken) => {}
            }
        }
    }

    fn walk(&self, anchored: anchor::Found, kept: &[Head]) -> Result<Walk, Stop> {
        let (start, tears) = beginning(&self.connection)?;
        let mut walk = Walk { first: start.sequence + 1, head: start, tears };
        let anchor = match anchored {
            anchor::Found::Head(head) => Some(head),
            anchor::Found::Missing | anchor::Found::Unreadable => None,
        };
        let marks: Vec<_> = kept.iter().copied().chain(anchor).collect();
        for mark in marks.iter().filter(|mark| mark.sequence == start.sequence) {
            compare(mark, &start)?;
        }
        while step(&self.connection, &mut walk, &marks)? {}
        if let Some(mark) = marks.iter().find(|mark| mark.sequence > walk.head.sequence) {
            let what = format!("the trail ends at {}, and it once reached {mark}", walk.head);
            return Err(Stop::Broken { sequence: walk.head.sequence + 1, what });
        }
        if anchor.is_none() {
            let what = "the anchor of the trail is missing or can't be read, so nobody knows \
                        whether this is its end";
            return Err(broken(walk.head.sequence, what));
        }
        strangers(&self.connection)?;
        Ok(walk)
    }
}

/// What the first entry that is still there has to follow.
fn start(connection: &Connection) -> Result<Head, Fault> {
    let query = "SELECT through, digest FROM audit WHERE through IS NOT NULL \
                 ORDER BY through DESC LIMIT 1";
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?));
    let found = connection.prepare_cached(query)?.query_row((), read).optional()?;
    let Some((through, hash)) = found else { return Ok(chain::beginning()) };
    Ok(Head { sequence: through.unsigned_abs(), hash: Hash::from_bytes(hash) })
}

/// What the first entry that is still there has to follow, and the tears before it. Checks what stays of what is signed off.
fn beginning(connection: &Connection) -> Result<(Head, Vec<u64>), Stop> {
    let moment = connection.unchecked_transaction()?;
    let start = start(&moment)?;
    let query = format!(
        "SELECT {}, kept.sequence, kept.before FROM kept \
         LEFT JOIN audit ON audit.sequence = kept.sequence ORDER BY kept.sequence",
        row::ENTRY
    );
    let mut statement = moment.prepare_cached(&query)?;
    let mut rows = statement.query(())?;
    let (mut sum, mut tears) = (Sum::default(), Vec::new());
    while let Some(found) = rows.next()? {
        let number: i64 = found.get(16)?;
        let sequence = number.unsigned_abs();
        if number < 1 || sequence > start.sequence {
            return Err(broken(sequence, "it stays although it is not signed off"));
        }
        if found.get_ref(0)? == ValueRef::Null {
            return Err(broken(sequence, "it is missing, and it should stay"));
        }
        let mut entry = readable(row::entry(found), sequence)?;
        entry.causes = readable(row::causes(&moment, sequence), sequence)?;
        let before = readable(found.get::<_, [u8; 32]>(17).map_err(Fault::Sql), sequence)?;
        let before = Head { sequence: sequence - 1, hash: Hash::from_bytes(before) };
        if chain::follow(&before, &Line::of(&entry)).hash != entry.hash {
            return Err(broken(sequence, "it is not what was written"));
        }
        sum.add(sequence, entry.hash.as_bytes());
        match entry.kind {
            Kind::Tear => tears.push(sequence),
            Kind::Decision => compare_effect(&moment, &entry)?,
            _ => {}
        }
    }
    let query = "SELECT text FROM audit WHERE through IS NOT NULL ORDER BY through DESC LIMIT 1";
    let text: Option<String> = moment.query_row(query, (), |row| row.get(0)).optional()?;
    let said = text.as_deref().and_then(sign_off::staying);
    let hash = sum.finish().to_hex();
    let is = (sum.count > 0).then_some((sum.count, hash.as_str()));
    if said != is {
        let what = "what is signed off up to it and stays is not what the last pruning left";
        return Err(broken(start.sequence, what));
    }
    Ok((start, tears))
}

/// Checks some entries. Whether there may be more.
fn step(connection: &Connection, walk: &mut Walk, marks: &[Head]) -> Result<bool, Stop> {
    let moment = connection.unchecked_transaction()?;
    let query = format!(
        "SELECT {} FROM audit WHERE audit.sequence > ?1 ORDER BY audit.sequence LIMIT ?2",
        row::ENTRY
    );
    let mut statement = moment.prepare_cached(&query)?;
    let from = walk.head.sequence.cast_signed();
    let mut rows = statement.query([from, limit::VERIFY_ROWS.cast_signed()])?;
    let mut count = 0;
    while let Some(found) = rows.next()? {
        count += 1;
        let wanted = walk.head.sequence + 1;
        let mut entry = readable(row::entry(found), wanted)?;
        if entry.sequence != wanted {
            if start(&moment)?.sequence >= wanted {
                return Err(Stop::Overtaken);
            }
            let what = format!("it is missing; the next one is {}", entry.sequence);
            return Err(broken(wanted, &what));
        }
        entry.causes = readable(row::causes(&moment, wanted), wanted)?;
        let head = chain::follow(&walk.head, &Line::of(&entry));
        if head.hash != entry.hash {
            return Err(broken(wanted, "it or the one before it is not what was written"));
        }
        walk.head = head;
        marks
            .iter()
            .filter(|mark| mark.sequence == wanted)
            .try_for_each(|mark| compare(mark, &head))?;
        match entry.kind {
            Kind::Tear => walk.tears.push(wanted),
            Kind::Decision => compare_effect(&moment, &entry)?,
            _ => {}
        }
    }
    Ok(count == limit::VERIFY_ROWS)
}

/// What can't be read as an entry is one that does not fit.
fn readable<T>(read: Result<T, Fault>, sequence: u64) -> Result<T, Stop> {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
    };
    read.map_err(|fault| match fault {
        Fault::Damaged(what) => Stop::Broken { sequence, what },
        Fault::Sql(
            error @ (FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..)),
        ) => Stop::Broken { sequence, what: format!("it can't be read: {error}") },
        fault => Stop::Fault(fault),
    })
}

fn compare(mark: &Head, there: &Head) -> Result<(), Stop> {
    if mark.hash == there.hash {
        return Ok(());
    }
    Err(broken(mark.sequence, &format!("the trail once had {mark} there")))
}

/// Whether the effect that was decided on is still the same, if it is there.
fn compare_effect(connection: &Connection, entry: &Entry) -> Result<(), Stop> {
    let query = "SELECT id, capability, endpoint, request FROM effect WHERE number = ?1";
    let mut statement = connection.prepare_cached(query)?;
    let mut rows = statement.query([entry.sequence.cast_signed()])?;
    let Some(found) = rows.next()? else { return Ok(()) };
    let read = || {
        let names: [Option<String>; 3] = [found.get(0)?, found.get(1)?, found.get(2)?];
        Ok((names, found.get::<_, Vec<u8>>(3)?))
    };
    let (names, request) = readable(read().map_err(Fault::Sql), entry.sequence)?;
    if names != [entry.effect.clone(), entry.capability.clone(), entry.endpoint.clone()] {
        return Err(broken(entry.sequence, "the effect is not the one that was decided on"));
    }
    if entry.digest != Some(blake3::hash(&request)) {
        return Err(broken(
            entry.sequence,
            "the effect asks for something else than was decided on",
        ));
    }
    Ok(())
}

/// Effects that nobody decided on.
fn strangers(connection: &Connection) -> Result<(), Stop> {
    let query = "SELECT effect.number, effect.id FROM effect \
                 LEFT JOIN audit ON audit.sequence = effect.number AND audit.kind = 0 \
                 WHERE audit.sequence IS NULL OR effect.number <= \
                 (SELECT coalesce(max(through), 0) FROM audit WHERE through IS NOT NULL) \
                 AND NOT EXISTS (SELECT 1 FROM kept WHERE sequence = effect.number) LIMIT 1";
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let found = connection.prepare_cached(query)?.query_row((), read).optional()?;
    let Some((number, id)) = found else { return Ok(()) };
    let what = format!("nobody decided on effect `{}`", id.escape_debug());
    Err(broken(u64::try_from(number).unwrap_or_default(), &what))
}

fn broken(sequence: u64, what: &str) -> Stop {
    Stop::Broken { sequence, what: what.to_owned() }
}
