//! Values as databases read them.
//!
//! What a database can't hold is written as what comes nearest, rather than lose the row: it is an attacker who puts a NUL
//! into a user name, and his row is the one that is wanted.

use std::borrow::Cow;

use correlator_world::Cell;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::dialect::Form;

/// One row that is to be written.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The request's id.
    pub id: &'a str,
    /// The values, in the order of the columns.
    pub cells: Vec<&'a Cell>,
}

impl Row<'_> {
    /// About how many bytes it has on the wire.
    pub fn bytes(&self) -> usize {
        let bytes = |cell: &&Cell| match cell {
            Cell::Text(text) => text.len() + 8,
            _ => 32,
        };
        self.id.len() + self.cells.iter().map(bytes).sum::<usize>()
    }
}

/// A text without NUL: PostgreSQL takes none, and the tools of SQLite end the text there.
pub fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// A moment with all its digits, so that texts sort as moments do.
pub fn iso(nanoseconds: i64) -> String {
    let moment = utc(nanoseconds);
    let (date, time) = halves(moment);
    format!("{date}T{time}.{:09}Z", moment.subsec_nanosecond())
}

/// A moment in UTC for a server, which counts in microseconds.
pub fn sql_time(nanoseconds: i64) -> String {
    let moment = utc(nanoseconds);
    let (date, time) = halves(moment);
    format!("{date} {time}.{:06}", moment.subsec_nanosecond() / 1000)
}

fn utc(nanoseconds: i64) -> DateTime {
    // Every count of 64 bits is between the years 1677 and 2262, which all of them can hold.
    let moment = Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default();
    Offset::UTC.to_datetime(moment)
}

fn halves(moment: DateTime) -> (String, String) {
    let date = format!("{:04}-{:02}-{:02}", moment.year(), moment.month(), moment.day());
    let time = format!("{:02}:{:02}:{:02}", moment.hour(), moment.minute(), moment.second());
    (date, time)
}

/// A value as the text that PostgreSQL reads it from; nothing if it is null.
pub fn postgres(cell: &Cell, form: Form) -> Option<Cow<'_, str>> {
    let written = match cell {
        Cell::Absent(_) => return None,
        Cell::Text(value) => return Some(text(value)),
        Cell::Float(value) if value.is_nan() => "NaN".into(),
        Cell::Float(value) if value.is_infinite() => {
            (if *value > 0.0 { "Infinity" } else { "-Infinity" }).into()
        }
        Cell::Float(value) => format!("{value:e}"),
        Cell::Boolean(value) => (if *value { "t" } else { "f" }).into(),
        Cell::Time(value) => sql_time(*value) + "+00",
        Cell::Duration(value) if form == Form::Interval => {
            format!("{} microseconds", value.div_euclid(1000))
        }
        Cell::Integer(value) | Cell::Duration(value) => value.to_string(),
    };
    Some(Cow::Owned(written))
}

#[cfg(test)]
mod tests {
    use correlator_world::Kind;

    use super::*;

    #[test]
    fn moments() {
        let cases = [
            (0, "1970-01-01T00:00:00.000000000Z", "1970-01-01 00:00:00.000000"),
            (-1, "1969-12-31T23:59:59.999999999Z", "1969-12-31 23:59:59.999999"),
            (
                1_700_000_000_123_456_789,
                "2023-11-14T22:13:20.123456789Z",
                "2023-11-14 22:13:20.123456",
            ),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z", "2262-04-11 23:47:16.854775"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z", "1677-09-21 00:12:43.145224"),
        ];
        for (nanoseconds, full, micro) in cases {
            assert_eq!(iso(nanoseconds), full);
            assert_eq!(sql_time(nanoseconds), micro);
        }
    }

    #[test]
    fn texts_for_postgres() {
        let cases = [
            (Cell::Absent(Kind::Text), None),
            (Cell::Text("a\0b'".into()), Some("a\u{FFFD}b'")),
            (Cell::Integer(i64::MIN), Some("-9223372036854775808")),
            (Cell::Float(f64::NAN), Some("NaN")),
            (Cell::Float(f64::NEG_INFINITY), Some("-Infinity")),
            (Cell::Float(1e300), Some("1e300")),
            (Cell::Boolean(true), Some("t")),
            (Cell::Time(1000), Some("1970-01-01 00:00:00.000001+00")),
            (Cell::Duration(-5), Some("-5")),
        ];
        for (cell, expected) in cases {
            assert_eq!(postgres(&cell, Form::Plain).as_deref(), expected);
        }
        let span = Cell::Duration(1_500_000);
        assert_eq!(postgres(&span, Form::Interval).as_deref(), Some("1500 microseconds"));
    }
}
