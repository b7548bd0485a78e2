//! Rows into real databases: SQLite, PostgreSQL, MySQL and MariaDB, also when they are stopped, slow, full or hostile.
//!
//! Servers are started by the tests themselves where they are installed; where they aren't, a test says that it is skipped.

#![expect(
    clippy::doc_markdown,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "names of products; tests fail loudly and say what they skip and measure"
)]

mod hostile;
mod mysql;
mod outages;
mod postgres;
mod server;
mod sqlite;
mod stall;
mod suite;
