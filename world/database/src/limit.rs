//! The bounds of everything here: what a request may hold, what a database may answer, and how long it may take.

use std::time::Duration;

/// Databases of one grant.
pub const DATABASES_MAX: usize = 64;
/// Patterns of tables that one database may have.
pub const PATTERNS_MAX: usize = 256;

/// Bytes of a request's id.
pub const ID_BYTES_MAX: usize = 200;
/// Bytes of the name of a table or a column: what PostgreSQL takes, and the least of the three.
pub const NAME_BYTES_MAX: usize = 63;
/// Columns of a request, and of a table to which columns are added.
pub const COLUMNS_MAX: usize = 128;
/// Bytes of one text.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of all texts of a request.
pub const REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Rows of one transaction.
pub const ROWS_MAX: usize = 500;
/// Bytes of one transaction, but for the row that goes past it.
pub const TRANSACTION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Rows of one statement with many rows.
pub const STATEMENT_ROWS_MAX: usize = 128;
/// Bytes of one statement, but for the row that goes past it. Servers refuse larger packets than 16 MiB, old ones than 4.
pub const STATEMENT_BYTES_MAX: usize = 1024 * 1024;
/// Parameters of one statement: a number of 16 bits on the wire.
pub const PARAMETERS_MAX: usize = 65_535;
/// Prepared statements that are kept in one session.
pub const STATEMENTS_MAX: usize = 32;

/// Tables that are made in one run: a guest that names a new one every time stops there.
pub const TABLES_MADE_MAX: usize = 100;
/// Tables whose columns are remembered in one session.
pub const TABLES_KNOWN_MAX: usize = 1000;

/// Bytes of one message of a server.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Rows, notices and the like in one answer of a server.
pub const ANSWER_PARTS_MAX: usize = 20_000;
/// Characters of what a server says that are told to the operator.
pub const WORDS_MAX: usize = 200;

/// How long connecting, and one exchange after it, may take unless the operator says otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// The least of it.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// The most of it.
pub const TIMEOUT_MAX: Duration = Duration::from_mins(10);
