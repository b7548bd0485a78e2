//! Events as a listener sees them: views over the batch, nothing is copied.

use std::fmt::Write as _;

use correlator_frame::event::{self as frame, BATCH_HEADER, BatchHeader, Id, Rows};
use correlator_frame::severity::Severity;
use correlator_frame::text;
use correlator_frame::value::Value;

use crate::error::Error;
use crate::listener::BoundSchema;
use crate::time::Time;

/// The events of a batch, in order.
#[derive(Clone, Copy)]
pub struct Events<'a> {
    text: &'a [u8],
    index: &'a [u32],
    schemas: &'a [BoundSchema],
}

impl<'a> Events<'a> {
    /// Checks a batch once, so that no view over it can fail.
    pub(crate) fn new(
        text: &'a [u8],
        index: &'a [u32],
        schemas: &'a [BoundSchema],
    ) -> Result<Self, Error> {
        let mut rows = Rows::new(index, BATCH_HEADER);
        for row in rows.by_ref() {
            let schema = BatchHeader::read(row).schema;
            let count = schemas.len();
            let known = schemas.get(schema as usize);
            let schema = known.ok_or(Error::UnknownSchema { index: schema, count })?;
            if row.len() != BATCH_HEADER + 2 * schema.columns.len() {
                return Err(Error::Malformed { words: row.len() });
            }
        }
        if rows.rest().is_empty() {
            Ok(Self { text, index, schemas })
        } else {
            Err(Error::Malformed { words: rows.rest().len() })
        }
    }
}

impl<'a> IntoIterator for Events<'a> {
    type Item = Event<'a>;
    type IntoIter = EventsIter<'a>;

    fn into_iter(self) -> EventsIter<'a> {
        EventsIter { rows: Rows::new(self.index, BATCH_HEADER), place: 0, events: self }
    }
}

/// Goes through a batch's events.
pub struct EventsIter<'a> {
    rows: Rows<'a>,
    place: u32,
    events: Events<'a>,
}

impl<'a> Iterator for EventsIter<'a> {
    type Item = Event<'a>;

    #[inline]
    fn next(&mut self) -> Option<Event<'a>> {
        let row = self.rows.next()?;
        let header = BatchHeader::read(row);
        let schema = self.events.schemas.get(header.schema as usize)?;
        let place = self.place;
        self.place += 1;
        Some(Event { header, cells: &row[BATCH_HEADER..], text: self.events.text, schema, place })
    }
}

/// One event of the batch.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    header: BatchHeader,
    cells: &'a [u32],
    text: &'a [u8],
    schema: &'a BoundSchema,
    place: u32,
}

impl<'a> Event<'a> {
    /// Its schema, with the module instance that it comes from.
    #[inline]
    #[must_use]
    pub fn schema(&self) -> &'a BoundSchema {
        self.schema
    }

    /// Which of the schemas that `configure` got.
    #[inline]
    #[must_use]
    pub fn schema_place(&self) -> usize {
        self.header.schema as usize
    }

    /// Its place in the batch.
    #[inline]
    #[must_use]
    pub fn place(&self) -> u32 {
        self.place
    }

    /// How severe it is.
    #[inline]
    #[must_use]
    pub fn severity(&self) -> Severity {
        Severity::from_number(self.header.severity).unwrap_or(self.schema.severity)
    }

    /// When it happened.
    #[inline]
    #[must_use]
    pub fn time(&self) -> Time {
        Time::from_nanoseconds(self.header.time)
    }

    /// What names it for good, together with its instance.
    #[inline]
    #[must_use]
    pub fn id(&self) -> Id {
        self.header.id
    }

    /// Appends its id as people see it: `INSTANCE:SOURCE:POSITION:COUNT`.
    pub fn write_id(&self, out: &mut Vec<u8>) {
        let Id { source, position, count } = self.header.id;
        let mut numbers = String::with_capacity(32);
        // Writing to a string can't fail.
        let _ = write!(numbers, ":{source:x}:{position:x}:{count:x}");
        out.extend_from_slice(self.schema.instance.as_bytes());
        out.extend_from_slice(numbers.as_bytes());
    }

    /// The value of the column at this place, or nothing if it is absent.
    #[inline]
    #[must_use]
    pub fn value(&self, column: usize) -> Option<Value<'a>> {
        let kind = self.schema.columns.get(column)?.kind;
        frame::cell(self.cells, column, kind, self.header.absent, self.text)
    }

    /// The value of the column of this name.
    #[must_use]
    pub fn named(&self, column: &str) -> Option<Value<'a>> {
        self.value(self.schema.column(column)?)
    }

    /// Appends its summary: the template with its values.
    pub fn write_summary(&self, out: &mut Vec<u8>) {
        self.schema.summary().render(out, |column, out| match self.value(column) {
            Some(value) => {
                text::value(value, out);
                true
            }
            None => false,
        });
    }

    /// Its summary. What is not UTF-8 in it is replaced.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut out = Vec::new();
        self.write_summary(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[inline]
    pub(crate) fn raw(&self) -> (&'a [u32], u64, &'a [u8]) {
        (self.cells, self.header.absent, self.text)
    }
}
