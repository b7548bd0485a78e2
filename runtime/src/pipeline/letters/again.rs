//! An event that a listener failed on, from its row to a letter and back: by the names of its columns, so that it can come
//! again whatever else has changed since.

use correlator_frame::event::{self, BATCH_HEADER, BatchHeader, Id};
use correlator_frame::severity::Severity;
use correlator_frame::value::Value;

use super::known::{Events, Known};
use crate::dead::{self, Event, Raw};
use crate::guest::Rows;
use crate::limit;
use crate::pipeline::stream::piece::{EventKind, EventPiece};
use crate::pipeline::work::module::EventAside;
use crate::status::Moment;

/// How many bytes of JSON a byte of text may take, and as much room again for what stands around it.
const BYTES_PER_BYTE: u64 = 8;

/// The event as a letter keeps it; nothing if nobody knows what its columns are, or if it is too large for a letter.
pub(super) fn told(aside: &EventAside, known: &Known) -> Option<Event> {
    let events = known.events(&aside.module).filter(|events| events.shape == aside.shape)?;
    let cells = aside.row.get(BATCH_HEADER..)?;
    let BatchHeader { schema, severity, absent, id, .. } = BatchHeader::read(&aside.row);
    let schema = events.schemas.get(schema as usize)?;
    let mut columns = Vec::new();
    let mut bytes = 0;
    for (place, column) in schema.columns.iter().enumerate() {
        let value = event::cell(cells, place, column.kind, absent, &aside.text);
        let Some(value) = value else { continue };
        if let Value::Text(text) = value {
            bytes += text.len() as u64;
        }
        if bytes > limit::LETTER_BYTES_MAX / BYTES_PER_BYTE {
            return None;
        }
        columns.push((column.name.clone(), kept(value)));
    }
    let Id { source, position, count } = id;
    let (module, name) = (aside.module.clone(), schema.name.clone());
    Some(Event { module, name, severity, source, position, count, columns })
}

fn kept(value: Value<'_>) -> dead::Value {
    match value {
        Value::Text(bytes) => match str::from_utf8(bytes) {
            Ok(text) => dead::Value::Text(text.to_owned()),
            Err(_) => dead::Value::Bytes(Raw(bytes.to_vec())),
        },
        Value::Integer(number) => dead::Value::Integer(number),
        Value::Float(number) => dead::Value::Float(number.to_string()),
        Value::Boolean(yes) => dead::Value::Boolean(yes),
        Value::Time(time) => dead::Value::Time(Moment(time)),
        Value::Duration(nanoseconds) => dead::Value::Duration(nanoseconds),
    }
}

fn value(kept: &dead::Value) -> Option<Value<'_>> {
    Some(match kept {
        dead::Value::Text(text) => Value::Text(text.as_bytes()),
        dead::Value::Bytes(Raw(bytes)) => Value::Text(bytes),
        dead::Value::Integer(number) => Value::Integer(*number),
        dead::Value::Float(number) => Value::Float(number.parse().ok()?),
        dead::Value::Boolean(yes) => Value::Boolean(*yes),
        dead::Value::Time(Moment(time)) => Value::Time(*time),
        dead::Value::Duration(nanoseconds) => Value::Duration(*nanoseconds),
    })
}

/// The event of a letter for one listener alone, as its module's events look now. It has the name and the time that it had,
/// so that what is asked for because of it is known again.
pub(super) fn piece(
    event: &Event,
    time: i64,
    module: &str,
    events: &Events,
    only: &str,
) -> Result<EventPiece, String> {
    let name = &event.name;
    let schemas = &events.schemas;
    let Some(place) = schemas.iter().position(|schema| schema.name == *name) else {
        return Err(format!("module `{module}` has no event `{name}` any more"));
    };
    let other = |column: &str| {
        format!("the event `{name}` of module `{module}` has another column `{column}` now")
    };
    let columns = &schemas[place].columns;
    let unknown = |it: &&(String, _)| !columns.iter().any(|column| column.name == it.0);
    if let Some((column, _)) = event.columns.iter().find(unknown) {
        return Err(other(column));
    }
    let (mut text, mut cells, mut absent) = (Vec::new(), Vec::new(), 0);
    for (place, column) in columns.iter().enumerate() {
        let there = event.columns.iter().find(|(name, _)| *name == column.name);
        match there.map(|(_, kept)| value(kept)) {
            Some(Some(value)) if value.kind() == column.kind => {
                cells.extend(value.write(&mut text));
            }
            None if column.optional => {
                absent |= 1 << place;
                cells.extend([0, 0]);
            }
            _ => return Err(other(&column.name)),
        }
    }
    let header = BatchHeader {
        schema: place as u32,
        severity: event.severity.min(Severity::Debug.number()),
        time,
        absent,
        id: Id { source: event.source, position: event.position, count: event.count },
    };
    let mut index = Vec::new();
    header.write(columns.len(), &mut index);
    index.extend(cells);
    Ok(EventPiece {
        kind: EventKind::Retry,
        now: time,
        module: module.to_owned(),
        part: module.split_once('#').and_then(|(_, part)| part.parse().ok()).unwrap_or(0),
        shape: events.shape,
        rows: Rows { text, index },
        count: 1,
        only: only.to_owned(),
        ..EventPiece::default()
    })
}

#[cfg(test)]
mod tests {
    use correlator_frame::event::BatchHeader;
    use correlator_frame::value::Kind;

    use super::super::known::{Events, Known};
    use super::{piece, told};
    use crate::declaration::{Column, EventSchema};
    use crate::pipeline::notices;
    use crate::pipeline::work::module::EventAside;

    fn engine() -> Events {
        Known::default().events(notices::INSTANCE).expect("known")
    }

    /// The engine's event of this place, as a listener failed on it: all columns that may be are absent.
    fn aside(schema: u32) -> EventAside {
        let events = engine();
        let columns = &events.schemas[schema as usize].columns;
        let (mut text, mut cells, mut absent) = (b"unused".to_vec(), Vec::new(), 0_u64);
        for (place, column) in columns.iter().enumerate() {
            match column.kind {
                _ if column.optional => {
                    absent |= 1 << place;
                    cells.extend([0, 0]);
                }
                Kind::Text => {
                    cells.extend([text.len() as u32, column.name.len() as u32]);
                    text.extend_from_slice(column.name.as_bytes());
                }
                _ => cells.extend([u32::MAX, 7]),
            }
        }
        let id = correlator_frame::event::Id { source: 5, position: 6, count: 7 };
        let header = BatchHeader { schema, severity: 3, time: 99, absent, id };
        let mut row = Vec::new();
        header.write(columns.len(), &mut row);
        row.extend(cells);
        EventAside { module: notices::INSTANCE.to_owned(), shape: events.shape, row, text }
    }

    #[test]
    fn what_was_set_aside_comes_again_as_it_was() {
        for schema in 0..engine().schemas.len() as u32 {
            let event = told(&aside(schema), &Known::default()).expect("a known event");
            assert_eq!(event.id(), "engine:5:6:7");
            let again = piece(&event, 99, notices::INSTANCE, &engine(), "ops").expect("the same");
            assert_eq!((again.count, again.only.as_str(), again.now), (1, "ops", 99));
            let row = again.rows.index;
            assert_eq!(BatchHeader::read(&row), BatchHeader::read(&aside(schema).row));
            let again = EventAside { row, text: again.rows.text, ..aside(schema) };
            assert_eq!(told(&again, &Known::default()), Some(event));
        }
    }

    #[test]
    fn what_nobody_can_read_is_not_kept() {
        let known = Known::default();
        assert!(told(&EventAside { shape: 1, ..aside(0) }, &known).is_none());
        assert!(told(&EventAside { module: "gone".to_owned(), ..aside(0) }, &known).is_none());
        let large = vec![b'x'; 1 << 20];
        let mut aside = aside(0);
        aside.row[12..14].copy_from_slice(&[0, large.len() as u32]);
        assert!(told(&EventAside { text: large, ..aside }, &known).is_none());
    }

    fn more(optional: bool) -> Column {
        let (name, meaning) = ("more".to_owned(), String::new());
        Column { name, kind: Kind::Text, optional, meaning }
    }

    #[test]
    fn what_became_another_event_is_refused() {
        let event = told(&aside(2), &Known::default()).expect("a known event");
        let check = |change: fn(&mut EventSchema), expected: &str| {
            let mut events = engine();
            change(&mut events.schemas[2]);
            let result = piece(&event, 0, "m", &events, "ops").map(|piece| piece.count);
            assert_eq!(result.map_err(|error| error.contains(expected)), Err(true), "{expected}");
        };
        check(|it| it.name = "other".to_owned(), "has no event `released` any more");
        check(|it| it.columns[1].kind = Kind::Integer, "another column `guest` now");
        check(|it| drop(it.columns.remove(0)), "another column `role` now");
        check(|it| it.columns.push(more(false)), "another column `more` now");
        let mut events = engine();
        events.schemas[2].columns.push(more(true));
        assert!(piece(&event, 0, "m", &events, "ops").is_ok(), "what may be absent is");
    }
}
