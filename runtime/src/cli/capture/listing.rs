//! A printout of `correlator capture list` that somebody has edited: what starts with `#` is to go.
//!
//! Every line is compared with the record that it ought to show, so that a list of another capture, or one whose lines
//! were deleted or moved, drops nothing by mistake.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::line::{Columns, Shown};
use crate::cli::{EXIT_MACHINE, EXIT_WRONG, Failed};
use crate::text::clean;

/// What marks a record that is to go.
const DROPS: char = '#';
/// Bytes of a line; no printout has longer ones.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a line that are shown.
const LINE_BYTES_SHOWN: usize = 120;

/// The printout, line by line.
pub(super) struct Listing {
    path: String,
    file: BufReader<File>,
    /// The number of the line that was read last.
    line: u64,
}

impl Listing {
    pub(super) fn open(path: &Path) -> Result<Self, Failed> {
        let shown = path.display().to_string();
        let file = File::open(path)
            .map_err(|error| Failed::new(EXIT_MACHINE, format_args!("{shown}: {error}")))?;
        Ok(Self { path: shown, file: BufReader::new(file), line: 0 })
    }

    /// Whether the next record is to be kept.
    pub(super) fn keeps(&mut self, shown: &Shown) -> Result<bool, Failed> {
        let record = clean(&shown.line(Columns::default(), usize::MAX), LINE_BYTES_SHOWN);
        let Some(line) = self.next()? else {
            return Err(wrong(format_args!(
                "{} ends at line {}, but the capture goes on with:\n  {}\nput `{DROPS}` before a line instead of deleting it, and use the flags that the list was made with",
                self.path,
                self.line,
                record.trim_start()
            )));
        };
        let marked = line.trim_start().starts_with(DROPS);
        let text = line.trim_start().trim_start_matches(DROPS);
        if shown.is_shown_by(text) {
            return Ok(!marked);
        }
        Err(wrong(format_args!(
            "{}:{}: this line is not the record that comes next in the capture:\n  {}\n  {}\nlist the capture anew, use the same flags, and put `{DROPS}` before a line instead of deleting it",
            self.path,
            self.line,
            clean(line.trim(), LINE_BYTES_SHOWN),
            record.trim_start()
        )))
    }

    /// Makes sure that nothing is left.
    pub(super) fn end(&mut self) -> Result<(), Failed> {
        match self.next()? {
            None => Ok(()),
            Some(line) => Err(wrong(format_args!(
                "{}:{}: the capture has no record for this line:\n  {}\nlist the capture anew, and use the same flags",
                self.path,
                self.line,
                clean(line.trim(), LINE_BYTES_SHOWN)
            ))),
        }
    }

    /// The next line that is not empty.
    fn next(&mut self) -> Result<Option<String>, Failed> {
        loop {
            let mut line = Vec::new();
            let mut bounded = self.file.by_ref().take(LINE_BYTES_MAX);
            let count = bounded.read_until(b'\n', &mut line).map_err(|error| {
                Failed::new(EXIT_MACHINE, format_args!("{}: {error}", self.path))
            })?;
            if count == 0 {
                return Ok(None);
            }
            self.line += 1;
            if count as u64 == LINE_BYTES_MAX {
                let (path, line) = (&self.path, self.line);
                return Err(wrong(format_args!("{path}:{line}: this is no list of a capture")));
            }
            let line = String::from_utf8_lossy(&line);
            if !line.trim().is_empty() {
                return Ok(Some(line.into_owned()));
            }
        }
    }
}

fn wrong(text: impl std::fmt::Display) -> Failed {
    Failed::new(EXIT_WRONG, text)
}
