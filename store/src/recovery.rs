//! What a store finds when it starts, and what follows from it.
//!
//! A transaction that only tells of an attempt survives the program but perhaps not the machine, because a disk that is
//! waited for twice makes every effect late. So after a machine has stopped, whatever waits may have been done. Which of
//! both it was tells the id that the system gives to each of its starts.

use rusqlite::OptionalExtension;

use crate::anchor;
use crate::chain::Line;
use crate::effect::State;
use crate::entry::{Kind, Verdict};
use crate::error::Fault;
use crate::lane::Lane;
use crate::schema::{self, Found};
use crate::trail::Trail;

/// What a store found when it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// There was none, and it was made.
    pub made: bool,
    /// The version that it was brought up to date from.
    pub updated_from: Option<u32>,
    /// Whoever wrote last did not close it.
    pub crashed: bool,
    /// Effects that were being tried then: they may have been done, and wait again.
    pub interrupted: Vec<String>,
    /// Effects that were being taken back then: they may have been.
    pub undo_interrupted: Vec<String>,
    /// The machine stopped, too: so many effects that wait may have been done.
    pub doubtful: u64,
    /// The audit trail does not reach as far as its anchor says, or says something else there: how, in words. An entry in
    /// the trail says so too, and it goes on from there.
    pub torn: Option<String>,
}

/// Sees to everything that the last one left.
pub(crate) fn recover(
    trail: &mut Trail<'_>,
    found: Found,
    anchored: anchor::Found,
    now: i64,
) -> Result<Recovery, Fault> {
    let known = schema::STEPS.len() as u32;
    let mut recovery = Recovery { made: found == Found::Empty, ..Recovery::default() };
    recovery.updated_from = match found {
        Found::Store(version) if version < known => Some(version),
        _ => None,
    };
    recovery.torn = tear(trail, anchored)?;
    if let Some(text) = &recovery.torn {
        trail.append(&Line { text, ..Line::new(Kind::Tear, now) })?;
    }
    recovery.crashed = !recovery.made && trail.meta("closed")?.as_deref() != Some("yes");
    let boot = boot();
    if recovery.crashed {
        // Who can't tell takes it for the worse.
        let same = boot.is_some() && trail.meta("boot")? == boot;
        if !same {
            recovery.doubtful = doubt(trail, now)?;
        }
    }
    // Also after an orderly end: whoever asked the world may not have been heard any more.
    recovery.interrupted = interrupted(trail, now)?;
    recovery.undo_interrupted = undo_interrupted(trail, now)?;
    trail.set_meta("boot", boot.as_deref().unwrap_or_default())?;
    trail.set_meta("closed", "no")?;
    Ok(recovery)
}

/// Says that nobody was stopped.
pub(crate) fn rest(trail: &mut Trail<'_>) -> Result<(), Fault> {
    trail.set_meta("closed", "yes")
}

/// How the trail differs from what its anchor says.
fn tear(trail: &Trail<'_>, anchored: anchor::Found) -> Result<Option<String>, Fault> {
    let head = trail.head;
    let said = match anchored {
        anchor::Found::Head(said) => said,
        anchor::Found::Missing => return Ok(Some("the trail has no anchor".to_owned())),
        anchor::Found::Unreadable => {
            return Ok(Some("the anchor of the trail can't be read".to_owned()));
        }
    };
    if said.sequence > head.sequence {
        return Ok(Some(format!("the trail ends at {head}, and its anchor says {said}")));
    }
    let there = match said.sequence {
        0 => return Ok(None),
        sequence => hash(trail, sequence)?,
    };
    // What was pruned can't be compared.
    let differs = there.is_some_and(|there| there != *said.hash.as_bytes());
    Ok(differs.then(|| format!("the trail has another entry at its anchor {said}")))
}

fn hash(trail: &Trail<'_>, sequence: u64) -> Result<Option<[u8; 32]>, Fault> {
    let mut statement = trail.transaction.prepare("SELECT hash FROM audit WHERE sequence = ?1")?;
    Ok(statement.query_row([sequence.cast_signed()], |row| row.get(0)).optional()?)
}

/// Whatever waits may have been done.
fn doubt(trail: &mut Trail<'_>, now: i64) -> Result<u64, Fault> {
    let mark = "UPDATE effect SET maybe_done = 1 WHERE state = 0 AND maybe_done = 0";
    let marked = trail.transaction.execute(mark, ())? as u64;
    if marked > 0 {
        let text = format!("the machine stopped: {marked} effects that wait may have been done");
        let verdict = Some(Verdict::Unknown);
        trail.append(&Line { verdict, text: &text, ..Line::new(Kind::Interruption, now) })?;
    }
    Ok(marked)
}

/// What was being tried waits again, with a mark.
fn interrupted(trail: &mut Trail<'_>, now: i64) -> Result<Vec<String>, Fault> {
    let trying = "SELECT effect.id, effect.capability, effect.endpoint, effect.key, effect.attempts, \
                  audit.listener FROM effect LEFT JOIN audit ON audit.sequence = effect.number \
                  WHERE effect.state = 1 ORDER BY effect.number";
    let found = open(trail, trying)?;
    for one in &found {
        let again = "UPDATE effect SET state = ?2, behind = ?3, maybe_done = 1, next_at = ?4, \
                     changed_at = ?4 WHERE id = ?1";
        let state = State::Waiting.code();
        trail.transaction.execute(again, (&one.id, state, one.key.is_some(), now))?;
        if let Some(key) = &one.key {
            let (capability, endpoint) = (&one.capability, &one.endpoint);
            Lane { capability, endpoint, key }.release(trail.transaction)?;
        }
        let text = "the engine stopped before the answer was known: it may have been done";
        trail.append(&one.line(text, now))?;
    }
    Ok(found.into_iter().map(|one| one.id).collect())
}

/// What was being taken back stays as it was, and counts as done until it is taken back again: whoever puts in force what
/// is done, or lifts what must not be, makes it so. The trail tells that it may be otherwise meanwhile.
fn undo_interrupted(trail: &mut Trail<'_>, now: i64) -> Result<Vec<String>, Fault> {
    let undoing = "SELECT effect.id, effect.capability, effect.endpoint, effect.key, \
                   effect.attempts, audit.listener FROM effect \
                   LEFT JOIN audit ON audit.sequence = effect.number \
                   WHERE effect.undoing_at IS NOT NULL ORDER BY effect.number";
    let found = open(trail, undoing)?;
    for one in &found {
        let text = "the engine stopped while it was taken back: it may have been";
        let stay = "UPDATE effect SET undoing_at = NULL WHERE id = ?1";
        trail.transaction.execute(stay, [&one.id])?;
        trail.append(&one.line(text, now))?;
    }
    Ok(found.into_iter().map(|one| one.id).collect())
}

/// An effect that somebody was at.
struct Open {
    id: String,
    capability: String,
    endpoint: String,
    key: Option<String>,
    attempts: u32,
    listener: Option<String>,
}

impl Open {
    fn line<'a>(&'a self, text: &'a str, now: i64) -> Line<'a> {
        Line {
            verdict: Some(Verdict::Unknown),
            effect: Some(&self.id),
            listener: self.listener.as_deref(),
            capability: Some(&self.capability),
            endpoint: Some(&self.endpoint),
            attempt: Some(self.attempts),
            text,
            ..Line::new(Kind::Interruption, now)
        }
    }
}

fn open(trail: &Trail<'_>, query: &str) -> Result<Vec<Open>, Fault> {
    let mut statement = trail.transaction.prepare(query)?;
    let rows = statement.query_map((), |row| {
        Ok(Open {
            id: row.get(0)?,
            capability: row.get(1)?,
            endpoint: row.get(2)?,
            key: row.get(3)?,
            attempts: row.get(4)?,
            listener: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What tells this start of the machine from others, if anything does.
#[must_use]
pub fn boot() -> Option<String> {
    let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    read.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())
}
