//! Files that an earlier run had read, found again: under their names, under others, or as copies.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::files::Files;
use super::find::{self, Found, Since, Sought};
use super::folders::{Folders, Ground};
use super::tail::Tail;
use crate::identity::Identity;
use crate::path::escaped;
use crate::saved::{Missed, SavedFile, file_key};
use crate::{clock, limit};

/// What became of a file.
enum Fate {
    Found(Found),
    /// It is nowhere.
    Gone,
    /// Its name can't be looked at, so it may still be there.
    Unknown(io::Error),
    /// There is nothing under its name, so it may come back.
    Away,
    /// It goes on as the rest of another file, of which it is a copy.
    Taken,
    /// Nobody follows it any more.
    Left,
}

/// What there is at one time, for all files that are looked for then.
struct View {
    /// The files that are followed.
    followed: Vec<(PathBuf, Metadata)>,
    folders: Folders,
}

impl View {
    fn new(names: &[PathBuf]) -> Self {
        let facts = |name: &PathBuf| Some((name.clone(), fs::metadata(name).ok()?));
        let followed = names.iter().filter_map(facts).filter(|(_, facts)| facts.is_file());
        Self { followed: followed.collect(), folders: Folders::default() }
    }
}

impl Files {
    /// Takes up the files that an earlier run had read, where they are now; the names of which this is known now. `names`
    /// are all that are followed.
    pub(super) fn find_saved(&mut self, names: &[PathBuf], now: Instant) -> BTreeSet<PathBuf> {
        let mut known = BTreeSet::new();
        let mut sought = self.due(names, now);
        if sought.is_empty() {
            return known;
        }
        let mut view = View::new(names);
        for tries_left in (0..limit::FOLLOW_TRIES).rev() {
            let mut again = Vec::new();
            for saved in sought {
                let fate = self.fate(&saved, &mut view);
                if tries_left > 0 && matches!(fate, Fate::Gone | Fate::Away) {
                    // Names may have changed while they were looked at.
                    again.push(saved);
                    continue;
                }
                if self.names.has(&saved.path) {
                    known.insert(saved.path.clone());
                }
                self.settle(saved, fate, &mut view.folders, now);
            }
            if again.is_empty() {
                break;
            }
            sought = again;
            view = View::new(&self.names.now(&mut self.told));
        }
        known.retain(|path| !self.saved.iter().any(|saved| saved.path == *path));
        known
    }

    /// Which files are to be looked for now: all every now and then, else those under whose names something is again.
    fn due(&mut self, names: &[PathBuf], now: Instant) -> Vec<SavedFile> {
        if self.saved.is_empty() {
            return Vec::new();
        }
        self.saved.sort_by(|one, other| {
            one.path.cmp(&other.path).then(one.incarnation.cmp(&other.incarnation))
        });
        let (began, last) = self.sought.unwrap_or((now, now));
        let turned_up = std::mem::take(&mut self.turned_up);
        if turned_up || self.sought.is_none() || now - last >= limit::FOLLOW_SEEK {
            self.sought = Some((began, now));
            return std::mem::take(&mut self.saved);
        }
        let names: HashSet<_> = names.iter().collect();
        let is_there =
            |saved: &SavedFile| names.contains(&saved.path) && Found::open(&saved.path).is_ok();
        self.saved.extract_if(.., |saved| is_there(saved)).collect()
    }

    /// Does what is to be done with a file.
    fn settle(&mut self, saved: SavedFile, fate: Fate, folders: &mut Folders, now: Instant) {
        match fate {
            Fate::Found(found) => self.take_up(&saved, found, now),
            Fate::Gone => {
                let compressed = find::compressed(folders, &saved.path, since(&saved));
                self.give_up(&saved, compressed.as_deref());
            }
            Fate::Taken | Fate::Left => self.forget(&saved),
            Fate::Unknown(error) => {
                self.told.problem(&saved.path, &error.to_string());
                self.saved.push(saved);
            }
            // What was named as it is will be there again, and what it was is known then.
            Fate::Away if self.names.has_plain(&saved.path) => self.saved.push(saved),
            Fate::Away => self.miss(saved, folders, now),
        }
    }

    /// Where a file is that was read so far: under its name, beside it, or under another name that is followed.
    fn fate(&self, saved: &SavedFile, view: &mut View) -> Fate {
        let View { followed, folders } = view;
        let sought = Sought { position: saved.position, print: saved.print };
        let taken = |identity: &Identity| self.tails.iter().any(|tail| tail.identity.is(identity));
        if !self.names.has(&saved.path) {
            let named = find::named(followed, &saved.identity, sought, taken);
            return named.map_or(Fate::Left, Fate::Found);
        }
        let fate = match Found::open(&saved.path) {
            Ok(found) => {
                let identity = found.identity();
                if identity.may_be(&saved.identity) && sought.is_in(&found.file) {
                    return if taken(&identity) { Fate::Taken } else { Fate::Found(found) };
                }
                Fate::Gone
            }
            Err(error) if is_absent(&error) => Fate::Away,
            Err(error) => Fate::Unknown(error),
        };
        let renamed = find::renamed(folders, &saved.path, &saved.identity, sought);
        let renamed = renamed.filter(|found| !taken(&found.identity()));
        if let Some(found) = renamed {
            return Fate::Found(found);
        }
        if let Some(found) = find::named(followed, &saved.identity, sought, taken) {
            return Fate::Found(found);
        }
        // What can't be looked at may be there still.
        if saved.position == 0 || matches!(fate, Fate::Unknown(_)) {
            return fate;
        }
        let copy = find::copy(folders, &saved.path, sought, followed, |it, _| taken(it));
        copy.map_or(fate, Fate::Found)
    }

    /// Whether this is a file that an earlier run had read, and that is taken up the next time names are looked at.
    pub(super) fn is_saved(&mut self, found: &Found) -> bool {
        let is_saved = self.saved.iter().any(|saved| {
            let sought = Sought { position: saved.position, print: saved.print };
            found.identity().may_be(&saved.identity) && sought.is_in(&found.file)
        });
        self.turned_up |= is_saved;
        is_saved
    }

    fn take_up(&mut self, saved: &SavedFile, found: Found, now: Instant) {
        let place = found.path.clone();
        if self.named() >= limit::FILES_MAX && found.facts.len() == saved.position {
            return self.rest_again(saved, &found);
        }
        match Tail::resumed(&self.rule, saved, found, now) {
            Ok(mut tail) => {
                if place == saved.path {
                    if saved.missed.is_some_and(|missed| missed.told) {
                        self.told.news(&place, "is there again and goes on");
                    }
                    self.told.solved(&place);
                    tail.name = Some(place);
                } else {
                    let news = format!("is {} now and read to its end there", escaped(&place));
                    self.told.news(&saved.path, &news);
                }
                self.tails.push(tail);
            }
            Err(error) => {
                self.told.problem(&place, &error.to_string());
                self.saved.push(saved.clone());
            }
        }
    }

    /// A file of a pattern is nowhere: that is told once, and its mark is kept as long as it may come back.
    fn miss(&mut self, mut saved: SavedFile, folders: &mut Folders, now: Instant) {
        if let Some(path) = find::compressed(folders, &saved.path, since(&saved)) {
            return self.give_up(&saved, Some(&path));
        }
        let ground = folders.ground(&saved.path, saved.identity.device);
        let wait = match ground {
            Ground::Firm => limit::FOLLOW_MISSED,
            Ground::Doubtful => limit::FOLLOW_UNMOUNTED,
            Ground::Unknown => return self.saved.push(saved),
        };
        let today = clock::now();
        let mut missed = saved.missed.unwrap_or(Missed { since: today, told: false });
        missed.since = missed.since.min(today);
        let past = Duration::from_nanos(missed.since.abs_diff(today));
        let looked = self.sought.map_or(Duration::ZERO, |(began, _)| now - began);
        let over = |wait| past >= wait && looked >= limit::FOLLOW_MISSED_IN_RUN;
        if !missed.told && (ground == Ground::Firm || over(limit::FOLLOW_MISSED)) {
            self.tell_loss(&saved, None);
            missed.told = true;
        }
        if over(wait) {
            return self.forget(&saved);
        }
        if saved.missed.replace(missed) != Some(missed) {
            self.missed.push(saved.clone().mark());
        }
        self.saved.push(saved);
    }

    /// Tells that a file is gone, and with it what was not read of it.
    fn tell_loss(&self, saved: &SavedFile, compressed: Option<&Path>) {
        let position = saved.position;
        let became = compressed.map_or_else(
            || "its last file is gone".to_owned(),
            |path| format!("its last file may have become {}, which is compressed", escaped(path)),
        );
        let unread = compressed.and_then(find::unpacked_bytes);
        match unread.and_then(|bytes| bytes.checked_sub(position)) {
            Some(0) => self.told.news(&saved.path, "had been read to its end and is compressed"),
            Some(bytes) => {
                let loss = format!("{became}; {bytes} bytes behind byte {position} were not read");
                self.told.lost(&saved.path, &loss);
            }
            None => {
                let unread = format!("what stood behind byte {position} was not read");
                self.told.lost(&saved.path, &format!("{became}; {unread}, if there was anything"));
            }
        }
    }

    /// Lets go of a file that is gone.
    fn give_up(&mut self, saved: &SavedFile, compressed: Option<&Path>) {
        if !saved.missed.is_some_and(|missed| missed.told) {
            self.tell_loss(saved, compressed);
        }
        let since = since(saved);
        self.forget(saved);
        // A file that was emptied keeps its birth; those that came after are younger than what it held.
        let emptied = is_emptied(&saved.path, &saved.identity);
        let born = if emptied { saved.modified } else { since.born };
        self.lost.insert(saved.path.clone(), Since { born, ..since });
    }

    fn forget(&mut self, saved: &SavedFile) {
        self.forgotten.push(file_key(self.rule.number, &saved.path, saved.incarnation));
    }
}

/// What comes after a file can't be older than.
pub(super) fn since(saved: &SavedFile) -> Since {
    Since { born: saved.identity.born, modified: saved.modified }
}

/// Whether there is nothing under a name, or nothing that could be.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether a file that is not what it was is still under its name.
fn is_emptied(path: &Path, identity: &Identity) -> bool {
    Found::open(path).is_ok_and(|found| found.identity().may_be(identity))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::{Debug, Write as _};
    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use crate::follow::Follow;
    use crate::follow::tests::source;
    use crate::intake::{Ended, Intake, Lot, Mark};
    use crate::saved::{Missed, Saved, SavedFile};
    use crate::settings::SourcePath;
    use crate::{clock, limit};

    const HOUR: i64 = 3_600_000_000_000;

    /// What was told, a line each.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<String>>);

    impl Visit for Lines {
        fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
            let _ = writeln!(self.0.lock().expect("a lock"), "{value:?}");
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    /// What was taken.
    #[derive(Default)]
    struct Taken(Mutex<(usize, BTreeMap<u64, Vec<u8>>)>);

    impl Intake for Taken {
        fn take(&self, lot: &mut Lot) -> Result<(), Ended> {
            let mut taken = self.0.lock().expect("a lock");
            taken.0 += lot.frame.len();
            for mark in lot.marks.drain(..) {
                taken.1.insert(mark.file, mark.body);
            }
            taken.1.retain(|_, body| !body.is_empty());
            lot.clear();
            Ok(())
        }
    }

    /// A folder of its own, and what runs that follow a pattern there have taken.
    struct Place {
        folder: PathBuf,
        taken: Taken,
    }

    impl Place {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("correlator-missed-{}-{count}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(folder.join("logs")).expect("a folder");
            let place = Self { folder, taken: Taken::default() };
            place.write("app-1.log", 10);
            assert_eq!((place.run(&[0]), place.records()), (String::new(), 10));
            place
        }

        fn write(&self, name: &str, lines: usize) {
            fs::write(self.folder.join("logs").join(name), "a line\n".repeat(lines))
                .expect("written");
        }

        fn remove(&self) {
            fs::remove_file(self.folder.join("logs/app-1.log")).expect("removed");
        }

        fn records(&self) -> usize {
            self.taken.0.lock().expect("a lock").0
        }

        fn marks(&self) -> Vec<Mark> {
            let marks = self.taken.0.lock().expect("a lock").1.clone();
            marks.into_iter().map(|(file, body)| Mark { file, body }).collect()
        }

        fn saved(&self) -> Vec<SavedFile> {
            let file = |mark: &Mark| match Saved::read(mark) {
                Some(Saved::File(file)) => Some(*file),
                _ => None,
            };
            self.marks().iter().filter_map(file).collect()
        }

        /// Changes what was kept, as if this had happened meanwhile.
        fn change(&self, change: impl Fn(&mut SavedFile)) {
            for mut file in self.saved() {
                change(&mut file);
                let mark = file.mark();
                self.taken.0.lock().expect("a lock").1.insert(mark.file, mark.body);
            }
        }

        fn follow(&self) -> Follow {
            let pattern = self.folder.join("logs/app-*.log").display().to_string();
            let source = source("test", &[SourcePath::Glob(pattern)]);
            Follow::open(0, &source, &[], &self.marks()).expect("followed")
        }

        /// A run that looks at these times, in seconds; what it told.
        fn run(&self, looks: &[u64]) -> String {
            let (mut follow, lines, began) = (self.follow(), Lines::default(), clock::instant());
            tracing::subscriber::with_default(lines.clone(), || {
                for look in looks {
                    let now = began + Duration::from_secs(*look);
                    follow.files.scan(&mut follow.notices, now);
                    follow.turn(&self.taken, now).map_err(|_| "ended").expect("taken");
                }
            });
            let told = lines.0.lock().expect("a lock").clone();
            told.replace(&format!("source `test`: {}/logs/", self.folder.display()), "")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    /// What gzip leaves of so many lines: all but the beginning and the end is of no concern.
    fn gzipped(place: &Place, name: &str, lines: u32) {
        let bytes = [&[0x1f, 0x8b, 8, 0][..], &(lines * 7).to_le_bytes()].concat();
        fs::write(place.folder.join("logs").join(name), bytes).expect("written");
    }

    #[test]
    fn what_was_not_read_of_a_file_that_is_gone_is_told_once() {
        let check = |work: &dyn Fn(&Place), expected: &str, kept: usize| {
            let place = Place::new();
            place.remove();
            work(&place);
            place.write("app-2.log", 5);
            let told = place.run(&[0, 1, 61, 122]);
            assert!(told.starts_with(expected) && told.lines().count() == 1, "{told:?}");
            assert_eq!((place.records(), place.saved().len()), (15, kept + 1));
            assert_eq!(place.run(&[0, 1, 61]), "", "it was told before");
        };
        let gone = "app-1.log: its last file is gone; what stood behind byte 70 was not read, if";
        check(&|_| {}, gone, 1);
        let folder = |place: &Place| {
            fs::remove_dir_all(place.folder.join("logs")).expect("removed");
            fs::create_dir(place.folder.join("logs")).expect("made");
        };
        check(&folder, gone, 1);
        let compressed = |lines| move |place: &Place| gzipped(place, "app-1.log.gz", lines);
        check(&compressed(15), "app-1.log: its last file may have become", 0);
        check(&compressed(10), "app-1.log had been read to its end and is compressed", 0);

        let place = Place::new();
        place.remove();
        gzipped(&place, "app-1.log.1.gz", 15);
        let told = place.run(&[0]);
        assert!(
            told.ends_with(
                "app-1.log.1.gz, which is compressed; 35 bytes behind byte 70 were not read\n"
            ),
            "{told}"
        );
    }

    #[test]
    fn a_mark_is_forgotten_when_its_file_was_nowhere_for_long() {
        let check = |other: bool, hours: i64, looks: &[u64], told: bool, kept: bool| {
            let place = Place::new();
            place.remove();
            place.change(|file| {
                file.missed = Some(Missed { since: clock::now() - hours * HOUR, told: false });
                file.identity.device += u64::from(other);
            });
            let case = format!("{other} {hours} {looks:?}");
            assert_eq!(place.run(looks).lines().count(), usize::from(told), "{case}");
            assert_eq!(place.saved().len(), usize::from(kept), "{case}");
        };
        check(false, 23, &[0, 3_700], true, true);
        // The machine's clock alone says nothing.
        check(false, 25, &[0, 3_500], true, true);
        check(false, 25, &[0, 3_700], true, false);
        // It may be on what is not mounted.
        check(true, 23, &[0, 3_700], false, true);
        check(true, 25, &[0, 3_700], true, true);
        check(true, 31 * 24, &[0, 3_500], false, true);
        check(true, 31 * 24, &[0, 3_700], true, false);
        check(false, -1_000_000, &[0], true, true);
    }

    #[test]
    fn a_file_that_is_back_goes_on() {
        let check = |away: &dyn Fn(&Place), back: &dyn Fn(&Place), told: bool| {
            let place = Place::new();
            away(&place);
            assert_eq!(place.run(&[0, 61]).contains("behind byte 70"), told);
            let (mut follow, now) = (place.follow(), clock::instant());
            for look in 0..3 {
                let now = now + Duration::from_secs(look);
                follow.files.scan(&mut follow.notices, now);
                follow.turn(&place.taken, now).map_err(|_| "ended").expect("taken");
                if look == 0 {
                    back(&place);
                }
            }
            assert_eq!(place.records(), 11);
            assert!(place.saved().iter().all(|file| file.missed.is_none()));
        };
        let path = |place: &Place, name: &str| place.folder.join(name);
        let rename = |place: &Place, from: &str, to: &str| {
            fs::rename(path(place, from), path(place, to)).expect("renamed");
        };
        let grow = |place: &Place, name: &str| {
            let log = path(place, "logs").join(name);
            let text = fs::read_to_string(&log).expect("a log");
            let mut file = fs::File::options().append(true).open(&log).expect("a log");
            std::io::Write::write_all(&mut file, &text.as_bytes()[..7]).expect("written");
        };
        let moved = |to: &'static str| {
            move |place: &Place| {
                rename(place, "app-1.log", &format!("logs/{to}"));
                grow(place, to);
            }
        };
        check(&|place| rename(place, "logs/app-1.log", "app-1.log"), &moved("app-1.log"), true);
        check(&|place| rename(place, "logs/app-1.log", "app-1.log"), &moved("app-7.log"), true);
        // The folder can't be listed, nor what is in it be looked at: nothing is said of what may be there.
        let hide = |place: &Place| {
            rename(place, "logs", "elsewhere");
            std::os::unix::fs::symlink("logs", path(place, "logs")).expect("a link");
        };
        let show = |place: &Place| {
            fs::remove_file(path(place, "logs")).expect("removed");
            rename(place, "elsewhere", "logs");
            grow(place, "app-1.log");
        };
        check(
            &|place| rename(place, "logs", "elsewhere"),
            &|place| {
                rename(place, "elsewhere", "logs");
                grow(place, "app-1.log");
            },
            true,
        );
        check(&hide, &show, false);
    }

    #[test]
    fn a_name_without_a_file_is_told_at_the_start() {
        let place = Place::new();
        let check = |name: &str, expected: &str| {
            let path = place.folder.join(name);
            let source = source("test", &[SourcePath::File(path.clone())]);
            let mut follow = Follow::open(0, &source, &[], &[]).expect("followed");
            let lines = Lines::default();
            tracing::subscriber::with_default(lines.clone(), || follow.files.tell_absent());
            let told = lines.0.lock().expect("a lock").clone();
            let begin = format!("source `test`: {}: is not there", path.display());
            assert_eq!(told.strip_prefix(&begin).unwrap_or(&told), expected);
        };
        check("logs/app-1.log", "");
        check("logs/ap-1.log", "; it is read as soon as it is\n");
        check("log/app-1.log", ", nor is its folder; it is read as soon as it is\n");
    }

    /// However many are gone, what is looked for at each look is what may be there.
    #[test]
    fn what_is_gone_costs_nothing_at_each_look() {
        let place = Place::new();
        for n in 2..300 {
            place.write(&format!("app-{n}.log"), 1);
        }
        place.run(&[0]);
        assert_eq!(place.saved().len(), 299);
        for n in 1..300 {
            fs::remove_file(place.folder.join(format!("logs/app-{n}.log"))).expect("removed");
        }
        let (mut follow, now) = (place.follow(), clock::instant());
        let mut due = |seconds| {
            let now = now + Duration::from_secs(seconds);
            let names = follow.files.names.now(&mut follow.files.told);
            let due = follow.files.due(&names, now);
            let count = due.len();
            follow.files.saved.extend(due);
            count
        };
        assert_eq!([due(0), due(1), due(59)], [299, 0, 0]);
        place.write("app-7.log", 1);
        place.write("app-new.log", 1);
        assert_eq!([due(59), due(limit::FOLLOW_SEEK.as_secs())], [1, 299]);
    }
}
