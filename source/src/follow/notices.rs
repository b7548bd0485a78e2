//! What the kernel tells about folders and files (inotify), so that nobody has to look all the time.
//!
//! Folders are watched for names that come and go, files themselves for what is written, whatever their names have
//! become. Nothing relies on it: where the kernel tells nothing (network file systems, no watches left), files are
//! looked at by turns, and names are looked at now and then in any case.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::names::bare;
use crate::path::escaped;
use crate::{clock, limit};

/// Bytes of notices that are taken at once.
const BUFFER_BYTES: usize = 16 << 10;
/// File systems that are changed from elsewhere without a notice: NFS, SMB, CIFS, FUSE, 9P, Ceph, AFS.
const REMOTE: [u32; 7] =
    [0x6969, 0x517b, 0xff53_4d42, 0x6573_5546, 0x0102_1997, 0x00c3_6400, 0x5346_414f];

/// The watches.
pub(super) struct Notices {
    inotify: Option<OwnedFd>,
    folders: HashMap<i32, PathBuf>,
    /// Something can't be watched, so all is looked at by turns.
    incomplete: Option<String>,
    told: bool,
    /// Names came or went.
    pub names: bool,
    /// Something was not told.
    overflow: bool,
    /// What was renamed, from and to, in order.
    pub moved: Vec<(PathBuf, PathBuf)>,
    /// Renamed files of which only the old name was told yet.
    leaving: HashMap<u32, PathBuf>,
}

impl Notices {
    /// No watches yet.
    pub fn new() -> Self {
        let (inotify, incomplete) =
            match inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC) {
                Ok(inotify) => (Some(inotify), None),
                Err(error) => (None, Some(format!("inotify: {error}"))),
            };
        Self::with(inotify, incomplete, false)
    }

    /// Nothing is told.
    pub fn none() -> Self {
        let incomplete = Some("that is how it was opened".to_owned());
        Self::with(None, incomplete, true)
    }

    fn with(inotify: Option<OwnedFd>, incomplete: Option<String>, told: bool) -> Self {
        Self {
            inotify,
            folders: HashMap::new(),
            incomplete,
            told,
            names: false,
            overflow: false,
            moved: Vec::new(),
            leaving: HashMap::new(),
        }
    }

    /// Why nothing is told of some files. To be said once.
    pub fn failure(&mut self) -> Option<&str> {
        if std::mem::replace(&mut self.told, self.incomplete.is_some()) {
            return None;
        }
        self.incomplete.as_deref()
    }

    /// Whether all that happened since this was asked last was told. Names are to be looked at now.
    pub fn told_all(&mut self) -> bool {
        self.names = false;
        !std::mem::take(&mut self.overflow) && self.are_complete()
    }

    /// Whether all that happens is told.
    pub fn are_complete(&self) -> bool {
        self.incomplete.is_none()
    }

    /// Watches these folders and no others. A folder that is not there is not watched yet.
    pub fn watch_folders(&mut self, wanted: &BTreeSet<PathBuf>) {
        let Some(inotify) = &self.inotify else { return };
        // A folder may be another one than before, so all are watched anew. Without MASK_ADD the kernel would forget for
        // a moment what is watched for, and lose what happens then.
        let flags = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        let flags = flags | WatchFlags::ONLYDIR | WatchFlags::MASK_ADD;
        let mut folders = HashMap::new();
        for folder in wanted {
            match inotify::add_watch(inotify, folder, flags) {
                Ok(watch) => {
                    folders.insert(watch, folder.clone());
                }
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => {
                    self.incomplete = Some(format!("inotify: {}: {error}", escaped(folder)));
                }
            }
        }
        for (watch, _) in self.folders.drain().filter(|(watch, _)| !folders.contains_key(watch)) {
            // It may be gone with its folder.
            let _ = inotify::remove_watch(inotify, watch);
        }
        self.folders = folders;
    }

    /// Watches an open file, under whatever name.
    pub fn watch_file(&mut self, file: &File) -> Option<i32> {
        let inotify = self.inotify.as_ref()?;
        let remote = rustix::fs::fstatfs(file)
            .is_ok_and(|facts| REMOTE.iter().any(|kind| facts.f_type == (*kind).into()));
        if remote {
            self.incomplete = Some("a network file system tells nothing".to_owned());
        }
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        match inotify::add_watch(inotify, path, WatchFlags::MODIFY) {
            Ok(watch) => Some(watch),
            Err(error) => {
                self.incomplete = Some(format!("inotify: {error}"));
                None
            }
        }
    }

    /// Does not watch a file any longer.
    pub fn forget(&mut self, watch: Option<i32>) {
        if let (Some(inotify), Some(watch)) = (&self.inotify, watch) {
            // It may be gone with its file.
            let _ = inotify::remove_watch(inotify, watch);
        }
    }

    /// Takes what was told; says whether names came or went.
    pub fn take(&mut self) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = Reader::new(inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                (self.names, self.overflow) = (true, true);
            }
            let Some(folder) = self.folders.get(&event.wd()) else { continue };
            self.names = true;
            let Some(name) = event.file_name() else { continue };
            let path = bare(folder).join(OsStr::from_bytes(name.to_bytes()));
            if flags.contains(ReadFlags::MOVED_FROM) {
                self.leaving.insert(event.cookie(), path);
            } else if flags.contains(ReadFlags::MOVED_TO)
                && let Some(from) = self.leaving.remove(&event.cookie())
            {
                self.moved.push((from, path));
            }
        }
        if self.moved.len() + self.leaving.len() > limit::FOLLOW_NAMES_MAX {
            // Most of it was of no concern; what was is found by names and times.
            (self.overflow, self.moved, self.leaving) = (true, Vec::new(), HashMap::new());
        }
        self.names
    }

    /// Waits until something is told, but not longer than this or until `stop` is set.
    pub fn wait(&self, longest: Duration, stop: &AtomicBool) {
        let until = clock::instant() + longest;
        while !stop.load(Ordering::Relaxed) {
            let left = until.saturating_duration_since(clock::instant());
            if left.is_zero() {
                return;
            }
            let pause = Timespec::try_from(left).unwrap_or(limit::STOP_POLL).min(limit::STOP_POLL);
            let mut ready: Vec<PollFd> =
                self.inotify.iter().map(|inotify| PollFd::new(inotify, PollFlags::IN)).collect();
            match poll(&mut ready, Some(&pause)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }
}

/// When to look at what.
#[derive(Debug)]
pub(super) struct Pace {
    /// When names are looked at next, told or not.
    next: Instant,
    /// When names may be looked at again.
    earliest: Instant,
    /// How long to wait where nothing is told.
    poll: Duration,
}

impl Pace {
    /// All is to be looked at now.
    pub fn new(now: Instant) -> Self {
        Self { next: now, earliest: now, poll: limit::FOLLOW_POLL_MIN }
    }

    /// Whether to look at names now.
    pub fn is_due(&self, now: Instant, names: bool) -> bool {
        now >= self.next || names && now >= self.earliest
    }

    /// Names were looked at: not again before much more time has passed than that took.
    pub fn looked(&mut self, from: Instant, to: Instant, complete: bool) {
        let wait = if complete { limit::FOLLOW_LOOK } else { self.poll };
        self.earliest = to + to.saturating_duration_since(from) * (limit::FOLLOW_SCAN_SHARE - 1);
        self.next = self.earliest.max(to + wait);
    }

    /// Names must be looked at again at once.
    pub fn hasten(&mut self, now: Instant) {
        self.next = now;
    }

    /// Something was read.
    pub fn busy(&mut self) {
        self.poll = limit::FOLLOW_POLL_MIN;
    }

    /// Nothing was read: how long to wait.
    pub fn idle(&mut self, now: Instant, notices: &Notices, restless: bool) -> Duration {
        let mut wait = limit::FOLLOW_LOOK.min(self.next.saturating_duration_since(now));
        if notices.names {
            wait = wait.min(self.earliest.saturating_duration_since(now));
        }
        if !notices.are_complete() {
            wait = wait.min(self.poll);
            self.poll = (self.poll * 2).min(limit::FOLLOW_POLL_MAX);
        }
        if restless { wait.min(limit::FOLLOW_POLL_MAX) } else { wait }
    }
}
