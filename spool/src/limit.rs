//! Every number that bounds something in a spool.
//!
//! This room must never know what frames are for.

/// The payload of a frame.
pub const FRAME_BYTES_MAX: u64 = 128 << 20;
/// A segment, if nobody says otherwise.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// The smallest segment: below a page, recycling has no use.
pub const SEGMENT_BYTES_MIN: u64 = 4 << 10;
/// The largest segment: it is what one release gives back, and what one recovery has to check.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// A full spool has at least this many segments, so that a release frees a part of it and not all or nothing.
pub const SEGMENTS_MIN: u64 = 4;
/// Segments in a folder.
pub const SEGMENTS_MAX: usize = 1 << 16;
/// Segments that wait to be overwritten: what a writer can be ahead of a release without making fresh pages.
pub const SPARES_MAX: usize = 8;
/// Files of closed segments that are held open until they are written through; more are opened again when it is time.
pub const OPEN_FILES_MAX: usize = 16;
/// What a reader reads at once. A payload beyond it goes straight to where the caller wants it.
pub const READ_BLOCK_BYTES: u64 = 64 << 10;
/// Pieces that the system takes in one write.
pub const PIECES_PER_WRITE_MAX: usize = 1_024;
/// Damaged places, and missing ranges, that are told one by one; all of them are counted.
pub const PLACES_TOLD_MAX: usize = 64;
/// What a lock says of its owner.
pub const OWNER_BYTES_MAX: usize = 256;
