//! What a program started: found, and ended, where no namespace of its own does so.

use std::fs::{self, File};
use std::io::Read;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::limit;

/// Ends every process that has this in its environment.
pub(crate) fn sweep(marker: &str) {
    for _ in 0..limit::SWEEPS_MAX {
        // What is found may have started another meanwhile.
        if round(marker.as_bytes()) == 0 {
            return;
        }
    }
}

/// Looks at all processes once. How many were ended.
fn round(marker: &[u8]) -> usize {
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let own = rustix::process::getpid();
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(Pid::from_raw).filter(|&pid| pid != own && end(pid, marker)).count()
}

/// Ends a process if it is one of those.
fn end(pid: Pid, marker: &[u8]) -> bool {
    // What holds the process is got first: what is read after that is of the same one, or of none.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    let mut environment = Vec::new();
    let path = format!("/proc/{}/environ", pid.as_raw_nonzero());
    let read = File::open(path)
        .and_then(|file| file.take(limit::ENVIRONMENT_BYTES_MAX).read_to_end(&mut environment));
    if read.is_err() || !environment.split(|&byte| byte == 0).any(|variable| variable == marker) {
        return false;
    }
    if pidfd_send_signal(&process, Signal::KILL).is_err() {
        return false;
    }
    let dying = Timespec::try_from(limit::DYING_MAX).ok();
    let _ = poll(&mut [PollFd::new(&process, PollFlags::IN)], dying.as_ref());
    true
}
