//! What of an entry is hashed, and how: the hash before it, then every field, each with its length, so that no two
//! entries give the same bytes.
//!
//! This room must never know where entries are kept. What it does may never change: trails that exist must still fit.

use blake3::{Hash, Hasher};

use crate::effect::{Cause, Record};
use crate::entry::{By, Entry, Head, Kind, Verdict};

/// What sets these hashes apart from all others that are made for other ends.
const CONTEXT: &str = "correlator 2026 audit trail, entry version 1";

/// An entry that is to be, or one that is checked.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    pub time: i64,
    pub kind: Kind,
    pub verdict: Option<Verdict>,
    pub effect: Option<&'a str>,
    pub listener: Option<&'a str>,
    pub component: Option<&'a str>,
    pub capability: Option<&'a str>,
    pub endpoint: Option<&'a str>,
    pub attempt: Option<u32>,
    pub by: By,
    pub plan: Option<&'a str>,
    pub text: &'a str,
    pub digest: Option<Hash>,
    pub through: Option<u64>,
    pub causes: Vec<CauseLine<'a>>,
}

/// A cause, as much of it as is kept.
#[derive(Clone, Copy, Debug)]
pub struct CauseLine<'a> {
    pub event: &'a str,
    pub record: Option<RecordLine<'a>>,
}

/// A record, as much of it as is kept.
#[derive(Clone, Copy, Debug)]
pub struct RecordLine<'a> {
    pub source: &'a str,
    pub position: u64,
    pub raw: &'a [u8],
    pub bytes: u64,
}

impl<'a> Line<'a> {
    /// An entry that says nothing but what it is and when.
    pub fn new(kind: Kind, time: i64) -> Self {
        Self {
            time,
            kind,
            verdict: None,
            effect: None,
            listener: None,
            component: None,
            capability: None,
            endpoint: None,
            attempt: None,
            by: By::Engine,
            plan: None,
            text: "",
            digest: None,
            through: None,
            causes: Vec::new(),
        }
    }

    /// An entry that is there.
    pub fn of(entry: &'a Entry) -> Self {
        Self {
            time: entry.time,
            kind: entry.kind,
            verdict: entry.verdict,
            effect: entry.effect.as_deref(),
            listener: entry.listener.as_deref(),
            component: entry.component.as_deref(),
            capability: entry.capability.as_deref(),
            endpoint: entry.endpoint.as_deref(),
            attempt: entry.attempt,
            by: entry.by,
            plan: entry.plan.as_deref(),
            text: &entry.text,
            digest: entry.digest,
            through: entry.through,
            causes: entry.causes.iter().map(CauseLine::of).collect(),
        }
    }
}

impl<'a> CauseLine<'a> {
    /// A cause that is there.
    pub fn of(cause: &'a Cause) -> Self {
        let record = |record: &'a Record| RecordLine {
            source: &record.source,
            position: record.position,
            raw: &record.raw,
            bytes: record.bytes,
        };
        Self { event: &cause.event, record: cause.record.as_ref().map(record) }
    }
}

/// The head of a trail that has no entries.
pub fn beginning() -> Head {
    Head { sequence: 0, hash: Hash::from_bytes([0; 32]) }
}

/// The head after this entry.
pub fn follow(before: &Head, line: &Line<'_>) -> Head {
    let sequence = before.sequence + 1;
    let mut bytes = Vec::with_capacity(1 << 10);
    bytes.extend_from_slice(before.hash.as_bytes());
    number(&mut bytes, sequence);
    number(&mut bytes, line.time.cast_unsigned());
    bytes.push(line.kind as u8);
    bytes.push(line.verdict.map_or(u8::MAX, |verdict| verdict as u8));
    for text in [line.effect, line.listener, line.component, line.capability, line.endpoint] {
        optional_text(&mut bytes, text);
    }
    optional_number(&mut bytes, line.attempt.map(u64::from));
    optional_number(&mut bytes, line.by.uid().map(u64::from));
    optional_text(&mut bytes, line.plan);
    text(&mut bytes, line.text.as_bytes());
    optional_text(&mut bytes, line.digest.map(|digest| digest.to_hex()).as_deref());
    optional_number(&mut bytes, line.through);
    number(&mut bytes, line.causes.len() as u64);
    for cause in &line.causes {
        text(&mut bytes, cause.event.as_bytes());
        bytes.push(u8::from(cause.record.is_some()));
        if let Some(record) = cause.record {
            text(&mut bytes, record.source.as_bytes());
            number(&mut bytes, record.position);
            text(&mut bytes, record.raw);
            number(&mut bytes, record.bytes);
        }
    }
    let mut hasher = Hasher::new_derive_key(CONTEXT);
    hasher.update(&bytes);
    Head { sequence, hash: hasher.finalize() }
}

fn number(bytes: &mut Vec<u8>, number: u64) {
    bytes.extend_from_slice(&number.to_le_bytes());
}

fn text(bytes: &mut Vec<u8>, text: &[u8]) {
    number(bytes, text.len() as u64);
    bytes.extend_from_slice(text);
}

fn optional_number(bytes: &mut Vec<u8>, given: Option<u64>) {
    bytes.push(u8::from(given.is_some()));
    if let Some(given) = given {
        number(bytes, given);
    }
}

fn optional_text(bytes: &mut Vec<u8>, given: Option<&str>) {
    bytes.push(u8::from(given.is_some()));
    if let Some(given) = given {
        text(bytes, given.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_counts() {
        let record = RecordLine { source: "s", position: 1, raw: b"raw", bytes: 3 };
        let cause = CauseLine { event: "e", record: Some(record) };
        let line = Line { text: "text", causes: vec![cause], ..Line::new(Kind::Decision, 7) };
        let changed = |change: fn(&mut Line<'_>)| {
            let mut other = line.clone();
            change(&mut other);
            follow(&beginning(), &other).hash
        };
        let others = [
            changed(|_| {}),
            changed(|line| line.time = 8),
            changed(|line| line.kind = Kind::Attempt),
            changed(|line| line.verdict = Some(Verdict::Granted)),
            changed(|line| line.effect = Some("")),
            changed(|line| line.effect = Some("a")),
            changed(|line| line.listener = Some("a")),
            changed(|line| line.component = Some("a")),
            changed(|line| line.capability = Some("a")),
            changed(|line| line.endpoint = Some("a")),
            changed(|line| line.attempt = Some(0)),
            changed(|line| line.by = By::User(0)),
            changed(|line| line.plan = Some("a")),
            changed(|line| line.text = "texts"),
            changed(|line| line.digest = Some(Hash::from_bytes([0; 32]))),
            changed(|line| line.through = Some(0)),
            changed(|line| line.causes.clear()),
            changed(|line| line.causes[0].event = "f"),
            changed(|line| line.causes[0].record = None),
            changed(|line| line.causes[0].record.as_mut().unwrap().source = "t"),
            changed(|line| line.causes[0].record.as_mut().unwrap().position = 2),
            changed(|line| line.causes[0].record.as_mut().unwrap().raw = b"row"),
            changed(|line| line.causes[0].record.as_mut().unwrap().bytes = 4),
            follow(&Head { sequence: 1, ..beginning() }, &line).hash,
            follow(&follow(&beginning(), &line), &line).hash,
        ];
        for (at, hash) in others.iter().enumerate() {
            assert!(!others[..at].contains(hash), "{at} is like one before it");
        }
    }

    #[test]
    fn what_is_hashed_stays() {
        let line = Line { text: "as ever", ..Line::new(Kind::Command, 1) };
        let hash = follow(&beginning(), &line).hash.to_hex();
        assert_eq!(
            hash.as_str(),
            "1400a94fb099971a33c3aa2571deb84e9f3a58f2f8295a5b919f249f0e26eaeb"
        );
    }
}
