//! Events of the engine's own: what it has to say about guests and spools reaches listeners like any other event.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use correlator_frame::event::{BatchHeader, Id};
use correlator_frame::severity::Severity;
use correlator_frame::value::Kind;

use crate::clock;
use crate::declaration::{BoundSchema, Column, EventSchema};
use crate::guest::Rows;
use crate::limit;
use crate::pipeline::crew::{News, shape};
use crate::pipeline::intake::Door;
use crate::pipeline::stream::Stream;
use crate::pipeline::stream::cursor::Cursor;
use crate::pipeline::stream::piece::EventPiece;
use crate::pipeline::work::module::Aside;

/// What the engine is called among the instances of a stack.
pub(super) const INSTANCE: &str = "engine";
/// What names the source of its events.
const SOURCE: u32 = u32::MAX >> 1;

/// The places of the schemas.
const SET_ASIDE: u32 = 0;
const SUSPENDED: u32 = 1;
const RELEASED: u32 = 2;
const DROPPED: u32 = 3;

/// The events that the engine makes, as listeners are configured with them.
#[must_use]
pub fn schemas() -> Vec<BoundSchema> {
    let bound = |schema| BoundSchema { instance: INSTANCE.to_owned(), schema };
    events().into_iter().map(bound).collect()
}

/// The events that the engine makes.
pub(super) fn events() -> Vec<EventSchema> {
    let text = |name: &str, meaning: &str, optional| Column {
        name: name.to_owned(),
        kind: Kind::Text,
        optional,
        meaning: meaning.to_owned(),
    };
    let number =
        |name: &str, meaning: &str| Column { kind: Kind::Integer, ..text(name, meaning, false) };
    let schema = |name: &str, severity, summary: &str, meaning: &str, columns| EventSchema {
        name: name.to_owned(),
        severity,
        summary: summary.to_owned(),
        meaning: meaning.to_owned(),
        columns,
    };
    let guest = || text("guest", "The guest's name in the stack.", false);
    let role = || text("role", "Module or listener.", false);
    vec![
        schema(
            "set_aside",
            Severity::Warning,
            "{guest} failed on item {item}, which is set aside: {reason}",
            "A guest failed on one record, event or tick, and does not get it any more.",
            vec![
                guest(),
                number("item", "Its place in the stream that the guest reads."),
                text("reason", "How the guest failed.", false),
                text("letter", "The dead letter, where a stack keeps them.", true),
            ],
        ),
        schema(
            "suspended",
            Severity::Error,
            "{role} {guest} is suspended: {reason}",
            "A guest failed too often and does not work until it is released.",
            vec![role(), guest(), text("reason", "How it failed last.", false)],
        ),
        schema(
            "released",
            Severity::Notice,
            "{role} {guest} is tried again",
            "A suspended guest works again.",
            vec![role(), guest()],
        ),
        schema(
            "dropped",
            Severity::Critical,
            "{records} records found no room in the spool and were dropped",
            "Records came faster than they were worked on, and the stack says that they are dropped then.",
            vec![number("records", "How many, since this was told last.")],
        ),
    ]
}

/// A cell of an event.
enum Cell<'a> {
    Text(&'a str),
    Number(u64),
    Absent,
}

/// The engine's own events, on their way to the stream.
///
/// Guests' threads put them here and the engine's own publishes them: a listener's thread that waited for room in the
/// stream that it reads itself would wait for good.
pub(super) struct Notices {
    waiting: Mutex<VecDeque<EventPiece>>,
    door: Arc<Door>,
    shape: u64,
}

impl Notices {
    pub(super) fn new(door: Arc<Door>) -> Self {
        let shape = shape(&self::events());
        Self { waiting: Mutex::default(), door, shape }
    }

    /// Publishes what waits, as far as there is room.
    pub(super) fn publish(&self, events: &Stream<EventPiece>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(piece) = waiting.front() {
            let piece = piece.clone();
            if events.try_publish(|first| EventPiece { first, ..piece }).is_err() {
                return;
            }
            waiting.pop_front();
        }
    }

    /// Tells listeners what a worker has to tell. `letter` is where it was put, if it was set aside.
    pub(super) fn tell(&self, news: &News, letter: Option<&str>) {
        match news {
            News::Aside(aside) => {
                let reason = aside.failure.to_string();
                let letter = letter.map_or(Cell::Absent, Cell::Text);
                let cells = [
                    Cell::Text(&aside.guest),
                    Cell::Number(aside.item),
                    Cell::Text(&reason),
                    letter,
                ];
                // The same again after a crash: named and dated by what was set aside, and by who failed on it.
                let at = (aside.item, failed_on(aside));
                self.put(SET_ASIDE, Severity::Warning, aside.time, at, &cells);
            }
            News::Suspended(role, guest, reason) => {
                let cells = [Cell::Text(role), Cell::Text(guest), Cell::Text(reason)];
                self.put_now(SUSPENDED, Severity::Error, &cells);
            }
            News::Released(role, guest) => {
                self.put_now(RELEASED, Severity::Notice, &[Cell::Text(role), Cell::Text(guest)]);
            }
        }
    }

    /// Tells that so many records were dropped.
    pub(super) fn dropped(&self, records: u64) {
        self.put_now(DROPPED, Severity::Critical, &[Cell::Number(records)]);
    }

    /// A run over old files is told of in its own time.
    fn put_now(&self, schema: u32, severity: Severity, cells: &[Cell<'_>]) {
        let now = clock::now();
        let time = self.door.event_time().unwrap_or(now);
        self.put(schema, severity, time, (now.cast_unsigned(), schema), cells);
    }

    /// `at` is what names it among the engine's own: a position and a count.
    fn put(&self, schema: u32, severity: Severity, time: i64, at: (u64, u32), cells: &[Cell<'_>]) {
        let (position, count) = at;
        let mut rows = Rows::default();
        let absent = cells.iter().enumerate().filter(|(_, cell)| matches!(cell, Cell::Absent));
        let header = BatchHeader {
            schema,
            severity: severity.number(),
            time,
            absent: absent.fold(0, |mask, (place, _)| mask | 1 << place),
            id: Id { source: SOURCE, position, count },
        };
        header.write(cells.len(), &mut rows.index);
        for cell in cells {
            match cell {
                Cell::Text(text) => {
                    rows.index.extend([rows.text.len() as u32, text.len() as u32]);
                    rows.text.extend_from_slice(text.as_bytes());
                }
                Cell::Number(number) => {
                    rows.index.extend([*number as u32, (*number >> 32) as u32]);
                }
                Cell::Absent => rows.index.extend([0, 0]),
            }
        }
        let piece = EventPiece {
            now: time,
            module: INSTANCE.to_owned(),
            shape: self.shape,
            upto: Cursor::default(),
            rows,
            count: 1,
            ..EventPiece::default()
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < limit::NOTICES_MAX {
            waiting.push_back(piece);
        }
    }
}

/// What tells those who failed on one item, and the ticks that fell before it, from each other.
fn failed_on(aside: &Aside) -> u32 {
    let tick = aside.tick.map_or(0, |tick| 1 + tick.cause.number());
    let name = [aside.guest.as_bytes(), &tick.to_le_bytes(), &aside.time.to_le_bytes()];
    crc32fast::hash(&name.concat())
}

#[cfg(test)]
mod tests {
    use super::{Aside, failed_on};
    use crate::guest::{Cause, Failure, Tick};

    #[test]
    fn who_fails_on_one_item_is_told_apart() {
        let aside = |guest: &str, tick: Option<Tick>| Aside {
            guest: guest.to_owned(),
            item: 7,
            tick,
            source: 0,
            position: 0,
            time: 5,
            raw: Vec::new(),
            event: None,
            failure: Failure::Broken { call: "process", problem: String::new() },
        };
        let tick = |cause| Some(Tick { cause, time: 5 });
        let all = [
            aside("sshd", None),
            aside("nginx", None),
            aside("sshd", tick(Cause::Timer(0))),
            aside("sshd", tick(Cause::Timer(1))),
            aside("sshd", tick(Cause::End)),
        ];
        let names: std::collections::BTreeSet<_> = all.iter().map(failed_on).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(failed_on(&all[0]), failed_on(&aside("sshd", None)));
    }
}
