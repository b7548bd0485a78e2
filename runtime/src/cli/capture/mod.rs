//! `correlator capture`: captures listed, filtered and replayed.
//!
//! Records are read as a run reads them; nothing here runs a guest.

mod filter;
mod line;
mod list;
mod listing;
mod replay;
mod select;
mod sent;

use clap::{Args, Subcommand};
use correlator_source::replay::reader::{ReadError, Settings};
use jiff::tz::TimeZone;

use super::output::Output;
use super::{EXIT_MACHINE, EXIT_WRONG, Failed};
use crate::stack::typed;

/// What can be done with a capture.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Show a capture's records, a line each.
    List(list::Arguments),
    /// Copy the records of a capture that are to be kept, byte by byte.
    #[command(after_help = filter::EXAMPLES)]
    Filter(filter::Arguments),
    /// Send a capture's records to a syslog server, or to a running engine.
    #[command(after_help = replay::EXAMPLES)]
    Replay(Box<replay::Arguments>),
}

/// Does what is asked with captures.
pub(super) fn capture(command: &Command, output: &mut Output) -> Result<u8, Failed> {
    match command {
        Command::List(arguments) => list::list(arguments, output),
        Command::Filter(arguments) => filter::filter(arguments, output),
        Command::Replay(arguments) => replay::replay(arguments, output),
    }
}

/// How times are read that don't say all.
#[derive(Args)]
struct Times {
    /// The zone of times that name none, such as Europe/Berlin [default: the system's].
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// The year of dates that name none [default: by the file's date].
    #[arg(long, value_name = "YEAR")]
    year: Option<String>,
}

impl Times {
    fn zone(&self) -> Result<TimeZone, Failed> {
        let zone = self.time_zone.as_deref().map(typed::zone).transpose();
        Ok(zone.map_err(|wrong| mistyped("--time-zone", wrong))?.unwrap_or_else(TimeZone::system))
    }

    /// How a capture is read whose framing was typed after this flag.
    fn settings(
        &self,
        (flag, framing): (&str, Option<&str>),
        parse: bool,
    ) -> Result<Settings, Failed> {
        let framing = framing.map(typed::framing).transpose();
        let year = self.year.as_deref().map(typed::year).transpose();
        Ok(Settings {
            framing: framing.map_err(|wrong| mistyped(flag, wrong))?.flatten(),
            zone: self.zone()?,
            year: year.map_err(|wrong| mistyped("--year", wrong))?,
            parse,
        })
    }
}

/// A flag's value makes no sense.
fn mistyped(flag: &str, wrong: impl std::fmt::Display) -> Failed {
    Failed::new(EXIT_WRONG, format_args!("{flag}: {wrong}"))
}

/// A capture can't be read.
fn unreadable(error: &ReadError) -> Failed {
    Failed::new(EXIT_MACHINE, error)
}
