//! Single values as other commands' flags have them, read as a stack reads them.
//!
//! It must never know which command asks.

use correlator_record::framing::Framing;
use jiff::tz::TimeZone;

use super::problem::Wrong;
use super::{source, value};

/// How records are told apart; nothing for `auto`.
pub(crate) fn framing(text: &str) -> Result<Option<Framing>, Wrong> {
    source::framing::read(text)
}

/// A time zone by its name, or a fixed offset such as `+02:00`.
pub(crate) fn zone(text: &str) -> Result<TimeZone, Wrong> {
    super::zone::read(text)
}

/// The year of dates that name none.
pub(crate) fn year(text: &str) -> Result<i16, Wrong> {
    source::year(text)
}

/// A moment in nanoseconds since 1970-01-01T00:00:00Z; without a zone, in this one.
pub(crate) fn time(text: &str, zone: &TimeZone) -> Result<i64, Wrong> {
    value::time(text, zone)
}

/// A span of time in nanoseconds.
pub(crate) fn duration(text: &str) -> Result<i64, Wrong> {
    value::duration(text)
}
