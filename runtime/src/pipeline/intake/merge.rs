//! Files that are read once, as one stream in order of time.
//!
//! Files are merged by the time of their next record, ties by their order in the stack: an order that a replay can
//! repeat. Within a file the order is the file's own. The records of all are one lot of the first one's source: what
//! stands for all of them is told by that, and whose they are is told beside it.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use correlator_frame::record::{Frame, Record};
use correlator_source::counts::Counts;
use correlator_source::file::Input;
use correlator_source::intake::{Ended, Intake, Lot, Mark};
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
pub(crate) struct Merge<'a> {
    heads: Vec<Head>,
    pub(crate) reports: &'a Mutex<Vec<SourceReport>>,
    intake: &'a dyn Intake,
    stop: &'a AtomicBool,
    lot: Lot,
    keeps: bool,
}

impl<'a> Merge<'a> {
    /// Files with the places of their sources. `marks` are those of an earlier run, where anything is kept.
    pub(crate) fn new(
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
    pub(crate) fn run(mut self) {
        // Who takes the records may end before they do.
        let _: Result<(), Ended> = self.hand_on_all();
    }

    fn hand_on_all(&mut self) -> Result<(), Ended> {
        let mut place = 0;
        while place < self.heads.len() {
            place += usize::from(self.advance(place)?);
        }
        while !self.heads.is_empty() && !self.stop.load(Ordering::Relaxed) {
            let (first, until) = self.earliest();
            self.take(first, until)?;
            let head = &self.heads[first];
            if head.input.live && head.next >= head.frame.len() {
                self.hand_on()?;
            }
            self.advance(first)?;
        }
        self.hand_on()
    }

    /// Reads a head's next frame when its last is done, and tells whether there is one. A head that has ended goes.
    fn advance(&mut self, place: usize) -> Result<bool, Ended> {
        let head = &mut self.heads[place];
        if head.next < head.frame.len() {
            return Ok(true);
        }
        if self.keeps && !head.input.live {
            if head.moved {
                self.hand_on()?;
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
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => {
                let path = &self.heads[place].input.path;
                tracing::error!("{path}: {error}; what was read before is processed");
                reports[report].error = Some(error.to_string());
            }
        }
        drop(reports);
        self.heads.remove(place);
        Ok(false)
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
    fn take(&mut self, place: usize, until: i64) -> Result<(), Ended> {
        let alone = self.heads.len() == 1;
        let head = &mut self.heads[place];
        head.moved = true;
        let before = self.lot.others.last().map_or(self.lot.source, |(_, source)| *source);
        if before != head.source {
            self.lot.others.push((self.lot.frame.len() as u32, head.source));
        }
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
        Ok(())
    }

    /// Hands on what was taken so far, with the marks of those that have gone on.
    fn hand_on(&mut self) -> Result<(), Ended> {
        if self.keeps {
            for head in self.heads.iter_mut().filter(|head| head.moved) {
                self.lot.marks.extend(head.mark());
                head.moved = false;
            }
        }
        if self.lot.frame.is_empty() && self.lot.marks.is_empty() {
            return Ok(());
        }
        let source = self.lot.source;
        let taken = self.intake.take(&mut self.lot);
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
        // What is passed over whole is behind the mark: records are counted from the next frame on.
        if head.before.is_some() {
            head.before = Some(head.input.mark());
        }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use correlator_source::file;
    use correlator_source::intake::{Ended, Intake, Lot, Mark};
    use correlator_source::settings::{Door, Source, SourcePath};
    use jiff::tz::TimeZone;

    use super::Merge;

    const FILES: usize = 2;
    /// So many that a file is read in several frames.
    const LINES: usize = 20_000;

    /// What was taken in all runs, and how far each file had been read then.
    #[derive(Default)]
    struct Taken {
        processes: Vec<String>,
        /// The source of each.
        sources: Vec<usize>,
        marks: BTreeMap<u64, Mark>,
        /// Lots that are taken until the run is killed.
        left: usize,
    }

    struct Taker(Mutex<Taken>);

    impl Intake for Taker {
        fn take(&self, lot: &mut Lot) -> Result<(), Ended> {
            let mut taken = self.0.lock().expect("no panic");
            if !lot.frame.is_empty() || !lot.marks.is_empty() {
                taken.left = taken.left.checked_sub(1).ok_or(Ended)?;
            }
            for (number, record) in lot.frame.batch().records().enumerate() {
                taken.sources.push(lot.source_of(number as u32));
                let process = String::from_utf8_lossy(record.process_id());
                taken.processes.push(process.into_owned());
            }
            taken.marks.extend(lot.marks.drain(..).map(|mark| (mark.file, mark)));
            lot.clear();
            Ok(())
        }
    }

    fn source(paths: Vec<SourcePath>) -> Source {
        Source {
            name: "test".into(),
            door: Door::Files { paths, follow: false },
            framing: None,
            framing_text: "auto".into(),
            zone: TimeZone::UTC,
            year: None,
            lateness: Duration::ZERO,
            idle_after: Duration::ZERO,
            typed: Vec::new(),
        }
    }

    /// The file that a line is in.
    fn file_of(number: usize) -> usize {
        (number / 100 + number % 7 / 6) % FILES
    }

    /// Lines of several files, in turns that get longer.
    fn lines(of: usize) -> String {
        let mut lines = String::new();
        for number in (0..LINES).filter(|number| file_of(*number) == of) {
            let (minute, second) = (number / 60 % 60, number % 60);
            let hour = number / 3_600;
            let time = format!("2024-12-10T{hour:02}:{minute:02}:{second:02}Z");
            writeln!(lines, "<38>1 {time} host sshd {number} - - a message of some length")
                .expect("a text grows");
        }
        lines
    }

    #[test]
    fn what_was_taken_before_a_kill_is_not_taken_again() {
        let check = |files: usize, lots: usize| {
            let folder = std::env::temp_dir()
                .join(format!("correlator-merge-{}-{files}-{lots}", std::process::id()));
            std::fs::create_dir_all(&folder).expect("a folder");
            let paths: Vec<_> = (0..files).map(|file| folder.join(file.to_string())).collect();
            for (file, path) in paths.iter().enumerate() {
                let all: String = (0..FILES).map(lines).collect();
                std::fs::write(path, if files == 1 { all } else { lines(file) }).expect("a file");
            }
            let source = source(paths.into_iter().map(SourcePath::File).collect());
            let (taken, stop) = (Taker(Mutex::default()), AtomicBool::new(false));
            let mut runs = 0;
            loop {
                let marks: Vec<Mark> = {
                    let mut taken = taken.0.lock().expect("no panic");
                    taken.left = lots;
                    taken.marks.values().cloned().collect()
                };
                let inputs = file::open(&source).expect("files");
                let reports = Mutex::new(vec![super::SourceReport::default(); inputs.len()]);
                let inputs = inputs.into_iter().enumerate().collect();
                Merge::new(inputs, Some(&marks), &reports, &taken, &stop).run();
                runs += 1;
                if taken.0.lock().expect("no panic").left > 0 {
                    break;
                }
            }
            let Taken { mut processes, sources, .. } = taken.0.into_inner().expect("no panic");
            for (process, source) in processes.iter().zip(sources) {
                let number = process.parse().expect("a number");
                assert_eq!(source, if files == 1 { 0 } else { file_of(number) }, "{process}");
            }
            assert!(runs > 2, "{files} files: {runs} runs");
            assert_eq!(processes.len(), LINES, "{files} files, killed after {lots} lots");
            processes.sort();
            processes.dedup();
            assert_eq!(processes.len(), LINES, "{files} files, killed after {lots} lots");
            std::fs::remove_dir_all(folder).expect("clean up");
        };
        for lots in 1..4 {
            check(1, lots);
        }
        check(FILES, 1);
        check(FILES, 2);
    }
}
