//! Checkpoints: a guest's state and its place in the stream, together in one file.
//!
//! A file is written beside the last one and takes its place when it is whole; the one before stays, and is what a
//! damaged one falls back to. What a checkpoint builds on is on the disk before it is. One thread writes for all guests,
//! so that no stream waits for a disk.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::refused;
use crate::guest::State;
use crate::pipeline::RunError;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::feed::Place;
use crate::{clock, limit, private};

/// How many checkpoints a guest has: the last, and the one that it falls back to.
const CHECKPOINTS: usize = 2;
/// How a checkpoint's file begins.
const MAGIC: [u8; 8] = *b"CORRCKP1";
/// What the journal of a listener's tables ends in, which lies beside its checkpoints and is of no use without them.
pub(crate) const JOURNAL: &str = "tables";

/// A guest's state, and where it belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) place: Place,
    pub(crate) rate: (i64, u64),
    /// None: a fresh instance.
    pub(crate) state: Option<Arc<State>>,
    /// What the worker has to know of the world as it was then.
    pub(crate) outside: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    guest: String,
    component: String,
    item: u64,
    ticks: u32,
    now: Option<i64>,
    rate: (i64, u64),
    outside: Vec<u8>,
    state_version: Option<u32>,
    state_bytes: u64,
}

/// What a guest left on its shelf.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// The checkpoints that are whole, the newest first.
    pub(crate) checkpoints: Vec<Checkpoint>,
    /// What their names end in.
    pub(super) endings: Vec<&'static str>,
    /// Whether there is one that is not: the guest was there before, whatever it knew.
    pub(crate) damaged: bool,
}

impl Left {
    /// Whether the guest was there before, and nothing tells where it was.
    pub(crate) fn is_lost(&self) -> bool {
        self.damaged && self.checkpoints.is_empty()
    }

    /// The first item that the guest may need; none if it was never there.
    pub(crate) fn first(&self) -> Option<u64> {
        let first = self.checkpoints.iter().map(|it| it.place.cursor.item).min();
        first.or(self.damaged.then_some(0))
    }
}

/// The checkpoints of one guest.
#[derive(Clone, Debug)]
pub(crate) struct Shelf {
    pub(super) folder: PathBuf,
    /// The instance's name in the stack.
    guest: String,
    /// What it is an instance of.
    component: String,
    /// Whether files are written through.
    pub(super) through: bool,
}

impl Shelf {
    pub(crate) fn new(folder: &Path, guest: &str, component: &str, through: bool) -> Self {
        Self {
            folder: folder.to_owned(),
            guest: guest.to_owned(),
            component: component.to_owned(),
            through,
        }
    }

    pub(super) fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.guest))
    }

    /// What the guest left. What is damaged is told: to be asked once for each guest.
    ///
    /// # Errors
    /// A checkpoint may be whole and can't be read now: a guest that began without it would write over it.
    pub(crate) fn load(&self) -> Result<Left, RunError> {
        self.read_all(|path, error| {
            tracing::warn!(
                "{}: {error}; the checkpoint before it is used, if there is one",
                path.display()
            );
        })
    }

    /// The same, for those who need not tell.
    pub(crate) fn readable(&self) -> Result<Left, RunError> {
        self.read_all(|_, _| {})
    }

    fn read_all(&self, damaged: impl Fn(&Path, &io::Error)) -> Result<Left, RunError> {
        let mut left = Left::default();
        let mut looked_at = 0;
        // The old one is there if the engine was killed while it put another in its place, and counts if that left a gap.
        for ending in ["checkpoint", "before", "old"] {
            if looked_at == CHECKPOINTS {
                break;
            }
            let path = self.path(ending);
            match read(&path) {
                Ok((checkpoint, _)) => {
                    left.checkpoints.push(checkpoint);
                    left.endings.push(ending);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    left.damaged = true;
                    damaged(&path, &error);
                }
                Err(error) => {
                    return Err(RunError::State(format!(
                        "the checkpoint {} can't be read: {error}; that has to be mended, or the file moved away, before `{}` can work",
                        path.display(),
                        self.guest
                    )));
                }
            }
            looked_at += 1;
        }
        Ok(left)
    }

    /// Forgets what was noted of tables since a checkpoint that is not there any more: it would have them cut to where they
    /// were long ago.
    ///
    /// # Errors
    /// It can't be removed.
    pub(crate) fn forget_journal(&self) -> Result<(), RunError> {
        let path = self.path(JOURNAL);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(RunError::State(format!("{} can't be removed: {error}", path.display())))
            }
            _ => Ok(()),
        }
    }

    /// Puts a checkpoint in the place of the last one, which becomes the one before.
    pub(crate) fn store(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        private::folder(&self.folder)?;
        let (new, old) = (self.path("new"), self.path("old"));
        let (current, before) = (self.path("checkpoint"), self.path("before"));
        write(&new, self, checkpoint)?;
        let bytes = checkpoint.state.as_ref().map_or(0, |state| state.bytes.len());
        let reused = bytes >= limit::CHECKPOINT_REUSED_BYTES;
        if reused {
            move_if_there(&before, &old)?;
        }
        move_if_there(&current, &before)?;
        fs::rename(&new, &current)?;
        if reused {
            // The next is written over what is two behind.
            move_if_there(&old, &new)?;
        }
        if self.through {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Forgets the guest.
    pub(crate) fn clear(&self) {
        for ending in ["checkpoint", "before", "new", "old", JOURNAL] {
            // What is not there need not go.
            let _ = fs::remove_file(self.path(ending));
        }
        refused::forget(self);
    }
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(path: &Path, shelf: &Shelf, checkpoint: &Checkpoint) -> io::Result<()> {
    let state = checkpoint.state.as_deref();
    let bytes = state.map_or(&[][..], |state| &state.bytes);
    let head = Head {
        guest: shelf.guest.clone(),
        component: shelf.component.clone(),
        item: checkpoint.place.cursor.item,
        ticks: checkpoint.place.cursor.ticks,
        now: checkpoint.place.now,
        rate: checkpoint.rate,
        outside: checkpoint.outside.clone(),
        state_version: state.map(|state| state.version),
        state_bytes: bytes.len() as u64,
    };
    let head = postcard::to_allocvec(&head).map_err(io::Error::other)?;
    let mut sum = crc32fast::Hasher::new();
    sum.update(&head);
    sum.update(bytes);
    // What may be there already is written over, but for what is kept aside under another name, and what an earlier version
    // wrote for all to read.
    if fs::metadata(path).is_ok_and(|facts| facts.nlink() > 1 || private::is_open(facts.mode())) {
        fs::remove_file(path)?;
    }
    let mut file = private::options().truncate(false).open(path)?;
    file.write_all(&MAGIC)?;
    file.write_all(&sum.finalize().to_le_bytes())?;
    file.write_all(&(head.len() as u32).to_le_bytes())?;
    file.write_all(&head)?;
    let mut pieces = bytes.chunks(limit::CHECKPOINT_PIECE_BYTES).peekable();
    while let Some(piece) = pieces.next() {
        file.write_all(piece)?;
        if shelf.through && pieces.peek().is_some() {
            file.sync_data()?;
        }
    }
    let end = file.stream_position()?;
    file.set_len(end)?;
    if shelf.through {
        file.sync_all()?;
    }
    Ok(())
}

/// A checkpoint, and the component that made it.
pub(super) fn read(path: &Path) -> io::Result<(Checkpoint, String)> {
    let broken =
        |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("this checkpoint {what}"));
    let mut bytes = Vec::new();
    File::open(path)?.take(limit::CHECKPOINT_BYTES_MAX).read_to_end(&mut bytes)?;
    let rest = bytes.strip_prefix(&MAGIC).ok_or_else(|| broken("is none"))?;
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or_else(|| broken("is cut off"))?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(|| broken("is cut off"))?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
        return Err(broken("is damaged"));
    }
    let length = u32::from_le_bytes(*length) as usize;
    let (head, state) = rest.split_at_checked(length).ok_or_else(|| broken("is cut off"))?;
    let head: Head = postcard::from_bytes(head).map_err(|_| broken("is not understood"))?;
    if head.state_bytes != state.len() as u64 {
        return Err(broken("is cut off"));
    }
    let state = |version| Arc::new(State { version, bytes: state.to_vec() });
    let checkpoint = Checkpoint {
        place: Place { cursor: Cursor { item: head.item, ticks: head.ticks }, now: head.now },
        rate: head.rate,
        state: head.state_version.map(state),
        outside: head.outside,
    };
    Ok((checkpoint, head.component))
}

/// A checkpoint on its way to the disk.
struct Job {
    shelf: Shelf,
    checkpoint: Checkpoint,
    /// What nobody needs any more: to give a large one back takes the system a while.
    _former: Option<Arc<State>>,
    busy: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
    stored: Box<dyn FnOnce() + Send>,
    told: Option<SyncSender<()>>,
}

/// How one worker's checkpoints are kept.
pub(crate) struct Keeping {
    pub(crate) shelf: Shelf,
    pub(crate) every: Duration,
    saver: SyncSender<Job>,
    busy: Arc<AtomicBool>,
    /// Whether the last one could not be written.
    failed: Arc<AtomicBool>,
    /// Told of each that is on the disk: the place of the one before, which a damaged one would fall back to, and its own.
    stored: Arc<dyn Fn(Place, Place) + Send + Sync>,
    before: Arc<Mutex<Option<Place>>>,
}

impl Keeping {
    /// Whether the last checkpoint is on the disk.
    pub(crate) fn is_free(&self) -> bool {
        !self.busy.load(Ordering::Acquire)
    }

    /// Waits until nothing is on its way to the disk: whoever comes next writes to the same files.
    pub(crate) fn wait(&self) {
        let since = clock::instant();
        while !self.is_free() && clock::instant().duration_since(since) < limit::DRAIN_TIME {
            thread::park_timeout(limit::JOIN_STEP);
        }
    }

    /// Whether a checkpoint could not be written since this was last asked.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.swap(false, Ordering::AcqRel)
    }

    /// Has a checkpoint written, and the state before it forgotten. At the end it is waited for.
    pub(crate) fn keep(&mut self, checkpoint: Checkpoint, former: Option<Arc<State>>, wait: bool) {
        self.busy.store(true, Ordering::Release);
        let (tell, told) = sync_channel(1);
        let (before, stored) = (Arc::clone(&self.before), Arc::clone(&self.stored));
        let place = checkpoint.place;
        let job = Job {
            shelf: self.shelf.clone(),
            checkpoint,
            _former: former,
            busy: Arc::clone(&self.busy),
            failed: Arc::clone(&self.failed),
            stored: Box::new(move || {
                let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
                stored(before.replace(place).unwrap_or_default(), place);
            }),
            told: wait.then_some(tell),
        };
        match self.saver.send(job) {
            // The saver tells in any case; it ends only after all workers.
            Ok(()) if wait => drop(told.recv()),
            Ok(()) => {}
            Err(_) => self.busy.store(false, Ordering::Release),
        }
    }
}

/// The thread that writes checkpoints.
#[derive(Clone)]
pub(crate) struct Saver {
    jobs: SyncSender<Job>,
}

/// What the saver does.
pub(crate) struct SaverWork {
    jobs: Receiver<Job>,
}

impl Saver {
    /// A saver, and its work for a thread of its own.
    pub(crate) fn new() -> (Self, SaverWork) {
        let (jobs, from) = sync_channel(limit::INSTANCES_MAX);
        (Self { jobs }, SaverWork { jobs: from })
    }

    /// How a worker's checkpoints are kept. `stored` is told of the places of the one before the last and the last.
    pub(crate) fn keeping(
        &self,
        shelf: Shelf,
        every: Duration,
        last: Option<Place>,
        stored: impl Fn(Place, Place) + Send + Sync + 'static,
    ) -> Keeping {
        Keeping {
            shelf,
            every,
            saver: self.jobs.clone(),
            busy: Arc::new(AtomicBool::new(false)),
            failed: Arc::new(AtomicBool::new(false)),
            stored: Arc::new(stored),
            before: Arc::new(Mutex::new(last)),
        }
    }
}

/// Lets the threads go first that work on records. Where the system does not want that, saving is only as quick as they are.
pub(crate) fn step_back() {
    if let Err(error) = rustix::process::nice(limit::SAVING_NICENESS) {
        tracing::debug!("a thread that saves can't step back: {error}");
    }
}

impl SaverWork {
    /// Writes until nobody can ask any more. `prepare` makes sure that what checkpoints build on is on the disk.
    pub(crate) fn run(self, prepare: impl Fn() -> io::Result<()>) {
        step_back();
        for job in self.jobs {
            let done = prepare().and_then(|()| job.shelf.store(&job.checkpoint));
            match done {
                Ok(()) => (job.stored)(),
                Err(error) => {
                    job.failed.store(true, Ordering::Release);
                    tracing::error!(
                        "the checkpoint of `{}` can't be written below {}: {error}; the one before stays, and the next is tried in time",
                        job.shelf.guest,
                        job.shelf.folder.display()
                    );
                }
            }
            job.busy.store(false, Ordering::Release);
            if let Some(told) = job.told {
                let _ = told.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::{Checkpoint, JOURNAL, Left, Saver, Shelf, write};
    use crate::guest::State;
    use crate::pipeline::stream::cursor::Cursor;
    use crate::pipeline::stream::feed::Place;

    fn checkpoint(item: u64) -> Checkpoint {
        Checkpoint {
            place: Place { cursor: Cursor { item, ticks: 2 }, now: Some(-5) },
            rate: (3, 4),
            state: Some(Arc::new(State { version: 7, bytes: vec![1, 2, 3] })),
            outside: b"outside".to_vec(),
        }
    }

    fn loaded(shelf: &Shelf) -> Vec<Checkpoint> {
        shelf.load().expect("a shelf").checkpoints
    }

    #[test]
    fn large_ones_are_written_over_those_that_are_two_behind() {
        let folder = std::env::temp_dir().join(format!("correlator-large-{}", std::process::id()));
        let shelf = Shelf::new(&folder, "sshd", "digest", false);
        let large = |item: u64, bytes: usize| Checkpoint {
            state: Some(Arc::new(State { version: 7, bytes: vec![item as u8; bytes] })),
            ..checkpoint(item)
        };
        let all = [
            large(1, 300_000),
            large(2, 200_000),
            large(3, 9_000_000),
            large(4, 100_000),
            checkpoint(5),
            large(6, 300_000),
        ];
        let mut before = None;
        for last in all {
            shelf.store(&last).expect("a folder");
            let expected: Vec<_> = std::iter::once(last.clone()).chain(before.take()).collect();
            assert!(loaded(&shelf) == expected, "item {}", last.place.cursor.item);
            before = Some(last);
        }
        shelf.clear();
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0);
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn a_damaged_one_falls_back_to_the_one_before() {
        let folder =
            std::env::temp_dir().join(format!("correlator-checkpoint-{}", std::process::id()));
        let shelf = Shelf::new(&folder, "sshd", "digest", true);
        assert_eq!(shelf.load().expect("a shelf"), Left::default());
        shelf.store(&checkpoint(1)).expect("a folder");
        shelf.store(&checkpoint(2)).expect("a folder");
        assert_eq!(loaded(&shelf), [checkpoint(2), checkpoint(1)]);
        let path = folder.join("sshd.checkpoint");
        let whole = fs::read(&path).expect("a checkpoint");
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            fs::write(&path, &damaged).expect("a checkpoint");
            let left =
                Left { checkpoints: vec![checkpoint(1)], endings: vec!["before"], damaged: true };
            assert_eq!(shelf.load().expect("a shelf"), left, "byte {place}");
            assert_eq!(shelf.readable().expect("a shelf"), left, "byte {place}");
            fs::write(&path, &whole[..place]).expect("a checkpoint");
            assert_eq!(loaded(&shelf), [checkpoint(1)], "cut at {place}");
        }
        shelf.clear();
        assert_eq!(shelf.load().expect("a shelf"), Left::default());
        fs::remove_dir_all(folder).expect("clean up");
    }

    /// A shelf of this test's own, with two checkpoints.
    fn shelf(name: &str) -> (std::path::PathBuf, Shelf) {
        let name = format!("correlator-checkpoint-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        let shelf = Shelf::new(&folder, "csv", "digest", false);
        shelf.store(&checkpoint(1)).expect("a folder");
        shelf.store(&checkpoint(2)).expect("a folder");
        (folder, shelf)
    }

    #[test]
    fn two_kills_while_files_change_places_leave_one() {
        let (folder, shelf) = shelf("kills");
        // What has happened to the names by then: each kill falls behind one of these.
        let moves = [("before", "old"), ("checkpoint", "before")];
        for first in 0..=moves.len() {
            for second in 0..=moves.len() {
                shelf.store(&checkpoint(1)).expect("a folder");
                shelf.store(&checkpoint(2)).expect("a folder");
                let _ = fs::remove_file(folder.join("csv.old"));
                for done in [first, second] {
                    write(&folder.join("csv.new"), &shelf, &checkpoint(3)).expect("a folder");
                    for (from, to) in &moves[..done] {
                        let at = |ending: &str| folder.join(format!("csv.{ending}"));
                        let _ = fs::rename(at(from), at(to));
                    }
                }
                let left = loaded(&shelf);
                assert!(!left.is_empty() && left.len() <= 2, "{first}, {second}: {left:?}");
                let sorted = left.is_sorted_by_key(|it| std::cmp::Reverse(it.place.cursor));
                assert!(sorted, "{first}, {second}: {left:?}");
            }
        }
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn what_is_damaged_is_no_guest_that_was_never_there() {
        let (folder, shelf) = shelf("damaged");
        assert_eq!(shelf.load().expect("a shelf").first(), Some(1));
        for name in ["csv.checkpoint", "csv.before"] {
            fs::write(folder.join(name), "no checkpoint").expect("a file");
        }
        let left = shelf.load().expect("a shelf");
        assert!(left.is_lost() && left.first() == Some(0), "{left:?}");
        shelf.clear();
        let left = shelf.load().expect("a shelf");
        assert!(!left.is_lost() && left.first().is_none(), "{left:?}");
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn what_can_not_be_read_now_is_not_written_over() {
        let (folder, shelf) = shelf("unreadable");
        let path = folder.join("csv.checkpoint");
        fs::remove_file(&path).expect("a file");
        fs::create_dir(&path).expect("a folder in its place");
        for left in [shelf.load(), shelf.readable()] {
            let error = left.expect_err("a folder is no file").to_string();
            assert!(error.contains("csv.checkpoint can't be read"), "{error}");
        }
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn what_is_on_its_way_is_waited_for() {
        let (folder, shelf) = shelf("late");
        let (saver, work) = Saver::new();
        let slowly = || {
            thread::park_timeout(Duration::from_millis(50));
            Ok(())
        };
        let writes = thread::spawn(move || work.run(slowly));
        let mut keeping = saver.keeping(shelf.clone(), Duration::ZERO, None, |_, _| {});
        keeping.keep(checkpoint(3), None, false);
        keeping.wait();
        assert_eq!(loaded(&shelf), [checkpoint(3), checkpoint(2)]);
        drop((saver, keeping));
        writes.join().expect("no panic");
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn who_is_forgotten_leaves_no_notes_of_tables() {
        let (folder, shelf) = shelf("forgotten");
        let journal = folder.join(format!("csv.{JOURNAL}"));
        shelf.forget_journal().expect("there was none");
        for forget in [Shelf::clear, |shelf: &Shelf| shelf.forget_journal().expect("removed")] {
            fs::write(&journal, "a note").expect("a file");
            forget(&shelf);
            assert!(!journal.exists());
        }
        fs::remove_dir_all(folder).expect("clean up");
    }
}
