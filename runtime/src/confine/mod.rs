//! The engine's own sandbox: what the whole process can no longer do once it is at work.
//!
//! The first wall is around each guest. This is the second, for the day when that one has a hole: whoever takes over the
//! engine finds a process that can't gain privileges, reads and writes only what the stack named, opens no connections
//! and can't make the system calls that further attacks are built of. Children inherit all of it. Each part is put up as
//! far as the kernel goes, and what it lacks is told; a wall that can't be had never keeps the engine from working.
//! This room must never know what the engine is.
//!
//! # Layout
//! - `files`: Landlock: the file system, connections, signals
//! - `calls`: seccomp: system calls that an engine has no use for

mod calls;
mod files;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// What the process still needs. What every process needs (its program and libraries, time zones, `/dev/null`, what the
/// kernel tells of itself) is always allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Files, and folders with all below them, that may be read.
    pub read: Vec<PathBuf>,
    /// Files, and folders with all below them, that may be read, written, made and removed.
    pub write: Vec<PathBuf>,
    /// The ports to which TCP connections may be opened; all, if absent.
    pub connect: Option<Vec<u16>>,
    /// The ports on which TCP connections may be accepted; all, if absent.
    pub listen: Option<Vec<u16>>,
    /// Whether it starts the operator's programs, as other users: what these need nobody can name.
    pub runs: bool,
}

/// One part of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    /// No program that is started has more privileges than this one.
    Privileges,
    /// No memory ends up in a core dump or is read by another process of the user.
    Memory,
    /// The file system, but for what the plan names.
    Files,
    /// TCP connections, but for what the plan names.
    Connections,
    /// Signals to processes outside.
    Signals,
    /// System calls that an engine has no use for.
    Calls,
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Privileges => "no new privileges",
            Self::Memory => "no memory dumps",
            Self::Files => "files (Landlock)",
            Self::Connections => "connections (Landlock)",
            Self::Signals => "signals (Landlock)",
            Self::Calls => "system calls (seccomp)",
        })
    }
}

/// What is in force from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confined {
    /// What is.
    pub walls: Vec<Wall>,
    /// What is not, or not wholly, and why.
    pub lacks: Vec<(Wall, String)>,
    /// Paths of the plan that are not there, and so stay out of reach even when they come.
    pub absent: Vec<PathBuf>,
}

impl Confined {
    /// Whether this is in force.
    #[must_use]
    pub fn has(&self, wall: Wall) -> bool {
        self.walls.contains(&wall)
    }

    fn note(&mut self, wall: Wall, done: Result<(), String>) {
        match done {
            Ok(()) => self.walls.push(wall),
            Err(why) => self.lacks.push((wall, why)),
        }
    }
}

impl fmt::Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let walls: Vec<String> = self.walls.iter().map(Wall::to_string).collect();
        write!(
            f,
            "confined: {}",
            if walls.is_empty() { "nothing".into() } else { walls.join(", ") }
        )?;
        for (wall, why) in &self.lacks {
            write!(f, "; without {wall}: {why}")?;
        }
        for path in &self.absent {
            write!(f, "; not there, so out of reach: {}", path.display())?;
        }
        Ok(())
    }
}

/// Threads that gave up everything by themselves.
static BARE: AtomicUsize = AtomicUsize::new(0);

/// Takes all files and connections from the calling thread: for one that only counts, and has to begin before the
/// process is confined. All threads share their memory, so a single one that were left out would be a way around.
pub fn bare_thread() {
    if files::take_all() {
        BARE.fetch_add(1, Ordering::Relaxed);
    }
}

/// Confines this process for the rest of its life. Call it before there are other threads: an old kernel confines only
/// the thread that asks and those that it makes. Open first what lies outside the plan.
#[must_use]
pub fn confine(plan: &Plan) -> Confined {
    let mut confined = Confined::default();
    let told = |done: Result<(), rustix::io::Errno>| done.map_err(|error| error.to_string());
    let privileges = rustix::thread::set_no_new_privs(true);
    confined.note(Wall::Privileges, told(privileges));
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let memory = set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .and_then(|()| setrlimit(Resource::Core, none));
    confined.note(Wall::Memory, told(memory));
    if plan.runs {
        let why = "the stack has commands, and what they need nobody can name".to_owned();
        confined.note(Wall::Files, Err(why));
    } else {
        files::confine(plan, &mut confined);
    }
    // Last, since putting up the others takes system calls too.
    confined.note(Wall::Calls, calls::confine(plan.runs));
    confined
}
