//! What the parser makes of bytes: a table for each format, and what must hold for any bytes at all.

mod any_bytes;
mod framing;
mod fuzzed;
mod limits;
mod rfc3164;
mod rfc5424;
mod shown;
mod time;
