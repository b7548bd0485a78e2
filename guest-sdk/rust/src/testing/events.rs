//! Events as text, for listeners: what a module would have emitted, written by hand.
//!
//! ```text
//! schema sshd:login informational "{user} logged in" user:text port?:integer took:duration
//! 2023-02-20T20:14:09.072459Z informational sshd:login user=timp took=81300827000
//! ```
//! A `?` marks an optional column. Times are written in full, durations in nanoseconds.

use correlator_frame::event::{BATCH_HEADER, BatchHeader, Id, LAYOUT};
use correlator_frame::severity::Severity;
use correlator_frame::value::{Kind, Value};
use correlator_frame::words;

use super::line;
use crate::listener::{BoundColumn, BoundSchema};
use crate::time::Time;

const KINDS: [Kind; 6] =
    [Kind::Text, Kind::Integer, Kind::Float, Kind::Boolean, Kind::Time, Kind::Duration];

/// The events of a sample.
#[derive(Default)]
pub struct Sample {
    pub schemas: Vec<BoundSchema>,
    pub text: Vec<u8>,
    /// A row for each event.
    pub rows: Vec<(Time, Vec<u32>)>,
}

impl Sample {
    /// The layout that its rows have.
    pub const LAYOUT: u32 = LAYOUT;

    pub fn read(text: &str) -> Result<Self, String> {
        let mut sample = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            sample.read_line(line).map_err(|sentence| format!("line {number}: {sentence}"))?;
        }
        Ok(sample)
    }

    fn read_line(&mut self, text: &str) -> Result<(), String> {
        let words = line::words(text)?;
        let words: Vec<_> = words.iter().map(Vec::as_slice).collect();
        match words.as_slice() {
            [b"schema", name, severity, summary, columns @ ..] => {
                self.schemas.push(schema(name, severity, summary, columns)?);
            }
            [time, severity, name, values @ ..] => {
                let row = self.row(time, severity, name, values)?;
                self.rows.push(row);
            }
            _ => return Err("neither a schema nor an event".to_owned()),
        }
        Ok(())
    }

    fn row(
        &mut self,
        time: &[u8],
        severity: &[u8],
        name: &[u8],
        values: &[&[u8]],
    ) -> Result<(Time, Vec<u32>), String> {
        let time = Time::from_nanoseconds(moment(string(time)?)?);
        let (instance, event) = split(string(name)?, ':')?;
        let known = |schema: &BoundSchema| schema.instance == instance && schema.name == event;
        let place = self.schemas.iter().position(known);
        let place = place.ok_or_else(|| format!("no schema for {instance}:{event}"))?;
        let columns = &self.schemas[place].columns;
        let mut cells = vec![0; 2 * columns.len()];
        let mut absent = (1_u64 << columns.len()) - 1;
        for pair in values {
            let middle = pair.iter().position(|byte| *byte == b'=');
            let middle = middle.ok_or_else(|| "a value is written name=value".to_owned())?;
            let (name, value) = (string(&pair[..middle])?, &pair[middle + 1..]);
            let column = columns.iter().position(|column| column.name == name);
            let column = column.ok_or_else(|| format!("{event} has no column {name:?}"))?;
            let cell = value_of(columns[column].kind, value)?.write(&mut self.text);
            cells[2 * column..2 * column + 2].copy_from_slice(&cell);
            absent &= !(1 << column);
        }
        let missing = (0..columns.len())
            .find(|column| absent >> column & 1 == 1 && !columns[*column].optional);
        if let Some(column) = missing {
            return Err(format!("column {:?} has no value", columns[column].name));
        }
        let id = Id { source: 0, position: self.rows.len() as u64, count: 0 };
        let header = BatchHeader {
            schema: words::word(place),
            severity: severity_of(severity)?.number(),
            time: time.nanoseconds(),
            absent,
            id,
        };
        let mut row = Vec::with_capacity(BATCH_HEADER + cells.len());
        header.write(columns.len(), &mut row);
        row.extend(cells);
        Ok((time, row))
    }
}

fn schema(
    name: &[u8],
    severity: &[u8],
    summary: &[u8],
    columns: &[&[u8]],
) -> Result<BoundSchema, String> {
    let (instance, event) = split(string(name)?, ':')?;
    let column = |column: &&[u8]| {
        let (name, kind) = split(string(column)?, ':')?;
        let found = KINDS.into_iter().find(|known| known.name() == kind);
        Ok::<_, String>(BoundColumn {
            name: name.trim_end_matches('?').to_owned(),
            kind: found.ok_or_else(|| format!("{kind:?} is no kind"))?,
            optional: name.ends_with('?'),
            meaning: format!("The {}.", name.trim_end_matches('?')),
        })
    };
    Ok(BoundSchema::new(
        instance.to_owned(),
        event.to_owned(),
        severity_of(severity)?,
        string(summary)?,
        format!("A {event}."),
        columns.iter().map(column).collect::<Result<_, _>>()?,
    ))
}

fn severity_of(name: &[u8]) -> Result<Severity, String> {
    let name = string(name)?;
    Severity::from_name(name).ok_or_else(|| format!("{name:?} is no severity"))
}

fn value_of(kind: Kind, value: &[u8]) -> Result<Value<'_>, String> {
    if kind == Kind::Text {
        return Ok(Value::Text(value));
    }
    let text = string(value)?;
    let wrong = || format!("{text:?} is no {kind}");
    Ok(match kind {
        Kind::Text | Kind::Integer => Value::Integer(text.parse().map_err(|_| wrong())?),
        Kind::Duration => Value::Duration(text.parse().map_err(|_| wrong())?),
        Kind::Float => Value::Float(text.parse().map_err(|_| wrong())?),
        Kind::Boolean => Value::Boolean(text.parse().map_err(|_| wrong())?),
        Kind::Time => Value::Time(moment(text)?),
    })
}

fn moment(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no time like 2023-02-20T20:14:09.072459Z");
    let time: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    i64::try_from(time.as_nanosecond()).map_err(|_| wrong())
}

fn string(bytes: &[u8]) -> Result<&str, String> {
    core::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
}

fn split(text: &str, at: char) -> Result<(&str, &str), String> {
    text.split_once(at).ok_or_else(|| format!("{text:?} has no {at:?} in it"))
}
