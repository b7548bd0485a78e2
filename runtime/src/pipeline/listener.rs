//! A listener's side of a worker: batches of the events that it asked for in, its effects out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use correlator_frame::effect::HEADER;
use correlator_frame::event::{BATCH_HEADER, BatchHeader};

use super::asking::Asking;
use super::crew::News;
use super::cursor::Cursor;
use super::feed::{Batch, Bounds, Feed, Look, Next, Place, View};
use super::keeper::{GuestReport, Shared};
use super::module::Aside;
use super::outside::Outside;
use super::piece::{EventKind, EventPiece};
use super::worker::Side;
use crate::capability::{Capabilities, Refusal, TableFiles, TableMarks};
use crate::guest::{Effect, Failure, Listener, Rows, Tick};
use crate::limit::{self, Limits};
use crate::stack::criteria::compile::Compiled;
use crate::stack::criteria::matching::Subject;
use crate::text::clean;

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
/// Where a row says its schema.
const SCHEMA: usize = 1;

/// Events on their way to one listener.
#[derive(Default)]
pub(super) struct EventBatch {
    pub(super) rows: Rows,
    /// The sequence number of each.
    pub(super) items: Vec<u64>,
}

impl Batch for EventBatch {
    // Text stays where it is: a batch has the whole text of the piece that its rows point into.
    const OF_ONE_PIECE: bool = true;

    fn items(&self) -> usize {
        self.items.len()
    }

    fn bytes(&self) -> usize {
        4 * self.rows.index.len()
    }

    fn clear(&mut self) {
        self.rows.text.clear();
        self.rows.index.clear();
        self.items.clear();
    }
}

/// Where the schemas of the modules begin among those that a listener was configured with, by module and shape.
pub(super) type Shapes = HashMap<(String, u64), u32>;

/// How a listener looks at events.
pub(super) struct EventView {
    criteria: Compiled,
    shapes: Shapes,
    /// Where the schemas of the piece's module begin; none if the listener can't know them.
    base: Option<u32>,
    /// The next row: its item, and where it starts.
    item: u64,
    row: usize,
    /// The second up to which time was told.
    told: i64,
    /// Whether the end was told.
    ended: bool,
    scratch: Vec<u32>,
    /// Events that are not handed over any more.
    pub(super) aside: BTreeSet<u64>,
    /// Events that no listener of this stack can read any more.
    pub(super) strange: u64,
}

impl EventView {
    pub(super) fn new(criteria: Compiled, shapes: Shapes) -> Self {
        Self {
            criteria,
            shapes,
            base: None,
            item: 0,
            row: 0,
            told: i64::MIN,
            ended: false,
            scratch: Vec::new(),
            aside: BTreeSet::new(),
            strange: 0,
        }
    }
}

/// The row that starts here.
fn row(piece: &EventPiece, start: usize) -> Option<&[u32]> {
    let rest = piece.rows.index.get(start..)?;
    let length = *rest.first()? as usize;
    if length < BATCH_HEADER { None } else { rest.get(..length) }
}

impl View for EventView {
    type Piece = EventPiece;
    type Batch = EventBatch;

    fn enter(&mut self, _: usize) {}

    fn open(&mut self, piece: &EventPiece, from: u64) {
        (self.item, self.row, self.told, self.ended) = (piece.first, 0, i64::MIN, false);
        self.base = self.shapes.get(&(piece.module.clone(), piece.shape)).copied();
        if self.base.is_none() && piece.kind == EventKind::Events {
            self.strange += u64::from(piece.count);
        }
        while self.item < from
            && let Some(row) = row(piece, self.row)
        {
            self.row += row.len();
            self.item += 1;
        }
    }

    #[inline]
    fn look(&mut self, piece: &EventPiece) -> Look {
        match piece.kind {
            EventKind::Events => {}
            EventKind::End if !self.ended => return Look::End(None),
            EventKind::Time if !self.ended => return Look::Step(piece.first, piece.now),
            EventKind::End | EventKind::Time => return Look::Nothing,
        }
        let Some(base) = self.base else { return Look::Nothing };
        while let Some(row) = row(piece, self.row) {
            // No event is from later than when it was published, whatever its guest says.
            let time = BatchHeader::read(row).time.min(piece.now);
            if time.div_euclid(SECOND) > self.told {
                self.told = time.div_euclid(SECOND);
                return Look::Step(self.item, time);
            }
            let wanted = if self.criteria.always() {
                true
            } else {
                self.scratch.clear();
                self.scratch.extend_from_slice(row);
                self.scratch[SCHEMA] += base;
                self.criteria.matches(&Subject::of_row(&self.scratch, &piece.rows.text))
            };
            if wanted && !self.aside.contains(&self.item) {
                return Look::Item(self.item, 4 * row.len());
            }
            self.row += row.len();
            self.item += 1;
        }
        Look::Nothing
    }

    #[inline]
    fn take(&mut self, piece: &EventPiece, batch: &mut EventBatch) {
        let (Some(row), Some(base)) = (row(piece, self.row), self.base) else { return };
        if batch.items.is_empty() {
            batch.rows.text.extend_from_slice(&piece.rows.text);
        }
        let start = batch.rows.index.len();
        batch.rows.index.extend_from_slice(row);
        batch.rows.index[start + SCHEMA] += base;
        batch.items.push(self.item);
        self.row += row.len();
        self.item += 1;
    }

    fn pass(&mut self) {
        // The time of a row was told, and the row itself is still to come; behind the end nothing is.
        self.ended = true;
    }
}

/// What became of a listener.
#[derive(Clone, Debug, Default)]
pub struct ListenerReport {
    /// What became of it as a guest.
    pub guest: GuestReport,
    /// Rows carried out, by capability and target.
    pub done: BTreeMap<String, u64>,
    /// Rows denied or failed, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Single effects that are still to be delivered.
    pub waiting: u64,
    /// Whether it was given up to wait for what did not take its rows: they are written when the engine runs again.
    pub unfinished: bool,
}

/// Rows by what became of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes {
    done: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
    unfinished: bool,
}

/// What others see of a listener while it works.
#[derive(Clone, Debug)]
pub(super) struct ListenerPicture {
    pub(super) guest: Shared,
    pub(super) outcomes: Arc<Mutex<Outcomes>>,
}

impl ListenerPicture {
    pub(super) fn look(&self) -> ListenerReport {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Outcomes { done, refused, unfinished } = outcomes;
        ListenerReport { guest: self.guest.look(), done, refused, waiting: 0, unfinished }
    }
}

/// A listener in the pipeline.
pub(super) struct ListenerSide {
    pub(super) name: String,
    pub(super) feed: Feed<EventView>,
    pub(super) batch: EventBatch,
    pub(super) capabilities: Capabilities,
    pub(super) limits: Limits,
    pub(super) rate: (i64, u64),
    pub(super) outcomes: Arc<Mutex<Outcomes>>,
    /// Whether effects that the world does not take now are tried again.
    pub(super) retries: bool,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) ticks_aside: BTreeSet<(u64, i64)>,
    pub(super) tell: Arc<dyn Fn(News) + Send + Sync>,
    pub(super) asking: Asking,
}

impl ListenerSide {
    /// Carries an effect out. Where anything is kept, one that the world does not take now is tried until it does, since
    /// nobody else waits for it; the run ends if this says no.
    fn carry_out(&mut self, effect: &Effect) -> bool {
        let rows = effect.rows.index.len() / (HEADER + 2 * effect.columns.len());
        if let Err(refusal) = self.allowed(rows) {
            self.refused(&refusal, rows.max(1));
            return true;
        }
        let (mut told, mut patience) = (false, self.asking.patience());
        loop {
            let refusal = match self.capabilities.execute(effect) {
                Ok(count) => {
                    let name = format!("{} {}", effect.capability, effect.target);
                    let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                    count_up(&mut outcomes.done, &name, count as u64);
                    return true;
                }
                Err(refusal) => refusal,
            };
            let again = self.retries && matches!(refusal, Refusal::NotNow(_));
            if !again {
                self.refused(&refusal, rows.max(1));
                return true;
            }
            if !told {
                told = true;
                tracing::error!(
                    "listener `{}`: {refusal}; it is tried until it is done",
                    self.name
                );
            }
            if !patience.waits(limit::RETRY_STEP) {
                return false;
            }
        }
    }

    /// Carries out what a turn asked for. The run ends if this says no.
    fn carry_out_all(&mut self, effects: Vec<Effect>, upto: Cursor) -> bool {
        let (asked, own): (Vec<_>, Vec<_>) =
            effects.into_iter().partition(|effect| self.asking.takes(effect));
        if !own.iter().all(|effect| self.carry_out(effect)) {
            return false;
        }
        let mut allowed = Vec::new();
        for effect in &asked {
            let rows = effect.rows.index.len() / (HEADER + 2 * effect.columns.len());
            match self.allowed(rows) {
                Ok(()) => allowed.push(effect),
                Err(refusal) => self.refused(&refusal, rows.max(1)),
            }
        }
        let now = self.feed.place().now.unwrap_or(0);
        self.asking.turn(allowed.into_iter(), &self.batch.rows, upto, now)
    }

    fn refused(&self, refusal: &Refusal, rows: usize) {
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        refuse(&self.name, &mut outcomes.refused, refusal, rows);
    }

    fn allowed(&mut self, rows: usize) -> Result<(), Refusal> {
        if rows > self.limits.effects_per_turn {
            return Err(Refusal::Denied(format!(
                "more effects in one turn than `effects_per_turn` allows ({})",
                self.limits.effects_per_turn
            )));
        }
        let now = self.feed.place().now.unwrap_or(0);
        let minute = now.div_euclid(MINUTE);
        if minute != self.rate.0 {
            self.rate = (minute, 0);
        }
        self.rate.1 += rows as u64;
        if self.rate.1 > self.limits.effects_per_minute {
            return Err(Refusal::Denied(format!(
                "more effects in a minute than `effects_per_minute` allows ({})",
                self.limits.effects_per_minute
            )));
        }
        Ok(())
    }
}

/// Counts what became of a request, and tells of each reason once.
pub(super) fn note(
    listener: &str,
    outcomes: &Mutex<Outcomes>,
    what: &str,
    result: Result<(), &str>,
) {
    let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    match result {
        Ok(()) => count_up(&mut outcomes.done, what, 1),
        Err(reason) => {
            let reason = clean(&format!("{what}: {reason}"), limit::MESSAGE_BYTES_MAX);
            if !outcomes.refused.contains_key(&reason) {
                tracing::warn!("listener `{listener}`: {reason} (told once; the summary counts)");
            }
            count_up(&mut outcomes.refused, &reason, 1);
        }
    }
}

/// Counts what was not done, and tells of each reason once.
fn refuse(listener: &str, refused: &mut BTreeMap<String, u64>, refusal: &Refusal, rows: usize) {
    let reason = clean(&refusal.to_string(), limit::MESSAGE_BYTES_MAX);
    if !refused.contains_key(&reason) {
        tracing::warn!("listener `{listener}`: {reason} (told once; the summary counts)");
    }
    count_up(refused, &reason, rows as u64);
}

/// Counts by name, with an end to the number of names: names are a stranger's, and made harmless once, when they are new.
fn count_up(counts: &mut BTreeMap<String, u64>, name: &str, by: u64) {
    if let Some(count) = counts.get_mut(name) {
        *count += by;
        return;
    }
    let mut name = clean(name, limit::MESSAGE_BYTES_MAX);
    if counts.len() >= limit::COUNTED_NAMES_MAX && !counts.contains_key(&name) {
        "others".clone_into(&mut name);
    }
    *counts.entry(name).or_default() += by;
}

impl Side for ListenerSide {
    type Guest = dyn Listener + Send;
    type Turn = Vec<Effect>;

    fn next(&mut self, bounds: Bounds) -> Next {
        loop {
            let next = self.feed.next(&mut self.batch, bounds);
            if let Next::Tick(tick) = next
                && self.ticks_aside.contains(&(self.feed.place().cursor.item, tick.time))
            {
                continue;
            }
            return next;
        }
    }

    fn items(&self) -> (usize, u64) {
        (self.batch.items.len(), self.batch.items.first().copied().unwrap_or(0))
    }

    fn is_pressed(&self) -> bool {
        self.feed.is_pressed()
    }

    fn process(&mut self, guest: &mut Self::Guest) -> Result<Vec<Effect>, Failure> {
        guest.handle(&mut self.batch.rows)
    }

    fn tick(&mut self, guest: &mut Self::Guest, tick: Tick) -> Result<Vec<Effect>, Failure> {
        guest.tick(tick)
    }

    fn commit(&mut self, effects: Vec<Effect>, upto: Cursor) -> bool {
        let done = self.carry_out_all(effects, upto);
        if !done && !self.stop.load(Ordering::Relaxed) {
            tracing::error!(
                "listener `{}`: nothing more comes, and what it asks for could not be done for {} s; the rest is kept and done when the engine runs again",
                self.name,
                limit::DELIVERY_DRAIN.as_secs()
            );
            self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).unfinished = true;
        }
        done
    }

    fn finish(&mut self) {
        self.asking.drain();
    }

    fn set_aside(&mut self, tick: Option<Tick>, failure: &Failure) {
        let mut aside = Aside {
            guest: self.name.clone(),
            item: self.feed.place().cursor.item,
            tick,
            source: 0,
            position: 0,
            time: tick.map_or(0, |tick| tick.time),
            raw: Vec::new(),
            failure: failure.clone(),
        };
        if let Some(tick) = tick {
            self.ticks_aside.insert((aside.item, tick.time));
        } else if let Some(&item) = self.batch.items.first() {
            self.feed.view.aside.insert(item);
            let header = BatchHeader::read(&self.batch.rows.index);
            aside.item = item;
            aside.source = header.id.source;
            aside.position = header.id.position;
            aside.time = header.time;
        }
        (self.tell)(News::Aside(aside));
    }

    fn rate(&self) -> (i64, u64) {
        self.rate
    }

    fn set_rate(&mut self, rate: (i64, u64)) {
        self.rate = rate;
    }

    fn place(&self) -> Place {
        self.feed.place()
    }

    fn seek(&mut self, place: Place) {
        self.feed.seek(place);
    }

    fn advance(&self, pinned: Option<u64>) {
        self.feed.advance(pinned);
    }

    fn weigh(&self, state_bytes: usize) {
        self.feed.weigh(state_bytes);
    }

    fn set_absent(&mut self, absent: bool) {
        self.feed.set_absent(absent);
    }

    fn wait(&mut self) {
        self.feed.wait();
    }

    fn save_wanted(&self) -> bool {
        self.feed.save_wanted()
    }

    fn lag(&self) -> (u64, u64) {
        (self.feed.lag(), self.feed.missed)
    }

    fn is_over(&self) -> bool {
        self.feed.is_over()
    }

    fn tell(&self, news: News) {
        (self.tell)(news);
    }

    fn settle(&mut self) -> Option<Vec<u8>> {
        let tallies = self.asking.tallies();
        let marks = self
            .capabilities
            .table
            .as_mut()
            .map_or_else(|| Ok(TableMarks::default()), TableFiles::marks);
        match marks {
            Ok(tables) => Outside { tables, tallies }.bytes(),
            Err(error) => {
                tracing::error!(
                    "listener `{}`: its tables can't be written through: {error}; no checkpoint is made until they can",
                    self.name
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, Mutex};

    use correlator_frame::event::{BatchHeader, Id};
    use correlator_world::text::hides;
    use jiff::tz::TimeZone;

    use super::{EventBatch, EventView, Outcomes, SECOND, Shapes, note, refuse};
    use crate::capability::Refusal;
    use crate::declaration::{Schedule, Timer};
    use crate::guest::Rows;
    use crate::pipeline::cursor::Cursor;
    use crate::pipeline::feed::{Bounds, Feed, Next, Place};
    use crate::pipeline::marks::EventMarks;
    use crate::pipeline::piece::{EventKind, EventPiece};
    use crate::pipeline::stream::Stream;
    use crate::pipeline::timers::Timers;
    use crate::stack::criteria::compile::Compiled;

    fn event(first: u64, time: i64, now: i64) -> EventPiece {
        let mut rows = Rows::default();
        let id = Id { source: 0, position: first, count: 0 };
        BatchHeader { schema: 0, severity: 6, time, absent: 0, id }.write(0, &mut rows.index);
        let module = "m".to_owned();
        EventPiece { first, now, module, rows, count: 1, ..EventPiece::default() }
    }

    /// What a listener with a timer of a minute gets: the second of each tick, and an `e` for an event.
    fn told(pieces: Vec<EventPiece>) -> String {
        let stream = Arc::new(Stream::new(None, EventMarks::default(), false));
        let shapes = Shapes::from([(("m".to_owned(), 0), 0)]);
        let view = EventView::new(Compiled::everything(1), shapes);
        let timer = Timer { name: "t".into(), schedule: Schedule::EverySeconds(60) };
        let timers = Timers::new(&[timer], &TimeZone::UTC);
        let mut feed = Feed::new(Arc::clone(&stream), view, timers, Place::default(), 0);
        for piece in pieces {
            let piece = |first| EventPiece { first, ..piece };
            stream.publish(piece, &AtomicBool::new(false)).expect("room");
        }
        stream.end();
        let until = Cursor { item: u64::MAX, ticks: 0 };
        let bounds = Bounds { items: 100, bytes: 1_000, until };
        let (mut batch, mut told) = (EventBatch::default(), Vec::new());
        loop {
            match feed.next(&mut batch, bounds) {
                Next::Batch => told.push("e".repeat(batch.items.len())),
                Next::Tick(tick) => told.push((tick.time / SECOND).to_string()),
                Next::Nothing => {}
                Next::Ended => return told.join(" "),
            }
        }
    }

    #[test]
    fn what_a_guest_names_steers_no_terminal() {
        let outcomes = Mutex::new(Outcomes::default());
        let target = "mail \x1b[31mx\u{9b}\u{202e}";
        note("l", &outcomes, target, Err("denied: \x1b]0;y\x07"));
        note("l", &outcomes, target, Ok(()));
        let mut outcomes = outcomes.into_inner().expect("whole");
        refuse("l", &mut outcomes.refused, &Refusal::Denied(target.to_owned()), 1);
        assert_eq!((outcomes.done.len(), outcomes.refused.len()), (1, 2));
        for name in outcomes.done.keys().chain(outcomes.refused.keys()) {
            assert!(!name.chars().any(hides) && name.contains("\\u{1b}[31m"), "{name:?}");
        }
    }

    #[test]
    fn time_passes_with_events_and_without() {
        let event = |time: i64, now: i64| event(0, time * SECOND, now * SECOND);
        let time = |now: i64| EventPiece {
            kind: EventKind::Time,
            now: now * SECOND,
            count: 1,
            ..EventPiece::default()
        };
        assert_eq!(told(vec![event(10, 10), event(70, 70), event(71, 71)]), "e 60 e e");
        assert_eq!(told(vec![event(10, 10), time(50), time(130), event(140, 140)]), "e 120 e");
        // What a guest says of the future moves nobody's clock.
        let ahead = event(1_000_000, 20);
        assert_eq!(told(vec![event(10, 10), ahead, event(70, 70), time(121)]), "e e 60 e 120");
    }
}
