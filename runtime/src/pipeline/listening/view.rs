//! How a listener looks at events: those that its criteria let through, the time between them, and what comes again for it
//! alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use correlator_frame::event::{BATCH_HEADER, BatchHeader, Rows as RowIterator};

use crate::guest::Rows;
use crate::limit;
use crate::pipeline::crew::hiring::plan_of;
use crate::pipeline::crew::shape;
use crate::pipeline::listening::former::{Former, Formers};
use crate::pipeline::stream::feed::{Batch, Look, View};
use crate::pipeline::stream::piece::{EventKind, EventPiece, Piece};
use crate::pipeline::work::module::EventAside;
use crate::pipeline::{ModulePlan, notices};
use crate::stack::criteria::compile::Compiled;
use crate::stack::criteria::matching::Subject;
use crate::text::clean;

const SECOND: i64 = 1_000_000_000;
/// Where a row says its schema.
const SCHEMA: usize = 1;
/// In the place of a schema: there is none any more that it could be read by.
const NONE: u32 = u32::MAX;

/// Events on their way to one listener.
#[derive(Default)]
pub(crate) struct EventBatch {
    pub(crate) rows: Rows,
    /// The sequence number of each.
    pub(crate) items: Vec<u64>,
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

/// Where the schemas of the modules begin among those that a listener was configured with, by module and shape, in however
/// many parts it works.
pub(crate) type Shapes = HashMap<(String, u64), u32>;

/// Where the schemas of each module begin, as listeners are configured with them.
pub(crate) fn shapes<'a>(modules: impl IntoIterator<Item = &'a ModulePlan>) -> Shapes {
    let mut shapes = Shapes::new();
    let mut first = 0;
    for plan in modules {
        shapes.insert((plan.name.clone(), shape(&plan.events)), first);
        first += plan.events.len() as u32;
    }
    let own = notices::events();
    shapes.insert((notices::INSTANCE.to_owned(), shape(&own)), first);
    shapes
}

/// How a listener looks at events.
pub(crate) struct EventView {
    name: String,
    criteria: Compiled,
    shapes: Shapes,
    /// How events are read whose module has other columns now.
    formers: Formers,
    /// The piece as it is read today, if it was told with other columns.
    read: Option<Arc<EventPiece>>,
    /// The piece's module, and what the columns of its events are.
    of: (String, u64),
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
    pub(crate) aside: BTreeSet<u64>,
    /// Events that no listener of this stack can read any more, up to where they have been counted, and of what kinds.
    pub(crate) strange: u64,
    counted: u64,
    told_of: BTreeSet<(String, u64)>,
}

impl EventView {
    pub(crate) fn new(name: &str, criteria: Compiled, shapes: Shapes, formers: Formers) -> Self {
        Self {
            name: name.to_owned(),
            criteria,
            shapes,
            formers,
            read: None,
            of: Default::default(),
            base: None,
            item: 0,
            row: 0,
            told: i64::MIN,
            ended: false,
            scratch: Vec::new(),
            aside: BTreeSet::new(),
            strange: 0,
            counted: 0,
            told_of: BTreeSet::new(),
        }
    }

    /// Counts what it can't read, however often it comes again, and tells why once for each kind.
    fn pass_over(&mut self, piece: &EventPiece, strange: u64) {
        self.strange += strange;
        self.counted = self.counted.max(piece.next());
        if strange == 0 || !self.told_of.insert((self.of.0.clone(), piece.shape)) {
            return;
        }
        let why = self.formers.get(&(self.of.0.clone(), piece.shape)).map(|former| {
            let why = former.why_not().collect::<Vec<_>>().join("; ");
            clean(&why, limit::MESSAGE_BYTES_MAX)
        });
        tracing::error!(
            "listener `{}`: events of `{}` (from item {} on) can't be read by the columns of today ({}); they are passed over and counted as lost",
            self.name,
            self.of.0,
            piece.first,
            why.as_deref().unwrap_or("nobody knows what theirs were"),
        );
    }

    /// Finds out by what columns the piece is read.
    fn know(&mut self, piece: &EventPiece, from: u64) {
        plan_of(&piece.module).clone_into(&mut self.of.0);
        self.of.1 = piece.shape;
        self.read = None;
        self.base = self.shapes.get(&self.of).copied();
        if self.base.is_some() || !self.has_events(piece) {
            return;
        }
        let from = from.max(piece.first).max(self.counted);
        let Some(former) = self.formers.get(&self.of) else {
            return self.pass_over(piece, piece.next().saturating_sub(from));
        };
        let (read, strange) = of_today(piece, former, from);
        self.base = Some(former.base);
        self.of.1 = former.shape;
        self.read = Some(Arc::new(read));
        self.pass_over(piece, strange);
    }

    /// Whether a piece has events for this listener to look at.
    fn has_events(&self, piece: &EventPiece) -> bool {
        match piece.kind {
            EventKind::Events => true,
            EventKind::Retry => piece.only == self.name,
            EventKind::End | EventKind::Time => false,
        }
    }

    /// The first event of a batch of the piece that was opened last, apart from the others.
    pub(crate) fn first(&self, rows: &Rows) -> Option<EventAside> {
        let length = *rows.index.first()? as usize;
        let mut row = rows.index.get(..length)?.to_vec();
        *row.get_mut(SCHEMA)? -= self.base?;
        let (module, shape) = self.of.clone();
        Some(EventAside { module, shape, row, text: rows.text.clone() })
    }
}

/// A piece as it is read today, and how many of its events from this item on can't be.
fn of_today(piece: &EventPiece, former: &Former, from: u64) -> (EventPiece, u64) {
    let (mut index, mut strange) = (Vec::new(), 0);
    for (item, row) in (piece.first..).zip(RowIterator::new(&piece.rows.index, BATCH_HEADER)) {
        if former.read(row, &mut index) {
            continue;
        }
        BatchHeader { schema: NONE, ..BatchHeader::read(row) }.write(0, &mut index);
        strange += u64::from(item >= from);
    }
    let rows = Rows { text: piece.rows.text.clone(), index };
    (EventPiece { rows, ..piece.clone() }, strange)
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
        self.know(piece, from);
        let read = self.read.clone();
        let piece = read.as_deref().unwrap_or(piece);
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
            EventKind::Events | EventKind::Retry if self.has_events(piece) => {}
            EventKind::End if !self.ended => return Look::End(None),
            EventKind::Time if !self.ended => return Look::Step(piece.first, piece.now),
            _ => return Look::Nothing,
        }
        // What comes again tells no time, which has moved on, and was ordered, whatever else the listener asked for.
        let again = piece.kind == EventKind::Retry;
        let Some(base) = self.base else { return Look::Nothing };
        let read = self.read.clone();
        let piece = read.as_deref().unwrap_or(piece);
        while let Some(row) = row(piece, self.row) {
            if row[SCHEMA] == NONE {
                self.row += row.len();
                self.item += 1;
                continue;
            }
            // No event is from later than when it was published, whatever its guest says.
            let time = BatchHeader::read(row).time.min(piece.now);
            if time.div_euclid(SECOND) > self.told && !again {
                self.told = time.div_euclid(SECOND);
                return Look::Step(self.item, time);
            }
            let wanted = if again || self.criteria.always() {
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
        let read = self.read.clone();
        let piece = read.as_deref().unwrap_or(piece);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use correlator_frame::event::{BatchHeader, Id};
    use jiff::tz::TimeZone;

    use super::{EventBatch, EventView, Formers, SECOND, Shapes};
    use crate::declaration::{Schedule, Timer};
    use crate::guest::Rows;
    use crate::pipeline::stream::Stream;
    use crate::pipeline::stream::cursor::Cursor;
    use crate::pipeline::stream::feed::{Bounds, Feed, Next, Place};
    use crate::pipeline::stream::marks::EventMarks;
    use crate::pipeline::stream::piece::{EventKind, EventPiece};
    use crate::pipeline::stream::timers::Timers;
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
        let view = EventView::new("l", Compiled::everything(1), shapes, Formers::new());
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

    #[test]
    fn what_comes_again_comes_to_one_alone_and_tells_no_time() {
        let event = |time: i64| event(0, time * SECOND, time * SECOND);
        let again =
            |only: &str| EventPiece { kind: EventKind::Retry, only: only.to_owned(), ..event(500) };
        assert_eq!(told(vec![event(10), again("l"), event(70)]), "e e 60 e");
        assert_eq!(told(vec![event(10), again("other"), event(70)]), "e 60 e");
    }

    #[test]
    fn what_it_can_not_read_is_counted_once_in_however_many_parts() {
        let stream = Arc::new(Stream::new(None, EventMarks::default(), false));
        let shapes = Shapes::from([(("m".to_owned(), 0), 0)]);
        let view = EventView::new("l", Compiled::everything(1), shapes, Formers::new());
        let timers = Timers::new(&[], &TimeZone::UTC);
        let mut feed = Feed::new(Arc::clone(&stream), view, timers, Place::default(), 0);
        for (module, shape) in [("m", 0), ("m#1", 0), ("m", 7), ("m#1", 7), ("n", 0)] {
            let module = module.to_owned();
            let piece = |first| EventPiece { first, module, shape, ..event(first, 1, 1) };
            stream.publish(piece, &AtomicBool::new(false)).expect("room");
        }
        stream.end();
        let until = Cursor { item: u64::MAX, ticks: 0 };
        let bounds = Bounds { items: 100, bytes: 1_000, until };
        let mut batch = EventBatch::default();
        for _ in 0..2 {
            let mut read = 0;
            while feed.next(&mut batch, bounds) != Next::Ended {
                read += batch.items.len();
            }
            assert_eq!((read, feed.view.strange), (2, 3));
            // A listener that failed is handed the same again.
            feed.seek(Place::default());
        }
    }
}
