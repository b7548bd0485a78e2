//! What has been read, counted so that nothing is lost silently.

use std::ops::{AddAssign, SubAssign};

/// Counts of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes read.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// Records among them that are not understood.
    pub unparsed: u64,
    /// Empty records, which are passed over.
    pub blank: u64,
    /// Records that were cut because they are too long.
    pub cut: u64,
    /// Records with invalid UTF-8.
    pub invalid_utf8: u64,
    /// Bytes of records, without their frames.
    pub record_bytes: u64,
    /// Bytes passed over because their records were cut.
    pub skipped_bytes: u64,
    /// Datagrams that the kernel dropped because nobody read them in time.
    pub dropped_by_kernel: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that were refused or ended by a limit, or failed.
    pub connections_failed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.records += other.records;
        self.unparsed += other.unparsed;
        self.blank += other.blank;
        self.cut += other.cut;
        self.invalid_utf8 += other.invalid_utf8;
        self.record_bytes += other.record_bytes;
        self.skipped_bytes += other.skipped_bytes;
        self.dropped_by_kernel += other.dropped_by_kernel;
        self.connections += other.connections;
        self.connections_failed += other.connections_failed;
    }
}

impl SubAssign for Counts {
    fn sub_assign(&mut self, other: Self) {
        self.bytes -= other.bytes;
        self.records -= other.records;
        self.unparsed -= other.unparsed;
        self.blank -= other.blank;
        self.cut -= other.cut;
        self.invalid_utf8 -= other.invalid_utf8;
        self.record_bytes -= other.record_bytes;
        self.skipped_bytes -= other.skipped_bytes;
        self.dropped_by_kernel -= other.dropped_by_kernel;
        self.connections -= other.connections;
        self.connections_failed -= other.connections_failed;
    }
}
