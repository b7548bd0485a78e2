//! Bytes to records: framing, syslog parsing and time.
//!
//! A source reads a block of bytes to the end of a frame's text and hands the frame to [`parser::Parser::parse`], which
//! finds the records in place and pushes a row for each. That is the whole room: bytes are read once, never copied, and
//! the frame that comes out is the frame that is spooled and that guests see.
//!
//! # Why it is built so
//! **Nothing is lost.** There is no error type here, because no bytes are an error: what can't be understood becomes a
//! record that says so in its flags, what is too long is cut and says so, and everything is counted. A grammar that
//! refuses would refuse exactly the records that an attacker writes.
//!
//! **Formats are told apart by what stands in them, record by record.** Real streams mix RFC 5424, RFC 3164 and whatever
//! a relay or a file writer made of them, so there is no option that names the format and no state that remembers it.
//!
//! **One pass by hand, no combinators.** A record takes a few tens of nanoseconds. Delimiters are found by vector
//! instructions ([`memchr`]) or by loops over a handful of bytes, UTF-8 is validated a window at a time, and a date is
//! worked out once an hour of log: a record whose date begins with the same bytes as the one before only adds minutes
//! and seconds ([`parser`] and `clock` say how). Nothing is allocated for a record.
//!
//! **Where a block ends doesn't matter.** Whatever the parser must remember between blocks (that it is in the middle of
//! a record that was cut, that it has lost the frames' counts, the time of the record before) it keeps itself. Cutting
//! a stream at any byte gives the same records; a test cuts at all of them.
//!
//! It must never know where bytes come from, what time it is (a reference comes in as a setting), or what anybody does
//! with a record.
//!
//! # Layout
//! - `count`, [`envelope`]: octet counts, and what a capture puts around a record that nothing else tells from the others
//! - [`framing`]: where a record ends and the next begins
//! - `civil`, `zone`, `clock`, `date`: calendars, zones, the cached hour, and dates as they are written
//! - `priority`, `structured`, `rfc5424`: the format of RFC 5424
//! - `origin`, `rfc3164`: the formats that everybody else writes
//! - `validity`: is it UTF-8
//! - [`parser`]: the loop that does all of it

mod count;

pub mod envelope;

pub mod framing;

mod civil;
mod clock;
mod date;
mod zone;

mod priority;
mod rfc5424;
mod structured;

mod origin;
mod rfc3164;

mod validity;

pub mod parser;
