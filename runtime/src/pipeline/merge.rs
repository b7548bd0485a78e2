//! Files that are read once, as one stream in order of time.
//!
//! Files are merged by the time of their next record, ties by their order in the stack: an order that a replay can
//! repeat. Within a file the order is the file's own.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use correlator_frame::record::{Frame, Record};
use correlator_source::counts::Counts;
use correlator_source::file::Input;
use correlator_source::intake::{Intake, Lot, Mark};
use correlator_source::limit::{BLOCK_BYTES, RECORDS_PER_FRAME_MAX};

/// What became of an input.
#[derive(Clone, Debug, Default)]
pub struct SourceReport {
    /// The place of its source.
    pub source: usize,
    /// Its path or address.
    pub path: String,
    /// What was read.
    pub counts: Counts,
    /// Why reading ended early, if it did.
    pub error: Option<String>,
}

/// An input with the frame whose records are being taken.
struct Head {
    input: Input,
    /// The place of its source among those of the stack.
    source: usize,
    report: usize,
    frame: Frame,
    next: usize,
    /// Up to where it had been read before this frame, where that is kept.
    before: Option<Mark>,
    told: Counts,
    /// Records of the first frame that an earlier run has taken already.
    skip: usize,
    /// Whether it has gone on since its mark was handed on.
    moved: bool,
}

impl Head {
    /// The time of the next record.
    fn time(&self) -> i64 {
        self.frame.batch().record(self.next).map_or(i64::MIN, Record::time)
    }

    /// How far its records have been taken: the mark before the frame, and how many records of it.
    fn mark(&self) -> Option<Mark> {
        let before = self.before.as_ref()?;
        let mut body = (self.next as u32).to_le_bytes().to_vec();
        body.extend_from_slice(&before.body);
        Some(Mark { file: before.file, body })
    }
}

/// Merges files into one intake.
pub(super) struct Merge<'a> {
    heads: Vec<Head>,
    pub(super) reports: &'a Mutex<Vec<SourceReport>>,
    intake: &'a dyn Intake,
    stop: &'a AtomicBool,
    lot: Lot,
    keeps: bool,
}

impl<'a> Merge<'a> {
    /// Files with the places of their sources. `marks` are those of an earlier run, where anything is kept.
    pub(super) fn new(
        inputs: Vec<(usize, Input)>,
        marks: Option<&[Mark]>,
        reports: &'a Mutex<Vec<SourceReport>>,
        intake: &'a dyn Intake,
        stop: &'a AtomicBool,
    ) -> Self {
        let head = |(report, (source, mut input)): (usize, (usize, Input))| {
            let skip = marks.map_or(0, |marks| resume(&mut input, marks));
            Head {
                input,
                source,
                report,
                frame: Frame::default(),
                next: 0,
                before: None,
                told: Counts::default(),
                skip,
                moved: false,
            }
        };
        let heads: Vec<_> = inputs.into_iter().enumerate().map(head).collect();
        let lot = Lot {
            source: heads.first().map_or(0, |head| head.source),
            placed: true,
            ..Lot::default()
        };
        Self { heads, reports, intake, stop, lot, keeps: marks.is_some() }
    }

    /// Hands on all records of all files, until there are no more or it is to stop.
    pub(super) fn run(mut self) {
        let mut place = 0;
        while place < self.heads.len() {
            place += usize::from(self.advance(place));
        }
        while !self.heads.is_empty() && !self.stop.load(Ordering::Relaxed) {
            let (first, until) = self.earliest();
            if !self.take(first, until) {
                return;
            }
            let head = &self.heads[first];
            if head.input.live && head.next >= head.frame.len() && !self.hand_on() {
                return;
            }
            self.advance(first);
        }
        self.hand_on();
    }

    /// Reads a head's next frame when its last is done. A head that has ended goes.
    fn advance(&mut self, place: usize) -> bool {
        let head = &mut self.heads[place];
        if head.next < head.frame.len() {
            return true;
        }
        if self.keeps && !head.input.live {
            if head.moved && !self.hand_on() {
                return false;
            }
            let head = &mut self.heads[place];
            head.before = Some(head.input.mark()).filter(|mark| !mark.body.is_empty());
        }
        let head = &mut self.heads[place];
        head.next = 0;
        let read = read(head, self.stop);
        let mut counts = head.input.counts;
        counts -= head.told;
        head.told = head.input.counts;
        let (source, report) = (head.source, head.report);
        // Counts go on their own: records of several sources share a lot.
        let mut told = Lot { source, counts, ..Lot::default() };
        let _ = self.intake.take(&mut told);
        let mut reports = self.reports.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        reports[report].counts = self.heads[place].input.counts;
        match read {
            Ok(true) => return true,
            Ok(false) => {}
            Err(error) => {
                let path = &self.heads[place].input.path;
                tracing::error!("{path}: {error}; what was read before is processed");
                reports[report].error = Some(error.to_string());
            }
        }
        drop(reports);
        self.heads.remove(place);
        false
    }

    /// The head whose next record is the earliest, and the time up to which it may go on alone.
    fn earliest(&self) -> (usize, i64) {
        let mut best = (0, i64::MAX);
        let mut until = i64::MAX;
        for (place, head) in self.heads.iter().enumerate() {
            let time = head.time();
            if place == 0 || time < best.1 {
                // Ties go to the head that stands first, so an earlier one may go on while it is not later.
                until = if place == 0 { i64::MAX } else { until.min(best.1.saturating_sub(1)) };
                best = (place, time);
            } else {
                until = until.min(time);
            }
        }
        (best.0, until)
    }

    /// Takes the records of one head up to a time.
    fn take(&mut self, place: usize, until: i64) -> bool {
        let alone = self.heads.len() == 1;
        let head = &mut self.heads[place];
        head.moved = true;
        if alone && head.next == 0 && self.lot.frame.is_empty() {
            // Nothing to merge with: the frame goes on as it is, and an empty one comes back.
            head.next = head.frame.len();
            std::mem::swap(&mut head.frame, &mut self.lot.frame);
            let goes_on = self.hand_on();
            let head = &mut self.heads[place];
            std::mem::swap(&mut head.frame, &mut self.lot.frame);
            head.frame.clear();
            return goes_on;
        }
        let mut first = true;
        while head.next < head.frame.len() && (first || head.time() <= until) {
            first = false;
            self.lot.frame.gather(&head.frame, head.next, &[]);
            head.next += 1;
            let full = self.lot.frame.text.len() >= BLOCK_BYTES;
            if full || self.lot.frame.len() >= RECORDS_PER_FRAME_MAX {
                return self.hand_on();
            }
        }
        true
    }

    /// Hands on what was taken so far, with the marks of those that have gone on.
    fn hand_on(&mut self) -> bool {
        if self.keeps {
            for head in self.heads.iter_mut().filter(|head| head.moved) {
                self.lot.marks.extend(head.mark());
                head.moved = false;
            }
        }
        if self.lot.frame.is_empty() && self.lot.marks.is_empty() {
            return true;
        }
        let source = self.lot.source;
        let taken = self.intake.take(&mut self.lot).is_ok();
        (self.lot.source, self.lot.placed) = (source, true);
        taken
    }
}

/// Reads a frame; what an earlier run has taken of it is passed over.
fn read(head: &mut Head, stop: &AtomicBool) -> io::Result<bool> {
    loop {
        if !head.input.read(&mut head.frame, stop)? {
            return Ok(false);
        }
        if head.skip < head.frame.len() {
            head.next = std::mem::take(&mut head.skip);
            return Ok(true);
        }
        head.skip -= head.frame.len();
    }
}

/// Goes on where an earlier run had been, and tells how many of the next records it had taken.
fn resume(input: &mut Input, marks: &[Mark]) -> usize {
    let own = input.mark();
    let Some(mark) = marks.iter().find(|mark| mark.file == own.file) else { return 0 };
    let Some((taken, body)) = mark.body.split_first_chunk::<4>() else { return 0 };
    let inner = Mark { file: mark.file, body: body.to_vec() };
    match input.resume(&inner) {
        Ok(true) => u32::from_le_bytes(*taken) as usize,
        Ok(false) => {
            tracing::warn!(
                "{} is not the file that an earlier run read; it is read from its start",
                input.path
            );
            0
        }
        Err(error) => {
            tracing::warn!("{}: {error}; it is read from its start", input.path);
            0
        }
    }
}
