//! What a listener was denied, on its way into the audit trail: the first of it one by one, the rest summed up, so that who
//! asks in vain without end fills no disk and holds up nobody, and nothing goes uncounted.
//!
//! What each capability denies is numbered. The numbers are kept with the listener's place, so a turn that is done again
//! after a crash gives them again, and the store knows up to which the trail tells: what lies behind that is still to be
//! summed up. This room must never know why something is denied.

use std::collections::BTreeMap;
use std::sync::Arc;

use correlator_store::denials::Denials as Recorded;
use correlator_store::effect::{Cause, NewEffect};
use correlator_store::error::StoreError;
use correlator_store::store::Store;

use crate::capability::{Shared, held};
use crate::limit;
use crate::pipeline::state::archive::Archive;
use crate::pipeline::state::trace;
use crate::pipeline::stream::Stream;
use crate::pipeline::stream::piece::RecordPiece;
use crate::stack::grant;

/// What stands for all capabilities that there are not.
const UNKNOWN: &str = "";

/// What one listener was denied.
pub(crate) struct Denials {
    listener: String,
    component: String,
    /// Where it is recorded; nowhere, if nothing is kept.
    archive: Option<Arc<Archive>>,
    /// Where the records are that caused what was asked for.
    records: Arc<Stream<RecordPiece>>,
    /// By capability.
    kinds: BTreeMap<&'static str, Kind>,
    /// What is recorded one by one of this turn.
    entries: Vec<NewEffect>,
    /// When this turn is.
    now: i64,
    /// Whether something may still be to be summed up.
    open: bool,
    /// Whether it was told that nothing can be recorded.
    told: bool,
}

/// What one capability denied.
struct Kind {
    tally: Shared,
    /// The trail tells of all up to this number; none before the store was asked.
    known: Option<u64>,
    /// Whether nothing can come again that the trail tells of: the listener has no place from before.
    anew: bool,
    /// When it was last summed up, or that was tried.
    summed: i64,
    /// Why something was last denied that has no entry of its own, and because of which event.
    last: Option<(String, Option<String>)>,
    turn: Option<Turn>,
}

/// What one capability denied in a turn.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    /// What waits to be summed up from before, and whether that is done now.
    waited: u64,
    due: bool,
    /// What may be recorded one by one, and what is.
    room: u64,
    entries: u64,
    /// What is neither.
    rest: u64,
}

/// The capabilities whose denials are numbered each for itself.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    grant::names().into_iter().chain([UNKNOWN])
}

impl Denials {
    /// `tallies` has all [`kinds`]. A listener that begins anew has nothing that it could be denied again.
    pub(crate) fn new(
        (listener, component): (&str, &str),
        archive: Option<Arc<Archive>>,
        records: Arc<Stream<RecordPiece>>,
        tallies: &BTreeMap<&'static str, Shared>,
        anew: bool,
    ) -> Self {
        let kind = |tally: &Shared| {
            let (known, summed, last, turn) = (None, i64::MIN, None, None);
            Kind { tally: Arc::clone(tally), known, anew, summed, last, turn }
        };
        let kinds: BTreeMap<_, _> = tallies.iter().map(|(name, it)| (*name, kind(it))).collect();
        Self {
            listener: listener.to_owned(),
            component: component.to_owned(),
            open: archive.is_some() && kinds.values().any(|kind| kind.number() > 0),
            archive,
            records,
            kinds,
            entries: Vec::new(),
            now: i64::MIN,
            told: false,
        }
    }

    /// A turn begins now.
    pub(crate) fn begin(&mut self, now: i64) {
        self.now = now;
    }

    /// How many more of a capability's denials are recorded one by one in this turn.
    pub(crate) fn room(&mut self, capability: &str) -> u64 {
        self.turn(capability, false).map_or(0, |kind| {
            let turn = kind.turn.unwrap_or_default();
            if turn.rest == 0 { turn.room.saturating_sub(turn.entries) } else { 0 }
        })
    }

    /// Notes that something was denied. Says whether for the first time, as far as that can be told.
    pub(crate) fn one(
        &mut self,
        capability: &str,
        reason: &str,
        event: Option<String>,
        effect: impl FnOnce() -> NewEffect,
    ) -> bool {
        if self.room(capability) == 0 {
            return self.many(capability, 1, reason, event);
        }
        let effect = effect();
        // What the store can't keep is summed up.
        if effect.check().is_err() {
            return self.many(capability, 1, reason, event);
        }
        self.entries.push(effect);
        self.count(capability, |turn| turn.entries += 1, 1)
    }

    /// Notes that so many were denied that are not recorded one by one, the last of them for this event. Says whether for the
    /// first time.
    pub(crate) fn many(
        &mut self,
        capability: &str,
        count: u64,
        reason: &str,
        event: Option<String>,
    ) -> bool {
        let Some(kind) = self.turn(capability, false) else { return true };
        kind.last = Some((reason.to_owned(), event));
        self.count(capability, |turn| turn.rest += count, count)
    }

    fn count(&mut self, capability: &str, note: impl FnOnce(&mut Turn), count: u64) -> bool {
        self.open = true;
        let Some(kind) = kind(&mut self.kinds, capability) else { return true };
        if let Some(turn) = &mut kind.turn {
            note(turn);
        }
        let mut tally = held(&kind.tally);
        tally.denied.number += count;
        tally.denied.number > kind.known.unwrap_or_default()
    }

    /// What a capability denies in this turn, which begins if it has not; nothing where nothing is kept.
    fn turn(&mut self, capability: &str, all: bool) -> Option<&mut Kind> {
        let archive = self.archive.as_ref()?;
        let name = self.kinds.get_key_value(capability).map_or(UNKNOWN, |(name, _)| *name);
        let kind = kind(&mut self.kinds, capability)?;
        if kind.turn.is_none() {
            if kind.known.is_none() && (all || kind.is_due(self.now)) {
                let known = archive.open().and_then(|store| kind.ask(&store, &self.listener, name));
                if known.is_err() {
                    kind.summed = step(self.now);
                }
                tell(known, &mut self.told, &self.listener);
            }
            kind.begin(self.now, all);
        }
        Some(kind)
    }

    /// Records what the turn was denied, and sums up what waits for that; `all` of it where nothing more can come. What can't
    /// be recorded now is summed up later.
    pub(crate) fn commit(&mut self, all: bool) {
        if !self.open {
            return;
        }
        let names: Vec<_> = self.kinds.keys().copied().collect();
        for name in names {
            if self.kinds.get(name).is_some_and(|kind| kind.number() > 0) {
                self.turn(name, all);
            }
        }
        let mut entries = std::mem::take(&mut self.entries);
        let recorded = self.record(&mut entries);
        let well = !matches!(recorded, Some(Err(_)));
        if let Some(recorded) = recorded {
            tell(recorded, &mut self.told, &self.listener);
        }
        self.kinds.values_mut().for_each(|kind| kind.end(well, self.now));
        self.open = self.kinds.values().any(Kind::waits);
    }

    /// Forgets what the turn was denied: it is not done.
    pub(crate) fn take_back(&mut self) {
        self.entries.clear();
        for kind in self.kinds.values_mut() {
            if let Some(turn) = kind.turn.take() {
                held(&kind.tally).denied.number -= turn.entries + turn.rest;
            }
        }
    }

    /// Nothing, if there is nothing to record.
    fn record(&self, entries: &mut [NewEffect]) -> Option<Result<(), StoreError>> {
        let (mut texts, listener, component) = (Vec::new(), &self.listener, &self.component);
        for (name, kind) in &self.kinds {
            let Some(turn) = kind.turn else { continue };
            let (more, upto) = kind.outcome(turn);
            if more + turn.entries > 0 {
                texts.push((*name, more, kind.told(more), upto));
            }
        }
        let archive = self.archive.as_ref().filter(|_| !texts.is_empty())?;
        trace::note(&self.records.recent(), entries);
        let denials: Vec<_> = texts
            .iter()
            .map(|(name, more, (text, cause), upto)| Recorded {
                listener,
                component,
                capability: known(name),
                more: *more,
                text,
                cause: cause.as_ref(),
                upto: *upto,
            })
            .collect();
        let store = archive.open();
        Some(store.and_then(|store| store.deny(entries, &denials, self.now)).map(drop))
    }
}

impl Kind {
    fn number(&self) -> u64 {
        held(&self.tally).denied.number
    }

    /// Asks the store how far the trail tells.
    fn ask(&mut self, store: &Store, listener: &str, name: &str) -> Result<(), StoreError> {
        let known = store.denied(listener, known(name))?;
        if self.anew {
            // Its numbers go on where those of whoever had its name ended.
            held(&self.tally).denied.number += known;
        }
        self.known = Some(known);
        Ok(())
    }

    /// Whether it is time to sum up.
    fn is_due(&self, now: i64) -> bool {
        step(now) != self.summed
    }

    /// Begins a turn.
    fn begin(&mut self, now: i64, all: bool) {
        let Some(known) = self.known else {
            self.turn = Some(Turn::default());
            return;
        };
        let mut tally = held(&self.tally);
        let denied = &mut tally.denied;
        let span = now.div_euclid(limit::DENIALS_SPAN);
        // What comes again after a crash is recorded as it was.
        if denied.number >= known && denied.span != span {
            (denied.span, denied.entries) = (span, 0);
        }
        let waited = denied.number.saturating_sub(known);
        let due = all || self.is_due(now);
        // What lies behind something that waits waits as well.
        let room = if due || waited == 0 { limit::DENIALS_RECORDED_MAX } else { 0 };
        let room = room.saturating_sub(denied.entries);
        self.turn = Some(Turn { waited, due, room, ..Turn::default() });
    }

    /// How much is summed up with this turn, and the number up to which the trail tells then.
    fn outcome(&self, turn: Turn) -> (u64, u64) {
        let (number, known) = (self.number(), self.known.unwrap_or_default());
        let one_by_one = known.max(number - turn.rest);
        match turn {
            Turn { due: true, waited, .. } => {
                (waited + number.saturating_sub(one_by_one), number.max(known))
            }
            Turn { waited: 0, .. } => (0, one_by_one),
            _ => (0, known),
        }
    }

    /// What the entry says in which so many are summed up, and what the last of them was for.
    fn told(&self, more: u64) -> (String, Option<Cause>) {
        let all = format!("{more} more without an entry each");
        let Some((reason, event)) = &self.last else { return (all, None) };
        let cause = event.clone().map(|event| Cause { event, record: None });
        (format!("{all}, the last: {reason}"), cause)
    }

    /// Ends a turn: what was recorded is known.
    fn end(&mut self, well: bool, now: i64) {
        let Some(turn) = self.turn.take() else { return };
        let (more, upto) = self.outcome(turn);
        if more > 0 || !well {
            self.summed = step(now);
        }
        if well && self.known.is_some() {
            self.known = Some(upto);
            held(&self.tally).denied.entries += turn.entries;
        }
    }

    /// Whether something is still to be summed up.
    fn waits(&self) -> bool {
        let number = self.number();
        self.known.map_or(number > 0, |known| number > known)
    }
}

fn kind<'a>(kinds: &'a mut BTreeMap<&'static str, Kind>, capability: &str) -> Option<&'a mut Kind> {
    let name = if kinds.contains_key(capability) { capability } else { UNKNOWN };
    kinds.get_mut(name)
}

/// A capability's name, if there is such a one.
fn known(name: &str) -> Option<&str> {
    (name != UNKNOWN).then_some(name)
}

fn step(now: i64) -> i64 {
    now.div_euclid(limit::DENIALS_SUMMED_STEP)
}

/// Tells once that nothing can be recorded.
fn tell(done: Result<(), StoreError>, told: &mut bool, listener: &str) {
    match done {
        Ok(()) => *told = false,
        Err(error) if !*told => {
            *told = true;
            tracing::error!(
                "listener `{listener}`: {error}; what it is denied is counted, and summed up in the audit trail later"
            );
        }
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;

    use correlator_store::effect::{Decision, NewEffect};
    use correlator_store::entry::{Entry, Kind, Verdict};
    use correlator_store::filter::AuditFilter;
    use correlator_world::Request;

    use super::{Archive, Denials, kinds};
    use crate::capability::{Shared, Tally, held};
    use crate::limit;
    use crate::pipeline::stream::Stream;
    use crate::pipeline::stream::marks::SourceMarks;

    const SECOND: i64 = 1_000_000_000;
    const MOST: u64 = limit::DENIALS_RECORDED_MAX;

    /// A listener that is denied whatever it asks for, in a folder of its own.
    struct Place {
        folder: PathBuf,
        archive: Arc<Archive>,
        tallies: BTreeMap<&'static str, Shared>,
        denials: Denials,
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    impl Place {
        fn new(name: &str) -> Self {
            let name = format!("correlator-denials-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&folder);
            let archive = Arc::new(Archive::new(&folder));
            let tallies = kinds().map(|kind| (kind, Shared::default())).collect();
            let denials = denials(&archive, &tallies, false);
            Self { folder, archive, tallies, denials }
        }

        /// What a checkpoint would have.
        fn tallies(&self) -> BTreeMap<&'static str, Tally> {
            self.tallies.iter().map(|(kind, tally)| (*kind, held(tally).clone())).collect()
        }

        /// Begins again from a checkpoint.
        fn restart(&mut self, from: &BTreeMap<&'static str, Tally>, anew: bool) {
            let shared = |(kind, tally): (&&'static str, &Tally)| {
                let shared = Shared::default();
                *held(&shared) = tally.clone();
                (*kind, shared)
            };
            self.tallies = from.iter().map(shared).collect();
            self.denials = denials(&self.archive, &self.tallies, anew);
        }

        /// A turn in which a capability is asked for what these numbers name. How many of them were told as new.
        fn turn(&mut self, capability: &str, asked: std::ops::Range<u64>, seconds: i64) -> usize {
            self.denials.begin(seconds * SECOND);
            let told = asked.filter(|number| {
                let event = Some(format!("m:5:{number:x}:0"));
                self.denials.one(capability, "no", event, || effect(capability, *number))
            });
            let told = told.count();
            self.denials.commit(false);
            told
        }

        /// What the trail has: entries of their own, and sums.
        fn trail(&self) -> (usize, Vec<u64>) {
            let entries = self.entries();
            let sums = entries.iter().filter(|entry| entry.effect.is_none());
            let more = |entry: &Entry| entry.text.split(' ').next().and_then(|it| it.parse().ok());
            let sums: Vec<u64> = sums.map(|entry| more(entry).expect("a number")).collect();
            (entries.len() - sums.len(), sums)
        }

        fn entries(&self) -> Vec<Entry> {
            let Some(store) = self.archive.get() else { return Vec::new() };
            let filter = AuditFilter { limit: 10_000, ..AuditFilter::default() };
            let entries = store.reader().and_then(|it| it.audit(&filter)).expect("entries");
            let denied =
                |it: &Entry| it.kind == Kind::Decision && it.verdict == Some(Verdict::Denied);
            assert!(entries.iter().all(denied), "{entries:?}");
            entries
        }
    }

    fn denials(
        archive: &Arc<Archive>,
        tallies: &BTreeMap<&'static str, Shared>,
        anew: bool,
    ) -> Denials {
        let records = Arc::new(Stream::new(None, SourceMarks::default(), false));
        Denials::new(("ops", "00ff"), Some(Arc::clone(archive)), records, tallies, anew)
    }

    fn effect(capability: &str, number: u64) -> NewEffect {
        let id = format!("ops:m:5:{number:x}:0:{capability}:0");
        NewEffect {
            request: Request { id, ..Request::default() },
            listener: "ops".to_owned(),
            component: "00ff".to_owned(),
            capability: capability.to_owned(),
            endpoint: "ops/".to_owned(),
            key: None,
            causes: Vec::new(),
            time: 1,
            decision: Decision::Denied("no".to_owned()),
            plan: String::new(),
        }
    }

    #[test]
    fn the_first_have_entries_and_the_rest_is_one_a_minute() {
        let mut place = Place::new("first");
        assert_eq!(place.turn("table", 0..MOST + 50, 0), MOST as usize + 50);
        assert_eq!(place.trail(), (100, vec![50]));
        // What comes then is summed up in the next minute, even if nobody asks for anything there.
        place.turn("table", 200..205, 1);
        assert_eq!(place.trail(), (100, vec![50]));
        place.turn("table", 205..206, 59);
        assert_eq!(place.trail(), (100, vec![50]));
        place.turn("table", 0..0, 60);
        place.turn("table", 0..0, 61);
        assert_eq!(place.trail(), (100, vec![50, 6]));
        let sum = place.entries().pop().expect("a sum");
        assert_eq!(sum.text, "6 more without an entry each, the last: no");
        assert_eq!(
            (sum.listener.as_deref(), sum.component.as_deref()),
            (Some("ops"), Some("00ff"))
        );
        assert_eq!((sum.capability.as_deref(), sum.time), (Some("table"), 60 * SECOND));
        assert_eq!(sum.causes[0].event, "m:5:cd:0");
        // Another capability is counted for itself, and those that there are not together.
        place.turn("log", 0..1, 62);
        place.turn("nonsense", 0..MOST, 62);
        place.turn("others", 0..2, 62);
        place.denials.begin(63 * SECOND);
        place.denials.commit(true);
        assert_eq!(place.trail(), (201, vec![50, 6, 2]));
        assert_eq!(place.entries().pop().expect("a sum").capability, None);
        // An hour later the first have entries again.
        place.turn("table", 300..303, 3_600);
        assert_eq!(place.trail(), (204, vec![50, 6, 2]));
    }

    #[test]
    fn a_million_is_one_entry() {
        let mut place = Place::new("million");
        place.denials.begin(0);
        assert!(place.denials.many("table", 1_000_000, "no", None));
        assert_eq!(place.denials.room("table"), 0);
        place.denials.commit(false);
        assert_eq!(place.trail(), (0, vec![1_000_000]));
    }

    #[test]
    fn a_turn_that_is_done_again_is_recorded_once() {
        // A checkpoint is made after so many turns, and a crash comes after all.
        for at in 0..=5 {
            let mut place = Place::new("again");
            let turns =
                [(0..70, 0), (70..140, 20), (140..150, 70), (150..400, 80), (400..401, 3_700)];
            let mut checkpoint = place.tallies();
            let mut told = 0;
            for (number, (asked, seconds)) in turns.iter().enumerate() {
                if number == at {
                    checkpoint = place.tallies();
                }
                told += place.turn("table", asked.clone(), *seconds);
            }
            if at == turns.len() {
                checkpoint = place.tallies();
            }
            assert_eq!(told, 401);
            let before = place.trail();
            assert_eq!(before.0 as u64 + before.1.iter().sum::<u64>(), 401, "{before:?}");
            place.restart(&checkpoint, false);
            // Batches are cut otherwise now, and it is later.
            let left = turns.get(at).map_or(401, |(asked, _)| asked.start);
            for from in (left..401).step_by(33) {
                assert_eq!(place.turn("table", from..(from + 33).min(401), 3_710), 0, "{at}");
            }
            assert_eq!(place.trail(), before, "{at}");
            // And it goes on.
            assert_eq!(place.turn("table", 401..403, 3_711), 2);
            place.denials.commit(true);
            let (entries, sums) = place.trail();
            assert_eq!(entries as u64 + sums.iter().sum::<u64>(), 403, "{at}");
        }
    }

    #[test]
    fn what_waits_to_be_summed_up_outlives_a_crash() {
        let mut place = Place::new("waits");
        place.turn("table", 0..MOST + 7, 0);
        place.turn("table", 107..110, 1);
        assert_eq!(place.trail(), (100, vec![7]));
        let checkpoint = place.tallies();
        place.restart(&checkpoint, false);
        // Nobody asks for anything any more.
        place.denials.begin(5 * SECOND);
        place.denials.commit(false);
        assert_eq!(place.trail(), (100, vec![7, 3]));
        assert_eq!(place.entries().pop().expect("a sum").text, "3 more without an entry each");
    }

    #[test]
    fn what_can_not_be_recorded_is_summed_up_later() {
        let mut place = Place::new("later");
        fs::write(&place.folder, "in its way").expect("a file");
        assert_eq!(place.turn("table", 0..3, 0), 3);
        assert_eq!(place.turn("table", 3..5, 1), 2);
        fs::remove_file(&place.folder).expect("removed");
        // Not at once: a disk that is full is not asked with every turn.
        place.turn("table", 5..6, 2);
        assert!(place.archive.get().is_none());
        place.turn("table", 6..7, 60);
        assert_eq!(place.trail(), (1, vec![6]));
        // A name that the store does not take.
        place.denials.begin(130 * SECOND);
        let nameless = || NewEffect { request: Request::default(), ..effect("table", 0) };
        place.denials.one("table", "no", None, nameless);
        place.denials.commit(false);
        assert_eq!(place.trail(), (1, vec![6, 1]));
    }

    #[test]
    fn a_turn_that_is_not_done_was_not() {
        let mut place = Place::new("undone");
        place.denials.begin(0);
        place.denials.one("table", "no", None, || effect("table", 0));
        place.denials.many("table", 5, "no", None);
        place.denials.take_back();
        place.denials.commit(true);
        assert_eq!(place.trail(), (0, vec![]));
        place.turn("table", 0..1, 1);
        assert_eq!(place.trail(), (1, vec![]));
    }

    #[test]
    fn who_begins_anew_is_not_taken_for_who_had_the_name_before() {
        let mut place = Place::new("anew");
        place.turn("table", 0..150, 0);
        let nothing = kinds().map(|kind| (kind, Tally::default())).collect();
        place.restart(&nothing, true);
        assert_eq!(place.turn("table", 1_000..1_150, 2), 150);
        assert_eq!(place.trail(), (200, vec![50, 50]));
    }

    #[test]
    fn where_nothing_is_kept_all_is_told() {
        let tallies = kinds().map(|kind| (kind, Shared::default())).collect();
        let records = Arc::new(Stream::new(None, SourceMarks::default(), false));
        let mut denials = Denials::new(("ops", "00ff"), None, records, &tallies, false);
        assert_eq!(denials.room("table"), 0);
        assert!(denials.one("table", "no", None, || effect("table", 0)));
        assert!(denials.many("x", 5, "no", None));
        denials.commit(true);
    }
}
