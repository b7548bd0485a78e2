//! Marks: how far tables had been written at a checkpoint, so that rows that come again do not stand there twice.
//!
//! A checkpoint holds the marks of all tables that were open then. A table that is opened later is noted in a journal
//! before its first row is written. After a crash every table is cut to its mark; the events that made the rows behind
//! it are handed over again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::private;

/// How far a table had been written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableMark {
    /// Its name.
    pub target: String,
    /// The file, whatever its name is by now.
    pub device: u64,
    /// The file on that device.
    pub inode: u64,
    /// The end of its last whole row.
    pub length: u64,
}

impl TableMark {
    /// Whether both are of one file.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The marks of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableMarks {
    /// Counts checkpoints: what was noted before this one is in its marks, or was put aside for good.
    pub epoch: u64,
    /// Each table.
    pub marks: Vec<TableMark>,
}

/// Notes of tables that were opened since the last checkpoint, a line each.
pub(super) struct Journal {
    file: File,
    epoch: u64,
    through: bool,
}

#[derive(Serialize, Deserialize)]
struct Note {
    epoch: u64,
    mark: TableMark,
}

impl Journal {
    /// Begins anew, behind the checkpoint of this epoch.
    pub(super) fn begin(path: &Path, epoch: u64, through: bool) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            private::folder(folder)?;
        }
        Ok(Self { file: private::options().truncate(true).open(path)?, epoch, through })
    }

    /// Goes on behind what was noted.
    pub(super) fn go_on(path: &Path, epoch: u64, through: bool) -> io::Result<Self> {
        let file = private::options().append(true).open(path)?;
        Ok(Self { file, epoch, through })
    }

    /// Notes a mark.
    pub(super) fn note(&mut self, mark: TableMark) -> io::Result<()> {
        let note = Note { epoch: self.epoch, mark };
        let note = serde_json::to_string(&note)?;
        // Half a note that a full disk left ends here.
        self.file.write_all(format!("\n{note}\n").as_bytes())?;
        if self.through { self.file.sync_data() } else { Ok(()) }
    }

    /// A checkpoint is made: what is noted from now on comes after it.
    pub(super) fn turn_over(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }

    /// Whether notes are written through to the disk.
    pub(super) fn is_through(&self) -> bool {
        self.through
    }
}

/// The marks that hold after a start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Of tables that are there, and end at their marks.
    pub there: Vec<TableMark>,
    /// Of tables that nobody can look at now: the disk that they are on is away.
    pub away: Vec<TableMark>,
}

/// Cuts every table to its mark: those of the checkpoint, and of tables that were opened after it.
pub(super) fn resume(folder: &Path, journal: &Path, kept: TableMarks) -> io::Result<Found> {
    let mut marks = kept.marks;
    let notes = match fs::read(journal) {
        Ok(notes) => notes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    for line in notes.split(|&byte| byte == b'\n') {
        // A torn line was not followed by a row.
        let Ok(Note { epoch, mark }) = serde_json::from_slice(line) else { continue };
        if epoch < kept.epoch {
            continue;
        }
        // The last note holds: a file that is gone leaves its number to another.
        match marks.iter_mut().find(|other| other.is_of(&mark)) {
            Some(other) => *other = mark,
            None => marks.push(mark),
        }
    }
    for mark in &marks {
        let Some(path) = find(folder, mark) else { continue };
        cut(&path, mark.length)?;
        if mark.length == 0 && path != folder.join(&mark.target) {
            // Put aside with rows that all come again: it would take the place of one that has some.
            fs::remove_file(&path)?;
        }
    }
    let (there, others): (Vec<_>, Vec<_>) =
        marks.into_iter().partition(|mark| is(&folder.join(&mark.target), mark));
    // Those that are gone, or are put aside for good, need no mark any more.
    let away = others.into_iter().filter(|mark| is_away(folder, mark)).collect();
    Ok(Found { there, away })
}

/// Whether the folder is not the one that it was, or can't be looked at.
pub(super) fn is_away(folder: &Path, mark: &TableMark) -> bool {
    fs::metadata(folder).map_or(true, |facts| facts.dev() != mark.device)
}

/// The table's file, which may have been put aside since. Their numbers have a gap where that was broken off.
fn find(folder: &Path, mark: &TableMark) -> Option<PathBuf> {
    let current = folder.join(&mark.target);
    if is(&current, mark) {
        return Some(current);
    }
    let is_aside = |name: &str| {
        let number = name.strip_prefix(&mark.target).and_then(|rest| rest.strip_prefix('.'));
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut entries = fs::read_dir(folder).ok()?.flatten();
    entries
        .find(|entry| entry.file_name().to_str().is_some_and(is_aside) && is(&entry.path(), mark))
        .map(|entry| entry.path())
}

fn is(path: &Path, mark: &TableMark) -> bool {
    let facts = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
    facts.is_some_and(|facts| (facts.dev(), facts.ino()) == (mark.device, mark.inode))
}

fn cut(path: &Path, length: u64) -> io::Result<()> {
    let there = fs::metadata(path)?.len();
    if there > length {
        tracing::info!("{}: cut {} bytes of rows that come again", path.display(), there - length);
        OpenOptions::new().write(true).open(path)?.set_len(length)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};

    use super::{Found, Journal, TableMark, TableMarks, resume};

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("correlator-mark-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    fn mark(folder: &Path, name: &str, length: u64) -> TableMark {
        let facts = fs::metadata(folder.join(name)).expect("a table");
        let (device, inode) = (facts.dev(), facts.ino());
        TableMark { target: "t.csv".into(), device, inode, length }
    }

    #[test]
    fn rows_behind_the_marks_go() {
        let folder = folder("cut");
        let journal = folder.join("journal");
        fs::write(folder.join("t.csv.1"), "a\n1\n2\n").expect("a table");
        fs::write(folder.join("t.csv"), "a\n3\n").expect("a table");
        fs::write(folder.join("t.csv.2"), "a\n0\n").expect("a table");
        let mut notes = Journal::begin(&journal, 0, true).expect("a journal");
        // Noted, filled and put aside before the checkpoint: nobody's business any more.
        notes.note(mark(&folder, "t.csv.2", 0)).expect("a note");
        let epoch = notes.turn_over();
        let checkpoint = TableMarks { epoch, marks: vec![mark(&folder, "t.csv.1", 4)] };
        notes.note(mark(&folder, "t.csv", 0)).expect("a note");
        let found = resume(&folder, &journal, checkpoint).expect("tables");
        assert_eq!(fs::read_to_string(folder.join("t.csv.2")).expect("a table"), "a\n0\n");
        assert_eq!(fs::read_to_string(folder.join("t.csv.1")).expect("a table"), "a\n1\n");
        assert_eq!(fs::read_to_string(folder.join("t.csv")).expect("a table"), "");
        assert_eq!(found, Found { there: vec![mark(&folder, "t.csv", 0)], away: vec![] });
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn rows_go_where_a_rotation_was_broken_off() {
        let folder = folder("gap");
        // Killed between two renames: there is no number 1, and none that has this name.
        fs::write(folder.join("t.csv.2"), "a\n1\n2\n").expect("a table");
        fs::write(folder.join("t.csv.3"), "a\n0\n").expect("a table");
        fs::write(folder.join("t.csv.x"), "mine").expect("a file");
        let marks = vec![mark(&folder, "t.csv.2", 4), mark(&folder, "t.csv.3", 0)];
        let kept = TableMarks { epoch: 1, marks };
        let found = resume(&folder, &folder.join("none"), kept).expect("tables");
        assert_eq!(found, Found { there: vec![], away: vec![] });
        assert_eq!(fs::read_to_string(folder.join("t.csv.2")).expect("a table"), "a\n1\n");
        assert!(!folder.join("t.csv.3").exists(), "nothing would be left in it");
        assert!(folder.join("t.csv.x").exists());
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn another_file_of_that_name_is_left_alone() {
        let folder = folder("other");
        fs::write(folder.join("t.csv"), "a\n1\n").expect("a table");
        let mut other = mark(&folder, "t.csv", 0);
        other.inode += 1;
        let kept = TableMarks { epoch: 1, marks: vec![other] };
        let found = resume(&folder, &folder.join("none"), kept).expect("tables");
        assert_eq!(found, Found { there: vec![], away: vec![] });
        assert_eq!(fs::read_to_string(folder.join("t.csv")).expect("a table"), "a\n1\n");
        fs::remove_dir_all(folder).expect("clean up");
    }
}
