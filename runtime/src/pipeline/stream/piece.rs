//! What travels in the streams: records with the steps of time between them, and events.
//!
//! A piece is made once and never changed; who wants it holds a share of it. On disk it is the payload of a frame of the
//! spool: a head in a compact form, and the parts as they are.

use bytemuck::cast_slice;
use correlator_frame::event::{BATCH_HEADER, Rows as RowIterator};
use correlator_frame::record::{Frame, STRIDE};
use correlator_source::intake::Mark;
use serde::{Deserialize, Serialize};

use super::cursor::Cursor;
use super::marks::{EventMarks, SourceMarks};
use crate::guest::Rows;

/// A piece of a stream: so many items in a row.
pub(crate) trait Piece: Sized + Send + Sync + 'static {
    /// What is known at the end of the stream, whatever of it is still there.
    type Ledger: Clone + Send;
    /// Notes the piece in the ledger.
    fn note(&self, ledger: &mut Self::Ledger);
    /// Which kind of spool frame it becomes.
    fn kind(&self) -> u16;
    /// The sequence number of its first item.
    fn first(&self) -> u64;
    /// The sequence number behind its last item.
    fn next(&self) -> u64;
    /// About how much memory it takes.
    fn bytes(&self) -> usize;
    /// The last step of event time in it, which also those take whom it does not concern.
    fn time(&self) -> Option<i64>;
    /// Whether a consumer that waits in this slot has to look at it.
    fn concerns(&self, slot: usize, version: u64, wake_at: i64) -> bool;
    /// The head of its form on disk.
    fn head(&self) -> Vec<u8>;
    /// The parts that follow the head.
    fn parts(&self) -> [&[u8]; 3];
    /// Reads the form on disk; nothing if it is none.
    fn read(kind: u16, first: u64, count: u32, payload: &[u8]) -> Option<Self>;
}

/// What a piece of the record stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RecordKind {
    /// Records.
    #[default]
    Records,
    /// Time has passed without records. One item, and no record.
    Time,
    /// The input has ended for good. One item, and no record.
    End,
    /// Records for one module alone, which had failed on them before.
    Retry,
}

/// Event time moves on to `time` just before a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its place in the piece.
    pub(crate) record: u32,
    pub(crate) time: i64,
}

/// The records of a piece that one module wants, and what was found in them for it.
#[derive(Debug, Default)]
pub(crate) struct PickList {
    pub(crate) records: Vec<u32>,
    /// Where the hits of each record end.
    pub(crate) hit_ends: Vec<u32>,
    pub(crate) hits: Vec<(u32, u32)>,
}

impl PickList {
    pub(crate) fn push(&mut self, record: u32, hits: &[(u32, u32)]) {
        self.records.push(record);
        self.hits.extend_from_slice(hits);
        self.hit_ends.push(self.hits.len() as u32);
    }

    pub(crate) fn hits(&self, place: usize) -> &[(u32, u32)] {
        let start = place.checked_sub(1).map_or(0, |before| self.hit_ends[before]);
        &self.hits[start as usize..self.hit_ends[place] as usize]
    }

    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.hit_ends.clear();
        self.hits.clear();
    }
}

/// Who wants which records: worked out once for all modules of one version of the routing.
#[derive(Debug, Default)]
pub(crate) struct Picks {
    /// The version of the routing; 0 if nothing was worked out.
    pub(crate) version: u64,
    /// By slot.
    pub(crate) lists: Vec<PickList>,
}

/// Records in a row.
#[derive(Debug, Default)]
pub(crate) struct RecordPiece {
    pub(crate) first: u64,
    pub(crate) kind: RecordKind,
    pub(crate) frame: Frame,
    pub(crate) steps: Vec<Step>,
    /// Event time behind the last record.
    pub(crate) now: i64,
    /// The newest time of each source, by its number, for who goes on after a restart.
    pub(crate) newest: Vec<(u32, i64)>,
    /// Up to where files have been read with this.
    pub(crate) marks: Vec<Mark>,
    /// The module that it is for, if it is for one alone.
    pub(crate) only: String,
    pub(crate) picks: Picks,
}

#[derive(Serialize, Deserialize)]
struct RecordHead {
    now: i64,
    steps: Vec<(u32, i64)>,
    newest: Vec<(u32, i64)>,
    marks: Vec<(u64, Vec<u8>)>,
    only: String,
    index_words: u32,
    extra_words: u32,
    text_bytes: u32,
}

impl RecordPiece {
    /// How many items it has.
    pub(crate) fn count(&self) -> u32 {
        match self.kind {
            RecordKind::Records | RecordKind::Retry => self.frame.len() as u32,
            RecordKind::Time | RecordKind::End => 1,
        }
    }

    /// Empties it and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.frame.clear();
        self.steps.clear();
        self.newest.clear();
        self.marks.clear();
        self.only.clear();
        self.picks.version = 0;
        self.picks.lists.iter_mut().for_each(PickList::clear);
    }
}

impl Piece for RecordPiece {
    type Ledger = SourceMarks;

    fn note(&self, ledger: &mut SourceMarks) {
        ledger.pass(self);
    }

    fn kind(&self) -> u16 {
        self.kind as u16
    }

    fn first(&self) -> u64 {
        self.first
    }

    fn next(&self) -> u64 {
        self.first + u64::from(self.count())
    }

    fn bytes(&self) -> usize {
        let words = self.frame.index.len() + self.frame.extra.len();
        size_of::<Self>() + self.frame.text.len() + 4 * words
    }

    fn time(&self) -> Option<i64> {
        match self.kind {
            RecordKind::Time => (self.now > i64::MIN).then_some(self.now),
            _ => self.steps.last().map(|step| step.time),
        }
    }

    fn concerns(&self, slot: usize, version: u64, wake_at: i64) -> bool {
        if self.kind != RecordKind::Records {
            return self.kind != RecordKind::Time || self.now >= wake_at;
        }
        let wanted = self.picks.lists.get(slot).is_some_and(|list| !list.records.is_empty());
        wanted || self.picks.version < version || self.now >= wake_at
    }

    fn head(&self) -> Vec<u8> {
        let head = RecordHead {
            now: self.now,
            steps: self.steps.iter().map(|step| (step.record, step.time)).collect(),
            newest: self.newest.clone(),
            marks: self.marks.iter().map(|mark| (mark.file, mark.body.clone())).collect(),
            only: self.only.clone(),
            index_words: self.frame.index.len() as u32,
            extra_words: self.frame.extra.len() as u32,
            text_bytes: self.frame.text.len() as u32,
        };
        with_length(&head)
    }

    fn parts(&self) -> [&[u8]; 3] {
        [cast_slice(&self.frame.index), cast_slice(&self.frame.extra), &self.frame.text]
    }

    fn read(kind: u16, first: u64, count: u32, payload: &[u8]) -> Option<Self> {
        let kind = match kind {
            0 => RecordKind::Records,
            1 => RecordKind::Time,
            2 => RecordKind::End,
            3 => RecordKind::Retry,
            _ => return None,
        };
        let (head, rest): (RecordHead, _) = split(payload)?;
        let (index, rest) = words(rest, head.index_words)?;
        let (extra, rest) = words(rest, head.extra_words)?;
        let text = rest.get(..head.text_bytes as usize)?.to_vec();
        if index.len() % STRIDE != 0 {
            return None;
        }
        let mark = |(file, body)| Mark { file, body };
        let piece = Self {
            first,
            kind,
            frame: Frame { text, index, extra },
            steps: head.steps.into_iter().map(|(record, time)| Step { record, time }).collect(),
            now: head.now,
            newest: head.newest,
            marks: head.marks.into_iter().map(mark).collect(),
            only: head.only,
            picks: Picks::default(),
        };
        (piece.count() == count).then_some(piece)
    }
}

/// What a piece of the event stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// Events.
    #[default]
    Events,
    /// All modules have ended for good. One item, and no event.
    End,
    /// Time has passed, with events or without. One item, and no event.
    Time,
    /// Events for one listener alone, which had failed on them before.
    Retry,
}

/// The events of one turn of one module.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventPiece {
    pub(crate) first: u64,
    pub(crate) kind: EventKind,
    /// Event time when they were published: a guest can't have its events be from later.
    pub(crate) now: i64,
    /// The instance that returned them; none for the engine's own.
    pub(crate) module: String,
    /// Which part of a module that runs in several.
    pub(crate) part: u32,
    /// What the columns of its events are: listeners that know others can't read these rows.
    pub(crate) shape: u64,
    /// How far the module had come with this turn.
    pub(crate) upto: Cursor,
    /// Rows with the header that listeners get. Schemas are counted within the module.
    pub(crate) rows: Rows,
    pub(crate) count: u32,
    /// The listener that it is for, if it is for one alone.
    pub(crate) only: String,
}

#[derive(Serialize, Deserialize)]
struct EventHead {
    now: i64,
    module: String,
    part: u32,
    shape: u64,
    item: u64,
    ticks: u32,
    index_words: u32,
    text_bytes: u32,
}

impl Piece for EventPiece {
    type Ledger = EventMarks;

    fn note(&self, ledger: &mut EventMarks) {
        ledger.pass(self);
    }

    fn kind(&self) -> u16 {
        self.kind as u16
    }

    fn first(&self) -> u64 {
        self.first
    }

    fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.rows.text.len() + 4 * self.rows.index.len()
    }

    fn time(&self) -> Option<i64> {
        (self.kind == EventKind::Time).then_some(self.now)
    }

    fn concerns(&self, _: usize, _: u64, wake_at: i64) -> bool {
        self.kind != EventKind::Time || self.now >= wake_at
    }

    fn head(&self) -> Vec<u8> {
        with_length(&EventHead {
            now: self.now,
            module: self.module.clone(),
            part: self.part,
            shape: self.shape,
            item: self.upto.item,
            ticks: self.upto.ticks,
            index_words: self.rows.index.len() as u32,
            text_bytes: self.rows.text.len() as u32,
        })
    }

    fn parts(&self) -> [&[u8]; 3] {
        // Behind the rows: the head has the same form as in spools of versions that knew of no such pieces.
        [cast_slice(&self.rows.index), &self.rows.text, self.only.as_bytes()]
    }

    fn read(kind: u16, first: u64, count: u32, payload: &[u8]) -> Option<Self> {
        let (head, rest): (EventHead, _) = split(payload)?;
        let (index, rest) = words(rest, head.index_words)?;
        let (text, only) = rest.split_at_checked(head.text_bytes as usize)?;
        let rows = RowIterator::new(&index, BATCH_HEADER).count();
        let kind = match kind {
            0 if rows == count as usize => EventKind::Events,
            1 => EventKind::End,
            2 => EventKind::Time,
            3 if rows == count as usize => EventKind::Retry,
            _ => return None,
        };
        Some(Self {
            first,
            kind,
            now: head.now,
            module: head.module,
            part: head.part,
            shape: head.shape,
            upto: Cursor { item: head.item, ticks: head.ticks },
            rows: Rows { text: text.to_vec(), index },
            count,
            only: String::from_utf8(only.to_vec()).ok()?,
        })
    }
}

/// A head behind its own length. Heads are made of numbers and short texts, which always have a form.
fn with_length(head: &impl Serialize) -> Vec<u8> {
    let body = postcard::to_allocvec(head).unwrap_or_default();
    let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&body);
    bytes
}

fn split<T: for<'a> Deserialize<'a>>(payload: &[u8]) -> Option<(T, &[u8])> {
    let (length, rest) = payload.split_first_chunk::<4>()?;
    let (head, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((postcard::from_bytes(head).ok()?, rest))
}

fn words(bytes: &[u8], count: u32) -> Option<(Vec<u32>, &[u8])> {
    let (words, rest) = bytes.split_at_checked(count as usize * 4)?;
    let word = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
    Some((words.as_chunks().0.iter().map(word).collect(), rest))
}

#[cfg(test)]
mod tests {
    use correlator_frame::event::{BatchHeader, Id};

    use super::{Cursor, EventKind, EventPiece, Piece, Rows};

    #[test]
    fn an_event_piece_is_read_as_it_was_written() {
        let mut index = Vec::new();
        let id = Id { source: 1, position: 2, count: 3 };
        BatchHeader { schema: 0, severity: 6, time: -7, absent: 0, id }.write(0, &mut index);
        let rows = Rows { text: b"text".to_vec(), index };
        let upto = Cursor { item: 9, ticks: 1 };
        let module = "sshd#1".to_owned();
        let events = EventPiece {
            first: 4,
            module,
            part: 1,
            shape: 5,
            upto,
            rows,
            count: 1,
            ..EventPiece::default()
        };
        let only = "ops".to_owned();
        let retry = EventPiece { kind: EventKind::Retry, only, ..events.clone() };
        for piece in [events, retry] {
            let payload = [&piece.head()[..], &piece.parts().concat()].concat();
            let read =
                |kind, payload| EventPiece::read(kind, 4, 1, payload).map(|it| format!("{it:?}"));
            assert_eq!(read(piece.kind(), &payload), Some(format!("{piece:?}")));
            for cut in 0..payload.len() - piece.only.len() {
                assert_eq!(read(piece.kind(), &payload[..cut]), None, "cut at {cut}");
            }
        }
    }
}
