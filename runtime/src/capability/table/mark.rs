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

use crate::limit;

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
            fs::create_dir_all(folder)?;
        }
        Ok(Self { file: File::create(path)?, epoch, through })
    }

    /// Goes on behind what was noted.
    pub(super) fn go_on(path: &Path, epoch: u64, through: bool) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { file, epoch, through })
    }

    /// Notes a mark.
    pub(super) fn note(&mut self, mark: TableMark) -> io::Result<()> {
        let note = Note { epoch: self.epoch, mark };
        let mut line = serde_json::to_vec(&note).map_err(io::Error::other)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
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

/// Cuts every table to its mark: those of the checkpoint, and of tables that were opened after it. Tells the marks that
/// hold now.
pub(super) fn resume(
    folder: &Path,
    journal: &Path,
    kept: TableMarks,
) -> io::Result<Vec<TableMark>> {
    let mut marks = kept.marks;
    let notes = match fs::read(journal) {
        Ok(notes) => notes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    for line in notes.split(|&byte| byte == b'\n') {
        // A torn line was not followed by a row.
        let Ok(Note { epoch, mark }) = serde_json::from_slice(line) else { continue };
        let (device, inode) = (mark.device, mark.inode);
        let same = |other: &TableMark| (other.device, other.inode) == (device, inode);
        if epoch < kept.epoch {
            continue;
        }
        // The last note holds: a file that is gone leaves its number to another.
        match marks.iter_mut().find(|other| same(other)) {
            Some(other) => *other = mark,
            None => marks.push(mark),
        }
    }
    for mark in &marks {
        if let Some(path) = find(folder, mark) {
            cut(&path, mark.length)?;
        }
    }
    // Those that are gone, or are put aside for good, need no mark any more.
    marks.retain(|mark| is(&folder.join(&mark.target), mark));
    Ok(marks)
}

/// The table's file, which may have been put aside since.
fn find(folder: &Path, mark: &TableMark) -> Option<PathBuf> {
    let current = folder.join(&mark.target);
    if is(&current, mark) {
        return Some(current);
    }
    let aside = |number| folder.join(format!("{}.{number}", mark.target));
    let numbers = 1..=limit::TABLE_KEEP_MAX;
    numbers.map(aside).take_while(|path| path.exists()).find(|path| is(path, mark))
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

    use super::{Journal, TableMark, TableMarks, resume};

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
        let marks = resume(&folder, &journal, checkpoint).expect("tables");
        assert_eq!(fs::read_to_string(folder.join("t.csv.2")).expect("a table"), "a\n0\n");
        assert_eq!(fs::read_to_string(folder.join("t.csv.1")).expect("a table"), "a\n1\n");
        assert_eq!(fs::read_to_string(folder.join("t.csv")).expect("a table"), "");
        assert_eq!(marks, [mark(&folder, "t.csv", 0)]);
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn another_file_of_that_name_is_left_alone() {
        let folder = folder("other");
        fs::write(folder.join("t.csv"), "a\n1\n").expect("a table");
        let mut other = mark(&folder, "t.csv", 0);
        other.inode += 1;
        let kept = TableMarks { epoch: 1, marks: vec![other] };
        assert_eq!(resume(&folder, &folder.join("none"), kept).expect("tables"), []);
        assert_eq!(fs::read_to_string(folder.join("t.csv")).expect("a table"), "a\n1\n");
        fs::remove_dir_all(folder).expect("clean up");
    }
}
