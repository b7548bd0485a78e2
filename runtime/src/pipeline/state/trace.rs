//! From an event back to the record that triggered it, in what a run left or leaves: for those who ask why.
//!
//! Nothing is locked and nothing is changed, so it can be asked while an engine works.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use correlator_frame::record::Record;
use correlator_spool::error::SpoolError;
use correlator_spool::reader::Reader;
use correlator_store::effect::{NewEffect, Record as Cause};

use crate::limit;
use crate::pipeline::stream::piece::{Piece, RecordKind, RecordPiece};

/// A record's place: its source's number, and where it was there.
pub type RecordPlace = (u32, u64);

/// Ticks have this bit in the place of a source: no record triggered what they did.
const TICK: u32 = 1 << 31;

/// Where the record of an event was, by the event's id: `MODULE:SOURCE:POSITION:COUNT`. None if it is no such id, or if a
/// timer triggered the event.
#[must_use]
pub fn place(event: &str) -> Option<RecordPlace> {
    let mut parts = event.rsplit(':');
    let _count = u64::from_str_radix(parts.next()?, 16).ok()?;
    let position = u64::from_str_radix(parts.next()?, 16).ok()?;
    let source = u32::from_str_radix(parts.next()?, 16).ok()?;
    parts.next().filter(|module| !module.is_empty())?;
    (source & TICK == 0).then_some((source, position))
}

/// The records at these places, as far as the spool of this state folder still has them, each as it came.
///
/// # Errors
/// The spool can't be read.
pub fn records(
    state: &Path,
    places: &BTreeSet<RecordPlace>,
) -> Result<BTreeMap<RecordPlace, Vec<u8>>, SpoolError> {
    let mut found = BTreeMap::new();
    let folder = state.join("records");
    if places.is_empty() || !folder.is_dir() {
        return Ok(found);
    }
    let mut reader = Reader::open(&folder, 0)?;
    let mut payload = Vec::new();
    while found.len() < places.len()
        && let Some(header) = reader.next(&mut payload)?
    {
        let piece = RecordPiece::read(header.kind, header.first, header.count, &payload);
        let Some(piece) = piece.filter(|piece| piece.kind == RecordKind::Records) else { continue };
        let place = |record: &Record<'_>| (record.source(), record.position());
        let wanted = piece.frame.batch().records().filter(|record| places.contains(&place(record)));
        found.extend(wanted.map(|record| (place(&record), record.raw().to_vec())));
    }
    Ok(found)
}

/// Notes with effects the records that caused them, as far as these pieces have them: the newest first, since what has just
/// been concluded has just come.
pub(crate) fn note(pieces: &[Arc<RecordPiece>], effects: &mut [NewEffect]) {
    let causes = effects.iter_mut().flat_map(|effect| &mut effect.causes);
    let mut wanted: HashMap<RecordPlace, Vec<&mut Option<Cause>>> = HashMap::new();
    for cause in causes {
        if let Some(place) = place(&cause.event) {
            wanted.entry(place).or_default().push(&mut cause.record);
        }
    }
    for piece in pieces.iter().take(limit::TRACED_PIECES_MAX) {
        if wanted.is_empty() {
            return;
        }
        for record in piece.frame.batch().records() {
            let (source, position) = (record.source(), record.position());
            let Some(causes) = wanted.remove(&(source, position)) else { continue };
            for cause in causes {
                let raw = record.raw();
                let kept = &raw[..raw.len().min(correlator_store::limit::RAW_BYTES_MAX)];
                let source = format!("{source:x}");
                let bytes = raw.len() as u64;
                *cause = Some(Cause { source, position, raw: kept.to_vec(), bytes });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use correlator_frame::record::Frame;
    use correlator_record::framing::Framing;
    use correlator_record::parser::{Parser, Settings};
    use correlator_store::effect::{Cause, Decision, NewEffect};
    use correlator_world::Request;

    use super::{note, place};
    use crate::pipeline::stream::piece::RecordPiece;

    /// A piece with one record, at this position of source 5.
    fn piece(line: &str, position: u64) -> Arc<RecordPiece> {
        let mut frame = Frame { text: line.as_bytes().to_vec(), ..Frame::default() };
        let framing = Framing::Trailer(b"\0".to_vec());
        Parser::new(Settings::default()).parse(&mut frame, 0, &framing, true, 1);
        frame.set_place(0, 5, position);
        Arc::new(RecordPiece { frame, ..RecordPiece::default() })
    }

    fn effect(event: &str) -> NewEffect {
        NewEffect {
            request: Request::default(),
            listener: "ops".to_owned(),
            component: String::new(),
            capability: "webhook".to_owned(),
            endpoint: "ops/chat".to_owned(),
            key: None,
            causes: vec![Cause { event: event.to_owned(), record: None }],
            time: 0,
            decision: Decision::Granted,
            plan: String::new(),
        }
    }

    #[test]
    fn causes_get_the_records_that_are_in_memory() {
        let pieces = [piece("<38>newest", 9), piece("<38>older", 7)];
        let mut effects = ["m:5:7:0", "m:5:7:1", "m:5:8:0", "m:6:7:0"].map(effect);
        note(&pieces, &mut effects);
        let raw = |effect: &NewEffect| {
            let record = effect.causes[0].record.as_ref()?;
            Some((record.source.clone(), record.position, record.raw.clone()))
        };
        let older = Some(("5".to_owned(), 7, b"<38>older".to_vec()));
        assert_eq!(effects.each_ref().map(raw), [older.clone(), older, None, None]);
    }

    #[test]
    fn an_events_id_says_where_its_record_was() {
        let check = |event: &str, expected| assert_eq!(place(event), expected, "{event}");
        check("sshd:7f00:1a:0", Some((0x7f00, 0x1a)));
        check("sshd#3:0:ffffffffffffffff:2", Some((0, u64::MAX)));
        check("sshd:80000000:1:0", None);
        check("tick:1.2", None);
        check("sshd:1:2", None);
        check(":1:2:3", None);
        check("sshd:x:2:3", None);
        check("", None);
    }
}
