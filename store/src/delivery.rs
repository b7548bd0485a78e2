//! Delivery: what is due, that it begins, and what came of it.
//!
//! This room must never know how long to wait, nor when to give up: that is for whoever asks the world.

use correlator_world::Outcome;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::chain::Line;
use crate::effect::{Due, Finished, State, cut};
use crate::entry::{Kind, Verdict};
use crate::error::{Fault, StoreError};
use crate::lane::Lane;
use crate::limit;
use crate::row;
use crate::store::{Safety, Store};
use crate::trail::Trail;

/// When an endpoint has something to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextDue {
    /// The endpoint.
    pub endpoint: String,
    /// When the first of its effects is due.
    pub next_at: i64,
}

impl Store {
    /// What can be tried now: of one endpoint, or of all of a capability. What is longest due comes first, in the order in
    /// which it was accepted; of one key never more than the first.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn due(
        &self,
        capability: &str,
        endpoint: Option<&str>,
        now: i64,
        limit: usize,
    ) -> Result<Vec<Due>, StoreError> {
        let limit = limit.min(limit::ROWS_MAX);
        self.read(|connection| {
            if let Some(endpoint) = endpoint {
                return due(connection, capability, endpoint, now, limit);
            }
            let mut all = Vec::new();
            for next in next_due(connection, capability)? {
                if next.next_at <= now && all.len() < limit {
                    let room = limit - all.len();
                    all.extend(due(connection, capability, &next.endpoint, now, room)?);
                }
            }
            Ok(all)
        })
    }

    /// When each endpoint of a capability has something to do next; those that have nothing to do are left out.
    ///
    /// # Errors
    /// The database can't be read.
    pub fn next_due(&self, capability: &str) -> Result<Vec<NextDue>, StoreError> {
        self.read(|connection| next_due(connection, capability))
    }

    /// Says that the world is about to be asked. Whether it may be, for each: no if it isn't due any more, because an
    /// operator gave it up or another thread has it.
    ///
    /// # Errors
    /// It can't be written. Then nobody may be asked.
    pub fn begin(&self, ids: &[&str], now: i64) -> Result<Vec<bool>, StoreError> {
        self.write(Safety::Program, |trail| {
            let mut begin = trail.transaction.prepare_cached(
                "UPDATE effect SET state = 1, attempts = attempts + 1, next_at = NULL, \
                 changed_at = ?2 WHERE id = ?1 AND state = 0 AND behind = 0",
            )?;
            ids.iter().map(|id| Ok(begin.execute(params![id, now])? == 1)).collect()
        })
    }

    /// Says what came of it. How each fares now: what was not being tried stays as it is.
    ///
    /// # Errors
    /// There is no such effect, or it can't be written. Then nothing of it is, and it can be said again.
    pub fn finish(&self, finished: &[Finished], now: i64) -> Result<Vec<State>, StoreError> {
        self.write(Safety::Program, |trail| {
            finished.iter().map(|one| finish(trail, one, now)).collect()
        })
    }
}

fn due(
    connection: &Connection,
    capability: &str,
    endpoint: &str,
    now: i64,
    count_max: usize,
) -> Result<Vec<Due>, Fault> {
    let query = format!(
        "SELECT {} FROM effect INDEXED BY effect_ready {} \
         WHERE effect.state = 0 AND effect.behind = 0 AND effect.capability = ?1 \
         AND effect.endpoint = ?2 AND effect.next_at <= ?3 \
         ORDER BY effect.next_at, effect.number",
        row::EFFECT_COLUMNS,
        row::DECISION
    );
    let mut statement = connection.prepare_cached(&query)?;
    let mut rows = statement.query(params![capability, endpoint, now])?;
    let (mut due, mut bytes) = (Vec::new(), 0);
    while due.len() < count_max
        && let Some(found) = rows.next()?
    {
        bytes += row::request_bytes(found);
        if bytes > limit::DUE_BYTES_MAX && !due.is_empty() {
            break;
        }
        match row::due(found) {
            Ok(effect) => due.push(effect),
            // One that is damaged must not keep the others from being done; it is found by who verifies, too.
            Err(Fault::Damaged(what)) => tracing::error!("{what}: drop it or put back a copy"),
            Err(fault) => return Err(fault),
        }
    }
    Ok(due)
}

fn next_due(connection: &Connection, capability: &str) -> Result<Vec<NextDue>, Fault> {
    // From one endpoint to the next: what waits at them is not walked through.
    let mut statement = connection.prepare_cached(
        "SELECT endpoint, next_at FROM effect INDEXED BY effect_ready \
         WHERE state = 0 AND behind = 0 AND capability = ?1 AND endpoint >= ?2 \
         ORDER BY endpoint, next_at LIMIT 1",
    )?;
    let mut next: Vec<NextDue> = Vec::new();
    let mut from = String::new();
    while next.len() < limit::ENDPOINTS_MAX {
        let read = |row: &Row<'_>| Ok(NextDue { endpoint: row.get(0)?, next_at: row.get(1)? });
        let found = statement.query_row(params![capability, from], read).optional()?;
        let Some(found) = found else { break };
        // The least text that is greater.
        from = format!("{}\0", found.endpoint);
        next.push(found);
    }
    Ok(next)
}

/// What a transaction has to know of an effect to change it.
pub(crate) struct Current {
    pub number: i64,
    pub state: State,
    pub capability: String,
    pub endpoint: String,
    pub key: Option<String>,
    pub attempts: u32,
    pub maybe_done: bool,
    pub undoing: bool,
    pub listener: Option<String>,
    pub component: Option<String>,
}

impl Current {
    pub fn of(trail: &Trail<'_>, id: &str) -> Result<Self, Fault> {
        let mut statement = trail.transaction.prepare_cached(
            "SELECT effect.number, effect.state, effect.capability, effect.endpoint, effect.key, \
             effect.attempts, effect.maybe_done, effect.undoing_at IS NOT NULL, audit.listener, \
             audit.component FROM effect LEFT JOIN audit ON audit.sequence = effect.number \
             WHERE effect.id = ?1",
        )?;
        let mut rows = statement.query([id])?;
        let Some(row) = rows.next()? else {
            return Err(StoreError::Unknown { id: id.to_owned() }.into());
        };
        let state = State::from_code(row.get(1)?);
        Ok(Self {
            number: row.get(0)?,
            state: state
                .ok_or_else(|| Fault::Damaged(format!("effect `{id}` has no known state")))?,
            capability: row.get(2)?,
            endpoint: row.get(3)?,
            key: row.get(4)?,
            attempts: row.get(5)?,
            maybe_done: row.get(6)?,
            undoing: row.get(7)?,
            listener: row.get(8)?,
            component: row.get(9)?,
        })
    }

    pub fn lane(&self) -> Option<Lane<'_>> {
        let (capability, endpoint) = (&self.capability, &self.endpoint);
        self.key.as_deref().map(|key| Lane { capability, endpoint, key })
    }

    /// An entry about it.
    pub fn line<'a>(&'a self, kind: Kind, id: &'a str, now: i64) -> Line<'a> {
        Line {
            effect: Some(id),
            listener: self.listener.as_deref(),
            component: self.component.as_deref(),
            capability: Some(&self.capability),
            endpoint: Some(&self.endpoint),
            ..Line::new(kind, now)
        }
    }
}

fn finish(trail: &mut Trail<'_>, finished: &Finished, now: i64) -> Result<State, Fault> {
    let current = Current::of(trail, &finished.id)?;
    if current.state != State::Trying {
        return Ok(current.state);
    }
    let (state, verdict, text, next_at) = match (&finished.outcome, finished.next_at) {
        (Outcome::Done(answer) | Outcome::Partly { said: answer, .. }, _) => {
            (State::Done, Verdict::Done, answer, None)
        }
        (Outcome::Refused(reason), _) => (State::Refused, Verdict::Refused, reason, None),
        (Outcome::Later { reason, .. }, Some(at)) => {
            (State::Waiting, Verdict::Later, reason, Some(at))
        }
        (Outcome::Later { reason, .. }, None) => (State::Dead, Verdict::Dead, reason, None),
    };
    let text = cut(text, limit::TEXT_BYTES_MAX);
    // What goes back to its lane gets in line: an operator may have had an earlier one tried again.
    let behind = state == State::Waiting && current.key.is_some();
    trail
        .transaction
        .prepare_cached(
            "UPDATE effect SET state = ?2, behind = ?3, next_at = ?4, changed_at = ?5, said = ?6, \
             maybe_done = maybe_done AND ?2 <> 2 WHERE number = ?1",
        )?
        .execute(params![current.number, state.code(), behind, next_at, now, text])?;
    if let Some(lane) = current.lane() {
        lane.release(trail.transaction)?;
    }
    trail.append(&Line {
        verdict: Some(verdict),
        attempt: Some(current.attempts),
        text: &text,
        ..current.line(Kind::Attempt, &finished.id, now)
    })?;
    Ok(state)
}
