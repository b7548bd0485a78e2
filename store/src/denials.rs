//! What was denied, in the audit trail: one by one, or many in one entry, so that who asks in vain without end fills no disk.
//!
//! Whoever records it numbers what each capability denies a listener, and gives the same numbers again when a turn is done
//! again. Up to which number the trail tells is known here. This room must never know why something is denied.

use rusqlite::OptionalExtension;

use crate::accept;
use crate::chain::Line;
use crate::effect::{Accepted, Cause, NewEffect, cut};
use crate::entry::{Kind, Verdict};
use crate::error::{Fault, StoreError};
use crate::store::{Safety, Store};
use crate::trail::Trail;
use crate::{limit, room};

/// What one capability denied a listener.
#[derive(Clone, Copy, Debug)]
pub struct Denials<'a> {
    /// The listener's instance.
    pub listener: &'a str,
    /// What tells this version of its component from others.
    pub component: &'a str,
    /// The capability; none if there is no such.
    pub capability: Option<&'a str>,
    /// So many are told of in one entry, since they have none of their own.
    pub more: u64,
    /// What that entry says.
    pub text: &'a str,
    /// What the last of these was for.
    pub cause: Option<&'a Cause>,
    /// The trail tells of all up to this one.
    pub upto: u64,
}

impl Store {
    /// Records what was denied: first what is told of in one entry, then each of these effects in its order. What is known by
    /// its id stays as it is. It is for the caller to [`sync`](Store::sync) before it forgets what the turn was made of.
    ///
    /// # Errors
    /// There is no room, or something is larger than the store keeps ([`NewEffect::check`]). Then nothing is recorded.
    pub fn deny(
        &self,
        effects: &[NewEffect],
        denials: &[Denials<'_>],
        now: i64,
    ) -> Result<Vec<Accepted>, StoreError> {
        effects.iter().try_for_each(NewEffect::check)?;
        let bytes_max = self.settings().bytes_max();
        self.write(Safety::Program, |trail| {
            room::is_there(trail, bytes_max)?;
            for one in denials.iter().filter(|one| one.more > 0) {
                sum_up(trail, one, now)?;
            }
            let accepted = effects.iter().map(|effect| accept::accept(trail, effect)).collect();
            for one in denials {
                trail.set_meta(&name(one.listener, one.capability), &one.upto.to_string())?;
            }
            accepted
        })
    }

    /// The number up to which the trail tells what a capability denied a listener.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn denied(&self, listener: &str, capability: Option<&str>) -> Result<u64, StoreError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
            let found = statement
                .query_row([name(listener, capability)], |row| row.get::<_, String>(0))
                .optional()?;
            let wrong = || Fault::Damaged("a number of what was denied is none".to_owned());
            found.map_or(Ok(0), |text| text.parse().map_err(|_| wrong()))
        })
    }
}

fn sum_up(trail: &mut Trail<'_>, one: &Denials<'_>, now: i64) -> Result<(), Fault> {
    let text = cut(one.text, limit::TEXT_BYTES_MAX);
    trail.append(&Line {
        verdict: Some(Verdict::Denied),
        listener: Some(&cut(one.listener, limit::NAME_BYTES_MAX)),
        component: Some(&cut(one.component, limit::NAME_BYTES_MAX)),
        capability: one.capability,
        text: &text,
        causes: one.cause.map(std::slice::from_ref).map(accept::causes).unwrap_or_default(),
        ..Line::new(Kind::Decision, now)
    })?;
    Ok(())
}

/// A listener's name has no space in it, and its length stands before it all the same: no two are ever one.
fn name(listener: &str, capability: Option<&str>) -> String {
    format!("denied {}:{listener} {}", listener.len(), capability.unwrap_or_default())
}
