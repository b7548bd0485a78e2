//! What nobody delivers any more: effects of a listener, or a capability, that the stack does not have.
//!
//! This room must never know who delivers.

use rusqlite::{Row, params};

use crate::delivery::Current;
use crate::effect::{State, cut};
use crate::entry::{By, Kind, Verdict};
use crate::error::StoreError;
use crate::limit;
use crate::store::{Safety, Store};

impl Store {
    /// Gives up what waits at an endpoint and was asked for before this: it is dead, like what was tried often enough. How many
    /// that are.
    ///
    /// # Errors
    /// It can't be written. What was given up before that stays so.
    pub fn give_up(
        &self,
        (capability, endpoint): (&str, &str),
        before: i64,
        why: &str,
        now: i64,
    ) -> Result<u64, StoreError> {
        let why = cut(why, limit::TEXT_BYTES_MAX);
        let mut all = 0;
        loop {
            let some = self.write(Safety::Program, |trail| {
                let mut old = trail.transaction.prepare_cached(
                    "SELECT id FROM effect INDEXED BY effect_age WHERE state <= 1 AND state = 0 \
                     AND capability = ?1 AND endpoint = ?2 AND since < ?3 ORDER BY since LIMIT ?4",
                )?;
                let most = limit::PRUNE_ROWS.cast_signed();
                let id = |row: &Row<'_>| row.get::<_, String>(0);
                let old = old.query_map(params![capability, endpoint, before, most], id)?;
                let old: Vec<_> = old.collect::<Result<_, _>>()?;
                for id in &old {
                    let current = Current::of(trail, id)?;
                    let change = "UPDATE effect SET state = ?2, behind = 0, next_at = NULL, \
                                  changed_at = ?3, said = ?4 WHERE number = ?1";
                    let dead = State::Dead.code();
                    let values = params![current.number, dead, now, why];
                    trail.transaction.prepare_cached(change)?.execute(values)?;
                    if let Some(lane) = current.lane() {
                        lane.release(trail.transaction)?;
                    }
                    let mut line = current.line(Kind::Command, id, now);
                    (line.verdict, line.by, line.text) = (Some(Verdict::Dead), By::Engine, &why);
                    trail.append(&line)?;
                }
                Ok(old.len() as u64)
            })?;
            all += some;
            if some < limit::PRUNE_ROWS {
                return Ok(all);
            }
        }
    }
}
