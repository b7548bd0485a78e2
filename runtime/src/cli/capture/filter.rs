//! `correlator capture filter`: a copy of the records that are to be kept, byte by byte.

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use correlator_source::replay::reader::{Entry, Reader};
use serde_json::json;

use super::line::Shown;
use super::listing::Listing;
use super::select::{Chosen, Selection};
use super::{Times, unreadable};
use crate::cli::output::Output;
use crate::cli::words::{bytes, count, number};
use crate::cli::{EXIT_MACHINE, EXIT_WELL, EXIT_WRONG, Failed};

pub(super) const EXAMPLES: &str = "\
Examples:
  correlator capture list all.cap > list        then put # before the lines that are to go, and
  correlator capture filter all.cap --list list --out some.cap
  correlator capture filter all.cap --program sshd --from 2023-02-20 --out sshd.cap";

/// The mode of a new capture: logs are not for everybody.
const MODE: u32 = 0o600;

/// What `capture filter` understands.
#[derive(clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The capture.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write what is kept; this file must not exist.
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
    /// What `correlator capture list` printed, with # before the lines of records that are to go.
    #[arg(long, value_name = "LIST")]
    list: Option<PathBuf>,
    /// How records are told apart: auto, lines, octets, or the trailer itself, such as '\r'.
    #[arg(long, value_name = "FRAMING")]
    framing: Option<String>,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    selection: Selection,
}

/// What was copied.
#[derive(Default)]
struct Copied {
    read: u64,
    kept: u64,
    bytes: u64,
}

/// Copies a capture.
pub(super) fn filter(arguments: &Arguments, output: &mut Output) -> Result<u8, Failed> {
    let settings = arguments.times.settings(("--framing", arguments.framing.as_deref()), true)?;
    let chosen = arguments.selection.check(&settings.zone)?;
    let listing = arguments.list.as_deref().map(Listing::open).transpose()?;
    let reader = Reader::open(&arguments.file, &settings).map_err(|error| unreadable(&error))?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&arguments.out)
        .map_err(|error| refused(&arguments.out, &error))?;
    let mut out = BufWriter::new(file);
    let copied = copy(reader, &chosen, listing, |bytes| {
        out.write_all(bytes).map_err(|error| unwritten(&arguments.out, &error))
    });
    let done = copied.and_then(|copied| {
        let synced = out.flush().and_then(|()| out.get_ref().sync_all());
        synced.map(|()| copied).map_err(|error| unwritten(&arguments.out, &error))
    });
    let copied = done.inspect_err(|_| {
        // Half a capture looks like a whole one. It was made here, so it may go.
        let _ = fs::remove_file(&arguments.out);
    })?;
    tell(&copied, &arguments.out, output);
    Ok(EXIT_WELL)
}

/// Hands on the bytes of what is kept.
fn copy(
    mut reader: Reader,
    chosen: &Chosen,
    mut listing: Option<Listing>,
    mut write: impl FnMut(&[u8]) -> Result<(), Failed>,
) -> Result<Copied, Failed> {
    let mut copied = Copied::default();
    // What is empty before the first record is nobody's, and kept.
    let mut keeps = true;
    while let Some(block) = reader.next_block().map_err(|error| unreadable(&error))? {
        for entry in block.entries() {
            if let Entry { number: Some(number), record: Some(record), .. } = entry {
                copied.read = number;
                keeps = chosen.takes(record)
                    && match &mut listing {
                        Some(listing) => listing.keeps(&Shown::of(number, record))?,
                        None => true,
                    };
                copied.kept += u64::from(keeps);
            }
            // What is empty shares the fate of the record before it.
            if keeps {
                write(entry.bytes)?;
                copied.bytes += entry.bytes.len() as u64;
            }
        }
    }
    listing.map_or(Ok(()), |mut listing| listing.end())?;
    Ok(copied)
}

fn tell(copied: &Copied, out: &Path, output: &mut Output) {
    if output.json {
        output.value(&json!({
            "out": out.display().to_string(),
            "records_read": copied.read,
            "records_kept": copied.kept,
            "bytes": copied.bytes,
        }));
    } else {
        output.note(&format!(
            "kept {} of {}, {}, in {}\n",
            number(copied.kept),
            count(copied.read, "record"),
            bytes(copied.bytes),
            out.display(),
        ));
    }
}

fn refused(out: &Path, error: &io::Error) -> Failed {
    let out = out.display();
    match error.kind() {
        io::ErrorKind::AlreadyExists => Failed::new(
            EXIT_WRONG,
            format_args!("{out} exists, and a capture is never overwritten; name another file"),
        ),
        _ => Failed::new(EXIT_MACHINE, format_args!("{out}: {error}")),
    }
}

fn unwritten(out: &Path, error: &io::Error) -> Failed {
    Failed::new(EXIT_MACHINE, format_args!("{}: {error}; nothing was kept", out.display()))
}
