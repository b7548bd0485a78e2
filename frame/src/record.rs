//! Batches of records: the layout of `records.batch` in `wit/module.wit`.
//!
//! [`Frame`] owns a batch and is written to by the parser; [`Batch`] borrows one and gives [`Record`] views over it,
//! in the engine as in a guest. Reading never fails: words that point nowhere read as empty.

use crate::severity::Severity;
use crate::words;

/// The version of the layout.
pub const LAYOUT: u32 = 1;
/// Words of `index` for each record.
pub const STRIDE: usize = 24;
/// Words of `extra` for each field.
pub const FIELD_WORDS: usize = 6;
/// Words of `extra` for each hit.
pub const HIT_WORDS: usize = 2;

/// The record is not understood; its message is all of it.
pub const UNPARSED: u32 = 1;
/// The record has no time; one was assumed.
pub const TIME_ASSUMED: u32 = 2;
/// There is invalid UTF-8 in it.
pub const INVALID_UTF8: u32 = 4;
/// It was cut because it was too long.
pub const TRUNCATED: u32 = 8;
/// The record has no priority; severity and facility were assumed.
pub const PRIORITY_ASSUMED: u32 = 16;
/// The record's time has no zone; one was assumed.
pub const ZONE_ASSUMED: u32 = 32;
/// The record's time has no year; one was assumed.
pub const YEAR_ASSUMED: u32 = 64;
/// The record is in the format of RFC 5424.
pub const RFC5424: u32 = 128;

const RAW: usize = 0;
const TIME: usize = 2;
const PRIORITY: usize = 4;
const FLAGS: usize = 5;
const ZONE: usize = 6;
const SOURCE: usize = 7;
const HOST: usize = 8;
const PROGRAM: usize = 10;
const PROCESS_ID: usize = 12;
const MESSAGE_ID: usize = 14;
const MESSAGE: usize = 16;
const FIELDS: usize = 18;
const HITS: usize = 20;
const POSITION: usize = 22;

/// The places of a row that hold an offset into `text`.
const OFFSETS: [usize; 6] = [RAW, HOST, PROGRAM, PROCESS_ID, MESSAGE_ID, MESSAGE];

/// A part of a frame's text. The empty one means "absent".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Where it starts.
    pub offset: u32,
    /// How many bytes it has.
    pub length: u32,
}

impl Span {
    /// The span of a range of bytes.
    #[inline]
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { offset: words::word(start), length: words::word(end - start) }
    }

    /// Where it ends.
    #[inline]
    #[must_use]
    pub const fn end(self) -> u32 {
        self.offset + self.length
    }

    /// Its bytes.
    #[inline]
    #[must_use]
    pub fn of(self, text: &[u8]) -> &[u8] {
        words::slice(text, self.offset, self.length)
    }
}

/// A field as the parser found it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldSpan {
    /// The SD-ID; absent for a field that is not structured data.
    pub element: Span,
    /// Its name; absent for an element without parameters.
    pub name: Span,
    /// Its value, unescaped.
    pub value: Span,
}

/// A record as the parser found it: what [`Frame::push`] writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// All of the record, without its frame.
    pub raw: Span,
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub time: i64,
    /// 0 to 7.
    pub severity: u32,
    /// 0 to 23.
    pub facility: u32,
    /// Some of this module's flags.
    pub flags: u32,
    /// The sender's offset from UTC in seconds.
    pub zone_seconds: i32,
    /// Who sent it.
    pub host: Span,
    /// The program's name.
    pub program: Span,
    /// The process id.
    pub process_id: Span,
    /// The message id.
    pub message_id: Span,
    /// The message.
    pub message: Span,
}

/// A batch of records that owns its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The bytes of the records; what had to be decoded stands among them too.
    pub text: Vec<u8>,
    /// [`STRIDE`] words for each record.
    pub index: Vec<u32>,
    /// Fields and hits.
    pub extra: Vec<u32>,
}

impl Frame {
    /// How many records there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len() / STRIDE
    }

    /// Whether there are no records.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.index.clear();
        self.extra.clear();
    }

    /// A view of it.
    #[inline]
    #[must_use]
    pub fn batch(&self) -> Batch<'_> {
        Batch { text: &self.text, index: &self.index, extra: &self.extra }
    }

    /// Appends a record whose bytes are in `text` already. `fields` is where [`Frame::extra`] stood before the
    /// record's fields were pushed.
    #[inline]
    pub fn push(&mut self, row: &Row, fields: usize) {
        let [time_low, time_high] = words::split(row.time);
        let count = (self.extra.len() - fields) / FIELD_WORDS;
        self.index.extend_from_slice(&[
            row.raw.offset,
            row.raw.length,
            time_low,
            time_high,
            row.severity | row.facility << 8,
            row.flags,
            row.zone_seconds.cast_unsigned(),
            0,
            row.host.offset,
            row.host.length,
            row.program.offset,
            row.program.length,
            row.process_id.offset,
            row.process_id.length,
            row.message_id.offset,
            row.message_id.length,
            row.message.offset,
            row.message.length,
            words::word(fields),
            words::word(count),
            0,
            0,
            0,
            0,
        ]);
    }

    /// Appends a field; the record that it belongs to is pushed after its fields.
    #[inline]
    pub fn push_field(&mut self, field: FieldSpan) {
        self.extra.extend_from_slice(&[
            field.element.offset,
            field.element.length,
            field.name.offset,
            field.name.length,
            field.value.offset,
            field.value.length,
        ]);
    }

    /// Says where a record came from: which source, and its position there.
    #[inline]
    pub fn set_place(&mut self, place: usize, source: u32, position: u64) {
        let row = &mut self.index[place * STRIDE..(place + 1) * STRIDE];
        let [low, high] = words::split(position.cast_signed());
        (row[SOURCE], row[POSITION], row[POSITION + 1]) = (source, low, high);
    }

    /// Appends a copy of a record of another frame, with these hits: which literal, and where in the other frame's
    /// text.
    #[inline]
    pub fn gather(&mut self, from: &Self, place: usize, hits: &[(u32, u32)]) {
        let row = &from.index[place * STRIDE..(place + 1) * STRIDE];
        let raw = Span { offset: row[RAW], length: row[RAW + 1] };
        let shift = words::word(self.text.len()).wrapping_sub(raw.offset);
        self.text.extend_from_slice(raw.of(&from.text));
        let fields = self.extra.len();
        if row[FIELDS + 1] > 0 {
            self.gather_fields(from, row, raw, shift);
        }
        let first_hit = self.extra.len();
        for &(literal, offset) in hits {
            self.extra.extend_from_slice(&[literal, offset.wrapping_add(shift)]);
        }
        let start = self.index.len();
        self.index.extend_from_slice(row);
        let copy = &mut self.index[start..];
        for offset in OFFSETS {
            copy[offset] = copy[offset].wrapping_add(shift);
        }
        copy[FIELDS] = words::word(fields);
        copy[HITS] = words::word(first_hit);
        copy[HITS + 1] = words::word(hits.len());
    }

    /// Copies a record's fields. What was decoded stands outside the record's own bytes and is copied after them.
    fn gather_fields(&mut self, from: &Self, row: &[u32], raw: Span, shift: u32) {
        let start = row[FIELDS] as usize;
        let end = start + row[FIELDS + 1] as usize * FIELD_WORDS;
        for pair in from.extra[start..end].chunks_exact(2) {
            let span = Span { offset: pair[0], length: pair[1] };
            let inside = span.offset >= raw.offset && span.end() <= raw.end();
            let offset = if inside || span.length == 0 {
                span.offset.wrapping_add(shift)
            } else {
                let offset = words::word(self.text.len());
                self.text.extend_from_slice(span.of(&from.text));
                offset
            };
            self.extra.extend_from_slice(&[offset, span.length]);
        }
    }
}

/// A batch of records, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The bytes of the records.
    pub text: &'a [u8],
    /// [`STRIDE`] words for each record.
    pub index: &'a [u32],
    /// Fields and hits.
    pub extra: &'a [u32],
}

impl<'a> Batch<'a> {
    /// How many records there are.
    #[inline]
    #[must_use]
    pub fn len(self) -> usize {
        self.index.len() / STRIDE
    }

    /// Whether there are no records.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.index.is_empty()
    }

    /// The records, in order.
    #[inline]
    #[must_use]
    pub fn records(self) -> impl ExactSizeIterator<Item = Record<'a>> {
        self.index.chunks_exact(STRIDE).map(move |row| Record { batch: self, row })
    }

    /// One record.
    #[must_use]
    pub fn record(self, place: usize) -> Option<Record<'a>> {
        let row = self.index.get(place * STRIDE..(place + 1) * STRIDE)?;
        Some(Record { batch: self, row })
    }
}

/// A view of one record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    batch: Batch<'a>,
    row: &'a [u32],
}

impl<'a> Record<'a> {
    #[inline]
    fn text(self, place: usize) -> &'a [u8] {
        words::slice(self.batch.text, self.row[place], self.row[place + 1])
    }

    /// All of the record, as it came, without its frame.
    #[inline]
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        self.text(RAW)
    }

    /// When it happened, in nanoseconds since 1970-01-01T00:00:00Z.
    #[inline]
    #[must_use]
    pub fn time(self) -> i64 {
        words::join(self.row[TIME], self.row[TIME + 1])
    }

    /// How severe it is.
    #[inline]
    #[must_use]
    pub fn severity(self) -> Severity {
        Severity::from_number(self.row[PRIORITY] & 7).unwrap_or(Severity::Notice)
    }

    /// Its facility, 0 to 23.
    #[inline]
    #[must_use]
    pub fn facility(self) -> u32 {
        self.row[PRIORITY] >> 8
    }

    /// What is to be known about how it was read: some of this module's flags.
    #[inline]
    #[must_use]
    pub fn flags(self) -> u32 {
        self.row[FLAGS]
    }

    /// The sender's offset from UTC in seconds.
    #[inline]
    #[must_use]
    pub fn zone_seconds(self) -> i32 {
        self.row[ZONE].cast_signed()
    }

    /// Which source it came from.
    #[inline]
    #[must_use]
    pub fn source(self) -> u32 {
        self.row[SOURCE]
    }

    /// Its position in that source: unique there, and the same when the record is read again.
    #[inline]
    #[must_use]
    pub fn position(self) -> u64 {
        words::join(self.row[POSITION], self.row[POSITION + 1]).cast_unsigned()
    }

    /// Who sent it; empty if unknown.
    #[inline]
    #[must_use]
    pub fn host(self) -> &'a [u8] {
        self.text(HOST)
    }

    /// The program's name; empty if unknown.
    #[inline]
    #[must_use]
    pub fn program(self) -> &'a [u8] {
        self.text(PROGRAM)
    }

    /// The process id; empty if unknown.
    #[inline]
    #[must_use]
    pub fn process_id(self) -> &'a [u8] {
        self.text(PROCESS_ID)
    }

    /// The message id; empty if unknown.
    #[inline]
    #[must_use]
    pub fn message_id(self) -> &'a [u8] {
        self.text(MESSAGE_ID)
    }

    /// The message.
    #[inline]
    #[must_use]
    pub fn message(self) -> &'a [u8] {
        self.text(MESSAGE)
    }

    /// Where the message starts in the batch's text: what a hit's offset is compared with.
    #[inline]
    #[must_use]
    pub fn message_offset(self) -> u32 {
        self.row[MESSAGE]
    }

    /// The fields, in order, structured data among them.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> {
        let text = self.batch.text;
        self.part(FIELDS, FIELD_WORDS).chunks_exact(FIELD_WORDS).map(move |words| Field {
            element: words::slice(text, words[0], words[1]),
            name: words::slice(text, words[2], words[3]),
            value: words::slice(text, words[4], words[5]),
        })
    }

    /// The literals that the host found: which one, and where its first occurrence starts in the batch's text.
    #[inline]
    pub fn hits(self) -> impl Iterator<Item = (u32, u32)> {
        self.part(HITS, HIT_WORDS).chunks_exact(HIT_WORDS).map(|words| (words[0], words[1]))
    }

    #[inline]
    fn part(self, place: usize, words: usize) -> &'a [u32] {
        let start = self.row[place] as usize;
        let length = self.row[place + 1] as usize * words;
        self.batch.extra.get(start..start + length).unwrap_or_default()
    }
}

/// A field of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The SD-ID; empty for a field that is not structured data.
    pub element: &'a [u8],
    /// Its name; empty for an element without parameters.
    pub name: &'a [u8],
    /// Its value, unescaped.
    pub value: &'a [u8],
}
