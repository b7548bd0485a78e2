//! A notice for each record, and totals at the end.
//!
//! It knows nothing of what records mean: it is for looking at a stream, and for checking that all of it arrived.

mod notice;

use correlator_sdk::prelude::*;

/// A record, in one line of 128 characters at most.
#[derive(Event)]
#[event(severity = "notice", summary = "{message}")]
struct Notice<'a> {
    /// When, in the sender's own time, and from which host, program and process; then the message.
    message: &'a str,
}

/// All records together, told when the input ends.
#[derive(Event)]
#[event(summary = "{messages} messages with {size} bytes in {duration}, from {start} to {end}")]
struct Totals {
    /// The time of the earliest record.
    start: Time,
    /// The time of the latest record.
    end: Time,
    /// From the earliest to the latest record.
    duration: Duration,
    /// How many records there were.
    messages: u64,
    /// Bytes of all records, without what frames them.
    size: u64,
}

/// Counts records and their bytes, and tells of each.
#[derive(Default, Serialize, Deserialize)]
pub struct Report {
    /// Time of the earliest and of the latest record.
    span: Option<(Time, Time)>,
    messages: u64,
    size: u64,
    /// Where lines are put together: kept, so that its memory is.
    #[serde(skip)]
    line: Vec<u8>,
}

impl Module for Report {
    type Options = ();

    fn describe() -> Description {
        Description::new(
            "report",
            env!("CARGO_PKG_VERSION"),
            "Tells of every record in one line, and sums up at the end",
        )
        .event::<Notice<'static>>()
        .event::<Totals>()
    }

    fn process(&mut self, (): &(), record: Record<'_>, turn: &mut Turn) -> Result<(), Error> {
        let time = record.time();
        let (start, end) = self.span.unwrap_or((time, time));
        self.span = Some((start.min(time), end.max(time)));
        self.messages += 1;
        self.size += record.raw().len() as u64;
        self.line.clear();
        notice::write(record, &mut self.line);
        let line = notice::text(&self.line);
        turn.emit(&Notice { message: notice::cut(&line) })
    }

    fn tick(&mut self, (): &(), tick: Tick, turn: &mut Turn) -> Result<(), Error> {
        let (true, Some((start, end))) = (tick.is_end(), self.span) else { return Ok(()) };
        let Self { messages, size, .. } = *self;
        turn.emit(&Totals { start, end, duration: end - start, messages, size })
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![Statistic::new("messages", self.messages), Statistic::new("size", self.size)]
    }
}

correlator_sdk::export_module!(Report);
