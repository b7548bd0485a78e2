//! Ledgers of the streams: how far sources had been read, and how far modules had come, at a stream's end.
//!
//! They are written down now and then, so that what they were made of may go from the disk, and what has come since is
//! enough to bring them up to date.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use correlator_source::intake::Mark;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cursor::Cursor;
use super::piece::{EventKind, EventPiece, Piece, RecordKind, RecordPiece};
use crate::private;

/// Held while a ledger is written: there is one name for what is not whole yet.
static WRITING: Mutex<()> = Mutex::new(());

/// How far sources had been read at the end of the record stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceMarks {
    /// The first item that is not in this.
    pub(crate) item: u64,
    /// Event time there.
    pub(crate) now: Option<i64>,
    pub(crate) newest: Vec<(u32, i64)>,
    marks: BTreeMap<u64, Vec<u8>>,
    /// Whether the input had ended for good.
    pub(crate) ended: bool,
}

impl SourceMarks {
    /// Takes in what a piece says.
    pub(crate) fn pass(&mut self, piece: &RecordPiece) {
        self.item = piece.next();
        self.ended = piece.kind == RecordKind::End;
        if piece.kind != RecordKind::Retry && piece.now > i64::MIN {
            self.now = Some(piece.now);
        }
        for &(number, time) in &piece.newest {
            match self.newest.iter_mut().find(|(known, _)| *known == number) {
                Some(known) => known.1 = time,
                None => self.newest.push((number, time)),
            }
        }
        for mark in &piece.marks {
            if mark.body.is_empty() {
                self.marks.remove(&mark.file);
            } else {
                self.marks.insert(mark.file, mark.body.clone());
            }
        }
    }

    /// The marks of all files.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        let mark = |(&file, body): (&u64, &Vec<u8>)| Mark { file, body: body.clone() };
        self.marks.iter().map(mark).collect()
    }
}

/// How far modules had come at the end of the stream of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventMarks {
    /// The first item that is not in this.
    pub(crate) item: u64,
    /// By module and part: up to where its turns are in the stream.
    done: BTreeMap<(String, u32), (u64, u32)>,
    /// Whether the modules had ended for good.
    pub(crate) ended: bool,
}

impl EventMarks {
    /// Takes in what a piece says.
    pub(crate) fn pass(&mut self, piece: &EventPiece) {
        self.item = piece.next();
        if piece.kind != EventKind::Time {
            self.ended = piece.kind == EventKind::End;
        }
        if piece.kind != EventKind::Events {
            return;
        }
        let upto = (piece.upto.item, piece.upto.ticks);
        if let Some(done) = self.done.get_mut(&(piece.module.clone(), piece.part)) {
            *done = (*done).max(upto);
        } else {
            self.done.insert((piece.module.clone(), piece.part), upto);
        }
    }

    /// Up to where a part's turns are in the stream.
    pub(crate) fn done(&self, module: &str, part: u32) -> Cursor {
        let done = self.done.get(&(module.to_owned(), part)).copied().unwrap_or_default();
        Cursor { item: done.0, ticks: done.1 }
    }

    /// The item that the furthest of all had reached.
    pub(crate) fn furthest(&self) -> u64 {
        self.done.values().map(|done| done.0).max().unwrap_or(0)
    }

    /// Forgets a module's part that is gone.
    pub(crate) fn forget(&mut self, module: &str) {
        self.done.retain(|(name, _), _| name != module);
    }
}

/// Writes a ledger down in the place of the one before.
pub(crate) fn store(path: &Path, ledger: &impl Serialize, through: bool) -> io::Result<()> {
    let body = postcard::to_allocvec(ledger).map_err(io::Error::other)?;
    let new = path.with_extension("new");
    // At the end of a run two threads come here at once: each would tear what the other writes.
    let _one_at_a_time = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let write = || {
        let mut file = private::options().truncate(true).open(&new)?;
        file.write_all(&crc32fast::hash(&body).to_le_bytes())?;
        file.write_all(&body)?;
        if through {
            file.sync_all()?;
        }
        fs::rename(&new, path)
    };
    write().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The ledger that was written down last; an empty one if there is none that can be read.
pub(crate) fn load<T: DeserializeOwned + Default>(path: &Path) -> Result<T, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let read = bytes.split_first_chunk::<4>().and_then(|(sum, body)| {
        let sound = crc32fast::hash(body) == u32::from_le_bytes(*sum);
        sound.then(|| postcard::from_bytes(body).ok()).flatten()
    });
    Ok(read.unwrap_or_else(|| {
        tracing::error!(
            "{} is damaged; what it said is taken from the spool, as far as that goes back",
            path.display()
        );
        T::default()
    }))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::thread;

    use super::{EventMarks, SourceMarks, load, store};
    use crate::pipeline::stream::cursor::Cursor;
    use crate::pipeline::stream::piece::EventPiece;

    #[test]
    fn what_is_written_down_comes_back_or_is_empty() {
        let path = std::env::temp_dir().join(format!("correlator-marks-{}", std::process::id()));
        let mut turns = EventMarks::default();
        let upto = Cursor { item: 7, ticks: 2 };
        let module = "sshd".to_owned();
        turns.pass(&EventPiece { first: 3, count: 2, module, upto, ..EventPiece::default() });
        store(&path, &turns, true).expect("a folder");
        assert_eq!(load::<EventMarks>(&path), Ok(turns.clone()));
        assert_eq!((turns.item, turns.done("sshd", 0), turns.furthest()), (5, upto, 7));
        let mut bytes = fs::read(&path).expect("marks");
        bytes[5] ^= 1;
        fs::write(&path, bytes).expect("a folder");
        assert_eq!(load::<SourceMarks>(&path), Ok(SourceMarks::default()));
        fs::remove_file(path).expect("clean up");
    }

    #[test]
    fn two_that_write_at_once_do_not_tear_each_other() {
        let path = std::env::temp_dir().join(format!("correlator-torn-{}", std::process::id()));
        let marks = |item| SourceMarks { item, ..SourceMarks::default() };
        thread::scope(|scope| {
            for item in [1, 1 << 40] {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..500 {
                        store(path, &marks(item), false).expect("written");
                        let read = load::<SourceMarks>(path).expect("read").item;
                        assert!([1, 1 << 40].contains(&read), "{read}");
                    }
                });
            }
        });
        fs::remove_file(path).expect("clean up");
    }

    #[test]
    fn what_can_not_be_written_is_named() {
        let error = store(Path::new("/nowhere/sources"), &SourceMarks::default(), true);
        let error = error.expect_err("no such folder").to_string();
        assert!(error.starts_with("/nowhere/sources: No such file"), "{error}");
    }
}
