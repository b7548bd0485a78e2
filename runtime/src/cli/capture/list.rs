//! `correlator capture list`: a line for each record.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use correlator_source::replay::reader::{Block, Reader, Settings};

use super::line::{Columns, Shown, machine};
use super::select::{Chosen, Selection};
use super::{Times, unreadable};
use crate::cli::output::Output;
use crate::cli::words::{count, number};
use crate::cli::{EXIT_MACHINE, EXIT_WELL, Failed};

/// What `capture list` understands.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The captures.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Cut lines to so many characters [default: the terminal's width; otherwise lines are whole].
    #[arg(long, value_name = "CHARACTERS", value_parser = clap::value_parser!(u16).range(8..))]
    width: Option<u16>,
    /// How records are told apart: auto, lines, octets, or the trailer itself, such as '\r'.
    #[arg(long, value_name = "FRAMING")]
    framing: Option<String>,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    selection: Selection,
}

/// Why listing ends.
enum End {
    Failed(Failed),
    /// Whoever read has read enough.
    Unread,
}

/// Lists captures.
pub(super) fn list(arguments: &Arguments, output: &mut Output) -> Result<u8, Failed> {
    let settings = arguments.times.settings(("--framing", arguments.framing.as_deref()), true)?;
    let chosen = arguments.selection.check(&settings.zone)?;
    let mut listing = Lister {
        chosen,
        settings,
        json: output.json,
        width: arguments.width.map_or_else(Output::width, usize::from),
        out: BufWriter::new(io::stdout().lock()),
    };
    for (place, path) in arguments.files.iter().enumerate() {
        if arguments.files.len() > 1 && !output.json {
            let gap = if place > 0 { "\n" } else { "" };
            listing.say(&format!("{gap}==> {} <==", path.display()))?;
        }
        let told = listing.file(path);
        let flushed = listing.out.flush();
        let (listed, read) =
            told.and_then(|told| flushed.map(|()| told).map_err(|error| unwritten(&error)))?;
        let of = if listed == read { String::new() } else { format!("{} of ", number(listed)) };
        output.note(&format!("{of}{} in {}\n", count(read, "record"), path.display()));
    }
    Ok(EXIT_WELL)
}

struct Lister {
    chosen: Chosen,
    settings: Settings,
    json: bool,
    width: usize,
    out: BufWriter<io::StdoutLock<'static>>,
}

impl Lister {
    /// Lists one capture; how many records were listed, and how many there are.
    fn file(&mut self, path: &Path) -> Result<(u64, u64), End> {
        let failed = |error| End::Failed(unreadable(&error));
        let mut reader = Reader::open(path, &self.settings).map_err(failed)?;
        let (mut listed, mut read, mut columns) = (0, 0, Columns::default());
        while let Some(block) = reader.next_block().map_err(failed)? {
            let (some, last) = self.block(path, block, &mut columns)?;
            listed += some;
            read = last.unwrap_or(read);
        }
        Ok((listed, read))
    }

    /// Lists a block; how many records were listed, and the last one's number. Columns grow from block to block: to
    /// know them beforehand, all of a capture would have to be read twice.
    fn block(
        &mut self,
        path: &Path,
        block: Block,
        columns: &mut Columns,
    ) -> Result<(u64, Option<u64>), End> {
        let (mut listed, mut last, mut shown) = (0, None, Vec::new());
        for entry in block.entries() {
            let (Some(number), Some(record)) = (entry.number, entry.record) else { continue };
            last = Some(number);
            if !self.chosen.takes(record) {
                continue;
            }
            listed += 1;
            if self.json {
                let value = machine(&path.display().to_string(), number, &entry, record);
                self.say(&value.to_string())?;
            } else {
                let line = Shown::of(number, record);
                columns.widen(&line);
                shown.push(line);
            }
        }
        for line in shown {
            self.say(&line.line(*columns, self.width))?;
        }
        Ok((listed, last))
    }

    fn say(&mut self, line: &str) -> Result<(), End> {
        self.out
            .write_all(line.as_bytes())
            .and_then(|()| self.out.write_all(b"\n"))
            .map_err(|error| unwritten(&error))
    }
}

/// What it means that a line can't be written.
fn unwritten(error: &io::Error) -> End {
    match error.kind() {
        io::ErrorKind::BrokenPipe => End::Unread,
        _ => End::Failed(Failed::new(EXIT_MACHINE, format_args!("standard output: {error}"))),
    }
}

impl From<End> for Failed {
    /// Whoever has read enough is content: there is nothing more to do, and nothing to complain of.
    fn from(end: End) -> Self {
        match end {
            End::Failed(failed) => failed,
            End::Unread => Self { code: EXIT_WELL, text: String::new() },
        }
    }
}
