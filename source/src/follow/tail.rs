//! One open file: how far it was read, and what comes behind that.
//!
//! Nothing of an unfinished record is kept in memory: its bytes are read again when the file has grown. So the position
//! says all, and what a mark holds is what the next read begins with. A block counts only if the file still held, after
//! it was read, what had been read before: otherwise the file was emptied and written anew in between.
//!
//! It must never know how names, files and other files hang together.

use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use correlator_frame::record::Frame;
use correlator_record::framing::Framing;
use correlator_record::parser::{Parsed, Parser};

use super::find::{Found, Since, Sought, holds};
use crate::capture::Capture;
use crate::capture::arrived::Arrived;
use crate::identity::{self, Edges, Identity};
use crate::intake::Lot;
use crate::saved::{self, SavedFile};
use crate::settings::Source;
use crate::{clock, file, limit};

/// What all files of a source have in common.
#[derive(Debug)]
pub(super) struct Rule {
    pub source: Source,
    /// The source's number.
    pub number: u64,
    /// The moment that dates without a year are not far after, if the stack pins it.
    pub year_end: Option<i64>,
    /// Where what is read is kept too.
    pub capture: Option<Arc<Capture>>,
}

/// What became of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There was nothing to take.
    Nothing,
    /// The position moved on.
    Moved,
    /// What was read before is not there any more.
    Replaced,
    /// It is no log.
    Compressed,
    /// Names must be looked at before anything is taken.
    Unsure,
}

/// A file that is followed.
#[expect(clippy::struct_excessive_bools, reason = "each says something else, and all go together")]
pub(super) struct Tail {
    /// The path under which it was seen first.
    pub path: PathBuf,
    /// How many files had been seen under that path before.
    pub incarnation: u64,
    /// The followed name that it has now, if any.
    pub name: Option<PathBuf>,
    /// What names it in its mark.
    pub key: u64,
    pub file: File,
    pub identity: Identity,
    /// The first byte that was not handed on.
    pub position: u64,
    /// Its length when it was looked at last.
    pub size: u64,
    /// Its length when it was seen last to hold what was read.
    size_held: u64,
    /// When it had been changed last, when it was looked at last.
    pub modified: i64,
    /// The watch on it.
    pub watch: Option<i32>,
    /// It is a copy of another file, as far as it goes, and not read.
    pub twin: bool,
    /// It is the copy of a file that was emptied: nobody writes to it, but another copy may take its place.
    pub copied: bool,
    /// It is no log and not read.
    pub refused: bool,
    /// It is the oldest of too many without a name: nobody waits for it any longer.
    pub hurried: bool,
    /// Reading it failed.
    pub failing: bool,
    /// All that is there was handed on, so younger files of the same name may be read.
    pub settled: bool,
    /// There are too many older files of its name to be opened: these come first.
    pub blocked: bool,
    /// A copy of it that is being made: once that holds what this one doesn't, this one was emptied.
    pub copy: Option<File>,
    /// Its first read was put off until names have been looked at.
    pub put_off: bool,
    /// How often that was so.
    pub puts_off: u32,
    /// Its mark is to be handed on.
    pub moved: bool,
    /// What names it in the ids of events, once its beginning was seen.
    id: Option<u32>,
    framing: Option<Framing>,
    parser: Parser,
    /// The reference that the parser knows.
    reference: i64,
    edges: Edges,
    /// When it had been changed last, when it was followed first: what it lost since is younger.
    pub began: i64,
    /// When it had been changed last, when it was seen last to hold what was read.
    held: i64,
    /// When it was seen to change, or to lose its name.
    changed_at: Instant,
    /// It changed since it was read.
    unread: bool,
    /// Its end had been reached: what is read was written a moment ago.
    live: bool,
    /// How its records are told apart can't be said before it has been quiet for a while.
    undecided: bool,
}

impl Tail {
    /// A file that was not read yet.
    pub fn new(rule: &Rule, path: &Path, incarnation: u64, found: Found, now: Instant) -> Self {
        let modified = identity::modified(&found.facts);
        let reference = rule.year_end.unwrap_or(modified);
        Self {
            path: path.to_owned(),
            incarnation,
            name: None,
            key: saved::file_key(rule.number, path, incarnation),
            identity: found.identity(),
            file: found.file,
            position: 0,
            size: found.facts.len(),
            size_held: found.facts.len(),
            modified,
            watch: None,
            twin: false,
            copied: false,
            refused: false,
            hurried: false,
            failing: false,
            settled: false,
            moved: true,
            id: None,
            framing: rule.source.framing.clone(),
            parser: Parser::new(file::settings(&rule.source, reference)),
            reference,
            edges: Edges::default(),
            began: modified,
            held: modified,
            changed_at: now,
            unread: true,
            live: false,
            blocked: false,
            copy: None,
            put_off: false,
            puts_off: 0,
            undecided: false,
        }
    }

    /// A file that an earlier run has read so far.
    pub fn resumed(rule: &Rule, saved: &SavedFile, found: Found, now: Instant) -> io::Result<Self> {
        let edges = Edges::read(&found.file, saved.position)?;
        let mut tail = Self::new(rule, &saved.path, saved.incarnation, found, now);
        tail.parser.resume(saved.memory);
        // What is followed is no capture: nobody waits for the end of an envelope.
        let saved_framing = saved.framing.as_ref().map(Framing::bare);
        tail.framing = tail.framing.or_else(|| saved_framing.cloned());
        (tail.position, tail.edges) = (saved.position, edges);
        // What an earlier run was done with may be as old as this.
        tail.began = saved.modified.saturating_add(1);
        Ok(tail)
    }

    /// Goes on in a copy of the file, which was emptied.
    pub fn go_on_in(&mut self, copy: Found, now: Instant) {
        self.identity = copy.identity();
        (self.size, self.modified) = (copy.facts.len(), identity::modified(&copy.facts));
        (self.file, self.held, self.size_held) = (copy.file, self.modified, self.size);
        (self.name, self.watch) = (None, None);
        (self.unread, self.moved, self.changed_at) = (true, true, now);
        self.copied = true;
    }

    /// Whether it was the copy of a file, and something else, such as the next copy, has been written over it.
    pub fn is_overwritten(&self) -> bool {
        self.copied && self.name.is_none() && !self.is_intact().unwrap_or(false)
    }

    /// What of it is to be found elsewhere.
    pub fn sought(&self) -> Sought {
        Sought { position: self.position, print: self.edges.print() }
    }

    /// What the next file under its name can't be older than.
    pub fn since(&self) -> Since {
        Since { born: self.identity.born, modified: self.held }
    }

    /// What copies of it can't be older than that hold what was lost to whoever reads it.
    pub fn since_read(&self) -> Since {
        let time = if self.position > 0 { self.held } else { self.began };
        Since { born: time, modified: time }
    }

    /// Gives it another name, or none.
    pub fn rename(&mut self, name: Option<PathBuf>, now: Instant) {
        self.name = name;
        self.changed_at = now;
    }

    /// Whether its first name is not its any more.
    pub fn is_rotated(&self) -> bool {
        self.name.as_ref() != Some(&self.path)
    }

    /// Whether something will be done with it although it doesn't change.
    pub fn is_restless(&self) -> bool {
        let unfinished = self.position < self.size && self.is_rotated();
        self.failing || self.undecided || unfinished && !self.refused
    }

    /// Whether it is done with: no name, all read, and quiet for long enough.
    pub fn is_done(&self, now: Instant) -> bool {
        let quiet = self.hurried || self.quiet(now) >= limit::FOLLOW_ROTATED;
        self.name.is_none() && self.is_read() && quiet
    }

    /// Whether nobody will find it again, nor miss anything of it: all was read, and it has no name anywhere.
    pub fn is_removed(&self) -> bool {
        let removed = |facts: Metadata| facts.nlink() == 0 && facts.len() == self.size;
        self.is_read() && self.file.metadata().is_ok_and(removed)
    }

    /// Whether it may be closed and opened again when it changes: all was read, and that was handed on.
    pub fn can_rest(&self) -> bool {
        self.name.is_some() && self.is_read() && !self.twin && !self.moved
    }

    fn is_read(&self) -> bool {
        self.refused || self.twin || self.settled && self.position == self.size
    }

    /// How long it has not changed.
    pub fn quiet(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.changed_at)
    }

    /// Looks how long it is now; says whether it is shorter than what was read.
    pub fn look(&mut self, now: Instant) -> io::Result<bool> {
        let facts = self.file.metadata()?;
        if facts.len() < self.position {
            return Ok(true);
        }
        let seen = (facts.len(), identity::modified(&facts));
        if seen != (self.size, self.modified) {
            (self.size, self.modified) = seen;
            (self.changed_at, self.unread) = (now, true);
            if self.edges.are_in(&self.file, self.position)? {
                self.size_held = self.size;
            }
        }
        Ok(false)
    }

    /// How much of it was not read when it was seen last to hold what was read: what was not there then nobody knows.
    pub fn unread(&self) -> u64 {
        self.size_held.saturating_sub(self.position)
    }

    /// Whether it still holds what was read of it.
    pub fn is_intact(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() >= self.position
            && self.edges.are_in(&self.file, self.position)?)
    }

    /// Passes over all that is there, because it is read elsewhere.
    pub fn pass_over(&mut self) -> io::Result<()> {
        self.edges = Edges::read(&self.file, self.size)?;
        (self.position, self.twin) = (self.size, true);
        (self.unread, self.settled) = (false, true);
        Ok(())
    }

    /// How far it was read.
    pub fn saved(&self, rule: &Rule) -> SavedFile {
        SavedFile {
            source: rule.number,
            path: self.path.clone(),
            incarnation: self.incarnation,
            identity: self.identity,
            modified: self.modified,
            position: self.position,
            print: self.edges.print(),
            framing: self.framing.clone(),
            memory: self.parser.memory(),
            missed: None,
        }
    }

    /// Takes the records that are there, as many as the lot has room for. At its start, nothing tells whether the file
    /// is what it was when it was looked at, so `unsure` says whether it may have been emptied since.
    pub fn read(
        &mut self,
        rule: &Rule,
        lot: &mut Lot,
        now: Instant,
        unsure: impl FnOnce() -> bool,
    ) -> io::Result<Outcome> {
        let quiet = self.hurried || self.quiet(now) >= limit::FOLLOW_UNFINISHED;
        let at_end = quiet && self.is_rotated();
        let again = self.position < self.size && (at_end || quiet && self.undecided);
        if !self.unread && !again {
            self.settle();
            return Ok(Outcome::Nothing);
        }
        self.settled = false;
        let start = lot.frame.text.len();
        let room = (limit::BLOCK_BYTES - start) as u64;
        let wanted = room.min(self.size - self.position);
        let whole = wanted == self.size - self.position;
        let outcome = self.fill(&mut lot.frame, wanted);
        if !matches!(outcome, Ok(Outcome::Moved)) {
            lot.frame.text.truncate(start);
            return outcome;
        }
        if self.position == 0
            && self.puts_off < limit::FOLLOW_PUT_OFF_MAX
            && (self.is_copied()? || unsure())
        {
            self.put_off = true;
            lot.frame.text.truncate(start);
            return Ok(Outcome::Unsure);
        }
        self.refer(rule);
        let consumed = self.parse(rule, lot, start, whole && at_end, quiet);
        self.unread = consumed > 0 && self.position < self.size;
        if consumed == 0 && whole && at_end {
            // Nothing more can be made of what is left.
            self.position = self.size;
            self.edges = Edges::read(&self.file, self.position)?;
            self.moved = true;
        }
        self.settle();
        Ok(if consumed > 0 { Outcome::Moved } else { Outcome::Nothing })
    }

    /// Whether what it held before is held by a copy alone.
    fn is_copied(&self) -> io::Result<bool> {
        self.copy
            .as_ref()
            .map_or(Ok(false), |copy| Ok(!holds(&self.file, copy, copy.metadata()?.len())?))
    }

    /// Whether younger files may be read now: not while this one has more to give, or may get the rest of its last
    /// record.
    fn settle(&mut self) {
        self.settled = !self.unread && self.position == self.size;
        self.live |= !self.unread;
    }

    /// Reads the bytes that are wanted behind the frame's text; says that the position may move on if they are good.
    fn fill(&mut self, frame: &mut Frame, wanted: u64) -> io::Result<Outcome> {
        let start = frame.text.len();
        if wanted > 0 {
            self.file.seek(SeekFrom::Start(self.position))?;
            frame.text.reserve(wanted as usize);
            let count = self.file.by_ref().take(wanted).read_to_end(&mut frame.text)?;
            if (count as u64) < wanted {
                // It was emptied since it was looked at: the next look sees it.
                return Ok(Outcome::Nothing);
            }
        }
        if !self.edges.are_in(&self.file, self.position)? {
            return Ok(Outcome::Replaced);
        }
        self.held = self.modified;
        if self.position == 0 && identity::is_compressed(&frame.text[start..]) {
            self.refused = true;
            return Ok(Outcome::Compressed);
        }
        if wanted == 0 {
            self.unread = false;
            self.settle();
            return Ok(Outcome::Nothing);
        }
        Ok(Outcome::Moved)
    }

    /// Makes records of the frame's text from `start` on, and takes the rest of it away; how many bytes were used.
    fn parse(
        &mut self,
        rule: &Rule,
        lot: &mut Lot,
        start: usize,
        at_end: bool,
        quiet: bool,
    ) -> usize {
        let frame = &mut lot.frame;
        let block = &frame.text[start..];
        let full = frame.text.len() >= limit::BLOCK_BYTES;
        let framing = self.framing.clone().unwrap_or_else(|| Framing::of_stream(block));
        if self.framing.is_none() && !full && !quiet && matches!(framing, Framing::Trailer(_)) {
            // Half of a line end may have been written, and look like a whole trailer.
            frame.text.truncate(start);
            self.undecided = true;
            return 0;
        }
        self.undecided = false;
        let records_max = limit::RECORDS_PER_FRAME_MAX - frame.len();
        let (first, before) = (frame.len(), self.parser.memory());
        let mut parsed = self.parser.parse(frame, start, &framing, at_end, records_max);
        if parsed.consumed == 0 && full {
            parsed = self.parser.cut(frame, start, &framing);
        }
        if parsed.records > 0 {
            let id = self.id.unwrap_or_else(|| {
                let mut beginning = self.edges.clone();
                beginning.advance(&frame.text[start..start + parsed.consumed]);
                let beginning = beginning.beginning();
                file::id(&rule.source.name, &self.path, self.incarnation, beginning)
            });
            self.id = Some(id);
            file::set_places(frame, first, id, self.position.wrapping_sub(start as u64));
        }
        let used = start..start + parsed.consumed;
        self.edges.advance(&frame.text[used.clone()]);
        if let Some(capture) = &rule.capture {
            let memory = (before, self.parser.memory());
            capture.write(&Arrived::parsed(frame, (first, used), &framing, &parsed, memory));
        }
        let mut unfinished = Vec::new();
        parsed.take_tail(frame, &mut unfinished);
        self.account(lot, &parsed);
        if parsed.consumed > 0 {
            self.framing = Some(framing);
        }
        parsed.consumed
    }

    fn account(&mut self, lot: &mut Lot, parsed: &Parsed) {
        self.position += parsed.consumed as u64;
        self.moved |= parsed.consumed > 0;
        lot.counts += file::counted(parsed);
        lot.counts.bytes += parsed.consumed as u64;
    }

    /// Moves the parser's reference on. What stood in the file before it was looked at was written before its last
    /// change; what comes then is written now. Records without a time take it too, while none had one.
    fn refer(&mut self, rule: &Rule) {
        if rule.year_end.is_some() {
            return;
        }
        let reference = if self.live { self.modified.max(clock::now()) } else { self.modified };
        let untimed = self.parser.memory().last.is_none();
        if untimed || reference.abs_diff(self.reference) >= limit::FOLLOW_REFERENCE_STEP {
            self.parser.set_reference(reference);
            self.reference = reference;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Outcome, Rule, Tail};
    use crate::clock;
    use crate::follow::find::Found;
    use crate::follow::tests::source;
    use crate::intake::Lot;

    /// What another file has in its place says nothing about what was lost.
    #[test]
    fn what_was_not_read_is_what_was_there() {
        let check = |steps: &[&str], expected: u64| {
            let name = format!("correlator-tail-{}-{}", std::process::id(), steps.len());
            let path = std::env::temp_dir().join(name);
            fs::write(&path, "the first line of the old file\n").expect("written");
            let rule =
                Rule { source: source("test", &[]), number: 0, year_end: None, capture: None };
            let (now, found) = (clock::instant(), Found::open(&path).expect("there"));
            let (mut tail, mut lot) = (Tail::new(&rule, &path, 0, found, now), Lot::default());
            let read = tail.read(&rule, &mut lot, now, || false).expect("readable");
            assert_eq!((read, tail.unread()), (Outcome::Moved, 0));
            for step in steps {
                fs::write(&path, step).expect("written");
                assert!(!tail.look(now).expect("there"), "it is no shorter");
            }
            let read = tail.read(&rule, &mut lot, now, || false).expect("readable");
            assert_eq!((read, tail.unread()), (Outcome::Replaced, expected));
            fs::remove_file(path).expect("removed");
        };
        let anew = "another file, which is a little longer than the old one\n";
        check(&[anew], 0);
        check(&["the first line of the old file\nand the second", anew], 14);
    }
}
