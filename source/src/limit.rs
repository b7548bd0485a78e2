//! Every number that bounds what sources read.

/// Bytes that a source reads at once.
pub const BLOCK_BYTES: usize = 256 << 10;
/// A record; what is longer is cut.
pub const RECORD_BYTES_MAX: usize = 64 << 10;
/// Records in a frame.
pub const RECORDS_PER_FRAME_MAX: usize = 16 << 10;
/// How often a source that waits looks whether it is to stop.
pub const STOP_POLL: rustix::time::Timespec =
    rustix::time::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Files that are read in one run.
pub const FILES_MAX: usize = 512;
/// Bytes at the beginning of a file that tell what it is.
pub const MAGIC_BYTES: u64 = 8;
