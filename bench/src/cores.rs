//! Who runs on which core: what is said about two guests "each on its own core" has to be measured so.
//!
//! It must never know what the threads do.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Two cores that this thread may use, for as long as this is held; then it may use all again.
pub struct Cores {
    all: CpuSet,
    /// Where this thread, and what it starts, runs.
    ours: usize,
    /// The other.
    theirs: usize,
}

impl Cores {
    /// Takes two and stays on the first; none if there are not two.
    pub fn take() -> Result<Option<Self>> {
        let all = sched_getaffinity(None)?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|&core| all.is_set(core));
        let (Some(ours), Some(theirs)) = (allowed.next(), allowed.next()) else { return Ok(None) };
        sched_setaffinity(None, &only(ours))?;
        Ok(Some(Self { all, ours, theirs }))
    }

    /// Moves the threads of this name to the other core, and says how many there were.
    pub fn move_away(&self, process: u32, name: &str) -> Result<usize> {
        let tasks = Path::new("/proc").join(process.to_string()).join("task");
        let mut moved = 0;
        for task in fs::read_dir(tasks)? {
            let task = task?;
            // A thread that has ended in the meantime has no name any more.
            let found = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if found.trim_end() != name {
                continue;
            }
            let id = task.file_name().to_string_lossy().parse().ok();
            let id = id.and_then(Pid::from_raw).context("a thread has a number")?;
            sched_setaffinity(Some(id), &only(self.theirs))?;
            moved += 1;
        }
        Ok(moved)
    }

    /// The core that this thread stays on, for people.
    pub fn names(&self) -> String {
        format!("core {} and core {}", self.ours, self.theirs)
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        // What was allowed before is allowed again.
        let _ = sched_setaffinity(None, &self.all);
    }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}
