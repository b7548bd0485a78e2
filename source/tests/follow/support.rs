//! An intake that remembers, folders that go away, and numbered lines.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use correlator_source::clock;
use correlator_source::follow::Follow;
use correlator_source::intake::{Ended, Intake, Lot, Mark};
use correlator_source::settings::{Door, Source, SourcePath};
use jiff::tz::TimeZone;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder of its own for a test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("correlator-follow-{}-{count}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renamed");
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    pub fn append(&self, name: &str, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(self.path(name));
        file.as_mut().expect("a file").write_all(text.as_bytes()).expect("written");
    }

    /// Waits until the file system's clock has moved on, by which rotated files are put in order.
    pub fn tick(&self) {
        // Beside the folder, so that nobody is told of it.
        let path = self.0.with_extension("tick");
        let time = || {
            fs::write(&path, "").expect("written");
            let time = fs::metadata(&path).expect("a file").mtime_nsec();
            fs::remove_file(&path).expect("removed");
            time
        };
        let before = time();
        while time() == before {}
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A source that follows one name or pattern.
pub fn source(path: &Path) -> Source {
    let text = path.display().to_string();
    let path =
        if text.contains('*') { SourcePath::Glob(text) } else { SourcePath::File(path.into()) };
    Source {
        name: "test".into(),
        door: Door::Files { paths: vec![path], follow: true },
        framing: None,
        framing_text: "auto".into(),
        zone: TimeZone::UTC,
        year: None,
        lateness: Duration::ZERO,
        idle_after: Duration::ZERO,
        typed: Vec::new(),
    }
}

/// Lines with these numbers.
pub fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.fold(String::new(), |mut lines, n| {
        let _ = writeln!(lines, "Dec 10 06:55:46 host app[{n}]: line number {n}");
        lines
    })
}

/// What has been taken.
#[derive(Default)]
pub struct Taken {
    pub records: Vec<String>,
    pub times: Vec<i64>,
    pub places: Vec<(u32, u64)>,
    pub marks: BTreeMap<u64, Vec<u8>>,
    pub lots: u32,
}

impl Taken {
    /// The numbers of the lines, in the order in which they were taken.
    pub fn numbers(&self) -> Vec<u32> {
        let number = |record: &String| record.rsplit(' ').next()?.parse().ok();
        self.records.iter().filter_map(number).collect()
    }

    pub fn marks(&self) -> Vec<Mark> {
        self.marks.iter().map(|(file, body)| Mark { file: *file, body: body.clone() }).collect()
    }

    /// Every line came once and in order.
    #[track_caller]
    pub fn check_all(&self, count: u32) {
        let numbers = self.numbers();
        let wrong = numbers.iter().zip(0..).position(|(number, expected)| *number != expected);
        if let Some(wrong) = wrong {
            let around = &numbers[wrong.saturating_sub(3)..(wrong + 5).min(numbers.len())];
            panic!("line {wrong} is another one: {around:?}; {} of {count}", numbers.len());
        }
        assert_eq!((numbers.len(), self.records.len()), (count as usize, count as usize));
        let places: HashSet<_> = self.places.iter().collect();
        assert_eq!(places.len(), self.places.len(), "two records have one place");
    }
}

/// Takes lots, up to some number of them.
pub struct Taker {
    taken: Mutex<Taken>,
    more: Condvar,
    lots_max: u32,
}

impl Default for Taker {
    fn default() -> Self {
        Self::of(Taken::default(), u32::MAX)
    }
}

impl Taker {
    /// Goes on behind what was taken before, until so many lots were taken.
    pub fn of(taken: Taken, lots_max: u32) -> Self {
        Self { taken: Mutex::new(taken), more: Condvar::new(), lots_max }
    }

    /// Waits until it holds.
    #[track_caller]
    pub fn wait(&self, what: &str, holds: impl Fn(&Taken) -> bool) {
        let until = clock::instant() + PATIENCE;
        let mut taken = self.taken.lock().expect("a lock");
        while !holds(&taken) {
            let left = until.saturating_duration_since(clock::instant());
            if left.is_zero() {
                let numbers: HashSet<u32> = taken.numbers().into_iter().collect();
                let missing: Vec<u32> = (0..).filter(|n| !numbers.contains(n)).take(3).collect();
                panic!("{what}: {} records; {missing:?} are missing", taken.records.len());
            }
            taken = self.more.wait_timeout(taken, left).expect("a lock").0;
        }
    }

    #[track_caller]
    pub fn wait_for(&self, records: usize) {
        self.wait(&format!("{records} records"), |taken| taken.records.len() >= records);
    }

    /// Takes nothing while this is done.
    pub fn pause(&self, work: impl FnOnce()) {
        let _taken = self.taken.lock().expect("a lock");
        work();
    }

    pub fn into_taken(self) -> Taken {
        self.taken.into_inner().expect("a lock")
    }
}

impl Intake for Taker {
    fn take(&self, lot: &mut Lot) -> Result<(), Ended> {
        let mut taken = self.taken.lock().expect("a lock");
        if taken.lots >= self.lots_max {
            return Err(Ended);
        }
        taken.lots += 1;
        assert!(lot.placed, "records of files are placed");
        assert_eq!(lot.counts.records as usize, lot.frame.len());
        for record in lot.frame.batch().records() {
            taken.records.push(String::from_utf8_lossy(record.raw()).into_owned());
            taken.times.push(record.time());
            taken.places.push((record.source(), record.position()));
        }
        for mark in lot.marks.drain(..) {
            if mark.body.is_empty() {
                taken.marks.remove(&mark.file);
            } else {
                taken.marks.insert(mark.file, mark.body);
            }
        }
        lot.clear();
        self.more.notify_all();
        Ok(())
    }
}

/// Follows while `work` is done, then stops; what was taken.
pub fn follow(path: &Path, before: Taken, work: impl FnOnce(&Taker)) -> Taken {
    let follow = Follow::open(0, &source(path), &[], &before.marks()).expect("followed");
    run(follow, Taker::of(before, u32::MAX), work)
}

/// Runs this while `work` is done, then stops it; what was taken.
pub fn run(follow: Follow, taker: Taker, work: impl FnOnce(&Taker)) -> Taken {
    let stop = AtomicBool::new(false);
    let result = thread::scope(|scope| {
        scope.spawn(|| follow.run(&taker, &stop));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&taker)));
        stop.store(true, Ordering::Relaxed);
        result
    });
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
    taker.into_taken()
}
