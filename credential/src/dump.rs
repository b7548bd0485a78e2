//! No memory of this process ends up in a file.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Keeps this process out of core dumps for the rest of its life, and other processes of the user out of its memory. Call
/// it before the first secret is got; children that are started as other programs have to call it themselves.
///
/// # Errors
/// The system doesn't let it.
pub fn keep_out_of_dumps() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}
