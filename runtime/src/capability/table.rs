//! The capability `table`: rows of CSV and JSON-lines files in one folder.
//!
//! The target is a file's name, `NAME.csv` or `NAME.jsonl`; the columns are the table's. A row is one line, whatever
//! is in it, and a turn's rows are written at once: so the end of the last whole line is always known, and what a
//! crash or a full disk left behind it is cut off before anything else is written.

mod csv;
mod file;
mod json;
mod mark;
mod taken;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use file::TableFile;
use jiff::tz::TimeZone;
use mark::Journal;
pub use mark::{TableMark, TableMarks};

use super::{Refusal, cells};
use crate::guest::Effect;
use crate::text::clean;
use crate::{clock, limit};

/// How a table file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Csv,
    JsonLines,
}

/// When a file is put aside, and how many of those are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// The size at which a file is put aside; never, if absent.
    pub bytes: Option<u64>,
    /// How many of those put aside are kept.
    pub keep: u32,
}

/// The grant `table`, ready to use.
pub struct TableFiles {
    listener: String,
    folder: PathBuf,
    rotation: Rotation,
    /// The zone by whose days files are put aside, if they are.
    daily: Option<TimeZone>,
    files: HashMap<String, TableFile>,
    lines: Vec<u8>,
    /// How long files were when they were opened: written down before the first row, where anything is kept.
    journal: Option<Journal>,
    /// Marks of files that an earlier run wrote and this one has not opened.
    earlier: Vec<TableMark>,
    /// Marks of files that are out of reach for now. What stands behind them comes again, so it goes when they are back.
    away: Vec<TableMark>,
}

impl TableFiles {
    /// A listener's files, in this folder and nowhere else. The folder is made when the first row comes.
    #[must_use]
    pub fn new(listener: &str, folder: PathBuf, rotation: Rotation) -> Self {
        Self {
            listener: listener.to_owned(),
            folder,
            rotation,
            daily: None,
            files: HashMap::new(),
            lines: Vec::new(),
            journal: None,
            earlier: Vec::new(),
            away: Vec::new(),
        }
    }

    /// Has files put aside when a day of this zone has begun.
    #[must_use]
    pub fn daily(self, zone: Option<TimeZone>) -> Self {
        Self { daily: zone, ..self }
    }

    /// Goes back to where an earlier run was when it last wrote down its marks: rows behind them come again. From now on
    /// what is needed for that is written down in the file `journal`.
    ///
    /// # Errors
    /// The journal or a table can't be read or written.
    pub fn resume(&mut self, journal: &Path, kept: TableMarks, through: bool) -> io::Result<()> {
        let epoch = kept.epoch;
        let found = mark::resume(&self.folder, journal, kept)?;
        let mut journal = Journal::begin(journal, epoch, through)?;
        found.away.iter().try_for_each(|mark| journal.note(mark.clone()))?;
        (self.earlier, self.away) = (found.there, found.away);
        self.journal = Some(journal);
        Ok(())
    }

    /// Goes on where another has just ended: nothing comes again.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn go_on(&mut self, journal: &Path, kept: TableMarks, through: bool) -> io::Result<()> {
        self.journal = Some(Journal::go_on(journal, kept.epoch, through)?);
        let is_away = |mark: &TableMark| mark::is_away(&self.folder, mark);
        (self.away, self.earlier) = kept.marks.into_iter().partition(is_away);
        Ok(())
    }

    /// How far the tables have been written. What these say is on the disk if `through` was asked for.
    ///
    /// # Errors
    /// A table can't be written through.
    pub fn marks(&mut self) -> io::Result<TableMarks> {
        let through = self.journal.as_ref().is_some_and(Journal::is_through);
        let mut marks: Vec<_> = self.files.iter().map(|(target, file)| file.mark(target)).collect();
        if through {
            self.files.values_mut().try_for_each(TableFile::sync)?;
        }
        let unopened = |mark: &&TableMark| !self.files.contains_key(&mark.target);
        marks.extend(self.away.iter().chain(&self.earlier).filter(unopened).cloned());
        let epoch = self.journal.as_mut().map_or(0, Journal::turn_over);
        Ok(TableMarks { epoch, marks })
    }

    pub(super) fn execute(&mut self, effect: &Effect) -> Result<usize, Refusal> {
        let form = form(&effect.target)?;
        if effect.columns.is_empty() {
            return Err(Refusal::Malformed("a table without columns".into()));
        }
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        let mut count = 0;
        for row in cells::rows(effect) {
            match form {
                Form::Csv => csv::row(&effect.columns, row, &mut lines),
                Form::JsonLines => json::row(&effect.columns, row, &mut lines),
            }
            count += 1;
        }
        let header = match form {
            Form::Csv => csv::header(&effect.columns),
            Form::JsonLines => Vec::new(),
        };
        let written = self.append(&effect.target, &header, &lines);
        self.lines = lines;
        written.map(|()| count)
    }

    fn append(&mut self, target: &str, header: &[u8], lines: &[u8]) -> Result<(), Refusal> {
        if !self.files.contains_key(target) && self.files.len() >= limit::TABLE_FILES_MAX {
            return Err(Refusal::Denied(format!(
                "`{target}` would be one more than the {} files that a listener may have open",
                limit::TABLE_FILES_MAX
            )));
        }
        if self.files.get(target).is_some_and(|file| file.header() != header) {
            return Err(Refusal::Malformed(format!(
                "`{target}` has other columns than it had before in this run"
            )));
        }
        // The name is a good one, so whatever is in the way is the operator's to mend, and the rows are good until then.
        self.write(target, header, lines).map_err(|error| {
            Refusal::NotNow(format!("{}: {error}", self.folder.join(target).display()))
        })
    }

    fn write(&mut self, target: &str, header: &[u8], lines: &[u8]) -> io::Result<()> {
        if !self.files.contains_key(target) {
            let file = self.open(target, header)?;
            self.files.insert(target.to_owned(), file);
        }
        let Some(file) = self.files.get_mut(target) else { return Ok(()) };
        let daily = self.daily.as_ref();
        let is_old = daily.is_some_and(|zone| file.is_of_another_day(clock::now(), zone));
        if is_old || file.is_full(lines.len(), self.rotation) {
            file.put_aside(self.rotation.keep)?;
        }
        if let Some(journal) = self.journal.as_mut().filter(|_| !file.is_noted) {
            journal.note(file.mark(target))?;
            file.is_noted = true;
        }
        let written = file.append(lines);
        if file.is_lost() {
            self.away.push(file.mark(target));
            self.files.remove(target);
        }
        written
    }

    /// Opens a file. What stands behind the mark of one that was away comes again.
    fn open(&mut self, target: &str, header: &[u8]) -> io::Result<TableFile> {
        let mut file = TableFile::open(&self.folder, target, header, &self.listener)?;
        let there = file.mark(target);
        if let Some(mark) = self.away.iter().find(|mark| mark.is_of(&there)) {
            if there.length > mark.length {
                file.cut(mark.length)?;
            }
            // What is written down of it already is where it was at the checkpoint.
            file.is_noted = true;
        }
        self.away.retain(|mark| mark.target != target);
        Ok(file)
    }
}

/// The form that a target's name asks for; a name that could lead out of the folder is denied.
fn form(target: &str) -> Result<Form, Refusal> {
    let shown = || clean(target, limit::NAME_BYTES_MAX);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let inside = target.len() <= limit::TARGET_BYTES_MAX
        && target.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && target.chars().all(plain);
    if !inside {
        return Err(Refusal::Denied(format!(
            "`{}` is no name of a table file: letters, digits, `_`, `-` and `.`, at most {} bytes",
            shown(),
            limit::TARGET_BYTES_MAX
        )));
    }
    match Path::new(target).extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(Form::Csv),
        Some("jsonl") => Ok(Form::JsonLines),
        _ => Err(Refusal::Denied(format!(
            "`{}` must end in `.csv` or `.jsonl`; other files are not for tables",
            shown()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use correlator_frame::effect::{Header, NO_EVENT};
    use correlator_frame::value::Kind;
    use rustix::fs::{FlockOperation, flock};

    use super::{Rotation, TableFiles, TableMarks};
    use crate::capability::Refusal;
    use crate::declaration::Column;
    use crate::guest::{Effect, Rows};

    /// A folder of this test's own, gone at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("correlator-tables-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }

        fn tables(&self) -> PathBuf {
            self.0.join("rows")
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.tables().join(name)).unwrap_or_default()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A row with a number in it.
    fn row(target: &str, number: u32) -> Effect {
        let mut index = Vec::new();
        Header { event: NO_EVENT, absent: 0 }.write(1, &mut index);
        index.extend([number, 0]);
        let (name, kind) = ("n".to_owned(), Kind::Integer);
        let columns = vec![Column { name, kind, optional: false, meaning: String::new() }];
        let rows = Rows { text: Vec::new(), index };
        Effect { capability: "table".into(), target: target.into(), columns, rows }
    }

    fn files(folder: &Folder) -> TableFiles {
        TableFiles::new("l", folder.tables(), Rotation::default())
    }

    #[test]
    fn whatever_is_in_the_way_can_be_mended_and_a_bad_name_can_not() {
        type Act = fn(&Path);
        let check = |name: &str, hinder: Act, words: &str, mend: Act| {
            let folder = Folder::new(name);
            hinder(&folder.tables());
            let mut files = files(&folder);
            for _ in 0..2 {
                let refusal = files.execute(&row("t.csv", 1)).expect_err(name);
                assert!(
                    matches!(&refusal, Refusal::NotNow(why) if why.contains(words)),
                    "{refusal}"
                );
            }
            mend(&folder.tables());
            assert_eq!(files.execute(&row("t.csv", 1)), Ok(1), "{name}");
            assert_eq!(folder.read("t.csv"), "n\n1\n", "{name}");
        };
        check(
            "link",
            |it| {
                fs::create_dir(it).expect("a folder");
                symlink("/dev/null", it.join("t.csv")).expect("a link");
            },
            "take it away",
            |it| fs::remove_file(it.join("t.csv")).expect("the link"),
        );
        check(
            "folder",
            |it| fs::create_dir_all(it.join("t.csv")).expect("a folder"),
            "directory",
            |it| fs::remove_dir(it.join("t.csv")).expect("the folder"),
        );
        check(
            "away",
            |it| symlink("/proc/no/such/place", it).expect("a link"),
            "t.csv",
            |it| fs::remove_file(it).expect("the link"),
        );
        for name in ["../t.csv", ".t.csv", "t.txt", "a/t.csv", ""] {
            let refusal = files(&Folder::new("name")).execute(&row(name, 1)).expect_err(name);
            assert!(matches!(refusal, Refusal::Denied(_)), "{refusal}");
        }
    }

    #[test]
    fn who_else_writes_to_a_file_is_waited_for() {
        let folder = Folder::new("lock");
        fs::create_dir(folder.tables()).expect("a folder");
        let other = fs::File::create(folder.tables().join("t.csv")).expect("a file");
        flock(&other, FlockOperation::LockExclusive).expect("a lock");
        let mut files = files(&folder);
        let refusal = files.execute(&row("t.csv", 1)).expect_err("locked");
        assert!(matches!(&refusal, Refusal::NotNow(why) if why.contains("another")), "{refusal}");
        drop(other);
        assert_eq!(files.execute(&row("t.csv", 1)), Ok(1));
    }

    #[test]
    fn whoever_of_this_program_writes_to_a_file_is_named() {
        let folder = Folder::new("named");
        let mut first =
            TableFiles::new("first", folder.tables(), Rotation { bytes: Some(5), keep: 5 });
        let mut second = TableFiles::new("second", folder.tables(), Rotation::default());
        let named = |refused: Result<usize, Refusal>| {
            let refusal = refused.expect_err("locked").to_string();
            assert!(refusal.contains("listener `first` is writing to it"), "{refusal}");
        };
        assert_eq!(first.execute(&row("t.csv", 1)), Ok(1));
        named(second.execute(&row("t.csv", 1)));
        // The file of that name is another one from here on.
        assert_eq!(first.execute(&row("t.csv", 2)), Ok(1));
        named(second.execute(&row("t.csv", 1)));
        let mut anew = TableFiles::new("first", folder.tables(), Rotation::default());
        let refusal = anew.execute(&row("t.csv", 3)).expect_err("locked").to_string();
        assert!(refusal.contains("as it was before a change"), "{refusal}");
        drop(first);
        assert_eq!(second.execute(&row("t.csv", 3)), Ok(1));
        assert_eq!(folder.read("t.csv"), "n\n2\n3\n");
    }

    #[test]
    fn a_new_file_that_can_not_be_made_leaves_the_old_one_aside_once() {
        let folder = Folder::new("aside");
        let mut files = TableFiles::new("l", folder.tables(), Rotation { bytes: Some(5), keep: 5 });
        assert_eq!(files.execute(&row("t.csv", 1)), Ok(1));
        let file = files.files.get_mut("t.csv").expect("a file");
        // As if only making the new one had failed.
        fs::rename(folder.tables().join("t.csv"), folder.tables().join("t.csv.1")).expect("aside");
        file.put_aside(5).expect("a new file");
        assert_eq!(files.execute(&row("t.csv", 2)), Ok(1));
        assert_eq!(
            (folder.read("t.csv.1"), folder.read("t.csv")),
            ("n\n1\n".into(), "n\n2\n".into())
        );
        assert_eq!(folder.read("t.csv.2"), "");
    }

    #[test]
    fn rows_behind_the_mark_of_a_disk_that_was_away_do_not_stand_there_twice() {
        let folder = Folder::new("mount");
        let (journal, elsewhere) = (folder.0.join("journal"), folder.0.join("elsewhere"));
        let mut files = files(&folder);
        files.resume(&journal, TableMarks::default(), false).expect("a journal");
        assert_eq!(files.execute(&row("t.csv", 1)), Ok(1));
        let kept = files.marks().expect("marks");
        assert_eq!(files.execute(&row("t.csv", 2)), Ok(1));
        drop(files);
        fs::rename(folder.tables(), &elsewhere).expect("away");
        let mut files = self::files(&folder);
        files.resume(&journal, kept.clone(), false).expect("a journal");
        assert_eq!(files.marks().expect("marks").marks, kept.marks);
        fs::rename(&elsewhere, folder.tables()).expect("back");
        assert_eq!(files.execute(&row("t.csv", 2)), Ok(1));
        assert_eq!(folder.read("t.csv"), "n\n1\n2\n");
    }
}
