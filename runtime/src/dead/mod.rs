//! Dead letters: records, events and ticks that made a guest fail, set aside with all that is needed to find out why.
//!
//! One JSON file a letter, in one folder, so that they can be read with the engine stopped and with any tool. A letter
//! is there whole or not at all, whatever dies while it is written. The folder is bounded: the oldest letters make room.
//! This room must never know how a guest is run, or what is done about a letter.

mod letter;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use thiserror::Error;

use crate::{limit, whole};
use letter::Named;

pub use letter::{Event, Kind, Letter, Raw, Value};

/// The folder of dead letters in a state folder.
pub const FOLDER: &str = "dead";
/// The ending of a letter's file.
const ENDING: &str = ".json";
/// The ending of a file that is being written.
const UNFINISHED: &str = ".unfinished";
/// Letters quote log lines, which are for the operator's eyes only.
const FOLDER_MODE: u32 = 0o700;

/// Why a letter can't be had, kept or removed.
#[derive(Debug, Error)]
pub enum DeadError {
    /// The system said no.
    #[error("the dead letters in {}: {error}", path.display())]
    Io {
        /// The folder, or the letter's file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is not what it should be.
    #[error("the dead letter {} is damaged ({error}); look at the file, then remove it", path.display())]
    Damaged {
        /// The letter's file.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// There is none.
    #[error("there is no dead letter `{0}`; `correlator dead list` tells those that there are")]
    Unknown(String),
}

/// What is known of a letter without reading it.
struct Entry {
    named: Named,
    bytes: u64,
    /// When its file was written: the oldest makes room first.
    written: u128,
}

/// The folder of dead letters. One process writes to it; others may read.
pub struct Dead {
    folder: PathBuf,
    entries: Mutex<BTreeMap<String, Entry>>,
    dropped: AtomicU64,
    count_max: usize,
    bytes_max: u64,
}

impl Dead {
    /// Looks at the folder, which need not exist yet.
    ///
    /// # Errors
    /// It can't be read.
    pub fn open(folder: &Path) -> Result<Self, DeadError> {
        Self::bounded(folder, limit::DEAD_LETTERS_MAX, limit::DEAD_BYTES_MAX)
    }

    fn bounded(folder: &Path, count_max: usize, bytes_max: u64) -> Result<Self, DeadError> {
        let entries = scan(folder).map_err(|error| failed(folder, error))?;
        Ok(Self {
            folder: folder.to_owned(),
            entries: Mutex::new(entries),
            dropped: AtomicU64::new(0),
            count_max,
            bytes_max,
        })
    }

    /// Keeps a letter, written through: what it says can be forgotten elsewhere. One of the same id is replaced.
    ///
    /// # Errors
    /// It can't be written. Nothing is left of it then, and no other letter was dropped for it.
    pub fn put(&self, letter: &Letter) -> Result<(), DeadError> {
        let path = self.path(&letter.id);
        let named =
            Named::parse(&letter.id).ok_or_else(|| DeadError::Unknown(letter.id.clone()))?;
        let text = serde_json::to_vec_pretty(letter)
            .map_err(|error| failed(&path, io::Error::other(error)))?;
        if text.len() as u64 > limit::LETTER_BYTES_MAX {
            let large =
                format!("a letter of {} bytes, at most {}", text.len(), limit::LETTER_BYTES_MAX);
            return Err(failed(&path, io::Error::new(io::ErrorKind::FileTooLarge, large)));
        }
        // One thread at a time: two letters of one id would share the unfinished file.
        let mut entries = self.entries();
        let written = self.write(&path, &text).map_err(|error| failed(&path, error))?;
        let entry = Entry { named, bytes: text.len() as u64, written };
        entries.insert(letter.id.clone(), entry);
        self.make_room(&mut entries, &letter.id);
        Ok(())
    }

    /// Writes a file so that it is there whole or not at all, and says when.
    fn write(&self, path: &Path, text: &[u8]) -> io::Result<u128> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.folder)?;
        written(&whole::write(path, &UNFINISHED[1..], text)?.metadata()?)
    }

    /// Drops the oldest letters until the rest are few and small enough; the newest stays, whatever it takes.
    fn make_room(&self, entries: &mut BTreeMap<String, Entry>, newest: &str) {
        let mut bytes: u64 = entries.values().map(|entry| entry.bytes).sum();
        while entries.len() > self.count_max || bytes > self.bytes_max {
            let others = entries.iter().filter(|(id, _)| id.as_str() != newest);
            let oldest = others.min_by_key(|(id, entry)| (entry.written, id.as_str()));
            let Some(id) = oldest.map(|(id, _)| id.clone()) else { return };
            if let Err(error) = fs::remove_file(self.path(&id))
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("the dead letter `{id}` can't be dropped to make room: {error}");
                return;
            }
            bytes -= entries.remove(&id).map_or(0, |entry| entry.bytes);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All letters, by id. What is damaged is told in the log and left where it is.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn list(&self) -> Result<Vec<Letter>, DeadError> {
        let mut letters = Vec::new();
        for id in self.ids() {
            match self.get(&id) {
                Ok(letter) => letters.push(letter),
                // Somebody dropped it in between.
                Err(DeadError::Unknown(_)) => {}
                Err(error @ DeadError::Damaged { .. }) => tracing::warn!("{error}"),
                Err(error) => return Err(error),
            }
        }
        Ok(letters)
    }

    /// One letter.
    ///
    /// # Errors
    /// There is none of this id, or it can't be read.
    pub fn get(&self, id: &str) -> Result<Letter, DeadError> {
        // An id that is none must not become a path.
        if Named::parse(id).is_none() {
            return Err(DeadError::Unknown(id.to_owned()));
        }
        let path = self.path(id);
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DeadError::Unknown(id.to_owned()));
            }
            Err(error) => return Err(failed(&path, error)),
        };
        let letter: Letter = serde_json::from_slice(&text)
            .map_err(|error| DeadError::Damaged { path: path.clone(), error: error.to_string() })?;
        if letter.id == id {
            Ok(letter)
        } else {
            Err(DeadError::Damaged { path, error: format!("it says that it is `{}`", letter.id) })
        }
    }

    /// Forgets a letter.
    ///
    /// # Errors
    /// There is none of this id, or it can't be removed.
    pub fn remove(&self, id: &str) -> Result<(), DeadError> {
        let mut entries = self.entries();
        if !entries.contains_key(id) {
            return Err(DeadError::Unknown(id.to_owned()));
        }
        let path = self.path(id);
        let removed = fs::remove_file(&path).and_then(|()| File::open(&self.folder)?.sync_all());
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, error)),
            _ => {
                entries.remove(id);
                Ok(())
            }
        }
    }

    /// Whether this record of this module is set aside.
    #[must_use]
    pub fn contains(&self, module: &str, sequence: u64) -> bool {
        let id = Letter::id(module, Kind::Record, sequence, crate::status::Moment::default());
        self.entries().contains_key(&id)
    }

    /// The records, or events, of this guest that are set aside, in order.
    #[must_use]
    pub fn sequences_of(&self, module: &str) -> Vec<u64> {
        let of = |named: &Named| named.module == module && named.kind == Kind::Record;
        let entries = self.entries();
        let mut found: Vec<u64> = entries
            .values()
            .filter(|entry| of(&entry.named))
            .map(|entry| entry.named.sequence)
            .collect();
        found.sort_unstable();
        found
    }

    /// The ticks of this module that are set aside, by place, time and cause, in order. Letters of earlier versions tell no
    /// cause.
    #[must_use]
    pub fn ticks_of(&self, module: &str) -> Vec<(u64, i64, Option<u32>)> {
        let of = |named: &Named| named.module == module && named.kind == Kind::Tick;
        let entries = self.entries();
        let mut found: Vec<_> = entries
            .values()
            .filter(|entry| of(&entry.named))
            .map(|entry| (entry.named.sequence, entry.named.time, entry.named.cause))
            .collect();
        found.sort_unstable();
        found
    }

    /// How many letters there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.entries().len() as u64
    }

    /// How many were dropped to make room since this was opened.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn ids(&self) -> Vec<String> {
        self.entries().keys().cloned().collect()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        // The map is whole between any two of its calls.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}{ENDING}"))
    }
}

fn failed(path: &Path, error: io::Error) -> DeadError {
    DeadError::Io { path: path.to_owned(), error }
}

/// The letters of a folder by their files' names. What was not finished is none.
fn scan(folder: &Path) -> io::Result<BTreeMap<String, Entry>> {
    let mut found = BTreeMap::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(ENDING));
        let Some((id, named)) = id.and_then(|id| Some((id, Named::parse(id)?))) else { continue };
        let facts = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            facts => facts?,
        };
        if facts.is_file() {
            let entry = Entry { named, bytes: facts.len(), written: written(&facts)? };
            found.insert(id.to_owned(), entry);
        }
    }
    Ok(found)
}

fn written(facts: &fs::Metadata) -> io::Result<u128> {
    Ok(facts.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(limit::LETTER_BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::{Dead, DeadError, Kind, Letter, Raw};
    use crate::status::Moment;

    /// A folder of this test's own, gone at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let unique = format!("correlator-dead-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(unique);
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn letter(module: &str, kind: Kind, sequence: u64) -> Letter {
        let time = Moment(1_700_000_000_000_000_000);
        Letter {
            id: Letter::id(module, kind, sequence, time),
            module: module.to_owned(),
            component: "sshd".to_owned(),
            component_digest: "00ff".to_owned(),
            kind,
            sequence,
            source: "auth".to_owned(),
            position: 42,
            time,
            raw: Raw(b"sshd[1]: \xff".to_vec()),
            event: None,
            failure: "trapped: unreachable".to_owned(),
            backtrace: vec!["sshd::parse".to_owned()],
            when: time,
        }
    }

    #[test]
    fn letters_outlive_who_wrote_them() {
        let folder = Folder::new("outlive");
        let dead = Dead::open(&folder.0).expect("no folder is no letters");
        assert!(dead.list().expect("none").is_empty());
        let letters = [
            letter("a", Kind::Record, 300),
            letter("a", Kind::Record, 7),
            letter("a", Kind::Tick, 7),
            letter("a/1", Kind::Record, 9),
        ];
        for letter in &letters {
            dead.put(letter).expect("kept");
        }
        dead.put(&letters[0]).expect("kept again");
        for dead in [dead, Dead::open(&folder.0).expect("the same folder")] {
            assert_eq!(dead.count(), 4);
            assert_eq!(dead.sequences_of("a"), [7, 300]);
            assert_eq!(dead.ticks_of("a"), [(7, 1_700_000_000_000_000_000, None)]);
            assert_eq!(dead.sequences_of("a/1"), [9]);
            assert!(dead.contains("a", 7) && !dead.contains("a", 9) && !dead.contains("b", 7));
            assert_eq!(dead.get(&letters[3].id).expect("there"), letters[3]);
            assert_eq!(dead.list().expect("all").len(), 4);
        }
        let file = folder.0.join(format!("{}.json", letters[0].id));
        assert_eq!(fs::metadata(file).expect("a file").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_letter_is_removed_once() {
        let folder = Folder::new("removed");
        let dead = Dead::open(&folder.0).expect("opened");
        let letter = letter("a", Kind::Record, 1);
        dead.put(&letter).expect("kept");
        dead.remove(&letter.id).expect("removed");
        assert!(matches!(dead.remove(&letter.id), Err(DeadError::Unknown(_))));
        assert!(matches!(dead.get(&letter.id), Err(DeadError::Unknown(_))));
        assert!(!dead.contains("a", 1));
        assert_eq!(Dead::open(&folder.0).expect("opened").count(), 0);
    }

    #[test]
    fn the_oldest_make_room() {
        let folder = Folder::new("room");
        let dead = Dead::bounded(&folder.0, 3, u64::MAX).expect("opened");
        for sequence in (0..5).rev() {
            dead.put(&letter("a", Kind::Record, sequence)).expect("kept");
        }
        assert_eq!((dead.count(), dead.dropped()), (3, 2));
        assert_eq!(dead.sequences_of("a"), [0, 1, 2]);
        let tight = Dead::bounded(&folder.0, 100, 1).expect("opened");
        tight.put(&letter("a", Kind::Record, 9)).expect("the newest stays");
        assert_eq!(tight.sequences_of("a"), [9]);
        assert_eq!(tight.dropped(), 3);
    }

    #[test]
    fn damage_and_strangers_harm_no_other_letter() {
        let folder = Folder::new("damage");
        let dead = Dead::open(&folder.0).expect("opened");
        let (good, bad) = (letter("a", Kind::Record, 1), letter("a", Kind::Record, 2));
        dead.put(&good).expect("kept");
        dead.put(&bad).expect("kept");
        fs::write(folder.0.join(format!("{}.json", bad.id)), "{").expect("damaged");
        fs::write(folder.0.join("notes.txt"), "x").expect("a stranger");
        fs::write(folder.0.join(format!("{}.unfinished", good.id)), "x").expect("unfinished");
        let dead = Dead::open(&folder.0).expect("opened");
        assert_eq!(dead.list().expect("what is whole"), [good]);
        assert!(matches!(dead.get(&bad.id), Err(DeadError::Damaged { .. })));
        for outside in ["../x", "", "/etc/passwd", "a"] {
            assert!(matches!(dead.get(outside), Err(DeadError::Unknown(_))), "{outside}");
        }
        dead.remove(&bad.id).expect("a damaged one can be removed");
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let folder = Folder::new("unwritable");
        fs::write(&folder.0, "no folder").expect("a file in its place");
        assert!(Dead::open(&folder.0).is_err());
        fs::remove_file(&folder.0).expect("removed");
        let dead = Dead::open(&folder.0).expect("opened");
        fs::write(&folder.0, "no folder").expect("a file in its place");
        let error = dead.put(&letter("a", Kind::Record, 1)).expect_err("no folder");
        assert!(error.to_string().contains("correlator-dead-unwritable"), "{error}");
        assert!(!dead.contains("a", 1));
        fs::remove_file(&folder.0).expect("removed");
    }
}
