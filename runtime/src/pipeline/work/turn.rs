//! A module's turn, checked: rows as the module returned them in, rows as listeners get them out.
//!
//! Every word of a turn is a stranger's. What breaks the layout fails the whole turn, and the message says which row
//! and what; what passes needs no second look by anyone.

use correlator_frame::event::{
    BatchHeader, Id, Rows as RowIterator, SEVERITY_OF_SCHEMA, TURN_HEADER, TurnHeader,
};
use correlator_frame::record::Frame;
use correlator_frame::value::Kind;

use crate::declaration::EventSchema;
use crate::guest::{Failure, Rows, Tick};
use crate::limit::{Limits, TIMERS_MAX};

/// What a turn's events may be about.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// The records of a batch.
    Batch(&'a Frame),
    /// A tick, of one part of a module that runs in several.
    Tick(Tick, u32),
}

impl Origin<'_> {
    /// How many records there are.
    fn count(self) -> usize {
        match self {
            Self::Batch(frame) => frame.len(),
            Self::Tick(..) => 1,
        }
    }

    /// Where a record came from, which names the events that it triggers, and when it happened.
    fn place(self, number: u32) -> Option<Place> {
        match self {
            Self::Batch(frame) => {
                let record = frame.batch().record(number as usize)?;
                let (source, position) = (record.source(), record.position());
                Some(Place { source, position, time: record.time() })
            }
            Self::Tick(tick, part) => (number == 0).then(|| Place::of_tick(tick, part)),
        }
    }
}

/// Where a record came from, and when it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    source: u32,
    position: u64,
    time: i64,
}

impl Place {
    /// A tick is a source of its own: the same tick gives the same ids.
    fn of_tick(tick: Tick, part: u32) -> Self {
        let from_the_end = tick.cause.number();
        Self {
            source: u32::MAX - from_the_end - part * (TIMERS_MAX as u32 + 1),
            position: tick.time.cast_unsigned(),
            time: tick.time,
        }
    }
}

/// What a row of one schema must look like.
struct Shape {
    name: String,
    severity: u32,
    words: usize,
    columns: Vec<(String, Kind)>,
    /// A bit for each column that may be absent.
    optional: u64,
    /// Columns whose cells must be looked at.
    texts: Vec<usize>,
    booleans: Vec<usize>,
}

impl Shape {
    /// The bytes of all texts of a row. Cells may share them; who copies cells may not.
    fn text_bytes(&self, row: &[u32], absent: u64) -> u64 {
        let there = self.texts.iter().filter(|&column| absent >> column & 1 == 0);
        there.map(|column| u64::from(row[TURN_HEADER + 2 * column + 1])).sum()
    }
}

/// Checks the turns of one module.
pub(crate) struct Checker {
    shapes: Vec<Shape>,
    events_max: usize,
    /// All texts of a turn, each counted as often as a cell names it.
    text_bytes_max: u64,
    /// What the events of a turn may take all together, for whoever keeps them.
    bytes_max: usize,
    rate: Rate,
    /// Events so far, by schema.
    pub(crate) counts: Vec<u64>,
    /// Events of the last turn, by schema.
    last: Vec<u64>,
}

const MINUTE: i64 = 60_000_000_000;

/// Events in a minute of the records' own time, so that a replay counts alike, wherever batches end.
#[derive(Clone, Copy)]
struct Rate {
    most: u64,
    minute: i64,
    events: u64,
}

impl Rate {
    /// Nothing is from later than event time, whatever a record says of itself: one that says so must not keep the minutes
    /// that come from being counted anew.
    fn count(&mut self, time: i64, now: i64) -> Result<(), String> {
        let minute = time.min(now).div_euclid(MINUTE);
        if minute > self.minute || self.minute > now.div_euclid(MINUTE) {
            (self.minute, self.events) = (minute, 0);
        }
        self.events += 1;
        if self.events > self.most {
            return Err(format!(
                "more than {} events in a minute (`events_per_minute`)",
                self.most
            ));
        }
        Ok(())
    }
}

impl Checker {
    pub(crate) fn new(schemas: &[EventSchema], limits: &Limits) -> Self {
        Self {
            shapes: schemas.iter().map(shape).collect(),
            last: Vec::new(),
            events_max: limits.events_per_turn,
            text_bytes_max: limits.turn_bytes as u64,
            bytes_max: usize::MAX,
            rate: Rate { most: limits.events_per_minute, minute: i64::MIN, events: 0 },
            counts: vec![0; schemas.len()],
        }
    }

    /// Fails turns whose events would take more than can be kept at once: smaller ones may do.
    pub(crate) fn up_to(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// The minute of the last event and the events in it.
    pub(crate) fn rate(&self) -> (i64, u64) {
        (self.rate.minute, self.rate.events)
    }

    /// Goes back to an earlier minute.
    pub(crate) fn set_rate(&mut self, (minute, events): (i64, u64)) {
        (self.rate.minute, self.rate.events) = (minute, events);
    }

    /// How many rows the last turn had.
    pub(crate) fn rows(&self) -> u64 {
        self.last.iter().sum()
    }

    /// Counts the last turn's events: it is done with for good.
    pub(crate) fn accept(&mut self) {
        for (total, count) in self.counts.iter_mut().zip(&self.last) {
            *total += count;
        }
    }

    /// The rows for listeners. `origin` is what the turn was about, and `now` event time, if any is known.
    pub(crate) fn check(
        &mut self,
        call: &'static str,
        turn: Rows,
        origin: Origin<'_>,
        now: Option<i64>,
    ) -> Result<Rows, Failure> {
        self.last.clear();
        let broken = |problem| Failure::Broken { call, problem };
        let mut index = Vec::with_capacity(turn.index.len() + turn.index.len() / 2);
        let mut counts = vec![0; self.shapes.len()];
        let (mut row_number, mut last_record, mut count, mut text_bytes) = (0, 0, 0, 0_u64);
        let (mut rate, now) = (self.rate, now.unwrap_or(i64::MAX));
        let mut rows = RowIterator::new(&turn.index, TURN_HEADER);
        for row in rows.by_ref() {
            let header = TurnHeader::read(row);
            if header.record != last_record {
                count = 0;
            }
            let place = self
                .row(row, header, last_record, origin, turn.text.len())
                .map_err(|problem| broken(format!("row {row_number}: {problem}")))?;
            rate.count(place.time, now).map_err(broken)?;
            let shape = &self.shapes[header.schema as usize];
            text_bytes += shape.text_bytes(row, header.absent);
            if text_bytes > self.text_bytes_max {
                return Err(broken(format!(
                    "its cells name more than {} bytes of text all together (`turn_bytes`)",
                    self.text_bytes_max
                )));
            }
            let severity = match header.severity {
                SEVERITY_OF_SCHEMA => shape.severity,
                severity => severity,
            };
            let id = Id { source: place.source, position: place.position, count };
            BatchHeader {
                schema: header.schema,
                severity,
                time: header.time,
                absent: header.absent,
                id,
            }
            .write(shape.columns.len(), &mut index);
            index.extend_from_slice(&row[TURN_HEADER..]);
            counts[header.schema as usize] += 1;
            (row_number, last_record, count) = (row_number + 1, header.record, count + 1);
        }
        if !rows.rest().is_empty() {
            return Err(broken(format!(
                "row {row_number} says that it has {} words; {} are left",
                rows.rest()[0],
                rows.rest().len()
            )));
        }
        if row_number > self.events_max {
            return Err(broken(format!(
                "{row_number} events in one turn; `events_per_turn` is {}",
                self.events_max
            )));
        }
        let bytes = size_of::<u32>() * index.len() + turn.text.len();
        if bytes > self.bytes_max {
            return Err(broken(format!(
                "its events take {bytes} bytes; the spool takes {} at once (`spool_size`)",
                self.bytes_max
            )));
        }
        (self.rate, self.last) = (rate, counts);
        Ok(Rows { text: turn.text, index })
    }

    fn row(
        &self,
        row: &[u32],
        header: TurnHeader,
        last_record: u32,
        origin: Origin<'_>,
        text_bytes: usize,
    ) -> Result<Place, String> {
        let Some(shape) = self.shapes.get(header.schema as usize) else {
            return Err(format!(
                "schema {} is not declared; there are {}",
                header.schema,
                self.shapes.len()
            ));
        };
        let problem = |problem: String| Err(format!("event `{}`: {problem}", shape.name));
        if row.len() != shape.words {
            return problem(format!("{} words instead of {}", row.len(), shape.words));
        }
        let Some(place) = origin.place(header.record) else {
            return problem(format!(
                "record {} is not in the batch of {}",
                header.record,
                origin.count()
            ));
        };
        if header.record < last_record {
            return problem(format!("record {} comes after {last_record}", header.record));
        }
        if header.severity > 7 && header.severity != SEVERITY_OF_SCHEMA {
            return problem(format!("{} is no severity", header.severity));
        }
        let missing = header.absent & !shape.optional;
        if missing != 0 {
            let column = missing.trailing_zeros() as usize;
            return problem(match shape.columns.get(column) {
                Some((name, _)) => format!("the column `{name}` is missing"),
                None => format!("there is no column {column} that could be absent"),
            });
        }
        let cells = &row[TURN_HEADER..];
        for &column in &shape.texts {
            let end = u64::from(cells[2 * column]) + u64::from(cells[2 * column + 1]);
            if end > text_bytes as u64 && header.absent >> column & 1 == 0 {
                let name = &shape.columns[column].0;
                return problem(format!(
                    "the column `{name}` ends at byte {end} of {text_bytes} of the text"
                ));
            }
        }
        for &column in &shape.booleans {
            if cells[2 * column] > 1 {
                let name = &shape.columns[column].0;
                return problem(format!("the column `{name}` is neither 0 nor 1"));
            }
        }
        Ok(place)
    }
}

fn shape(schema: &EventSchema) -> Shape {
    let of_kind = |kind| {
        let columns = schema.columns.iter().enumerate();
        columns.filter(|(_, column)| column.kind == kind).map(|(place, _)| place).collect()
    };
    let optional = schema.columns.iter().enumerate().filter(|(_, column)| column.optional);
    Shape {
        name: schema.name.clone(),
        severity: schema.severity.number(),
        words: TURN_HEADER + 2 * schema.columns.len(),
        columns: schema.columns.iter().map(|column| (column.name.clone(), column.kind)).collect(),
        optional: optional.fold(0, |mask, (place, _)| mask | 1 << place),
        texts: of_kind(Kind::Text),
        booleans: of_kind(Kind::Boolean),
    }
}

#[cfg(test)]
mod tests {
    use correlator_frame::event::{BATCH_HEADER, BatchHeader, TurnHeader};
    use correlator_frame::record::{Frame, Row};
    use correlator_frame::severity::Severity;
    use correlator_frame::value::{Kind, Value};

    use super::{Checker, MINUTE, Origin, Rate};
    use crate::declaration::{Column, EventSchema};
    use crate::guest::Rows;
    use crate::limit::Limits;

    const HEADER: TurnHeader =
        TurnHeader { schema: 0, record: 0, severity: u32::MAX, time: 7, absent: 0 };

    fn checker() -> Checker {
        let column = |name: &str, kind, optional| Column {
            name: name.into(),
            kind,
            optional,
            meaning: String::new(),
        };
        let schema = EventSchema {
            name: "seen".into(),
            severity: Severity::Warning,
            summary: String::new(),
            meaning: String::new(),
            columns: vec![column("who", Kind::Text, false), column("sure", Kind::Boolean, true)],
        };
        let limits = Limits { events_per_turn: 2, events_per_minute: 3, ..Limits::default() };
        Checker::new(&[schema], &limits)
    }

    fn row(header: TurnHeader, who: (u32, u32), sure: u32, rows: &mut Rows) {
        header.write(2, &mut rows.index);
        rows.index.extend_from_slice(&[who.0, who.1, sure, 0]);
    }

    fn check(checker: &mut Checker, rows: Rows) -> Result<Rows, String> {
        let mut frame = Frame::default();
        for (place, position) in [10, 20].into_iter().enumerate() {
            frame.push(&Row::default(), 0);
            frame.set_place(place, 1, position);
        }
        let turn = checker.check("process", rows, Origin::Batch(&frame), None);
        checker.accept();
        turn.map_err(|failure| failure.to_string())
    }

    #[test]
    fn rows_get_ids_and_the_schema_s_severity() {
        let mut rows = Rows { text: b"root".to_vec(), index: Vec::new() };
        row(TurnHeader { record: 1, ..HEADER }, (0, 4), 1, &mut rows);
        row(TurnHeader { record: 1, severity: 2, absent: 2, ..HEADER }, (1, 2), 0, &mut rows);
        let rows = check(&mut checker(), rows).expect("a sound turn");
        let words = BATCH_HEADER + 4;
        let header = |place: usize| BatchHeader::read(&rows.index[place * words..]);
        assert_eq!((header(0).schema, header(0).severity, header(0).time), (0, 4, 7));
        assert_eq!((header(1).severity, header(1).absent), (2, 2));
        assert_eq!((header(0).id.position, header(0).id.count, header(1).id.count), (20, 0, 1));
        assert_eq!(rows.index[BATCH_HEADER..words], [0, 4, 1, 0]);
        assert_eq!(Value::read(Kind::Text, 1, 2, &rows.text), Value::Text(b"oo"));
    }

    #[test]
    fn lies_are_named() {
        let lie = |header: TurnHeader, who, sure, expected: &str| {
            let mut rows = Rows { text: b"root".to_vec(), index: Vec::new() };
            row(header, who, sure, &mut rows);
            let error = check(&mut checker(), rows).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        };
        lie(TurnHeader { schema: 1, ..HEADER }, (0, 0), 0, "row 0: schema 1 is not declared");
        lie(TurnHeader { record: 2, ..HEADER }, (0, 0), 0, "record 2 is not in the batch of 2");
        lie(TurnHeader { severity: 8, ..HEADER }, (0, 0), 0, "8 is no severity");
        lie(TurnHeader { absent: 1, ..HEADER }, (0, 0), 0, "the column `who` is missing");
        lie(TurnHeader { absent: 4, ..HEADER }, (0, 0), 0, "there is no column 2");
        lie(HEADER, (2, 3), 0, "the column `who` ends at byte 5 of 4");
        lie(HEADER, (u32::MAX, u32::MAX), 0, "ends at byte 8589934590");
        lie(HEADER, (0, 4), 2, "the column `sure` is neither 0 nor 1");
    }

    #[test]
    fn rows_that_lie_about_their_length() {
        for length in [0, 1, 11, 13, u32::MAX] {
            let mut rows = Rows::default();
            row(HEADER, (0, 0), 0, &mut rows);
            rows.index[0] = length;
            assert!(check(&mut checker(), rows).is_err(), "{length}");
        }
    }

    #[test]
    fn a_flood_fails_the_turn() {
        let flood = |count: usize| {
            let mut rows = Rows::default();
            (0..count).for_each(|_| row(HEADER, (0, 0), 0, &mut rows));
            rows
        };
        let mut checker = checker();
        assert!(check(&mut checker, flood(3)).is_err_and(|e| e.contains("3 events in one turn")));
        assert!(check(&mut checker, flood(2)).is_ok());
        assert!(
            check(&mut checker, flood(2))
                .is_err_and(|e| e.contains("more than 3 events in a minute"))
        );
        assert!(check(&mut checker, flood(1)).is_ok());
        assert_eq!(checker.counts, [3]);
    }

    #[test]
    fn a_turn_that_can_not_be_kept_at_once_fails() {
        let mut rows = Rows { text: vec![b'x'; 100], index: Vec::new() };
        row(HEADER, (0, 100), 0, &mut rows);
        let kept = 100 + 4 * (BATCH_HEADER + 4);
        assert!(check(&mut checker().up_to(kept), rows.clone()).is_ok());
        let error = check(&mut checker().up_to(kept - 1), rows).expect_err("one byte more");
        assert!(error.contains("the spool takes 163 at once (`spool_size`)"), "{error}");
    }

    #[test]
    fn who_writes_of_the_future_is_counted_in_the_present() {
        let mut rate = Rate { most: 2, minute: i64::MIN, events: 0 };
        let mut count = |time: i64, now: i64| rate.count(time * MINUTE, now * MINUTE).is_ok();
        assert_eq!(
            [(1, 1), (1_000, 1), (1, 1)].map(|(time, now)| count(time, now)),
            [true, true, false]
        );
        assert_eq!([(2, 2), (1_000, 2), (3, 3)].map(|(time, now)| count(time, now)), [true; 3]);
        // As long as nobody knows what time it is, it is what records say.
        assert!(count(1_000, i64::MAX / MINUTE) && count(4, 4) && count(4, 4) && !count(4, 4));
    }
}
