//! As much of D-Bus as it takes to ask one service something: a call and its answer, before a deadline.
//!
//! What is said and heard lies in memory that is wiped, since secrets are among it. This part must never know what is
//! asked for.
//!
//! # Layout
//! - `address`: where the session's bus is
//! - `write`, `read`: messages as bytes
//! - `connection`: the socket, the greeting, calls

mod address;
mod connection;
mod read;
mod write;

pub(crate) use self::address::{Address, session};
pub(crate) use self::connection::{BusError, Connection, Message};
pub(crate) use self::read::Reader;
pub(crate) use self::write::{Call, Method, Writer};
