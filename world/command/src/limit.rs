//! Every number that bounds something.

use std::time::Duration;

/// Commands of one grant.
pub const COMMANDS_MAX: usize = 256;

/// Arguments of one command.
pub const ARGUMENTS_MAX: usize = 256;

/// Bytes of one argument that an operator may allow; the kernel has 128 KiB.
pub const VALUE_BYTES_MAX: usize = 64 << 10;

/// Bytes of all arguments of one run.
pub const ARGUMENTS_BYTES_MAX: usize = 512 << 10;

/// How long a run may take, at least.
pub const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// The same, at most.
pub const TIMEOUT_MAX: Duration = Duration::from_hours(1);

/// Bytes of output that an operator may have kept.
pub const OUTPUT_MAX: u64 = 1 << 20;

/// Characters of output that are told, at its beginning.
pub const TOLD_FIRST: usize = 700;
/// The same, at its end.
pub const TOLD_LAST: usize = 300;

/// Bytes that are read at once.
pub const READ_BYTES: usize = 64 << 10;

/// How often output is still read after the program has ended.
pub const READS_AFTER_END_MAX: usize = 64;

/// How often what a program started is looked for until nothing is found.
pub const SWEEPS_MAX: usize = 16;

/// Processes that are ended at once; the next look finds the others.
pub const FAMILY_MAX: usize = 10_000;

/// How long one that was killed may take to be gone.
pub const DYING_MAX: Duration = Duration::from_millis(100);

/// Bytes of an environment that are read.
pub const ENVIRONMENT_BYTES_MAX: u64 = 256 << 10;

/// Links that a program's path may lead through.
pub const LINKS_MAX: usize = 40;
