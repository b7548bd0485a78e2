//! Rows of events: `records.turn` and `events.batch` in `wit/`.
//!
//! A module returns rows with a header of [`TURN_HEADER`] words, a listener gets rows with a header of
//! [`BATCH_HEADER`] words; the cells behind the header are the same.

use crate::value::{Kind, Value};
use crate::words;

/// Words before the cells in a row that a module returns.
pub const TURN_HEADER: usize = 8;
/// Words before the cells in a row that a listener gets.
pub const BATCH_HEADER: usize = 12;
/// The version of the layout that listeners get.
pub const LAYOUT: u32 = 1;
/// In the place of a severity: the schema's own.
pub const SEVERITY_OF_SCHEMA: u32 = u32::MAX;
/// Columns at the most: as many as the mask of absent ones has bits.
pub const COLUMNS_MAX: usize = 64;

/// Splits rows that begin with their own length. Ends at the first row whose length can't be.
pub struct Rows<'a> {
    rest: &'a [u32],
    header: usize,
}

impl<'a> Rows<'a> {
    /// The rows of `index`, each with at least `header` words.
    #[must_use]
    pub fn new(index: &'a [u32], header: usize) -> Self {
        Self { rest: index, header }
    }

    /// What was not read: empty at the end of a well-formed index.
    #[must_use]
    pub fn rest(&self) -> &'a [u32] {
        self.rest
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = &'a [u32];

    #[inline]
    fn next(&mut self) -> Option<&'a [u32]> {
        let length = *self.rest.first()? as usize;
        if length < self.header || length > self.rest.len() {
            return None;
        }
        let (row, rest) = self.rest.split_at(length);
        self.rest = rest;
        Some(row)
    }
}

/// The header of a row that a module returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnHeader {
    /// Which schema of the module's description.
    pub schema: u32,
    /// Which record of the batch triggered it.
    pub record: u32,
    /// A severity, or [`SEVERITY_OF_SCHEMA`].
    pub severity: u32,
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub time: i64,
    /// A bit for each absent column.
    pub absent: u64,
}

impl TurnHeader {
    /// Writes the header of a row with so many cells; the cells follow.
    #[inline]
    pub fn write(self, cells: usize, index: &mut Vec<u32>) {
        let [time_low, time_high] = words::split(self.time);
        let [absent_low, absent_high] = words::split(self.absent.cast_signed());
        index.extend_from_slice(&[
            words::word(TURN_HEADER + 2 * cells),
            self.schema,
            self.record,
            self.severity,
            time_low,
            time_high,
            absent_low,
            absent_high,
        ]);
    }

    /// Reads the header of a row of at least [`TURN_HEADER`] words.
    #[inline]
    #[must_use]
    pub fn read(row: &[u32]) -> Self {
        Self {
            schema: row[1],
            record: row[2],
            severity: row[3],
            time: words::join(row[4], row[5]),
            absent: words::join(row[6], row[7]).cast_unsigned(),
        }
    }
}

/// What names an event for good, together with its module instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// Which source the triggering record came from.
    pub source: u32,
    /// The record's position in that source.
    pub position: u64,
    /// Which of the record's events, from 0.
    pub count: u32,
}

/// The header of a row that a listener gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Which schema of those that the listener was configured with.
    pub schema: u32,
    /// 0 to 7.
    pub severity: u32,
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub time: i64,
    /// A bit for each absent column.
    pub absent: u64,
    /// The event's id.
    pub id: Id,
}

impl BatchHeader {
    /// Writes the header of a row with so many cells; the cells follow.
    #[inline]
    pub fn write(self, cells: usize, index: &mut Vec<u32>) {
        let [time_low, time_high] = words::split(self.time);
        let [absent_low, absent_high] = words::split(self.absent.cast_signed());
        let [position_low, position_high] = words::split(self.id.position.cast_signed());
        index.extend_from_slice(&[
            words::word(BATCH_HEADER + 2 * cells),
            self.schema,
            self.severity,
            0,
            time_low,
            time_high,
            absent_low,
            absent_high,
            position_low,
            position_high,
            self.id.source,
            self.id.count,
        ]);
    }

    /// Reads the header of a row of at least [`BATCH_HEADER`] words.
    #[inline]
    #[must_use]
    pub fn read(row: &[u32]) -> Self {
        Self {
            schema: row[1],
            severity: row[2],
            time: words::join(row[4], row[5]),
            absent: words::join(row[6], row[7]).cast_unsigned(),
            id: Id {
                position: words::join(row[8], row[9]).cast_unsigned(),
                source: row[10],
                count: row[11],
            },
        }
    }
}

/// The cell in this column, or nothing if the mask says that it is absent.
#[inline]
#[must_use]
pub fn cell<'a>(
    cells: &[u32],
    column: usize,
    kind: Kind,
    absent: u64,
    text: &'a [u8],
) -> Option<Value<'a>> {
    if absent >> column & 1 == 1 {
        return None;
    }
    let (a, b) = (*cells.get(2 * column)?, *cells.get(2 * column + 1)?);
    Some(Value::read(kind, a, b, text))
}
