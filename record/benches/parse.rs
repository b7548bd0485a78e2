//! Nanoseconds for a record, shape by shape: generated lines, parsed again and again into one frame.
//!
//! What counts is the least of many rounds: everything that disturbs a measurement makes it longer. The lines differ in
//! their times, process ids and addresses, so that caches and branch predictors get what real logs give them.

use std::hint::black_box;
use std::time::Instant;

use correlator_frame::record::Frame;
use correlator_record::framing::Framing;
use correlator_record::parser::{Parser, Settings};

/// Records in the buffer of a shape.
const RECORDS: u32 = 8192;
/// Records of a batch, as the engine's sources ask for.
const BATCH_RECORDS_MAX: usize = 1024;
const ROUNDS: usize = 60;

/// Writes the record with this number.
type Write = fn(u32) -> String;

fn main() {
    let shapes: [(&str, Framing, Write); 11] = [
        ("rfc3164 sshd", Framing::Lines, |n| rfc3164(n, "")),
        ("rfc3164 sshd with priority", Framing::Lines, |n| rfc3164(n, "<86>")),
        ("rfc3164 sshd, utf-8", Framing::Lines, |n| rfc3164(n, "<86>").replace("root", "jürgen")),
        ("rfc3164 with a year", Framing::Lines, |n| rfc3164(n, "").replace("10 06", "10 2022 06")),
        ("rfc3164, one space", Framing::Lines, |n| rfc3164(n, "").replace("10 06", "1 06")),
        ("router", Framing::Lines, |n| {
            rfc3164(n, "<189>29: *").replace("server-07 sshd", "UTC: %SYS-5-CONFIG_I")
        }),
        ("iso file format", Framing::Lines, iso),
        ("rfc5424 sshd", Framing::Lines, |n| rfc5424(n, "-")),
        ("rfc5424 sshd, octet counts", Framing::Octets, |n| {
            let record = rfc5424(n, "-");
            format!("{} {record}", record.len())
        }),
        ("rfc5424, 4 parameters", Framing::Lines, |n| {
            rfc5424(n, "[origin ip=\"10.0.0.1\" enterpriseId=\"21769\" software=\"x\" v=\"1\"]")
        }),
        ("unparsed", Framing::Lines, |n| format!("{n} is a line that has no known format at all")),
    ];
    for (name, framing, write) in shapes {
        let line_end = if framing == Framing::Lines { "\n" } else { "" };
        let text: String = (0..RECORDS).map(|n| write(n) + line_end).collect();
        report(name, &framing, text.as_bytes());
    }
}

/// Prints the best round of a shape.
#[expect(clippy::print_stdout, reason = "a bench is there to print")]
fn report(name: &str, framing: &Framing, text: &[u8]) {
    let mut parser =
        Parser::new(Settings { reference: 1_700_000_000_000_000_000, ..Settings::default() });
    let mut best = f64::INFINITY;
    let mut frame = Frame::default();
    for _ in 0..ROUNDS {
        best = best.min(round(&mut parser, &mut frame, framing, text));
    }
    let bytes = text.len() / RECORDS as usize;
    println!("{name:30} {bytes:4} bytes {best:7.1} ns per record");
}

/// Nanoseconds for a record, the copying into the frame not counted: that is the reading of a file.
fn round(parser: &mut Parser, frame: &mut Frame, framing: &Framing, text: &[u8]) -> f64 {
    let mut nanoseconds = 0.0;
    let mut at = 0;
    let mut records = 0;
    let block = text.len() / (RECORDS as usize / BATCH_RECORDS_MAX);
    while at < text.len() {
        let end = text.len().min(at + block);
        frame.clear();
        frame.text.extend_from_slice(&text[at..end]);
        #[expect(clippy::disallowed_methods, reason = "what is measured here is time itself")]
        let start = Instant::now();
        let parsed = parser.parse(frame, 0, framing, end == text.len(), BATCH_RECORDS_MAX);
        nanoseconds += start.elapsed().as_secs_f64() * 1e9;
        black_box(&frame);
        at += parsed.consumed;
        records += parsed.records;
    }
    assert_eq!(records, RECORDS as usize, "every line is a record");
    nanoseconds / f64::from(RECORDS)
}

fn message(n: u32) -> String {
    let (a, b, port) = (n % 251, n % 241, 1024 + n % 60_000);
    format!("Failed password for root from 203.0.{a}.{b} port {port} ssh2")
}

fn rfc3164(n: u32, priority: &str) -> String {
    let (minute, second, id) = (n / 600 % 60, n / 10 % 60, 20_000 + n % 7919);
    format!("{priority}Dec 10 06:{minute:02}:{second:02} server-07 sshd[{id}]: {}", message(n))
}

fn iso(n: u32) -> String {
    let (minute, second, id) = (n / 600 % 60, n / 10 % 60, 20_000 + n % 7919);
    let micro = n * 7919 % 1_000_000;
    let date = format!("2023-02-20T15:{minute:02}:{second:02}.{micro:06}-05:00");
    format!("{date} server-07 sshd[{id}]: {}", message(n))
}

fn rfc5424(n: u32, structured: &str) -> String {
    let (minute, second, id) = (n / 600 % 60, n / 10 % 60, 20_000 + n % 7919);
    let micro = n * 7919 % 1_000_000;
    let date = format!("2023-02-20T15:{minute:02}:{second:02}.{micro:06}-05:00");
    format!("<86>1 {date} server-07 sshd {id} - {structured} {}", message(n))
}
