//! What operators order, and what is taken back. Each order is in the audit trail with the user's id, written through.
//!
//! This room must never know who may order what.

use correlator_world::Outcome;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use crate::chain::Line;
use crate::delivery::Current;
use crate::effect::{Due, State, cut};
use crate::entry::{By, Kind, Verdict};
use crate::error::{Fault, StoreError};
use crate::filter::EffectFilter;
use crate::limit;
use crate::row;
use crate::store::{Safety, Store};
use crate::trail::Trail;

/// Whose effects: those for which all of this holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Of {
    /// Of this listener.
    pub listener: Option<String>,
    /// Of this capability.
    pub capability: Option<String>,
    /// Of this endpoint.
    pub endpoint: Option<String>,
}

impl Store {
    /// Has an effect tried again, from its first attempt on: one that is dead, refused or dropped, or one that waits for
    /// its time. Of its key it is the next.
    ///
    /// # Errors
    /// There is no such effect, or it is done, denied, planned or being tried.
    pub fn retry(&self, id: &str, by: By, now: i64) -> Result<(), StoreError> {
        self.write(Safety::Machine, |trail| {
            let current = Current::of(trail, id)?;
            let waits = match current.state {
                State::Waiting => true,
                State::Dead | State::Refused | State::Dropped => false,
                _ => return Err(not_now(id, &current, "tried again")),
            };
            not_undoing(id, &current)?;
            let lane = current.lane().filter(|_| !waits);
            if let Some(lane) = lane {
                lane.hold(trail.transaction)?;
            }
            let again = if waits {
                "UPDATE effect SET next_at = ?2 WHERE number = ?1"
            } else {
                "UPDATE effect SET state = 0, attempts = 0, next_at = ?2, changed_at = ?2, \
                 behind = (key IS NOT NULL) WHERE number = ?1"
            };
            trail.transaction.execute(again, params![current.number, now])?;
            if let Some(lane) = lane {
                lane.release(trail.transaction)?;
            }
            ordered(trail, id, &current, Verdict::Retried, by, now)
        })
    }

    /// Gives an effect up: one that waits, is refused, or is dead.
    ///
    /// # Errors
    /// There is no such effect, or it is done, denied, planned, dropped or being tried.
    pub fn drop_effect(&self, id: &str, by: By, now: i64) -> Result<(), StoreError> {
        self.write(Safety::Machine, |trail| {
            let current = Current::of(trail, id)?;
            if !matches!(current.state, State::Waiting | State::Dead | State::Refused) {
                return Err(not_now(id, &current, "dropped"));
            }
            not_undoing(id, &current)?;
            end(trail, id, &current, by, now)
        })
    }

    /// Gives up all that waits of these. How many that are. What is being tried is not among it.
    ///
    /// # Errors
    /// It can't be written. What was given up before that stays so.
    pub fn drop_waiting(&self, of: &Of, by: By, now: i64) -> Result<u64, StoreError> {
        let all = self.read(|connection| waiting(connection, of))?;
        let mut dropped = 0;
        for some in all.chunks(limit::DROPPED_AT_ONCE) {
            dropped += self.write(Safety::Program, |trail| {
                let mut dropped = 0;
                for number in some {
                    let mut still = trail
                        .transaction
                        .prepare_cached("SELECT id FROM effect WHERE number = ?1 AND state = 0")?;
                    let id: Option<String> =
                        still.query_row([number], |row| row.get(0)).optional()?;
                    let Some(id) = id else { continue };
                    let current = Current::of(trail, &id)?;
                    end(trail, &id, &current, by, now)?;
                    dropped += 1;
                }
                Ok(dropped)
            })?;
        }
        self.sync()?;
        Ok(dropped)
    }

    /// Says that the world is about to be asked to take an effect back, for a reason if there is one, and what it was. It
    /// must have been done, or may have been.
    ///
    /// # Errors
    /// There is no such effect, or there is nothing to take back, or somebody is at it already.
    pub fn undo_begin(
        &self,
        id: &str,
        (by, why): (By, Option<&str>),
        now: i64,
    ) -> Result<Due, StoreError> {
        let text = why.map_or_else(|| "undo".to_owned(), |why| format!("undo: {why}"));
        let text = cut(&text, limit::TEXT_BYTES_MAX);
        self.write(Safety::Machine, |trail| {
            let current = Current::of(trail, id)?;
            let possible = match current.state {
                State::Done => true,
                // Whoever did not answer may have done it.
                State::Dead | State::Refused | State::Dropped => {
                    current.maybe_done || current.attempts > 0
                }
                _ => false,
            };
            if !possible {
                return Err(not_now(id, &current, "undone"));
            }
            not_undoing(id, &current)?;
            let change = "UPDATE effect SET undoing_at = ?2 WHERE number = ?1";
            trail.transaction.execute(change, params![current.number, now])?;
            trail.append(&Line { by, text: &text, ..current.line(Kind::Command, id, now) })?;
            let (columns, decision) = (row::EFFECT_COLUMNS, row::DECISION);
            let read = format!("SELECT {columns} FROM effect {decision} WHERE effect.id = ?1");
            let mut statement = trail.transaction.prepare_cached(&read)?;
            let mut rows = statement.query([id])?;
            match rows.next()? {
                Some(found) => row::due(found),
                None => Err(StoreError::Unknown { id: id.to_owned() }.into()),
            }
        })
    }

    /// Says what came of taking it back. How it fares now: what could not be taken back is as it was, and the trail alone
    /// tells that it was tried.
    ///
    /// # Errors
    /// There is no such effect, nobody began, or it can't be written.
    pub fn undo_finish(&self, id: &str, outcome: &Outcome, now: i64) -> Result<State, StoreError> {
        self.write(Safety::Machine, |trail| {
            let current = Current::of(trail, id)?;
            if !current.undoing {
                return Err(not_now(id, &current, "undone without having begun"));
            }
            let (state, verdict, text) = match outcome {
                Outcome::Done(answer) | Outcome::Partly { said: answer, .. } => {
                    (State::Undone, Verdict::Done, answer)
                }
                Outcome::Later { reason, .. } => (current.state, Verdict::Later, reason),
                Outcome::Refused(reason) => (current.state, Verdict::Refused, reason),
            };
            let text = cut(text, limit::TEXT_BYTES_MAX);
            if state == State::Undone {
                let change = "UPDATE effect SET state = ?2, undoing_at = NULL, changed_at = ?3, \
                              said = ?4, maybe_done = 0 WHERE number = ?1";
                let values = params![current.number, state.code(), now, text];
                trail.transaction.execute(change, values)?;
            } else {
                // Since when it is in force, and for how long, is still told by what was said when it was done.
                let change = "UPDATE effect SET undoing_at = NULL WHERE number = ?1";
                trail.transaction.execute(change, [current.number])?;
            }
            let line = current.line(Kind::Undo, id, now);
            trail.append(&Line { verdict: Some(verdict), text: &text, ..line })?;
            Ok(state)
        })
    }

    /// Notes what an operator ordered, in one line.
    ///
    /// # Errors
    /// It can't be written.
    pub fn note_command(&self, by: By, text: &str, now: i64) -> Result<(), StoreError> {
        let text = cut(text, limit::TEXT_BYTES_MAX);
        self.write(Safety::Machine, |trail| {
            trail.append(&Line { by, text: &text, ..Line::new(Kind::Command, now) })?;
            Ok(())
        })
    }

    /// Notes what a listener may ask of a capability from now on, in one line. The same line as the last is not noted
    /// again: whoever starts may say what holds. Whether it was.
    ///
    /// # Errors
    /// It can't be written.
    pub fn note_grant(&self, grant: &Grant<'_>, by: By, now: i64) -> Result<bool, StoreError> {
        let text = cut(grant.text, limit::TEXT_BYTES_MAX);
        let listener = cut(grant.listener, limit::NAME_BYTES_MAX);
        let capability = cut(grant.capability, limit::NAME_BYTES_MAX);
        self.write(Safety::Machine, |trail| {
            let name = format!("grant {}:{listener} {capability}", listener.len());
            let digest = blake3::hash(grant.text.as_bytes()).to_hex();
            if trail.meta(&name)?.as_deref() == Some(digest.as_str()) {
                return Ok(false);
            }
            trail.set_meta(&name, &digest)?;
            trail.append(&Line {
                listener: Some(&listener),
                component: Some(&cut(grant.component, limit::NAME_BYTES_MAX)),
                capability: Some(&capability),
                by,
                text: &text,
                ..Line::new(Kind::Grant, now)
            })?;
            Ok(true)
        })
    }
}

/// What a listener may ask of a capability.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The listener's instance.
    pub listener: &'a str,
    /// What tells this version of its component from others.
    pub component: &'a str,
    /// The capability.
    pub capability: &'a str,
    /// What the stack says, in one line. No secret is in it.
    pub text: &'a str,
}

/// What waits of these, in order.
fn waiting(connection: &Connection, of: &Of) -> Result<Vec<i64>, Fault> {
    let Of { listener, capability, endpoint } = of.clone();
    let state = Some(State::Waiting);
    let filter = EffectFilter { listener, capability, endpoint, state, ..EffectFilter::default() };
    let conditions = filter.conditions();
    // Not one that is finished is looked at.
    let query = format!(
        "SELECT effect.number FROM effect INDEXED BY effect_age \
         LEFT JOIN audit ON audit.sequence = effect.number {} AND effect.state <= 1 \
         ORDER BY effect.number",
        conditions.text()
    );
    let mut statement = connection.prepare(&query)?;
    let numbers = statement.query_map(params_from_iter(conditions.values), |row| row.get(0))?;
    Ok(numbers.collect::<Result<_, _>>()?)
}

/// Gives one up.
fn end(trail: &mut Trail<'_>, id: &str, current: &Current, by: By, now: i64) -> Result<(), Fault> {
    let change = "UPDATE effect SET state = ?2, behind = 0, next_at = NULL, changed_at = ?3 \
                  WHERE number = ?1";
    let values = params![current.number, State::Dropped.code(), now];
    trail.transaction.prepare_cached(change)?.execute(values)?;
    if let Some(lane) = current.lane() {
        lane.release(trail.transaction)?;
    }
    ordered(trail, id, current, Verdict::Dropped, by, now)
}

fn ordered(
    trail: &mut Trail<'_>,
    id: &str,
    current: &Current,
    verdict: Verdict,
    by: By,
    now: i64,
) -> Result<(), Fault> {
    let text = format!("was {}", current.state);
    let line = current.line(Kind::Command, id, now);
    trail.append(&Line { verdict: Some(verdict), by, text: &text, ..line })?;
    Ok(())
}

fn not_now(id: &str, current: &Current, wanted: &'static str) -> Fault {
    StoreError::NotNow { id: id.to_owned(), state: current.state, wanted }.into()
}

fn not_undoing(id: &str, current: &Current) -> Result<(), Fault> {
    if current.undoing {
        return Err(StoreError::Undoing { id: id.to_owned() }.into());
    }
    Ok(())
}
