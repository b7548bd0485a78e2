//! Records as text, so that a table of expectations can be read.

use correlator_frame::record::{Frame, Record};
use correlator_record::framing::Framing;
use correlator_record::parser::{Parser, Settings};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// In the order of the flags' bits.
const FLAGS: [char; 8] = ['U', 'T', 'I', 'C', 'P', 'Z', 'Y', '5'];

/// The settings of all tables: the reference is a summer's day in 2023.
pub fn settings(zone: &str) -> Settings {
    Settings {
        zone: TimeZone::get(zone).expect("a zone that is known everywhere"),
        reference: nanoseconds("2023-07-01T12:00:00Z"),
        ..Settings::default()
    }
}

/// The nanoseconds of a time.
pub fn nanoseconds(time: &str) -> i64 {
    let time: Timestamp = time.parse().expect("a time");
    time.as_nanosecond().try_into().expect("a time in our age")
}

/// Parses one record, in UTC, and compares `TIME ZONE FACILITY.SEVERITY FLAGS|host|program|process id|message id|
/// fields|message`.
#[track_caller]
pub fn check(input: &str, expected: &str) {
    check_in("UTC", input, expected);
}

/// The same in another zone.
#[track_caller]
pub fn check_in(zone: &str, input: &str, expected: &str) {
    let records = records(settings(zone), &Framing::Trailer(vec![0]), input.as_bytes());
    assert_eq!(records, [expected.to_owned()], "{input:?}");
}

/// All records of the input, as text.
pub fn records(settings: Settings, framing: &Framing, input: &[u8]) -> Vec<String> {
    let mut frame = Frame { text: input.to_vec(), ..Frame::default() };
    let parsed = Parser::new(settings).parse(&mut frame, 0, framing, true, usize::MAX);
    assert_eq!(parsed.consumed, input.len(), "all of it is consumed at the end");
    assert_eq!(parsed.records, frame.len());
    frame.batch().records().map(show).collect()
}

/// A record as text.
pub fn show(record: Record) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields: Vec<String> = record
        .fields()
        .map(|field| match (text(field.element), text(field.name)) {
            (element, name) if name.is_empty() => element,
            (element, name) => format!("{element}.{name}={}", text(field.value)),
        })
        .collect();
    let flags: String =
        (0..8).filter(|bit| record.flags() >> bit & 1 == 1).map(|bit| FLAGS[bit]).collect();
    let parts = [
        text(record.host()),
        text(record.program()),
        text(record.process_id()),
        text(record.message_id()),
        fields.join(","),
        text(record.message()),
    ];
    format!(
        "{} {} {}.{} {}|{}",
        Timestamp::from_nanosecond(record.time().into()).expect("in range"),
        record.zone_seconds(),
        record.facility(),
        record.severity().number(),
        flags,
        parts.join("|")
    )
}
