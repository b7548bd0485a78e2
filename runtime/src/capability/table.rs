//! The capability `table`: rows of CSV and JSON-lines files in one folder.
//!
//! The target is a file's name, `NAME.csv` or `NAME.jsonl`; the columns are the table's. A row is one line, whatever
//! is in it, and a turn's rows are written at once: so the end of the last whole line is always known, and what a
//! crash or a full disk left behind it is cut off before anything else is written.

mod csv;
mod file;
mod json;
mod mark;

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
}

impl TableFiles {
    /// Files in this folder and nowhere else. The folder is made when the first row comes.
    #[must_use]
    pub fn new(folder: PathBuf, rotation: Rotation) -> Self {
        Self {
            folder,
            rotation,
            daily: None,
            files: HashMap::new(),
            lines: Vec::new(),
            journal: None,
            earlier: Vec::new(),
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
        self.earlier = mark::resume(&self.folder, journal, kept)?;
        self.journal = Some(Journal::begin(journal, epoch, through)?);
        Ok(())
    }

    /// Goes on where another has just ended: nothing comes again.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn go_on(&mut self, journal: &Path, kept: TableMarks, through: bool) -> io::Result<()> {
        self.journal = Some(Journal::go_on(journal, kept.epoch, through)?);
        self.earlier = kept.marks;
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
        let opened = |mark: &&TableMark| !self.files.contains_key(&mark.target);
        marks.extend(self.earlier.iter().filter(opened).cloned());
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
        let folder = &self.folder;
        let failed = |error: io::Error| {
            let text = format!("{}: {error}", folder.join(target).display());
            if passes(&error) { Refusal::NotNow(text) } else { Refusal::Failed(text) }
        };
        if !self.files.contains_key(target) {
            if self.files.len() >= limit::TABLE_FILES_MAX {
                return Err(Refusal::Denied(format!(
                    "`{target}` would be one more than the {} files that a listener may have open",
                    limit::TABLE_FILES_MAX
                )));
            }
            let file = TableFile::open(folder, target, header).map_err(failed)?;
            if let Some(journal) = &mut self.journal {
                journal.note(file.mark(target)).map_err(failed)?;
            }
            self.files.insert(target.to_owned(), file);
        }
        let journal = &mut self.journal;
        match self.files.get_mut(target) {
            Some(file) if file.header() != header => Err(Refusal::Malformed(format!(
                "`{target}` has other columns than it had before in this run"
            ))),
            Some(file) => {
                let daily = self.daily.as_ref();
                let is_old = daily.is_some_and(|zone| file.is_of_another_day(clock::now(), zone));
                if is_old || file.is_full(lines.len(), self.rotation) {
                    file.put_aside(self.rotation.keep).map_err(failed)?;
                    if let Some(journal) = journal {
                        journal.note(file.mark(target)).map_err(failed)?;
                    }
                }
                file.append(lines).map_err(failed)
            }
            None => Ok(()),
        }
    }
}

/// Whether an error may be gone later.
fn passes(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    let passing = [
        Errno::NOSPC,
        Errno::DQUOT,
        Errno::IO,
        Errno::ROFS,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
    ];
    number.is_some_and(|number| passing.contains(&number))
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
