//! What can go wrong with a store.
//!
//! This room must never know what anybody does about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

use crate::effect::State;

/// What can go wrong with a store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file stands where the folder should be.
    #[error("the store {} is not a folder: name another place or move that file away", path.display())]
    NotAFolder {
        /// Where it stands.
        path: PathBuf,
    },
    /// Nothing was ever stored there.
    #[error(
        "there is no store in {}: an engine that keeps state there makes one when it starts",
        folder.display()
    )]
    Missing {
        /// Where it should be.
        folder: PathBuf,
    },
    /// Somebody else writes there.
    #[error(
        "the store {} is being written by {owner}: stop that one first, ask it to do this, or name another folder",
        folder.display()
    )]
    Locked {
        /// The store's folder.
        folder: PathBuf,
        /// Who it is, as far as it says.
        owner: String,
    },
    /// It is a database of something else, or none at all.
    #[error(
        "{} is not a store, or its beginning is damaged: move it away, put back a copy, or name another folder",
        path.display()
    )]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a program that knows more.
    #[error(
        "the store {} is of version {found} and this program knows {known}: run the newer program, or name another folder",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// It was written by an older program, and who only reads can't bring it up to date.
    #[error(
        "the store {} is of version {found} and this program wants {known}: start the engine once, it brings it up to date",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that this program reads.
        known: u32,
    },
    /// What is in the file can't be right.
    #[error(
        "the store {} is damaged: {what}; put back a copy, or move the folder away and start anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The store has reached its own bound.
    #[error("the store is full: {bytes} of {bytes_max} bytes are taken; prune it or allow it more")]
    Bound {
        /// What it takes.
        bytes: u64,
        /// What it may take.
        bytes_max: u64,
    },
    /// One listener has as much waiting at one capability as it may.
    #[error(
        "listener `{listener}` has its share of the store: what waits for `{capability}` takes {bytes} bytes, of {bytes_max} at the most"
    )]
    Share {
        /// The listener.
        listener: String,
        /// The capability.
        capability: String,
        /// What it takes.
        bytes: u64,
        /// What it may take.
        bytes_max: u64,
    },
    /// The last of the store is for others.
    #[error(
        "the store is nearly full, and what is left is for listeners that have less than {bytes_max} bytes in it: listener `{listener}` has {bytes}"
    )]
    Scarce {
        /// The listener.
        listener: String,
        /// What it takes.
        bytes: u64,
        /// Who has less gets some of it.
        bytes_max: u64,
    },
    /// The disk or the quota is full.
    #[error("there is no room for the store {}: {what}; make room on that disk", path.display())]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// What the database says.
        what: String,
    },
    /// The file or its disk may not be written.
    #[error("the store {} may not be written: {what}", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// What the database says.
        what: String,
    },
    /// No such effect.
    #[error("there is no effect `{id}` in the store")]
    Unknown {
        /// What was asked for.
        id: String,
    },
    /// The effect is in a state in which this makes no sense.
    #[error("effect `{id}` is {state} and can't be {wanted}")]
    NotNow {
        /// The effect.
        id: String,
        /// How it fares.
        state: State,
        /// What was to be done with it.
        wanted: &'static str,
    },
    /// Somebody undoes it now.
    #[error("effect `{id}` is being undone already")]
    Undoing {
        /// The effect.
        id: String,
    },
    /// The id is none.
    #[error(
        "`{id}` can't be the id of a request: 1 to {} of the letters a-z, A-Z, 0-9, `:`, `-`, `_`, `.` and `#`",
        crate::limit::ID_BYTES_MAX
    )]
    Id {
        /// What was given, escaped and cut.
        id: String,
    },
    /// Something is larger than the store takes.
    #[error("the {what} of effect `{id}` has {bytes} bytes; at most {bytes_max} are kept")]
    TooLarge {
        /// The effect.
        id: String,
        /// What is too large.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// The database does not do it, for a reason of its own.
    #[error("the store {} can't be used: {what}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database says.
        what: String,
    },
    /// The system refused.
    #[error("can't {doing} {}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done, to stand before the path.
        doing: &'static str,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

impl StoreError {
    pub(crate) fn io<E: Into<io::Error>>(
        path: &Path,
        doing: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |error| Self::Io { path: path.to_owned(), doing, error: error.into() }
    }

    /// Whether there is no room: the store's own bound is reached, or a listener's share of it, or the disk's, or the quota. It
    /// passes when somebody makes some.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match self {
            Self::Bound { .. } | Self::Share { .. } | Self::Scarce { .. } | Self::NoRoom { .. } => {
                true
            }
            Self::Io { error, .. } => {
                matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
            }
            _ => false,
        }
    }
}

/// What goes wrong inside, where nobody knows which file it is about.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The database.
    Sql(rusqlite::Error),
    /// What it holds.
    Damaged(String),
    /// All is said.
    Told(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Told(error)
    }
}

impl Fault {
    /// What it means for this file.
    pub(crate) fn at(self, path: &Path) -> StoreError {
        let path = path.to_owned();
        let error = match self {
            Self::Told(error) => return error,
            Self::Damaged(what) => return StoreError::Damaged { path, what },
            Self::Sql(error) => error,
        };
        let what = error.to_string();
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => StoreError::NoRoom { path, what },
                ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
                    StoreError::ReadOnly { path, what }
                }
                ErrorCode::DatabaseCorrupt => StoreError::Damaged { path, what },
                ErrorCode::NotADatabase => StoreError::NotAStore { path },
                _ => StoreError::Database { path, what },
            },
            // A value that is not of its column's kind: nothing of ours wrote that.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => StoreError::Damaged { path, what },
            _ => StoreError::Database { path, what },
        }
    }
}
