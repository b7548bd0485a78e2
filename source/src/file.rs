//! Files, globs of files, and standard input.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use correlator_frame::record::{Frame, STRIDE};
use correlator_record::framing::Framing;
use correlator_record::parser::{Parsed, Parser, Settings};
use jiff::civil::date;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use thiserror::Error;

use crate::capture::Capture;
use crate::capture::arrived::Arrived;
use crate::clock;
use crate::counts::Counts;
use crate::identity::{self, Identity, Print};
use crate::intake::Mark;
use crate::limit;
use crate::path::{Paths, escaped};
use crate::saved::{self, Saved, SavedFile};
use crate::settings::{Door, Source, SourcePath};

/// What people see instead of a path.
const STANDARD_INPUT: &str = "-";

/// Why a source can't be read.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The system said no.
    #[error("source `{source_name}`: {path}: {error}")]
    Io {
        /// The source.
        source_name: String,
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// No file is there.
    #[error("source `{source_name}`: no file matches {pattern}")]
    NoMatch {
        /// The source.
        source_name: String,
        /// The pattern.
        pattern: String,
    },
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
    /// It is no log.
    #[error(
        "source `{source_name}`: {path} is compressed; decompress it into standard input: `zcat {path} | correlator run --file - ...`"
    )]
    Compressed {
        /// The source.
        source_name: String,
        /// The file.
        path: String,
    },
    /// There are more files than can be read at once.
    #[error(
        "source `{source_name}`: {count} files; at most {} can be read in one run",
        limit::FILES_MAX
    )]
    TooMany {
        /// The source.
        source_name: String,
        /// How many.
        count: usize,
    },
}

/// One file, or standard input, being read.
pub struct Input {
    /// Its path, for people.
    pub path: String,
    /// The same as the system has it.
    name: PathBuf,
    /// What names it in the ids of events, once its beginning was seen.
    id: Option<u32>,
    /// Its source, and the number of that.
    source_name: String,
    source: u64,
    /// How many bytes there are to read, where that is known.
    pub bytes_total: Option<u64>,
    /// Whether its records come as they happen, so that nobody should wait for a full batch.
    pub live: bool,
    reader: File,
    framing: Option<Framing>,
    parser: Parser,
    /// What the last block left unfinished.
    tail: Vec<u8>,
    /// The position of the first byte that was not read yet.
    read_to: u64,
    /// The position of the first byte of the frame.
    base: u64,
    ended: bool,
    /// Where what is read is kept too.
    capture: Option<Arc<Capture>>,
    /// What has been read so far.
    pub counts: Counts,
}

/// Opens all files of a source, in the order in which they were typed, those of a pattern in the order of their names.
///
/// # Errors
/// A file can't be read, or none is there.
pub fn open(source: &Source) -> Result<Vec<Input>, OpenError> {
    let Door::Files { paths: wanted, .. } = &source.door else { return Ok(Vec::new()) };
    let mut paths = Vec::new();
    for path in wanted {
        match path {
            SourcePath::Input => paths.push(None),
            SourcePath::File(path) => paths.push(Some(path.clone())),
            SourcePath::Glob(pattern) if Path::new(pattern).exists() => {
                paths.push(Some(PathBuf::from(pattern)));
            }
            SourcePath::Glob(pattern) => expand(&source.name, pattern, &mut paths)?,
        }
    }
    if paths.len() > limit::FILES_MAX {
        return Err(OpenError::TooMany { source_name: source.name.clone(), count: paths.len() });
    }
    paths.iter().map(|path| open_one(source, path.as_deref())).collect()
}

/// The files that a pattern names. Folders match patterns too, and a file that two patterns name is read once.
fn expand(name: &str, pattern: &str, paths: &mut Vec<Option<PathBuf>>) -> Result<(), OpenError> {
    let wanted = Paths::new(pattern).map_err(|error| OpenError::Pattern {
        source_name: name.to_owned(),
        pattern: pattern.to_owned(),
        problem: error.to_string(),
    })?;
    let mut matched = false;
    for path in wanted.find() {
        let path = path.map_err(|(path, error)| OpenError::Io {
            source_name: name.to_owned(),
            path: escaped(&path),
            error,
        })?;
        if !path.is_dir() {
            matched = true;
            let path = Some(path);
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    if matched {
        Ok(())
    } else {
        Err(OpenError::NoMatch { source_name: name.to_owned(), pattern: pattern.to_owned() })
    }
}

fn open_one(source: &Source, path: Option<&Path>) -> Result<Input, OpenError> {
    let name = path.unwrap_or(Path::new(STANDARD_INPUT));
    let shown = escaped(name);
    let failed =
        |error| OpenError::Io { source_name: source.name.clone(), path: shown.clone(), error };
    let reader = match path {
        Some(path) => File::open(path).map_err(failed)?,
        None => File::from(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?),
    };
    let facts = reader.metadata().map_err(failed)?;
    if facts.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let plain = facts.is_file();
    let bytes_total = plain.then_some(facts.len());
    if plain {
        let mut magic = [0; limit::MAGIC_BYTES];
        let length = reader.read_at(&mut magic, 0).map_err(failed)?;
        if identity::is_compressed(&magic[..length]) {
            return Err(OpenError::Compressed { source_name: source.name.clone(), path: shown });
        }
    }
    let modified = plain.then(|| identity::modified(&facts));
    let reference = year_end(source).or(modified).unwrap_or_else(clock::now);
    Ok(Input {
        id: None,
        source_name: source.name.clone(),
        source: saved::source_number(&source.name),
        path: shown,
        name: name.to_owned(),
        live: bytes_total.is_none(),
        bytes_total,
        reader,
        framing: source.framing.clone().map(Framing::captured),
        parser: Parser::new(settings(source, reference)),
        counts: Counts::default(),
        tail: Vec::new(),
        read_to: 0,
        base: 0,
        ended: false,
        capture: None,
    })
}

/// What a parser of this source is told. Dates without a year are not far after the reference.
pub(crate) fn settings(source: &Source, reference: i64) -> Settings {
    let record_bytes_max = limit::RECORD_BYTES_MAX;
    Settings { zone: source.zone.clone(), reference, record_bytes_max }
}

/// The end of the year that the stack pins, which is then the reference.
pub(crate) fn year_end(source: &Source) -> Option<i64> {
    let end = date(source.year?, 12, 31).at(0, 0, 0, 0).to_zoned(source.zone.clone()).ok()?;
    i64::try_from(end.timestamp().as_nanosecond()).ok()
}

/// A number for a source, a path, how many files there were under that path before, and what this one begins with: it
/// may be read on another machine, or long after another file of that name. The topmost bit is for ticks.
pub(crate) fn id(source: &str, path: &Path, incarnation: u64, beginning: &[u8]) -> u32 {
    let mut hash = blake3::Hasher::new();
    hash.update(source.as_bytes()).update(b"\0").update(path.as_os_str().as_bytes());
    hash.update(b"\0").update(identity::first_line(beginning));
    if incarnation > 0 {
        hash.update(b"\0").update(&incarnation.to_le_bytes());
    }
    let bytes = hash.finalize();
    let [a, b, c, d, ..] = *bytes.as_bytes();
    u32::from_le_bytes([a, b, c, d]) & (u32::MAX >> 1)
}

impl Input {
    /// Keeps what is read here too.
    #[must_use]
    pub fn captured(mut self, capture: Option<Arc<Capture>>) -> Self {
        self.capture = capture;
        self
    }

    /// Fills the frame with the next records. Nothing is left to come, or `stop` is set, if it says no.
    ///
    /// # Errors
    /// The bytes could not be read.
    pub fn read(&mut self, frame: &mut Frame, stop: &AtomicBool) -> io::Result<bool> {
        loop {
            if stop.load(Ordering::Relaxed) || self.ended && self.tail.is_empty() {
                frame.clear();
                return Ok(false);
            }
            self.fill(frame, stop)?;
            let framing = self.framing.get_or_insert_with(|| Framing::of_file(&frame.text));
            let (framing, before) = (framing.clone(), self.parser.memory());
            let mut parsed =
                self.parser.parse(frame, 0, &framing, self.ended, limit::RECORDS_PER_FRAME_MAX);
            if parsed.consumed == 0 && parsed.end >= limit::BLOCK_BYTES + limit::RECORD_BYTES_MAX {
                parsed = self.parser.cut(frame, 0, &framing);
            }
            self.counts += counted(&parsed);
            if let Some(capture) = &self.capture {
                let memory = (before, self.parser.memory());
                let bytes = 0..parsed.consumed;
                capture.write(&Arrived::parsed(frame, (0, bytes), &framing, &parsed, memory));
                capture.flush();
            }
            parsed.take_tail(frame, &mut self.tail);
            self.base = self.read_to - self.tail.len() as u64 - parsed.consumed as u64;
            if self.ended && parsed.consumed == 0 {
                // Nothing more can be made of what is left.
                self.tail.clear();
            }
            if parsed.records > 0 {
                let id = match self.id {
                    Some(id) => id,
                    None => self.name_by(&frame.text)?,
                };
                set_places(frame, 0, id, self.base);
                return Ok(true);
            }
        }
    }

    /// Finds what names it; `text` begins where the first frame does.
    fn name_by(&mut self, text: &[u8]) -> io::Result<u32> {
        let mut beginning = [0; limit::PRINT_BYTES];
        let beginning = if self.base == 0 {
            text
        } else {
            let length = self.reader.read_at(&mut beginning, 0)?;
            &beginning[..length]
        };
        let id = id(&self.source_name, &self.name, 0, beginning);
        self.id = Some(id);
        Ok(id)
    }

    /// Up to where it was read: behind the last frame. Empty for what can't be read again.
    #[must_use]
    pub fn mark(&self) -> Mark {
        let key = saved::file_key(self.source, &self.name, 0);
        let saved = || {
            let facts = self.reader.metadata().ok()?;
            let position = self.read_to - self.tail.len() as u64;
            Some(SavedFile {
                source: self.source,
                path: self.name.clone(),
                incarnation: 0,
                identity: Identity::of(&facts),
                modified: identity::modified(&facts),
                position,
                print: Print::read(&self.reader, position).ok()?,
                framing: self.framing.clone(),
                memory: self.parser.memory(),
                missed: None,
            })
        };
        let saved = if self.live { None } else { saved() };
        saved.map_or_else(|| saved::forgotten(key), SavedFile::mark)
    }

    /// Goes on where an earlier run had been. Says no, and reads from the start, if that read another file.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn resume(&mut self, mark: &Mark) -> io::Result<bool> {
        let Some(Saved::File(saved)) = Saved::read(mark).filter(|_| !self.live) else {
            return Ok(false);
        };
        let identity = Identity::of(&self.reader.metadata()?);
        if !identity.may_be(&saved.identity) && self.name != saved.path {
            return Ok(false);
        }
        match Print::read(&self.reader, saved.position) {
            Ok(print) if print == saved.print => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
        self.reader.seek(SeekFrom::Start(saved.position))?;
        (self.read_to, self.base, self.ended) = (saved.position, saved.position, false);
        self.tail.clear();
        self.bytes_total = self.bytes_total.map(|total| total.saturating_sub(saved.position));
        self.framing = self.framing.take().or(saved.framing.map(Framing::captured));
        self.parser.resume(saved.memory);
        Ok(true)
    }

    /// The position in the source of a place in the frame's text.
    #[must_use]
    pub fn position(&self, place: usize) -> u64 {
        self.base + place as u64
    }

    /// Reads a block behind what the last one left.
    fn fill(&mut self, frame: &mut Frame, stop: &AtomicBool) -> io::Result<()> {
        frame.clear();
        frame.text.append(&mut self.tail);
        if self.ended {
            return Ok(());
        }
        let before = frame.text.len();
        if self.live {
            // One read: what has come is handed on, what is to come is not waited for.
            if !self.wait(stop)? {
                return Ok(());
            }
            frame.text.resize(before + limit::BLOCK_BYTES, 0);
            let count = self.reader.read(&mut frame.text[before..])?;
            frame.text.truncate(before + count);
            self.ended = count == 0;
        } else {
            frame.text.reserve(limit::BLOCK_BYTES);
            let wanted = limit::BLOCK_BYTES as u64;
            let count = self.reader.by_ref().take(wanted).read_to_end(&mut frame.text)?;
            self.ended = (count as u64) < wanted;
        }
        let count = (frame.text.len() - before) as u64;
        self.counts.bytes += count;
        self.read_to += count;
        Ok(())
    }

    /// Waits until there is something to read, but not longer than until `stop` is set.
    fn wait(&self, stop: &AtomicBool) -> io::Result<bool> {
        while !stop.load(Ordering::Relaxed) {
            let mut ready = [PollFd::new(&self.reader, PollFlags::IN)];
            match poll(&mut ready, Some(&limit::STOP_POLL)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }
}

/// What a parser has done, counted. The bytes that were read are counted by who read them.
pub(crate) fn counted(parsed: &Parsed) -> Counts {
    Counts {
        records: parsed.records as u64,
        unparsed: parsed.unparsed as u64,
        blank: parsed.blank as u64,
        cut: parsed.cut as u64,
        invalid_utf8: parsed.invalid_utf8 as u64,
        record_bytes: parsed.bytes as u64,
        skipped_bytes: parsed.bytes_skipped as u64,
        ..Counts::default()
    }
}

/// Tells the records of a frame from this one on where they came from; `base` is the position of the frame's text.
pub(crate) fn set_places(frame: &mut Frame, first: usize, source: u32, base: u64) {
    for place in first..frame.len() {
        let start = u64::from(frame.index[place * STRIDE]);
        frame.set_place(place, source, base.wrapping_add(start));
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fmt::Write;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::sync::atomic::AtomicBool;

    use correlator_frame::record::Frame;
    use jiff::tz::TimeZone;

    use std::time::Duration;

    use super::open;
    use crate::settings::{Door, Source, SourcePath};

    fn source(path: &str) -> Source {
        Source {
            name: "test".into(),
            door: Door::Files {
                paths: vec![if path.contains(['*', '[']) {
                    SourcePath::Glob(path.into())
                } else {
                    SourcePath::File(path.into())
                }],
                follow: false,
            },
            framing: None,
            framing_text: "auto".into(),
            zone: TimeZone::UTC,
            year: Some(2023),
            lateness: Duration::ZERO,
            idle_after: Duration::ZERO,
            typed: Vec::new(),
        }
    }

    #[test]
    fn records_know_their_position() {
        let folder = std::env::temp_dir().join(format!("correlator-file-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let mut lines = String::new();
        for n in 0..20_000 {
            let _ = writeln!(lines, "Dec 10 06:55:46 host sshd[{n}]: message number {n}");
        }
        fs::write(folder.join("a.log"), &lines).expect("a log");
        let pattern = folder.join("*.log").display().to_string();
        let mut input = open(&source(&pattern)).expect("an input").remove(0);
        let (mut frame, mut seen) = (Frame::default(), 0);
        while input.read(&mut frame, &AtomicBool::new(false)).expect("readable") {
            for (place, record) in frame.batch().records().enumerate() {
                let start = frame.index[place * 24] as usize;
                let position = usize::try_from(input.position(start)).expect("small");
                assert_eq!(&lines.as_bytes()[position..][..record.raw().len()], record.raw());
                assert_eq!(record.process_id(), seen.to_string().as_bytes());
                seen += 1;
            }
        }
        assert_eq!((seen, input.counts.records), (20_000, 20_000));
        assert_eq!(input.counts.bytes, lines.len() as u64);
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn names_that_are_no_text_are_read_and_gone_on_with() {
        let name = format!("correlator-bytes-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let names = [&b"a\xfe.log"[..], &b"a\xff.log"[..]];
        let paths = names.map(|name| folder.join(OsStr::from_bytes(name)));
        for (path, first) in paths.iter().zip(["one", "two"]) {
            fs::write(path, format!("Dec 10 06:55:46 host app: {first}\n")).expect("a log");
        }
        let pattern = folder.join("*.log").display().to_string();
        let mut marks = Vec::new();
        let mut inputs = open(&source(&pattern)).expect("inputs");
        for (input, shown) in inputs.iter_mut().zip(["a\\xfe.log", "a\\xff.log"]) {
            assert!(input.path.ends_with(shown), "{}", input.path);
            let mut frame = Frame::default();
            assert!(input.read(&mut frame, &AtomicBool::new(false)).expect("readable"));
            marks.push(input.mark());
        }
        assert_ne!(inputs[0].name, inputs[1].name);
        assert_ne!(marks[0].file, marks[1].file);
        for (input, mark) in open(&source(&pattern)).expect("inputs").iter_mut().zip(&marks) {
            assert!(input.resume(mark).expect("readable"), "{}", input.path);
            let more = input.read(&mut Frame::default(), &AtomicBool::new(false));
            assert!(!more.expect("readable"), "{} was read to its end", input.path);
        }
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let check = |path: &str, expected: &str| {
            let error = open(&source(path)).err().map(|error| error.to_string());
            assert!(error.as_deref().is_some_and(|e| e.contains(expected)), "{error:?}");
        };
        check("/nowhere/at/all.log", "/nowhere/at/all.log: No such file");
        check("/nowhere/*.log", "no file matches /nowhere/*.log");
        check("/tmp", "is a directory");
        check("/tmp/[", "/tmp/[");
    }
}
