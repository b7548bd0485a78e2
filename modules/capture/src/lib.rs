//! Totals of what came in: how much, from when to when.
//!
//! Nothing is known of a record here but its time and its size, so this is also the smallest module there can be.

use correlator_sdk::prelude::*;

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

/// Counts records and their bytes.
#[derive(Default, Serialize, Deserialize)]
pub struct Capture {
    /// Time of the earliest and of the latest record.
    span: Option<(Time, Time)>,
    messages: u64,
    size: u64,
}

impl Module for Capture {
    type Options = ();

    fn describe() -> Description {
        Description::new(
            "capture",
            env!("CARGO_PKG_VERSION"),
            "Counts what came in: records, bytes, from when to when",
        )
        .event::<Totals>()
    }

    fn process(&mut self, (): &(), record: Record<'_>, _: &mut Turn) -> Result<(), Error> {
        let time = record.time();
        let (start, end) = self.span.unwrap_or((time, time));
        self.span = Some((start.min(time), end.max(time)));
        self.messages += 1;
        self.size += record.raw().len() as u64;
        Ok(())
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

correlator_sdk::export_module!(Capture);
