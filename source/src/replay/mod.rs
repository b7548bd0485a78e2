//! Captures, read record by record and sent again.
//!
//! A capture is the bytes of records as they arrived, framing and all, without a header. It is read here with the
//! framing kept, so that what is copied or sent is what came, byte by byte. The sender lives beside the sources because
//! sockets do. It must never know who chooses the records, and never change one.
//!
//! # Layout
//! - [`reader`]: a capture's records with the bytes around them
//! - [`batch`]: records as they go over the wire
//! - [`pace`]: when each of them is due
//! - [`target`]: where they go
//! - [`link`]: one connection: it sends, waits, and closes so that the peer can confirm
//! - `feed`: from the capture to batches that wait to be sent
//! - [`play`]: all of it together

pub mod reader;

pub mod batch;

pub mod pace;

pub mod target;

pub mod link;

mod feed;

pub mod play;
