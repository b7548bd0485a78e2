//! The turn: where a module puts its events.
//!
//! Cells and text go straight into the flat frame that the host takes over, so that an event costs a few dozen
//! nanoseconds and no allocation. Which record an event belongs to is known without the module's doing.

use correlator_frame::event::{SEVERITY_OF_SCHEMA, TURN_HEADER, TurnHeader};
use correlator_frame::severity::Severity;
use correlator_frame::value::Value;
use correlator_frame::words;

use crate::error::Error;
use crate::schema::{EventSchema, EventType};
use crate::time::Time;
use crate::value::ColumnValue;

/// Words of a row before the mask of absent columns.
const ABSENT: usize = 6;

/// Collects the events of one call.
pub struct Turn {
    text: Vec<u8>,
    index: Vec<u32>,
    schemas: Vec<&'static EventSchema>,
    record: u32,
    time: Time,
}

impl Turn {
    pub(crate) fn new(schemas: &[&'static EventSchema]) -> Self {
        Self {
            text: Vec::new(),
            index: Vec::new(),
            schemas: schemas.to_vec(),
            record: 0,
            time: Time::default(),
        }
    }

    /// Makes room for about as much as the turn before gave: growing step by step copies everything again and again.
    pub(crate) fn reserve(&mut self, text: usize, index: usize) {
        self.text.reserve(text);
        self.index.reserve(index);
    }

    #[inline]
    pub(crate) fn place(&mut self, record: u32, time: Time) {
        self.record = record;
        self.time = time;
    }

    pub(crate) fn take(&mut self) -> (Vec<u8>, Vec<u32>) {
        (core::mem::take(&mut self.text), core::mem::take(&mut self.index))
    }

    /// Emits an event at the time of the record or the tick that is being worked on.
    ///
    /// # Errors
    /// If the description doesn't list the event.
    #[inline]
    pub fn emit<E: EventType>(&mut self, event: &E) -> Result<(), Error> {
        self.emit_row(event, self.time, SEVERITY_OF_SCHEMA)
    }

    /// Emits an event at another time than the record's.
    ///
    /// # Errors
    /// If the description doesn't list the event.
    #[inline]
    pub fn emit_at<E: EventType>(&mut self, time: Time, event: &E) -> Result<(), Error> {
        self.emit_row(event, time, SEVERITY_OF_SCHEMA)
    }

    /// Emits an event with another severity than its schema's.
    ///
    /// # Errors
    /// If the description doesn't list the event.
    #[inline]
    pub fn emit_as<E: EventType>(&mut self, severity: Severity, event: &E) -> Result<(), Error> {
        self.emit_row(event, self.time, severity.number())
    }

    /// Emits an event whose columns are only known at run time, at the record's time.
    ///
    /// # Errors
    /// If the description doesn't list the event, or if a value is missing, unknown or of the wrong kind.
    pub fn row(&mut self, event: &str, values: &[(&str, Value<'_>)]) -> Result<(), Error> {
        let found = self.schemas.iter().position(|schema| schema.name == event);
        let place = found.ok_or_else(|| Error::Undeclared { event: event.to_owned() })?;
        let schema = self.schemas[place];
        check_names(schema, values)?;
        let start = (self.text.len(), self.index.len());
        let written = self.write_values(place, schema, values);
        if written.is_err() {
            self.text.truncate(start.0);
            self.index.truncate(start.1);
        }
        written
    }

    #[inline]
    fn emit_row<E: EventType>(
        &mut self,
        event: &E,
        time: Time,
        severity: u32,
    ) -> Result<(), Error> {
        let schema = E::schema();
        let place = self.schema_place(schema)?;
        let columns = schema.columns.len();
        let start = self.begin_row(place, columns, time, severity);
        let mut cells = Cells { text: &mut self.text, index: &mut self.index, absent: 0, bit: 1 };
        event.write(&mut cells);
        let absent = cells.absent;
        debug_assert_eq!(self.index.len() - start, TURN_HEADER + 2 * columns);
        self.mark_absent(start, absent);
        Ok(())
    }

    #[inline]
    fn schema_place(&self, schema: &'static EventSchema) -> Result<usize, Error> {
        let found = self.schemas.iter().position(|declared| core::ptr::eq(*declared, schema));
        match found {
            Some(place) => Ok(place),
            None => Err(Error::Undeclared { event: schema.name.to_owned() }),
        }
    }

    #[inline]
    fn begin_row(&mut self, schema: usize, columns: usize, time: Time, severity: u32) -> usize {
        let start = self.index.len();
        self.index.reserve(TURN_HEADER + 2 * columns);
        let header = TurnHeader {
            schema: words::word(schema),
            record: self.record,
            severity,
            time: time.nanoseconds(),
            absent: 0,
        };
        header.write(columns, &mut self.index);
        start
    }

    #[inline]
    fn mark_absent(&mut self, start: usize, absent: u64) {
        if absent != 0 {
            let mask = words::split(absent.cast_signed());
            self.index[start + ABSENT..start + ABSENT + 2].copy_from_slice(&mask);
        }
    }

    fn write_values(
        &mut self,
        place: usize,
        schema: &EventSchema,
        values: &[(&str, Value<'_>)],
    ) -> Result<(), Error> {
        let start = self.begin_row(place, schema.columns.len(), self.time, SEVERITY_OF_SCHEMA);
        let mut absent = 0;
        for (number, column) in schema.columns.iter().enumerate() {
            let value = values.iter().find(|(name, _)| *name == column.name);
            let cell = match value {
                Some(&(_, value)) if value.kind() == column.kind => value.write(&mut self.text),
                Some(&(_, value)) => {
                    return Err(Error::WrongKind {
                        of: schema.name.to_owned(),
                        column: column.name.to_owned(),
                        expected: column.kind,
                        found: value.kind(),
                    });
                }
                None if column.optional => {
                    absent |= 1 << number;
                    [0, 0]
                }
                None => {
                    return Err(Error::MissingColumn {
                        event: schema.name.to_owned(),
                        column: column.name.to_owned(),
                    });
                }
            };
            self.index.extend_from_slice(&cell);
        }
        self.mark_absent(start, absent);
        Ok(())
    }
}

/// Each name must be a column's, and stand there once.
fn check_names(schema: &EventSchema, values: &[(&str, Value<'_>)]) -> Result<(), Error> {
    for (place, (name, _)) in values.iter().enumerate() {
        if !schema.columns.iter().any(|column| column.name == *name) {
            return Err(Error::UnknownColumn {
                event: schema.name.to_owned(),
                column: (*name).to_owned(),
                columns: schema.column_names(),
            });
        }
        if values[..place].iter().any(|(earlier, _)| earlier == name) {
            return Err(Error::RepeatedColumn {
                event: schema.name.to_owned(),
                column: (*name).to_owned(),
            });
        }
    }
    Ok(())
}

/// Takes an event's cells, in the order of its columns.
pub struct Cells<'a> {
    text: &'a mut Vec<u8>,
    index: &'a mut Vec<u32>,
    absent: u64,
    bit: u64,
}

impl Cells<'_> {
    /// Writes the next column's cell.
    #[inline]
    pub fn push<V: ColumnValue + ?Sized>(&mut self, value: &V) {
        if let Some(cell) = value.cell(self.text) {
            self.index.extend_from_slice(&cell);
        } else {
            self.absent |= self.bit;
            self.index.extend_from_slice(&[0, 0]);
        }
        self.bit <<= 1;
    }
}
