//! Every number that bounds what sources read.

use std::time::Duration;

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
pub const MAGIC_BYTES: usize = 8;
/// Bytes at the beginning of a file, and before the position in it, that tell it from others.
pub const PRINT_BYTES: usize = 256;
/// What is taken for the first line of a file without ends of lines: few, so that the first record has as many.
pub const UNENDED_LINE_BYTES: usize = 32;

/// Bytes of a block that are left for another file: a record of any length fits, with its frame.
pub const FOLLOW_ROOM_BYTES: usize = RECORD_BYTES_MAX + (16 << 10);
/// How often names and files are looked at although nothing was notified.
pub const FOLLOW_LOOK: std::time::Duration = std::time::Duration::from_secs(1);
/// How often files are looked at where nothing is notified: at first, and after a while without a change.
pub const FOLLOW_POLL_MIN: std::time::Duration = std::time::Duration::from_millis(20);
/// See [`FOLLOW_POLL_MIN`].
pub const FOLLOW_POLL_MAX: std::time::Duration = std::time::Duration::from_millis(250);
/// How long a file that has lost its name must not grow until its unfinished last record is handed on.
pub const FOLLOW_UNFINISHED: std::time::Duration = std::time::Duration::from_secs(1);
/// How long a file that has lost its name must not grow until it is done with.
pub const FOLLOW_ROTATED: std::time::Duration = std::time::Duration::from_mins(1);
/// Files of a source that are open at once, with those that have lost their names.
pub const FOLLOW_FILES_MAX: usize = 2 * FILES_MAX;
/// Files that stay open although they were read to their end where there is no room for others.
pub const FOLLOW_OPEN: usize = FILES_MAX * 3 / 4;
/// How long a file must not have changed to be closed then.
pub const FOLLOW_QUIET: std::time::Duration = std::time::Duration::from_secs(2);
/// Files that were read to their end and closed, and are looked at for changes.
pub const FOLLOW_RESTING_MAX: usize = 16 * FILES_MAX;
/// Files without a name that are kept open for each name, in case somebody still writes to them.
pub const FOLLOW_OLDER_MAX: usize = 8;
/// Names of which a source remembers how many files it has seen under them.
pub const FOLLOW_NAMES_MAX: usize = 1024;
/// Entries of a folder that are looked at in search of a file that was rotated.
pub const FOLLOW_ENTRIES_MAX: usize = 16 << 10;
/// Links that are gone along from a followed name to the file.
pub const FOLLOW_LINKS_MAX: usize = 8;
/// How often a file that an earlier run had read, and that is nowhere, is looked for under other names than its own.
pub const FOLLOW_SEEK: std::time::Duration = std::time::Duration::from_mins(1);
/// How long a file of a pattern must be nowhere until its mark is forgotten.
pub const FOLLOW_MISSED: std::time::Duration = std::time::Duration::from_hours(24);
/// The same where what it was on may not be mounted: it is told after [`FOLLOW_MISSED`] then.
pub const FOLLOW_UNMOUNTED: std::time::Duration = std::time::Duration::from_hours(30 * 24);
/// How much of that must be in one run, whatever the machine's clock says.
pub const FOLLOW_MISSED_IN_RUN: std::time::Duration = std::time::Duration::from_hours(1);
/// How often something is looked at again that may have changed while it was looked at.
pub const FOLLOW_TRIES: u32 = 3;
/// How often a file that was not read yet is put off because names come and go beside it.
pub const FOLLOW_PUT_OFF_MAX: u32 = 20;
/// Files that had a followed name and were moved that are opened at a time.
pub const FOLLOW_MOVED_AT_ONCE: usize = 64;
/// How much of the time may go into looking which files there are: one part in so many.
pub const FOLLOW_SCAN_SHARE: u32 = 5;
/// After so much time an assumed year is worked out anew, in nanoseconds.
pub const FOLLOW_REFERENCE_STEP: u64 = 3_600_000_000_000;

/// Bytes of a record in a capture that is listed, filtered or replayed.
pub const CAPTURE_RECORD_BYTES_MAX: usize = 128 << 20;
/// Bytes that a replay writes at once.
pub const REPLAY_BATCH_BYTES: usize = 256 << 10;
/// Records that a replay puts together although they are not due at the very same time.
pub const REPLAY_STEP: std::time::Duration = std::time::Duration::from_millis(1);
/// Bytes of a capture that a replay keeps in memory to send it again.
pub const REPLAY_KEPT_BYTES: usize = 256 << 20;
/// Batches of a replay that wait for a connection.
pub const REPLAY_QUEUE: usize = 32;
/// Connections of a replay.
pub const REPLAY_CONNECTIONS_MAX: usize = 4096;
/// Datagrams that a replay sends with one call.
pub const REPLAY_DATAGRAMS: usize = 256;
/// How long a replay tries to connect, and then to agree on TLS.
pub const REPLAY_CONNECT_MAX: std::time::Duration = std::time::Duration::from_secs(10);
/// After how long a peer that takes nothing is told of.
pub const REPLAY_STALL_TOLD: std::time::Duration = std::time::Duration::from_secs(10);
/// How long a replay that is to stop still waits for a peer that takes nothing, or doesn't close its side.
pub const REPLAY_STOP_MAX: std::time::Duration = std::time::Duration::from_secs(2);

/// Bytes that are read from one connection before the others have their turn.
pub const READ_BYTES: usize = 64 << 10;
/// Sockets that are served before it is asked anew which ones are ready.
pub const READY_MAX: usize = 256;
/// Connections that are accepted before those that are there have their turn.
pub const ACCEPTS_PER_ROUND: usize = 64;
/// Connections that the kernel keeps until they are accepted.
pub const BACKLOG: i32 = 1024;
/// How long nothing is accepted after the system had no room for a connection.
pub const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Descriptors of the process that connections leave to everything else in it: at the most so many, and
pub const DESCRIPTORS_KEPT_MAX: u64 = 256;
/// one in so many where there are few.
pub const DESCRIPTORS_KEPT_SHARE: u64 = 4;
/// How long a source rests after an error of the system that it can't mend.
pub const SETBACK_PAUSE: Duration = Duration::from_millis(100);
/// How often is looked which connections have been silent for too long.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How long a peer may take to agree on TLS.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long the first record of a connection waits for the second, which shows what stands between them.
pub const DISCOVERY_WAIT: Duration = Duration::from_millis(50);
/// From how many bytes on an unfinished record is only looked at again when what has come may end it.
pub const UNFINISHED_BYTES: usize = 4 << 10;
/// How often a live source moves the moment on that dates without a year are not far after, in nanoseconds.
pub const REFERENCE_EVERY_NS: i64 = 3_600_000_000_000;
/// How long a source that stops still reads what its peers have sent already.
pub const STOP_DRAIN: Duration = Duration::from_secs(1);
/// Datagrams that are received with one call.
pub const DATAGRAMS_PER_CALL: usize = 64;
/// How long datagrams that come one after the other are left to gather in the kernel's buffer.
pub const DATAGRAMS_REST: Duration = Duration::from_micros(200);
/// How often the kernel is asked at the most how many datagrams it has dropped.
pub const DROPS_ASK_EVERY: Duration = Duration::from_secs(1);
/// Bytes of the kernel's table of sockets that are read to find that out.
pub const SOCKET_TABLE_BYTES_MAX: u64 = 4 << 20;
/// In this time,
pub const TELL_EVERY: Duration = Duration::from_mins(1);
/// so many failures of connections are told; the others are counted.
pub const TELLS_MAX: u32 = 10;
/// How often is looked whether certificates have been renewed.
pub const CERTIFICATES_ASK_EVERY: Duration = Duration::from_secs(5);
/// Bytes of a file with certificates.
pub const CERTIFICATE_BYTES_MAX: u64 = 4 << 20;
/// Sockets that systemd may hand over.
pub const INHERITED_MAX: usize = 256;
/// Bytes of a capture that wait to be written.
pub const CAPTURE_BUFFER_BYTES: usize = 256 << 10;
