//! The lot that is being filled from all connections of a source.
//!
//! It is handed on when it is full, or when nothing more has come: so it is small and quick while little comes, and
//! large and cheap under load. It must never know where bytes come from.

use std::time::Instant;

use correlator_frame::record::{Frame, STRIDE, TIME_ASSUMED};
use correlator_record::framing::Framing;
use correlator_record::parser::{Parsed, Parser};

use crate::capture::Capture;
use crate::counts::Counts;
use crate::intake::{Ended, Intake, Lot};
use crate::limit;

/// Where the layout of a batch (`wit/module.wit`) has the time of a record: its low word and its high one.
const TIME: usize = 2;

/// The moment of a round, by both clocks: asked once for all that the round brings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// By the clock that never jumps.
    pub instant: Instant,
    /// In nanoseconds since 1970-01-01T00:00:00Z.
    pub wall: i64,
}

/// What was made of a block.
pub(crate) struct Block {
    /// Bytes of it that are in the frame now.
    pub consumed: usize,
    /// Whether the rest may hold more whole records, for which the frame has no room.
    pub more: bool,
    /// The frame's first row of it.
    pub first: usize,
    /// What was parsed.
    pub parsed: Parsed,
}

/// The lot, and what happens to it.
pub(crate) struct Filling<'a> {
    /// What has come so far.
    pub lot: Lot,
    /// How many lots were handed on, so that a stream knows whether what it brought is still in this one.
    pub number: u64,
    /// The moment of this round.
    pub moment: Moment,
    place: usize,
    intake: &'a dyn Intake,
    capture: Option<&'a Capture>,
}

impl<'a> Filling<'a> {
    /// An empty one.
    pub fn new(
        place: usize,
        intake: &'a dyn Intake,
        capture: Option<&'a Capture>,
        moment: Moment,
    ) -> Self {
        Self { lot: Lot::default(), number: 0, moment, place, intake, capture }
    }

    /// Whether there is nothing to hand on.
    pub fn is_empty(&self) -> bool {
        self.lot.frame.is_empty() && self.lot.counts == Counts::default()
    }

    /// Has the intake take the lot: when this returns, its records are safe.
    pub fn hand_on(&mut self) -> Result<(), Ended> {
        if self.is_empty() {
            return Ok(());
        }
        if let Some(capture) = self.capture {
            capture.flush();
        }
        self.lot.source = self.place;
        self.lot.placed = false;
        self.intake.take(&mut self.lot)?;
        self.lot.clear();
        self.number += 1;
        Ok(())
    }

    /// Hands the lot on if nothing more should go into it.
    pub fn make_room(&mut self) -> Result<(), Ended> {
        let frame = &self.lot.frame;
        if frame.text.len() >= limit::BLOCK_BYTES || frame.len() >= limit::RECORDS_PER_FRAME_MAX {
            self.hand_on()?;
        }
        Ok(())
    }

    /// Parses the block that stands at the end of the frame's text, from `start` on, and moves what is unfinished to
    /// `tail`.
    pub fn parse(
        &mut self,
        start: usize,
        parser: &mut Parser,
        framing: &Framing,
        at_end: bool,
        tail: &mut Vec<u8>,
    ) -> Block {
        let frame = &mut self.lot.frame;
        let first = frame.len();
        let room = limit::RECORDS_PER_FRAME_MAX.saturating_sub(first).max(1);
        let parsed = parser.parse(frame, start, framing, at_end, room);
        parsed.take_tail(frame, tail);
        date(frame, first, self.moment.wall);
        account(&mut self.lot.counts, &parsed);
        let more = parsed.records == room && !tail.is_empty();
        Block { consumed: parsed.consumed, more, first, parsed }
    }

    /// Where what arrives is kept too.
    pub fn capture(&self) -> Option<&'a Capture> {
        self.capture
    }
}

/// Gives records without a time that of their arrival. The parser would give them the last one it saw, which is right
/// for a file, and may be days old on a connection.
fn date(frame: &mut Frame, first: usize, arrival: i64) {
    for place in first..frame.len() {
        let undated = frame.batch().record(place).is_some_and(|r| r.flags() & TIME_ASSUMED != 0);
        if undated {
            let time = arrival.cast_unsigned();
            let words = &mut frame.index[place * STRIDE + TIME..][..2];
            words.copy_from_slice(&[time as u32, (time >> u32::BITS) as u32]);
        }
    }
}

fn account(counts: &mut Counts, parsed: &Parsed) {
    counts.records += parsed.records as u64;
    counts.unparsed += parsed.unparsed as u64;
    counts.blank += parsed.blank as u64;
    counts.cut += parsed.cut as u64;
    counts.invalid_utf8 += parsed.invalid_utf8 as u64;
    counts.record_bytes += parsed.bytes as u64;
    counts.skipped_bytes += parsed.bytes_skipped as u64;
}
