//! What a program started: found, and ended, where no namespace of its own does so.
//!
//! It is found by its parents, by a variable in its environment, and by the pipe that the program writes to. Who has none of
//! these any more, because it cleared its environment, closed its output and outlived its parents, is nobody's.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{PipeReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::limit;

/// By what the processes of one run are known.
pub(crate) struct Marks {
    /// What all of them have in their environment, unless they cleared it.
    pub variable: String,
    /// The number of the pipe that they write to, if nobody else can have it.
    pub pipe: Option<u64>,
}

/// Processes that stand still, by their numbers; what holds one keeps its number from being another's.
type Family = HashMap<Pid, OwnedFd>;

/// Ends a program and every process that it started, as far as they can be found.
pub(crate) fn sweep(program: Pid, marks: &Marks, reader: &PipeReader) {
    for round in 0..limit::SWEEPS_MAX {
        let mut family = Family::new();
        if let Ok(process) = pidfd_open(program, PidfdFlags::empty()) {
            let _ = pidfd_send_signal(&process, Signal::STOP);
            family.insert(program, process);
        }
        // To look through all open files takes longer, so it is done only for those that the rest did not find.
        let pipe = marks.pipe.filter(|_| round > 0 && is_held(reader));
        // What stands still starts no others: once nobody new is found, these are all.
        while gather(&mut family, marks, pipe) > 0 {}
        family.retain(|pid, process| end(process) && *pid != program);
        if family.is_empty() && round > 0 {
            return;
        }
    }
}

/// Looks at all processes once, and has those that are new stand still. How many that were.
fn gather(family: &mut Family, marks: &Marks, pipe: Option<u64>) -> usize {
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let own = rustix::process::getpid();
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut count = 0;
    for pid in numbers.filter_map(Pid::from_raw).filter(|&pid| pid != own) {
        if family.contains_key(&pid) || family.len() >= limit::FAMILY_MAX {
            continue;
        }
        // What holds the process is got first: what is read after that is of the same one, or of none.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        let folder = format!("/proc/{}", pid.as_raw_nonzero());
        let folder = Path::new(&folder);
        let is_kin = is_child(folder, family)
            || has_variable(folder, marks.variable.as_bytes())
            || pipe.is_some_and(|pipe| has_pipe(folder, pipe));
        if is_kin && lives(&process) && pidfd_send_signal(&process, Signal::STOP).is_ok() {
            family.insert(pid, process);
            count += 1;
        }
    }
    count
}

/// Whether one of these is its parent: still there after it was said so, it is the one that was meant.
fn is_child(folder: &Path, family: &Family) -> bool {
    let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
    // Its name, in parentheses, may have anything in it. Behind that come its state and its parent.
    let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
    let parent = parent.and_then(|parent| Pid::from_raw(parent.parse().ok()?));
    parent.and_then(|parent| family.get(&parent)).is_some_and(lives)
}

fn has_variable(folder: &Path, variable: &[u8]) -> bool {
    let mut environment = Vec::new();
    let read = File::open(folder.join("environ"))
        .and_then(|file| file.take(limit::ENVIRONMENT_BYTES_MAX).read_to_end(&mut environment));
    read.is_ok() && environment.split(|&byte| byte == 0).any(|other| other == variable)
}

fn has_pipe(folder: &Path, number: u64) -> bool {
    let wanted = format!("pipe:[{number}]");
    let Ok(entries) = fs::read_dir(folder.join("fd")) else { return false };
    let is_it = |path: &Path| fs::read_link(path).is_ok_and(|link| link == Path::new(&wanted));
    entries.flatten().any(|entry| is_it(&entry.path()))
}

/// Whether anybody can still write to it.
fn is_held(reader: &PipeReader) -> bool {
    let mut watched = [PollFd::new(reader, PollFlags::IN)];
    let polled = poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_ok() && !watched[0].revents().contains(PollFlags::HUP)
}

fn lives(process: &OwnedFd) -> bool {
    let mut watched = [PollFd::new(process, PollFlags::IN)];
    matches!(poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
}

/// Ends one, and waits for that. Whether it had not ended before.
fn end(process: &OwnedFd) -> bool {
    if !lives(process) || pidfd_send_signal(process, Signal::KILL).is_err() {
        return false;
    }
    let dying = Timespec::try_from(limit::DYING_MAX).ok();
    let _ = poll(&mut [PollFd::new(process, PollFlags::IN)], dying.as_ref());
    true
}
