//! The frames of one segment, and the way past what is none.
//!
//! A frame counts only if its checksums hold, it carries the segment's life, it is not below what the segment holds, and
//! not below what must come next. What lies between two frames that count is damage: it is noted, and no length field is
//! believed to get past it. Frames that nobody asked for are passed by their headers alone, which have checksums of their
//! own.
//!
//! Small frames are read many at once; a large payload goes straight to where the caller wants it. It must never know
//! whether somebody is writing to the segment: its caller knows how far what is there may be trusted.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::header::{ALIGN, BEGUN_BYTES, HEADER_BYTES, Header, is_begun};
use crate::limit;
use crate::name::Name;

/// Bytes of a segment that are no frame, though there are frames behind them.
#[derive(Debug, Default)]
pub struct Damages {
    /// How many places there are.
    pub places: u64,
    /// How many bytes they have together.
    pub bytes: u64,
    /// The first of them.
    pub told: Vec<Range<u64>>,
}

impl Damages {
    fn note(&mut self, place: Range<u64>) {
        self.places += 1;
        self.bytes += place.end - place.start;
        if self.told.len() < limit::PLACES_TOLD_MAX {
            self.told.push(place);
        }
    }
}

/// What stands at the place that was come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A whole frame; its payload has been read, and the place is behind it.
    Frame(Header),
    /// No whole frame. The place stays.
    Nothing,
}

/// A place in a segment.
#[derive(Debug)]
pub struct Walk {
    pub file: File,
    name: Name,
    /// Where it is.
    pub offset: u64,
    /// Nothing is looked at from here on.
    pub limit: u64,
    /// Where the last whole frame ended.
    pub end: u64,
    pub damages: Damages,
    block: Vec<u8>,
    block_start: u64,
}

impl Walk {
    /// Begins at the beginning.
    pub fn new(file: File, name: Name, limit: u64) -> Self {
        Self {
            file,
            name,
            offset: 0,
            limit,
            end: 0,
            damages: Damages::default(),
            block: Vec::new(),
            block_start: 0,
        }
    }

    /// Sets how far there is anything to see, and looks at all of it anew.
    pub fn refresh(&mut self, limit: u64) {
        self.limit = limit;
        self.block.clear();
    }

    /// Reads the next frame that has items at or behind `from`. With `strict` it must not have earlier ones too, and none
    /// may come before it: what came before `from` has been read.
    pub fn step(&mut self, from: u64, strict: bool, payload: &mut Vec<u8>) -> io::Result<Step> {
        loop {
            let header = self.header(self.offset)?;
            let Some(header) = header.filter(|header| !strict || header.first >= from) else {
                return Ok(Step::Nothing);
            };
            let end = self.offset + header.frame_bytes();
            let passed = header.next() <= from;
            if !passed && !self.payload(&header, payload)? {
                return Ok(Step::Nothing);
            }
            if self.offset > self.end {
                self.damages.note(self.end..self.offset);
            }
            (self.offset, self.end) = (end, end);
            if !passed {
                return Ok(Step::Frame(header));
            }
        }
    }

    /// Where the next header stands behind the place. Even the length of a header that is whole is not used to get there:
    /// if the payload is not what it should be, nothing is certain.
    pub fn find(&mut self) -> io::Result<Option<u64>> {
        let mut offset = self.offset + ALIGN;
        while let Some(begun) = self.find_begun(offset)? {
            if self.header(begun)?.is_some() {
                return Ok(Some(begun));
            }
            offset = begun + ALIGN;
        }
        Ok(None)
    }

    /// How far frames reach that were begun behind the last whole one and are not whole.
    pub fn torn_end(&mut self) -> io::Result<Option<u64>> {
        let (mut offset, mut torn) = (self.end, None);
        while let Some(begun) = self.find_begun(offset)? {
            let header = Header::decode(self.block(begun, HEADER_BYTES)?);
            let bytes = header.map_or(HEADER_BYTES, |header| header.frame_bytes());
            torn = Some(self.limit.min(begun + bytes));
            offset = begun + ALIGN;
        }
        // Less than it takes to be sure: what is there must at least agree.
        let life = self.name.life;
        let rest = self.block(self.end, BEGUN_BYTES as u64)?;
        if torn.is_none() && rest.len() < BEGUN_BYTES && is_begun(rest, life) {
            torn = Some(self.limit);
        }
        Ok(torn)
    }

    /// Leaves what is no frame up to here. It is noted at once, though there may be no frame behind it.
    pub fn give_up(&mut self, offset: u64) {
        if offset > self.end {
            self.damages.note(self.end..offset);
        }
        (self.offset, self.end) = (offset, offset);
    }

    /// The header at an offset, if it belongs here and its frame is not longer than the segment.
    pub fn header(&mut self, offset: u64) -> io::Result<Option<Header>> {
        let name = self.name;
        let limit = self.limit;
        let header = Header::decode(self.block(offset, HEADER_BYTES)?);
        Ok(header.filter(|header| {
            let fits = limit.checked_sub(offset).is_some_and(|rest| header.frame_bytes() <= rest);
            header.life == name.life && header.first >= name.base && fits
        }))
    }

    /// Reads the payload behind the place and says whether it is whole.
    fn payload(&mut self, header: &Header, payload: &mut Vec<u8>) -> io::Result<bool> {
        let length = header.length as usize;
        // What is there already is written over: filling it with zeros first would cost as much as reading.
        if payload.len() < length {
            payload.resize(length, 0);
        } else {
            payload.truncate(length);
        }
        let start = self.offset + HEADER_BYTES;
        let here = self.block(start, 0)?;
        let (near, far) = payload.split_at_mut(here.len().min(length));
        near.copy_from_slice(&here[..near.len()]);
        match self.file.read_exact_at(far, start + near.len() as u64) {
            Ok(()) => Ok(crc32fast::hash(payload) == header.checksum),
            // The file has become shorter: somebody cut it, or it never was as long as was said.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where the next bytes are that begin like a frame of this life.
    fn find_begun(&mut self, mut offset: u64) -> io::Result<Option<u64>> {
        let life = self.name.life;
        let mark = life.to_le_bytes();
        loop {
            let bytes = self.block(offset, BEGUN_BYTES as u64)?;
            if bytes.len() < BEGUN_BYTES {
                return Ok(None);
            }
            let places = (bytes.len() - BEGUN_BYTES) / ALIGN as usize + 1;
            let mut lives = bytes[ALIGN as usize..].chunks_exact(ALIGN as usize).take(places);
            let mut past = 0;
            while let Some(place) = lives.position(|eight| eight == mark) {
                let at = (past + place) * ALIGN as usize;
                if is_begun(&bytes[at..], life) {
                    return Ok(Some(offset + at as u64));
                }
                past += place + 1;
            }
            offset += places as u64 * ALIGN;
        }
    }

    /// What is read from an offset on: at least so many bytes if there are so many, usually more.
    fn block(&mut self, offset: u64, wanted: u64) -> io::Result<&[u8]> {
        let held = self.block_start..self.block_start + self.block.len() as u64;
        let wanted_end = self.limit.min(offset.saturating_add(wanted));
        if offset < held.start || offset > held.end || wanted_end > held.end {
            self.fill(offset)?;
        }
        let skipped = (offset - self.block_start).min(self.block.len() as u64);
        Ok(&self.block[skipped as usize..])
    }

    fn fill(&mut self, offset: u64) -> io::Result<()> {
        let bytes = self.limit.saturating_sub(offset).min(limit::READ_BLOCK_BYTES) as usize;
        self.block.resize(bytes, 0);
        self.block_start = offset;
        let mut filled = 0;
        while filled < bytes {
            match self.file.read_at(&mut self.block[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.block.clear();
                    return Err(error);
                }
            }
        }
        self.block.truncate(filled);
        Ok(())
    }
}
