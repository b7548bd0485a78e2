//! Files that are followed: read as they are written to, by name, through rotation.
//!
//! A followed name may have many files one after the other. Each is read to its end, also while somebody still writes
//! to it under another name or none; then the next. What makes this hold:
//!
//! - **The descriptor follows the file.** A file that is open is known by it, whatever happens to its name. A file that
//!   has lost its name is let go of when it has been read and has not grown for [`limit::FOLLOW_ROTATED`]; its last
//!   record, if unfinished, is handed on as it is after [`limit::FOLLOW_UNFINISHED`].
//! - **Emptied files are seen** by their length, or by what stands at their beginning and before the position, which is
//!   compared at every read. What was not read before a log was copied and emptied (`copytruncate`) is read from the
//!   copy if that is in the same folder. What was written between the copying and the emptying is lost: it is in no
//!   file any more. A log that is emptied and at once filled with the very same bytes looks as if nothing had happened.
//! - **Marks** tell how far each file was read, by its identity. They are handed on with the records that they count,
//!   so that both are kept or neither. In the next run files are found again in their folder under any name; those that
//!   came and were rotated in between are known by the names that rotation gives. Compressed ones are told of, not read.
//!   So are those of a pattern that are nowhere; their marks are kept for a while, since they may come back.
//! - **Files that were read rest**: if there are too many, those that have not changed for longest are closed, and are opened
//!   again when they change. So it is those that are written to that are bounded in number, and not what was rotated.
//! - **A file without a mark is read from its start**: nothing is lost, though an old log may come in once.
//!
//! Several files take turns, a block each. Files are looked at when the kernel says that they changed, and now and then
//! in any case.

mod find;
mod folders;
mod ledger;
mod names;
mod notices;
mod told;

mod tail;

mod files;

mod copies;
mod resting;
mod resume;
mod scan;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use thiserror::Error;

use crate::capture::Capture;
use crate::counts::Counts;
use crate::intake::{Ended, Intake, Lot, Mark};
use crate::saved::{Saved, SavedFile, file_key, source_number};
use crate::settings::Source;
use crate::{clock, file, limit};

use files::Files;
use ledger::Ledger;
use names::Names;
use notices::{Notices, Pace};
use tail::{Outcome, Rule};
use told::Told;
pub use told::Trouble;

/// What is said of what is no file.
const NOT_FOLLOWED: &str = "can't be followed; a pipe or a device is read without `follow`, and the files of a folder by a pattern such as `folder/*`";

/// Why files can't be followed.
#[derive(Debug, Error)]
pub enum FollowError {
    /// The pattern makes no sense.
    #[error("source `{source_name}`: the pattern {pattern} is not understood: {problem}")]
    Pattern {
        /// The source.
        source_name: String,
        /// The pattern.
        pattern: String,
        /// What is wrong.
        problem: String,
    },
    /// There is something else under that name.
    #[error("source `{source_name}`: {path} is {kind} and {NOT_FOLLOWED}")]
    NotAFile {
        /// The source.
        source_name: String,
        /// The path.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// Standard input has no name.
    #[error(
        "source `{source_name}`: standard input can't be followed; it is read as it comes without `follow`"
    )]
    Input {
        /// The source.
        source_name: String,
    },
}

/// The followed files of a source.
pub struct Follow {
    place: usize,
    files: Files,
    notices: Notices,
    lot: Lot,
}

impl Follow {
    /// Prepares to follow what the source names; `place` is its place in the stack, which has `all` of these. `marks` is what
    /// an earlier run kept, of this and other sources. A source that was never there goes on from where one stood that is not
    /// there any more: it has another name now.
    ///
    /// # Errors
    /// A name or a pattern can't be followed. That nothing is there yet, or can't be read now, is no error.
    pub fn open(
        place: usize,
        source: &Source,
        all: &[Source],
        marks: &[Mark],
    ) -> Result<Self, FollowError> {
        let names = Names::new(source)?;
        let number = source_number(&source.name);
        let (mut forgotten, mut taken_over) = (Vec::new(), Vec::new());
        let (mut saved, mut ledger): (Vec<SavedFile>, _) = (Vec::new(), None);
        let marks: Vec<Saved> = marks.iter().filter_map(Saved::read).collect();
        let is_new = !marks.iter().any(|it| it.source() == number);
        let others: Vec<u64> = all.iter().map(|it| source_number(&it.name)).collect();
        for mark in marks {
            match mark {
                // Under which name it is followed now, if under any, is found out when it is looked for.
                Saved::File(file) if file.source == number => saved.push(*file),
                Saved::File(file)
                    if is_new && !others.contains(&file.source) && names.has(&file.path) =>
                {
                    forgotten.push(file_key(file.source, &file.path, file.incarnation));
                    let file = SavedFile { source: number, ..*file };
                    taken_over.push(file.clone().mark());
                    saved.push(file);
                }
                Saved::Ledger(counts) if counts.source == number => ledger = Some(counts),
                _ => {}
            }
        }
        let (year_end, source) = (file::year_end(source), source.clone());
        let rule = Rule { number, year_end, source, capture: None };
        let files = Files {
            told: Told::new(&rule.source.name, names.plain()),
            names,
            tails: Vec::new(),
            ledger: Ledger::new(number, ledger),
            saved,
            sought: None,
            turned_up: false,
            missed: Vec::new(),
            lost: HashMap::new(),
            moved: Vec::new(),
            unsure: BTreeSet::new(),
            overwritten: BTreeSet::new(),
            forgotten,
            done: VecDeque::new(),
            resting: HashMap::new(),
            crowded: false,
            rule,
        };
        let lot = Lot { marks: taken_over, ..Lot::default() };
        Ok(Self { place, files, notices: Notices::new(), lot })
    }

    /// What it tells of the files that it was told by name.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        self.files.told.trouble.clone()
    }

    /// Keeps what is read here too.
    #[must_use]
    pub fn captured(mut self, capture: Option<Arc<Capture>>) -> Self {
        self.files.rule.capture = capture;
        self
    }

    /// Looks at files by turns and does not ask the kernel to tell: for file systems of which it claims to tell but
    /// doesn't.
    #[must_use]
    pub fn polled(mut self) -> Self {
        self.notices = Notices::none();
        self
    }

    /// Hands on records as they come, until `stop` is set or nothing more is taken.
    pub fn run(mut self, intake: &dyn Intake, stop: &AtomicBool) {
        self.files.tell_absent();
        let mut pace = Pace::new(clock::instant());
        while !stop.load(Ordering::Relaxed) {
            let names = self.notices.take();
            let now = clock::instant();
            if pace.is_due(now, names) {
                self.files.scan(&mut self.notices, now);
                pace.looked(now, clock::instant(), self.notices.are_complete());
            }
            match self.turn(intake, now) {
                Err(Ended) => return,
                Ok(Turn::Busy) => pace.busy(),
                Ok(Turn::Emptied) => pace.hasten(now),
                Ok(Turn::Idle) => {
                    let restless = self.files.tails.iter().any(tail::Tail::is_restless);
                    self.notices.wait(pace.idle(now, &self.notices, restless), stop);
                }
            }
        }
        self.files.part();
        // Where nothing more is taken, the next run finds out.
        let _ = self.hand_on(intake);
    }

    /// Every file has its turn.
    fn turn(&mut self, intake: &dyn Intake, now: Instant) -> Result<Turn, Ended> {
        let mut emptied = self.files.look(&mut self.notices, now);
        let (mut busy, mut place) = (false, 0);
        while place < self.files.tails.len() {
            if self.is_full() {
                self.hand_on(intake)?;
            }
            let before = self.lot.frame.text.len();
            match self.files.read(place, &mut self.lot, &mut self.notices, now) {
                Ok(Outcome::Moved) => busy = true,
                Ok(Outcome::Nothing | Outcome::Compressed) => {}
                Ok(Outcome::Unsure) => emptied = true,
                Ok(Outcome::Replaced) => {
                    self.files.emptied(place, &mut self.notices, now);
                    emptied = true;
                    break;
                }
                Err(error) => {
                    self.lot.frame.text.truncate(before);
                    self.files.failed(place, &error);
                }
            }
            place += 1;
        }
        self.files.close(&mut self.notices, now);
        self.hand_on(intake)?;
        Ok(match (emptied, busy) {
            (true, _) => Turn::Emptied,
            (_, true) => Turn::Busy,
            _ => Turn::Idle,
        })
    }

    /// Whether the lot may be too full for a record.
    fn is_full(&self) -> bool {
        let frame = &self.lot.frame;
        frame.text.len() + limit::FOLLOW_ROOM_BYTES > limit::BLOCK_BYTES
            || frame.len() >= limit::RECORDS_PER_FRAME_MAX
    }

    /// Hands on what was read, and with it how far.
    fn hand_on(&mut self, intake: &dyn Intake) -> Result<(), Ended> {
        self.files.marks(&mut self.lot.marks);
        let lot = &mut self.lot;
        if lot.frame.is_empty() && lot.marks.is_empty() && lot.counts == Counts::default() {
            return Ok(());
        }
        if let Some(capture) = &self.files.rule.capture {
            capture.flush();
        }
        (lot.source, lot.placed) = (self.place, true);
        intake.take(lot)?;
        lot.clear();
        Ok(())
    }
}

/// What came of a turn.
enum Turn {
    /// Nothing was there.
    Idle,
    /// There may be more.
    Busy,
    /// Files were emptied: there is more to look for.
    Emptied,
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::{Follow, FollowError};
    use crate::settings::{Door, Source, SourcePath};

    /// A source that follows these.
    pub(crate) fn source(name: &str, paths: &[SourcePath]) -> Source {
        Source {
            name: name.into(),
            door: Door::Files { paths: paths.to_vec(), follow: true },
            framing: None,
            framing_text: "auto".into(),
            zone: TimeZone::UTC,
            year: None,
            lateness: Duration::ZERO,
            idle_after: Duration::ZERO,
            typed: Vec::new(),
        }
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        let check = |path: SourcePath, expected: &str| {
            let error: Option<FollowError> =
                Follow::open(0, &source("test", &[path]), &[], &[]).err();
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(expected), "{error:?}");
        };
        check(SourcePath::Input, "standard input can't be followed");
        check(SourcePath::File("/tmp".into()), "/tmp is a folder and can't be followed");
        check(SourcePath::File("/dev/null".into()), "/dev/null is a device");
        check(SourcePath::Glob("/tmp/**a".into()), "the pattern /tmp/**a is not understood");
        assert!(
            Follow::open(0, &source("t", &[SourcePath::File("/no/where".into())]), &[], &[])
                .is_ok()
        );
    }
}
