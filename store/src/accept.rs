//! Accepting what a listener's turn asked for: all of it in one transaction, and nothing twice.
//!
//! This room must never know how a grant decides.

use std::borrow::Cow;

use correlator_world::Request;
use rusqlite::{OptionalExtension, params};

use crate::chain::{CauseLine, Line, RecordLine};
use crate::effect::{Accepted, Cause, Decision, NewEffect, State, cut};
use crate::entry::{Kind, Verdict};
use crate::error::{Fault, StoreError};
use crate::lane::Lane;
use crate::store::{Safety, Store};
use crate::trail::Trail;
use crate::{limit, room};

impl Store {
    /// Accepts the effects of a turn, in their order. What is known by its id stays as it is: a turn that is handed over
    /// again changes nothing. With [`Safety::Program`] it is for the caller to [`sync`](Store::sync) before it forgets what
    /// the turn was made of.
    ///
    /// # Errors
    /// There is no room, for anybody or for these, or something is larger than the store keeps ([`NewEffect::check`]). Then nothing is accepted.
    pub fn accept(
        &self,
        effects: &[NewEffect],
        safety: Safety,
    ) -> Result<Vec<Accepted>, StoreError> {
        effects.iter().try_for_each(NewEffect::check)?;
        if effects.is_empty() {
            return Ok(Vec::new());
        }
        let bytes_max = self.settings().bytes_max();
        self.write(safety, |trail| {
            room::is_there_for(trail, effects, bytes_max)?;
            effects.iter().map(|effect| accept(trail, effect)).collect()
        })
    }
}

/// Accepts one.
pub fn accept(trail: &mut Trail<'_>, effect: &NewEffect) -> Result<Accepted, Fault> {
    let request = encode(effect)?;
    if let Some(known) = known(trail, &effect.request.id, &request)? {
        return Ok(known);
    }
    let endpoint = cut(&effect.endpoint, limit::LANE_BYTES_MAX);
    let key = effect.key.as_deref().map(|key| cut(key, limit::LANE_BYTES_MAX));
    let (verdict, reason) = match &effect.decision {
        Decision::Granted => (Verdict::Granted, None),
        Decision::Denied(reason) => (Verdict::Denied, Some(cut(reason, limit::TEXT_BYTES_MAX))),
        Decision::DryRun => (Verdict::Dry, None),
    };
    let plan = cut(&effect.plan, limit::TEXT_BYTES_MAX);
    let line = Line {
        verdict: Some(verdict),
        effect: Some(&effect.request.id),
        listener: Some(&effect.listener),
        component: Some(&effect.component),
        capability: Some(&effect.capability),
        endpoint: Some(&endpoint),
        plan: Some(&plan),
        text: reason.as_deref().unwrap_or_default(),
        digest: Some(blake3::hash(&request)),
        causes: causes(&effect.causes),
        ..Line::new(Kind::Decision, effect.time)
    };
    let number = trail.append(&line)?;
    let state = effect.decision.state();
    let behind = match &key {
        Some(key) if state == State::Waiting => {
            Lane { capability: &effect.capability, endpoint: &endpoint, key }
                .is_taken(trail.transaction)?
        }
        _ => false,
    };
    let next_at = (state == State::Waiting).then_some(effect.time);
    trail
        .transaction
        .prepare_cached(
            "INSERT INTO effect (number, id, capability, endpoint, key, state, behind, since, \
             next_at, changed_at, said, request) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?8, ?10, ?11)",
        )?
        .execute(params![
            number,
            effect.request.id,
            effect.capability,
            endpoint,
            key,
            state.code(),
            behind,
            effect.time,
            next_at,
            reason,
            request,
        ])?;
    Ok(Accepted::New(state))
}

fn known(trail: &Trail<'_>, id: &str, request: &[u8]) -> Result<Option<Accepted>, Fault> {
    let mut statement =
        trail.transaction.prepare_cached("SELECT state, request = ?2 FROM effect WHERE id = ?1")?;
    let found = statement
        .query_row(params![id, request], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))
        .optional()?;
    let Some((code, same)) = found else { return Ok(None) };
    let state = State::from_code(code)
        .ok_or_else(|| Fault::Damaged(format!("effect `{id}` has no known state")))?;
    Ok(Some(Accepted::Known { state, differs: !same }))
}

/// A request as it is kept. Of a large one that is denied the values go: nobody will carry it out, and whoever asks for
/// nonsense shall not fill a disk with it.
fn encode(effect: &NewEffect) -> Result<Vec<u8>, Fault> {
    let denied = matches!(effect.decision, Decision::Denied(_));
    let large = effect.request_bytes() > limit::DENIED_REQUEST_BYTES_MAX;
    let request = if denied && large {
        let target = cut(&effect.request.target, limit::LANE_BYTES_MAX).into_owned();
        Cow::Owned(Request { id: effect.request.id.clone(), target, cells: Vec::new() })
    } else {
        Cow::Borrowed(&effect.request)
    };
    // It is a value in memory and goes to memory: only our own mistake can fail here.
    postcard::to_allocvec(request.as_ref())
        .map_err(|error| Fault::Damaged(format!("a request can't be encoded: {error}")))
}

/// As much of the causes as is kept.
pub fn causes(causes: &[Cause]) -> Vec<CauseLine<'_>> {
    let mut room = limit::RAW_BYTES_SUM_MAX;
    let mut kept = Vec::with_capacity(causes.len().min(limit::CAUSES_MAX));
    for cause in causes.iter().take(limit::CAUSES_MAX) {
        let record = cause.record.as_ref().map(|record| {
            let length = record.raw.len().min(limit::RAW_BYTES_MAX).min(room);
            room -= length;
            RecordLine {
                source: begin(&record.source),
                position: record.position,
                raw: &record.raw[..length],
                bytes: record.bytes.max(record.raw.len() as u64),
            }
        });
        kept.push(CauseLine { event: begin(&cause.event), record });
    }
    kept
}

/// The beginning of a name.
fn begin(name: &str) -> &str {
    &name[..name.floor_char_boundary(limit::EVENT_BYTES_MAX)]
}
