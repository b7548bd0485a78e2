//! Who gets room in the store. What waits of one listener at one capability has a share of it, and the last of it is for those
//! who have little there: so nobody whose endpoint is down, or who means harm, takes it from the others.
//!
//! How much each has is counted as effects come, end and go (`schema/3.sql`), so asking costs the same however much there
//! is. This room must never know what an effect does.

use std::collections::BTreeSet;

use crate::effect::{Decision, NewEffect};
use crate::error::{Fault, StoreError};
use crate::limit;
use crate::store;
use crate::trail::Trail;

/// Whether anything new is taken at all. The bytes that the database takes.
pub fn is_there(trail: &Trail<'_>, bytes_max: u64) -> Result<u64, Fault> {
    let bytes = store::bytes(trail.transaction)?;
    if bytes > bytes_max {
        return Err(StoreError::Bound { bytes, bytes_max }.into());
    }
    Ok(bytes)
}

/// Whether these are taken: of each whose they are.
pub fn is_there_for(trail: &Trail<'_>, effects: &[NewEffect], bytes_max: u64) -> Result<(), Fault> {
    let bytes = is_there(trail, bytes_max)?;
    let is_scarce = bytes > bytes_max - bytes_max / limit::RESERVE_PART;
    let whose: BTreeSet<_> = effects.iter().map(whose).collect();
    for (listener, capability, waits) in whose {
        let held = Held::of(trail, listener, capability)?;
        let (share, little) = (bytes_max / limit::SHARE_PART, bytes_max / limit::LITTLE_PART);
        if waits && held.open > share {
            let (listener, capability) = (listener.to_owned(), capability.to_owned());
            let (bytes, bytes_max) = (held.open, share);
            return Err(StoreError::Share { listener, capability, bytes, bytes_max }.into());
        }
        if is_scarce && held.all > little {
            let (listener, bytes, bytes_max) = (listener.to_owned(), held.all, little);
            return Err(StoreError::Scarce { listener, bytes, bytes_max }.into());
        }
    }
    Ok(())
}

/// Whose it is, and whether it will wait.
fn whose(effect: &NewEffect) -> (&str, &str, bool) {
    (&effect.listener, &effect.capability, effect.decision == Decision::Granted)
}

/// The bytes that a listener's effects take: those of one capability that are not finished, and all.
struct Held {
    open: u64,
    all: u64,
}

impl Held {
    fn of(trail: &Trail<'_>, listener: &str, capability: &str) -> Result<Self, Fault> {
        let mut statement = trail.transaction.prepare_cached(
            "SELECT coalesce(sum(open_bytes) FILTER (WHERE capability = ?2), 0), \
             coalesce(sum(all_bytes), 0) FROM held WHERE listener = ?1",
        )?;
        let [open, all]: [i64; 2] =
            statement.query_row([listener, capability], |row| Ok([row.get(0)?, row.get(1)?]))?;
        Ok(Self { open: open.max(0).unsigned_abs(), all: all.max(0).unsigned_abs() })
    }
}
