//! What can go wrong with a spool.
//!
//! This room must never know what anybody does about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What can go wrong with a spool.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// A file stands where the folder should be.
    #[error("the spool {} is not a folder: name another place or move that file away", path.display())]
    NotAFolder {
        /// Where it stands.
        path: PathBuf,
    },
    /// Somebody else writes there.
    #[error(
        "the spool {} is being written by {owner}: stop that one first or name another folder",
        folder.display()
    )]
    Locked {
        /// The spool's folder.
        folder: PathBuf,
        /// Who it is, as far as it says.
        owner: String,
    },
    /// More segments than anybody can have meant.
    #[error("the spool {} has more than {segments_max} segments: use larger ones", folder.display())]
    Segments {
        /// The spool's folder.
        folder: PathBuf,
        /// How many there may be.
        segments_max: usize,
    },
    /// The spool has reached its size and nobody is done with enough of it.
    #[error(
        "the spool is full: {bytes} of {bytes_max} bytes are taken and {wanted} more are wanted"
    )]
    Full {
        /// What its segments take.
        bytes: u64,
        /// What they may take.
        bytes_max: u64,
        /// What the frame would have added.
        wanted: u64,
    },
    /// A frame that no release would ever make room for.
    #[error("a frame of {bytes} bytes is too large: at most {bytes_max} fit; make batches smaller")]
    TooLarge {
        /// The frame.
        bytes: u64,
        /// The largest that fits.
        bytes_max: u64,
    },
    /// There are no more sequence numbers.
    #[error("the sequence numbers of the spool are used up: start a new one in another folder")]
    Spent,
    /// What a failed write left unsafe can't be written again, because it is not there any more.
    #[error(
        "{} could not be written through, and from byte {offset} on it can't be read back to try \
         again: what it held there is not safe",
        path.display()
    )]
    Lost {
        /// The segment.
        path: PathBuf,
        /// The first byte that could not be read back.
        offset: u64,
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

impl SpoolError {
    pub(crate) fn io<E: Into<io::Error>>(
        path: &Path,
        doing: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |error| Self::Io { path: path.to_owned(), doing, error: error.into() }
    }

    /// Whether there is no room: the spool's own bound is reached, or the disk's, or the quota. It passes when somebody
    /// makes some.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Io { error, .. } => is_no_room(error),
            _ => false,
        }
    }
}

/// Whether the system says that there is no room.
pub(crate) fn is_no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
