//! A capture, record by record, with the bytes of the framing around each.
//!
//! It splits with the same function as the sources' parser, and has that parser read the same bytes, so a capture is
//! here what it is for a run. Blocks are bounded; only a record that is longer than a block makes one grow. It must
//! never know what is done with a record.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use correlator_frame::record::{Frame, Record, STRIDE};
use correlator_record::envelope;
use correlator_record::framing::{Framing, Next};
use correlator_record::parser::{self, Parser};
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::{clock, limit};

/// How a capture is read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How records are told apart; found out from the first block, if absent.
    pub framing: Option<Framing>,
    /// The zone of records that name none.
    pub zone: TimeZone,
    /// The year of dates that name none; by the file's last change, if absent.
    pub year: Option<i16>,
    /// Whether anybody wants to know what is in the records.
    pub parse: bool,
}

/// Why a capture can't be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The system said no.
    #[error("{path}: {error}")]
    Io {
        /// The capture.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// A record doesn't end.
    #[error(
        "{path}: the record at byte {offset} is longer than {} MiB; if records end otherwise, say how with --framing",
        limit::CAPTURE_RECORD_BYTES_MAX >> 20
    )]
    Endless {
        /// The capture.
        path: String,
        /// Where the record begins.
        offset: u64,
    },
}

/// A record in a capture, or something empty between two of them.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its number, the first being 1; nothing for what is empty.
    pub number: Option<u64>,
    /// Where its frame begins in the capture.
    pub offset: u64,
    /// Its bytes with their framing: all entries together are the capture.
    pub bytes: &'a [u8],
    /// Its bytes without their framing.
    pub body: &'a [u8],
    /// Whether its framing is all there. Only the last may lack some.
    pub whole: bool,
    /// Whether it is in an envelope, which nobody but who reads captures understands.
    pub sealed: bool,
    /// What is in it, if anybody wants to know.
    pub record: Option<Record<'a>>,
}

/// Where an entry stands in a block.
#[derive(Clone, Copy, Debug)]
struct Extent {
    begin: usize,
    start: usize,
    end: usize,
    next: usize,
    whole: bool,
}

/// A capture that is being read.
pub struct Reader {
    path: PathBuf,
    file: File,
    framing: Option<Framing>,
    parser: Option<Parser>,
    frame: Frame,
    extents: Vec<Extent>,
    /// What the last block left unfinished.
    tail: Vec<u8>,
    /// Where the block begins in the capture.
    base: u64,
    /// How much of the block is in entries.
    consumed: usize,
    /// Records before the block.
    records: u64,
    /// Records up to the end of the block.
    records_next: u64,
    lost: bool,
    ended: bool,
}

/// Entries that were read at once, in order.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    reader: &'a Reader,
}

impl Reader {
    /// Opens a capture.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn open(path: &Path, settings: &Settings) -> Result<Self, ReadError> {
        let failed = |error| ReadError::Io { path: path.display().to_string(), error };
        let file = File::open(path).map_err(failed)?;
        let facts = file.metadata().map_err(failed)?;
        if facts.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let changed = facts.is_file().then(|| (facts.mtime(), facts.mtime_nsec()));
        let parser = settings.parse.then(|| {
            Parser::new(parser::Settings {
                zone: settings.zone.clone(),
                reference: reference(settings, changed),
                // Nothing is cut: the parser and this reader must agree on where every record ends.
                record_bytes_max: usize::MAX >> 1,
            })
        });
        Ok(Self {
            path: path.to_path_buf(),
            file,
            framing: settings.framing.clone().map(Framing::captured),
            parser,
            frame: Frame::default(),
            extents: Vec::new(),
            tail: Vec::new(),
            base: 0,
            consumed: 0,
            records: 0,
            records_next: 0,
            lost: false,
            ended: false,
        })
    }

    /// The next entries; nothing at the end.
    ///
    /// # Errors
    /// The file can't be read, or a record in it doesn't end.
    ///
    /// # Panics
    /// If the parser splits a stream in another way than this reader, which would be a bug.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, ReadError> {
        self.base += self.consumed as u64;
        self.consumed = 0;
        self.records = self.records_next;
        self.extents.clear();
        while self.extents.is_empty() {
            if self.ended && self.tail.is_empty() {
                self.frame.clear();
                return Ok(None);
            }
            self.fill()?;
            self.split();
            if self.extents.is_empty() && self.frame.text.len() > limit::CAPTURE_RECORD_BYTES_MAX {
                let path = self.path.display().to_string();
                return Err(ReadError::Endless { path, offset: self.base });
            }
            match &mut self.parser {
                Some(parser) => {
                    let framing = self.framing.clone().unwrap_or_default();
                    let parsed = parser.parse(&mut self.frame, 0, &framing, self.ended, usize::MAX);
                    assert_eq!(parsed.consumed, self.consumed, "one stream is split in one way");
                    parsed.take_tail(&mut self.frame, &mut self.tail);
                }
                None => self.tail.extend(self.frame.text.drain(self.consumed..)),
            }
        }
        Ok(Some(Block { reader: self }))
    }

    /// Reads a block behind what the last one left: as much again, if it is the beginning of a long record.
    fn fill(&mut self) -> Result<(), ReadError> {
        self.frame.clear();
        self.frame.text.append(&mut self.tail);
        if self.ended {
            return Ok(());
        }
        let wanted = self.frame.text.len().max(limit::BLOCK_BYTES);
        self.frame.text.reserve(wanted);
        let read = self.file.by_ref().take(wanted as u64).read_to_end(&mut self.frame.text);
        let count =
            read.map_err(|error| ReadError::Io { path: self.path.display().to_string(), error })?;
        self.ended = count < wanted;
        Ok(())
    }

    /// Finds the entries of the block.
    fn split(&mut self) {
        let text = &self.frame.text;
        let framing = self.framing.get_or_insert_with(|| Framing::of_file(text));
        let mut at = 0;
        while at < text.len() {
            let Next::Record(piece) = framing.next(&text[at..], self.ended, self.lost) else {
                break;
            };
            self.lost = piece.lost;
            let (start, end, next) = (at + piece.start, at + piece.end, at + piece.next);
            let whole = next < text.len() || !self.ended || is_whole(framing, &text[at..next]);
            self.extents.push(Extent { begin: at, start, end, next, whole });
            self.records_next += u64::from(!is_blank(&text[start..end]));
            at = next;
        }
        self.consumed = at;
    }
}

impl<'a> Block<'a> {
    /// How records are told apart.
    #[must_use]
    pub fn framing(self) -> &'a Framing {
        self.reader.framing.as_ref().unwrap_or(&Framing::Lines)
    }

    /// The entries, in order.
    pub fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        let reader = self.reader;
        let text = &reader.frame.text;
        let batch = reader.frame.batch();
        let (mut number, mut row) = (reader.records, 0);
        reader.extents.iter().map(move |extent| {
            let body = &text[extent.start..extent.end];
            let blank = is_blank(body);
            number += u64::from(!blank);
            // Rows are in the order of their bytes, so the next one is either this entry's or a later one's.
            let begins = batch.index.get(row * STRIDE).map(|&offset| offset as usize);
            let record = if begins == Some(extent.start) { batch.record(row) } else { None };
            row += usize::from(record.is_some());
            Entry {
                number: (!blank).then_some(number),
                offset: reader.base + extent.begin as u64,
                bytes: &text[extent.begin..extent.next],
                body,
                whole: extent.whole,
                sealed: envelope::is_sealed(&text[extent.begin..extent.next]),
                record,
            }
        })
    }
}

/// Whether there is nothing in a record. The parser passes over the same.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

/// Whether the framing of a capture's last entry is all there.
fn is_whole(framing: &Framing, bytes: &[u8]) -> bool {
    if envelope::is_sealed(bytes) {
        return true;
    }
    match framing.bare() {
        Framing::Trailer(trailer) if !trailer.is_empty() => bytes.ends_with(trailer),
        Framing::Lines | Framing::Mixed | Framing::Trailer(_) | Framing::Captured(_) => {
            bytes.ends_with(b"\n")
        }
        Framing::Octets => {
            // If more were to come, would it be this record's?
            matches!(framing.next(bytes, false, false), Next::Record(piece) if piece.next == bytes.len())
        }
    }
}

/// The moment that dates without a year are not far after.
fn reference(settings: &Settings, changed: Option<(i64, i64)>) -> i64 {
    let pinned = settings.year.and_then(|year| {
        let end = date(year, 12, 31).at(0, 0, 0, 0).to_zoned(settings.zone.clone()).ok()?;
        i64::try_from(end.timestamp().as_nanosecond()).ok()
    });
    let of_file = changed.and_then(|(seconds, nanoseconds)| {
        let time = Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()?;
        i64::try_from(time.as_nanosecond()).ok()
    });
    pinned.or(of_file).unwrap_or_else(clock::now)
}
