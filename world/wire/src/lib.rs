//! Connections to servers, for capabilities that speak a protocol of their own: none of them lasts for ever, whatever the
//! server does.
//!
//! It must never know which protocol is spoken.
//!
//! # Layout
//! - [`clock`]: where time comes from
//! - [`mod@file`]: a file that the operator names
//! - [`address`]: a server's name and port
//! - [`trust`]: whose word is taken for who a server is
//! - `own`: a server whose certificate is its own authority
//! - [`link`]: a connection with an end in time

pub mod clock;

pub mod file;

pub mod address;

pub mod trust;

mod own;

pub mod link;
