//! Rows into tables of SQLite, PostgreSQL and MySQL or MariaDB, made from the columns that a listener returns.
//!
//! The operator names databases, and the tables that may be named in each:
//!
//! ```yaml
//! grants:
//!   database:
//!     databases:
//!       alerts:  { kind: sqlite, path: alerts.db, tables: ["*"] }
//!       central: { kind: postgres, address: "db.example:5432", database: siem, user: correlator,
//!                  credential: siem, ca: ca.pem, schema: alerts, tables: ["login_*"], create: false, timeout: 10s }
//!       old:     { kind: mysql, address: /run/mysqld/mysqld.sock, database: siem, user: correlator, tables: [events] }
//! ```
//!
//! A credential holds the user's password. Servers must show a certificate of their name, from an authority of `ca` or of
//! the system; `tls: off` is for this machine only, and a socket needs none. `timeout` bounds connecting and every exchange
//! after it; it is 30 seconds unless it is said.
//!
//! The target of a request is `NAME/TABLE`, or `TABLE` where there is one database. Its columns become the table's:
//!
//! | kind | SQLite | PostgreSQL | MySQL, MariaDB |
//! | --- | --- | --- | --- |
//! | text | `TEXT` | `text` | `MEDIUMTEXT` of `utf8mb4` |
//! | integer | `INTEGER` | `bigint` | `BIGINT` |
//! | float | `REAL` | `double precision` | `DOUBLE` |
//! | boolean | `BOOLEAN` | `boolean` | `BOOLEAN` |
//! | time | `TEXT`: ISO 8601 with nanoseconds, in UTC | `timestamp with time zone` | `DATETIME(6)`, in UTC |
//! | duration | `INTEGER`, nanoseconds | `bigint`, nanoseconds | `BIGINT`, nanoseconds |
//!
//! The primary key is `correlator_id`, the id of the request: what is asked for twice is there once. A guest's own column
//! of that name is called `guest_correlator_id`. A table that is there must have that key; its other columns may have any
//! type that fits (`inet`, `varchar(40)`, `interval`). Columns that it lacks are added, if `create` allows it. Columns are
//! never changed and never taken away.
//!
//! What a database can't hold is written as what comes nearest, for the row matters more: NUL in a text is U+FFFD, and a
//! float that is no number is null where there are no such floats (SQLite; MySQL, there infinite ones too).
//!
//! # Layout
//!
//! `settings` is what the operator wrote, `name` what guests may name. `dialect` and `value` are how the three write
//! things; `wire` is a connection with a deadline. `sqlite`, `postgres` and `mysql` are a `link` each, the only places that
//! talk to a database; `session` keeps one up and its tables as they should be; `deliver` is the capability.

#![expect(clippy::doc_markdown, reason = "PostgreSQL, MySQL and MariaDB are names, no code")]

mod deliver;
mod dialect;
mod fault;
mod limit;
mod link;
mod mysql;
mod name;
mod postgres;
mod session;
mod settings;
mod sqlite;
mod value;
mod wire;

pub use deliver::Database;
pub use dialect::Dialect;
pub use settings::{Server, Settings, Tls};
