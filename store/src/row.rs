//! From rows to values. Who can write the file can put anything in it, so everything is checked.
//!
//! This room must never know which rows are asked for.

use blake3::Hash;
use correlator_world::Request;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::effect::{Cause, Due, Effect, Record, State};
use crate::entry::{By, Entry, Head, Kind, Verdict};
use crate::error::Fault;

/// The columns that [`entry`] reads, of a table or an alias `audit`.
pub const ENTRY: &str = "audit.sequence, audit.time, audit.kind, audit.verdict, audit.effect, \
    audit.listener, audit.component, audit.capability, audit.endpoint, audit.attempt, audit.uid, \
    audit.plan, audit.text, audit.digest, audit.through, audit.hash";

/// An entry without its causes.
pub fn entry(row: &Row<'_>) -> Result<Entry, Fault> {
    let sequence = sequence(row.get(0)?)?;
    let wrong = |what: &str| Fault::Damaged(format!("entry {sequence} has no known {what}"));
    let verdict: Option<i64> = row.get(3)?;
    let verdict = verdict.map(|code| Verdict::from_code(code).ok_or_else(|| wrong("outcome")));
    let digest: Option<[u8; 32]> = row.get(13)?;
    let through: Option<i64> = row.get(14)?;
    Ok(Entry {
        sequence,
        time: row.get(1)?,
        kind: Kind::from_code(row.get(2)?).ok_or_else(|| wrong("kind"))?,
        verdict: verdict.transpose()?,
        effect: row.get(4)?,
        listener: row.get(5)?,
        component: row.get(6)?,
        capability: row.get(7)?,
        endpoint: row.get(8)?,
        attempt: row.get(9)?,
        by: row.get::<_, Option<u32>>(10)?.map_or(By::Engine, By::User),
        plan: row.get(11)?,
        text: row.get(12)?,
        digest: digest.map(Hash::from_bytes),
        through: through.map(i64::cast_unsigned),
        causes: Vec::new(),
        hash: Hash::from_bytes(row.get(15)?),
    })
}

/// What the decision of this sequence was for.
pub fn causes(connection: &Connection, sequence: u64) -> Result<Vec<Cause>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT event, source, position, raw, bytes FROM cause WHERE sequence = ?1 ORDER BY ordinal",
    )?;
    let mut rows = statement.query([sequence.cast_signed()])?;
    let mut causes = Vec::new();
    while let Some(row) = rows.next()? {
        let source: Option<String> = row.get(1)?;
        let record = source.map(|source| {
            let position: i64 = row.get(2)?;
            let bytes: i64 = row.get(4)?;
            let (position, bytes) = (position.cast_unsigned(), bytes.cast_unsigned());
            Ok::<_, Fault>(Record { source, position, raw: row.get(3)?, bytes })
        });
        causes.push(Cause { event: row.get(0)?, record: record.transpose()? });
    }
    Ok(causes)
}

/// The last entry, or the beginning of a trail that has none.
pub fn head(connection: &Connection) -> Result<Head, Fault> {
    let last = "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1";
    let found = connection
        .prepare_cached(last)?
        .query_row((), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)))
        .optional()?;
    let Some((number, hash)) = found else { return Ok(crate::chain::beginning()) };
    Ok(Head { sequence: sequence(number)?, hash: Hash::from_bytes(hash) })
}

/// The columns that [`effect`] reads, of the tables `effect` and `audit`.
pub const EFFECT_COLUMNS: &str = "effect.id, effect.number, effect.request, audit.listener, \
    audit.component, effect.capability, effect.endpoint, effect.key, audit.plan, effect.state, \
    effect.behind, effect.attempts, effect.maybe_done, effect.undoing_at IS NOT NULL, effect.since, \
    effect.next_at, effect.changed_at, effect.said";

/// The entry that tells of an effect's decision. One that is damaged may have none.
pub const DECISION: &str = "LEFT JOIN audit ON audit.sequence = effect.number";

/// An effect.
pub fn effect(row: &Row<'_>) -> Result<Effect, Fault> {
    let id: String = row.get(0)?;
    let state = State::from_code(row.get(9)?);
    Ok(Effect {
        number: sequence(row.get(1)?)?,
        request: request(&id, row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?)?,
        listener: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        component: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
        capability: row.get(5)?,
        endpoint: row.get(6)?,
        key: row.get(7)?,
        plan: row.get::<_, Option<String>>(8)?.unwrap_or_default(),
        state: state.ok_or_else(|| Fault::Damaged(format!("effect `{id}` has no known state")))?,
        behind: row.get(10)?,
        attempts: row.get(11)?,
        maybe_done: row.get(12)?,
        undoing: row.get(13)?,
        since: row.get(14)?,
        next_at: row.get(15)?,
        changed_at: row.get(16)?,
        said: row.get(17)?,
    })
}

/// The bytes of an effect's request.
pub fn request_bytes(row: &Row<'_>) -> usize {
    row.get_ref(2).ok().and_then(|found| found.as_blob().ok()).map_or(0, <[u8]>::len)
}

/// An effect as whoever carries it out wants it.
pub fn due(row: &Row<'_>) -> Result<Due, Fault> {
    let effect = effect(row)?;
    Ok(Due {
        request: effect.request,
        listener: effect.listener,
        capability: effect.capability,
        endpoint: effect.endpoint,
        key: effect.key,
        attempts: effect.attempts,
        maybe_done: effect.maybe_done,
        since: effect.since,
    })
}

fn request(id: &str, bytes: &[u8]) -> Result<Request, Fault> {
    let read: Result<Request, _> = postcard::from_bytes(bytes);
    match read {
        Ok(request) if request.id == id => Ok(request),
        Ok(_) => Err(Fault::Damaged(format!("the request of effect `{id}` has another id"))),
        Err(_) => Err(Fault::Damaged(format!("the request of effect `{id}` can't be read"))),
    }
}

fn sequence(number: i64) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|_| Fault::Damaged(format!("an entry has the number {number}")))
}
