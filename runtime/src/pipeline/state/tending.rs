//! The thread that keeps the store small: what was written ahead is moved to its place, what is old goes, and what waits for
//! nobody is given up.
//!
//! What is old goes at the start, or at the end of a run that is over sooner, then once an hour, and sooner where the store has
//! little room left. Nobody who asks waits for that. What a listener may hand over once more after a crash stays: what
//! was asked for since a while before its oldest checkpoint.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use correlator_store::entry::By;
use correlator_store::error::StoreError;
use correlator_store::prune::{Pruned, Retention};
use correlator_store::store::Store;

use super::calendar::{Calendar, News};
use crate::clock::{self, nanoseconds};
use crate::limit;
use crate::pipeline::crew::{Floor, Kept};

/// What a checkpoint's file may end in.
const CHECKPOINTS: [&str; 3] = [".checkpoint", ".before", ".old"];

/// Keeps the store small until the run is over.
pub(super) fn tend(floor: &Floor) {
    let Some(kept) = &floor.kept else { return };
    let mut tender: Option<Tender> = None;
    let mut settled = clock::instant();
    loop {
        let ends = floor.closed.load(Ordering::Relaxed);
        if let Some(store) = kept.store.get() {
            let (wall, instant) = (clock::now(), clock::instant());
            if let Err(error) = put_in_place(kept, store, &mut settled, instant) {
                tracing::debug!("{error}");
            }
            if tender.is_none() {
                tender = Tender::new(store, wall, instant).map_err(untended).ok();
            }
            if let Some(tender) = &mut tender
                && store.bytes().is_ok_and(|bytes| tender.rhythm.is_due(instant, bytes))
            {
                tender.tend(kept, store, wall, instant);
            }
        }
        if ends {
            return;
        }
        thread::park_timeout(limit::MARKS_STEP);
    }
}

/// Moves what was written ahead to its place if it is much, or if it has lain there for long. Else it is only written through,
/// if nobody who keeps what effects come from does so.
fn put_in_place(
    kept: &Kept,
    store: &Store,
    settled: &mut Instant,
    now: Instant,
) -> Result<(), StoreError> {
    let rested = now.saturating_duration_since(*settled) >= limit::SETTLE_STEP;
    if rested || store.ahead_pages()? >= limit::SETTLE_PAGES {
        *settled = now;
        return store.settle().map(drop);
    }
    if kept.rooms.through { Ok(()) } else { store.sync() }
}

fn untended(error: impl std::fmt::Display) {
    tracing::warn!("{error}; what is old stays in the store for now");
}

/// What is known of one store's tending.
struct Tender {
    calendar: Calendar,
    rhythm: Rhythm,
    /// When it began, and until when the run before was at work at the least.
    begun: Instant,
    before: i64,
}

impl Tender {
    fn new(store: &Store, wall: i64, instant: Instant) -> Result<Self, StoreError> {
        let tended = store.tended()?;
        Ok(Self {
            calendar: Calendar::new(tended, wall, instant),
            rhythm: Rhythm::default(),
            begun: instant,
            before: tended.at.unwrap_or(wall),
        })
    }

    fn tend(&mut self, kept: &Kept, store: &Store, wall: i64, instant: Instant) {
        let (now, news) = self.calendar.look(wall, instant);
        tell(news);
        kept.give_up_unserved(store, now);
        let pruned = self.prune(store, &kept.rooms.checkpoints, (wall, now), instant);
        let noted = store.note_tended(self.calendar.tended());
        match pruned.and_then(|pruned| noted.map(|()| pruned).map_err(io::Error::other)) {
            Ok(pruned) => self.rhythm.learn(instant, pruned.bytes),
            Err(error) => {
                untended(error);
                self.rhythm.learn(instant, 0);
            }
        }
    }

    /// Lets go what is old by a time that can be believed, and where there is no room what may go by the clock.
    fn prune(
        &self,
        store: &Store,
        checkpoints: &Path,
        (wall, now): (i64, i64),
        instant: Instant,
    ) -> io::Result<Pruned> {
        let again = asked_again(checkpoints, wall)?;
        let kept_min = limit::EFFECTS_KEPT_MIN;
        let mut keep_from = wall.saturating_sub(kept_min);
        // Checkpoints may be written anew before all is asked again that an earlier run asked for after its last ones.
        if nanoseconds(instant.saturating_duration_since(self.begun)) < kept_min {
            keep_from = keep_from.min(self.before.saturating_sub(kept_min));
        }
        let retention = Retention {
            effects_before: now.saturating_sub(limit::EFFECTS_KEPT),
            dead_before: now.saturating_sub(limit::DEAD_EFFECTS_KEPT),
            trail_before: now.saturating_sub(limit::TRAIL_KEPT),
            bytes_max: limit::STORE_BYTES,
            planned_bytes_max: limit::PLANNED_BYTES_MAX,
            day_from: wall.saturating_sub(limit::EFFECTS_KEPT_RATHER),
            keep_from,
            again: &again,
        };
        store.prune(&retention, By::Engine, wall).map_err(io::Error::other)
    }
}

fn tell(news: Option<News>) {
    match news {
        Some(News::Doubted(ahead)) => tracing::warn!(
            "the machine's clock is {} days ahead of when the store was last seen to: what it makes old stays until it has \
             said so for a day; set it right if it is wrong",
            ahead / nanoseconds(Duration::from_hours(24))
        ),
        Some(News::Believed) => tracing::info!("the machine's clock is believed again"),
        None => {}
    }
}

/// Since when listeners may hand effects over again that they asked for: a while before the oldest checkpoint of each. Who has
/// none begins with what comes.
fn asked_again(checkpoints: &Path, now: i64) -> io::Result<BTreeMap<String, i64>> {
    let mut all: BTreeMap<String, i64> = BTreeMap::new();
    let found = match fs::read_dir(checkpoints) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
        found => found?,
    };
    for entry in found {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some(name) = CHECKPOINTS.iter().find_map(|ending| name.strip_suffix(ending)) else {
            continue;
        };
        let written = match entry.metadata().and_then(|facts| facts.modified()) {
            // It was moved meanwhile, so there is a newer one; it counts as if it was there all the same.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            written => written?,
        };
        let written = written.duration_since(std::time::UNIX_EPOCH).map_or(0, nanoseconds);
        let since = written.min(now).saturating_sub(limit::EFFECTS_KEPT_MIN);
        all.entry(name.to_owned()).and_modify(|at| *at = since.min(*at)).or_insert(since);
    }
    Ok(all)
}

/// When it is time to let go what is old.
struct Rhythm {
    last: Option<Instant>,
    /// How long it is left alone if it is nearly full.
    pause: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { last: None, pause: limit::PRUNE_PRESSED_STEP }
    }
}

impl Rhythm {
    /// Whether it is, where so much is taken.
    fn is_due(&self, now: Instant, bytes: u64) -> bool {
        let Some(last) = self.last else { return true };
        let pressed = bytes > limit::STORE_BYTES_PRESSED;
        let pause = if pressed { self.pause } else { limit::PRUNE_STEP };
        now.saturating_duration_since(last) >= pause
    }

    /// So much is still taken after it: where nothing more may go, it is asked for less often.
    fn learn(&mut self, now: Instant, bytes: u64) {
        self.last = Some(now);
        let in_vain = bytes > limit::STORE_BYTES_PRESSED;
        let longer = (self.pause * 2).min(limit::PRUNE_IN_VAIN_STEP);
        self.pause = if in_vain { longer } else { limit::PRUNE_PRESSED_STEP };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{self, File};
    use std::path::{Path, PathBuf};
    use std::time::{Duration, SystemTime};

    use correlator_store::effect::{Decision, Finished, NewEffect};
    use correlator_store::settings::Settings;
    use correlator_store::store::{Safety, Store};
    use correlator_world::{Outcome, Request};

    use super::{Rhythm, Tender, asked_again};
    use crate::clock::{self, nanoseconds};
    use crate::limit;

    const HOUR: i64 = 3_600 * 1_000_000_000;
    const DAY: i64 = 24 * HOUR;

    fn folder(name: &str) -> PathBuf {
        let name = format!("correlator-tending-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// Something that was done at this time.
    fn done(store: &Store, id: &str, time: i64) {
        let effect = NewEffect {
            request: Request { id: id.to_owned(), ..Request::default() },
            listener: "ops".to_owned(),
            component: String::new(),
            capability: "mail".to_owned(),
            endpoint: "ops/x".to_owned(),
            key: None,
            causes: Vec::new(),
            time,
            decision: Decision::Granted,
            plan: String::new(),
        };
        store.accept(&[effect], Safety::Program).expect("kept");
        store.begin(&[id], time).expect("begun");
        let outcome = Outcome::Done(String::new());
        let finished = Finished { id: id.to_owned(), outcome, next_at: None };
        store.finish(&[finished], time).expect("done");
    }

    fn states(store: &Store) -> u64 {
        let status = store.reader().and_then(|reader| reader.status()).expect("a status");
        status.states.iter().map(|(_, count)| count).sum()
    }

    /// What is left of something that was done long ago, and of something that was done now.
    fn left(name: &str, wall: i64, now: i64) -> u64 {
        let folder = folder(name);
        let (store, _) = Store::open(&folder.join("store"), Settings::default(), 0).expect("it");
        done(&store, "old", now - 40 * DAY);
        done(&store, "new", now - HOUR);
        let instant = clock::instant();
        let mut tender = Tender::new(&store, wall, instant).expect("a tender");
        let (believed, _) = tender.calendar.look(wall, instant);
        let pruned = tender.prune(&store, &folder.join("none"), (wall, believed), instant);
        pruned.expect("pruned");
        let left = states(&store);
        drop(store);
        fs::remove_dir_all(folder).expect("removed");
        left
    }

    #[test]
    fn what_is_old_goes_but_not_because_a_clock_leaps() {
        let now = 20_000 * DAY;
        assert_eq!(left("old", now, now), 1);
        assert_eq!(left("month", now + 35 * DAY, now), 1);
        assert_eq!(left("years", now + 800 * DAY, now), 1);
        assert_eq!(left("back", now - 800 * DAY, now), 2);
    }

    fn checkpoint(folder: &Path, name: &str, at: i64) {
        let file = File::create(folder.join(name)).expect("a file");
        let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(at.cast_unsigned());
        file.set_modified(at).expect("a time");
    }

    #[test]
    fn what_may_come_again_is_what_came_since_the_oldest_checkpoint() {
        let folder = folder("again");
        assert_eq!(asked_again(&folder.join("none"), 0).expect("nothing"), BTreeMap::new());
        checkpoint(&folder, "ops.checkpoint", 50 * DAY);
        checkpoint(&folder, "ops.before", 49 * DAY);
        checkpoint(&folder, "ops.new", 3 * DAY);
        checkpoint(&folder, "ops.tables", 3 * DAY);
        checkpoint(&folder, "ahead.checkpoint", 80 * DAY);
        let found = asked_again(&folder, 60 * DAY).expect("found");
        let expected = [("ahead".to_owned(), 60 * DAY - HOUR), ("ops".to_owned(), 49 * DAY - HOUR)];
        assert_eq!(found, expected.into());
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn it_is_time_at_the_start_each_hour_and_where_room_runs_short() {
        let (start, full) = (clock::instant(), limit::STORE_BYTES_PRESSED + 1);
        let mut rhythm = Rhythm::default();
        let check = |rhythm: &Rhythm, after: Duration, bytes, expected| {
            assert_eq!(rhythm.is_due(start + after, bytes), expected, "{after:?} {bytes}");
        };
        let (second, step) = (Duration::from_secs(1), limit::PRUNE_PRESSED_STEP);
        check(&rhythm, Duration::ZERO, 0, true);
        rhythm.learn(start, 0);
        check(&rhythm, limit::PRUNE_STEP.saturating_sub(second), full - 1, false);
        check(&rhythm, limit::PRUNE_STEP, 0, true);
        check(&rhythm, step.saturating_sub(second), full, false);
        check(&rhythm, step, full, true);
        // Nothing more may go.
        rhythm.learn(start, full);
        check(&rhythm, step, full, false);
        check(&rhythm, step * 2, full, true);
        for _ in 0..50 {
            rhythm.learn(start, full);
        }
        check(&rhythm, limit::PRUNE_IN_VAIN_STEP, full, true);
        rhythm.learn(start, 0);
        check(&rhythm, step, full, true);
        const { assert!(limit::STORE_BYTES < limit::STORE_BYTES_PRESSED) };
        const { assert!(limit::STORE_BYTES_PRESSED < correlator_store::limit::BYTES_MAX) };
        assert_eq!(nanoseconds(Duration::from_hours(1)), limit::EFFECTS_KEPT_MIN);
    }
}
