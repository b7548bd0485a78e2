//! One run of a program, from its start to the end of all that it started.
//!
//! It is started by a thread of its own, because what a program may not do is told to the thread that starts it: no new
//! privileges, none of the engine's open files, not even those that the engine was started with, and a namespace of process
//! numbers in which it is the first, so that the kernel ends all others with it.

use std::fs;
use std::io::{self, PipeReader, Read};
use std::os::fd::RawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command as Process, Stdio};
use std::thread;
use std::time::Instant;

use correlator_wire::clock;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::close;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::fstat;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::command::{Command, ID};
use crate::family::{self, Marks};
use crate::{limit, program};

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub end: End,
    /// The beginning of what it said.
    pub output: Vec<u8>,
    /// Whether it said more.
    pub is_cut: bool,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum End {
    /// By itself, with this code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Its time was over.
    Late,
    /// It never began.
    NotStarted(io::Error),
}

/// Runs a command with these arguments, for the request of this id.
pub(crate) fn run(command: &Command, arguments: &[String], id: &str) -> Run {
    let result = thread::scope(|scope| {
        let builder = thread::Builder::new().name("command".into());
        let launcher = builder.spawn_scoped(scope, || launch(command, arguments, id))?;
        launcher.join().unwrap_or_else(|_| Err(io::Error::other("the run broke off")))
    });
    let failed = |error| Run { end: End::NotStarted(error), output: Vec::new(), is_cut: false };
    result.unwrap_or_else(failed)
}

fn launch(command: &Command, arguments: &[String], id: &str) -> io::Result<Run> {
    // It was looked at when the stack was read; that may be months ago.
    program::check(&command.program).map_err(io::Error::other)?;
    rustix::thread::set_no_new_privs(true)?;
    let has_own_files = close_files();
    let has_namespace = unshare(CloneFlags::CLONE_NEWPID).is_ok();
    let (reader, writer) = io::pipe()?;
    let deadline = clock::instant() + command.timeout.0;
    let mut process = Process::new(&command.program);
    process
        .args(arguments)
        .env_clear()
        .envs(&command.environment)
        .env(ID, id)
        .current_dir(&command.directory)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    if let Some(account) = &command.account {
        // The standard library drops all other groups where it changes the user and is root.
        process.uid(account.uid).gid(account.gid);
    }
    let pipe = fstat(&reader).ok().filter(|_| has_own_files).map(|facts| facts.st_ino);
    let child = process.spawn()?;
    // With it go our ends of the pipe.
    drop(process);
    let mut watch = Watch {
        child,
        reader,
        output: Vec::new(),
        output_max: command.output_max,
        is_cut: false,
        marks: (!has_namespace).then(|| Marks { variable: format!("{ID}={id}"), pipe }),
    };
    let end = watch.finish(deadline);
    Ok(Run { end: end?, output: watch.output, is_cut: watch.is_cut })
}

/// Closes all files but the first three, for this thread and what it starts. Whether what it opens from here on is its own.
fn close_files() -> bool {
    // From here on this thread has a list of open files of its own. Where it may not, the engine's own files still close
    // by themselves in a program.
    if unshare(CloneFlags::CLONE_FILES).is_err() {
        return false;
    }
    let Ok(entries) = fs::read_dir("/proc/thread-self/fd") else { return true };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let numbers: Vec<RawFd> = numbers.filter(|number| *number > 2).collect();
    for number in numbers {
        let _ = close(number);
    }
    true
}

/// A program that runs.
struct Watch {
    child: Child,
    reader: PipeReader,
    output: Vec<u8>,
    output_max: usize,
    is_cut: bool,
    /// By what those that it started are known, where it has no namespace.
    marks: Option<Marks>,
}

impl Watch {
    fn finish(&mut self, deadline: Instant) -> io::Result<End> {
        let in_time = self.until(deadline);
        // Whatever is the matter: nothing of it stays.
        let is_late = !matches!(in_time, Ok(true));
        self.end_all();
        let status = self.child.wait()?;
        self.rest();
        in_time?;
        Ok(match (is_late, status.code(), status.signal()) {
            (true, ..) => End::Late,
            (false, Some(code), _) => End::Code(code),
            (false, None, signal) => End::Signal(signal.unwrap_or_default()),
        })
    }

    /// Reads what it says until it ends; whether it does so in time.
    fn until(&mut self, deadline: Instant) -> io::Result<bool> {
        let process = pidfd_open(pid(&self.child)?, PidfdFlags::empty())?;
        let mut is_open = true;
        loop {
            let left = deadline.saturating_duration_since(clock::instant());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            let mut watched = vec![PollFd::new(&process, PollFlags::IN)];
            if is_open {
                watched.push(PollFd::new(&self.reader, PollFlags::IN));
            }
            match poll(&mut watched, Some(&timeout)) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let (ended, said) = (
                !watched[0].revents().is_empty(),
                watched.get(1).is_some_and(|pipe| !pipe.revents().is_empty()),
            );
            if said {
                is_open = self.read()?;
            }
            if ended {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
        }
    }

    /// Reads once what is there. Whether more may come.
    fn read(&mut self) -> io::Result<bool> {
        let mut piece = vec![0; limit::READ_BYTES];
        let count = self.reader.read(&mut piece)?;
        let room = self.output_max - self.output.len();
        self.output.extend_from_slice(&piece[..count.min(room)]);
        self.is_cut |= count > room;
        Ok(count > 0)
    }

    /// Ends it and all that it started, before its number is free for others. It is the last to go: what it started is known
    /// by it.
    fn end_all(&mut self) {
        if let (Some(marks), Ok(pid)) = (&self.marks, pid(&self.child)) {
            family::sweep(pid, marks, &self.reader);
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.kill();
    }

    /// Reads what it had said before it ended, without waiting for more.
    fn rest(&mut self) {
        for _ in 0..limit::READS_AFTER_END_MAX {
            let mut watched = [PollFd::new(&self.reader, PollFlags::IN)];
            let ready = poll(&mut watched, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
            if !matches!(ready, Ok(1..)) || !self.read().unwrap_or(false) {
                return;
            }
        }
    }
}

fn pid(child: &Child) -> io::Result<Pid> {
    let number = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    number.ok_or_else(|| io::Error::other("the system gave it no number"))
}
