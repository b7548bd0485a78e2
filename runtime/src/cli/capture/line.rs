//! A record of a capture as one line for people, and as one object for machines.

use std::fmt::Write;

use correlator_frame::record::{
    PRIORITY_ASSUMED, Record, TIME_ASSUMED, UNPARSED, YEAR_ASSUMED, ZONE_ASSUMED,
};
use correlator_frame::severity::FACILITIES;
use correlator_frame::text;
use correlator_source::replay::reader::Entry;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Value, json};

use crate::text::clean;

/// Characters of the number column.
const NUMBER_WIDTH: usize = 6;
/// Characters up to which columns grow with what is in them.
const COLUMN_WIDTH_MAX: usize = 32;
/// Characters of the longest severity.
const SEVERITY_WIDTH: usize = 13;
/// Bytes of a message that are shown where lines have no end.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a name that are shown.
const NAME_BYTES_MAX: usize = 512;
/// What stands where a line was cut.
pub(super) const CUT: char = '…';
/// What stands where a record has nothing.
const NOTHING: &str = "-";

/// How wide the columns are that depend on what is in them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Columns {
    host: usize,
    program: usize,
}

/// A record, shown.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    number: u64,
    time: String,
    severity: &'static str,
    host: String,
    program: String,
    message: String,
}

impl Columns {
    /// Makes room for a record.
    pub(super) fn widen(&mut self, shown: &Shown) {
        let fits = |text: &str| text.chars().count().min(COLUMN_WIDTH_MAX);
        self.host = self.host.max(fits(&shown.host));
        self.program = self.program.max(fits(&shown.program));
    }
}

impl Shown {
    /// A record as people see it.
    pub(super) fn of(number: u64, record: Record) -> Self {
        let name = |bytes: &[u8]| match clean(&String::from_utf8_lossy(bytes), NAME_BYTES_MAX) {
            name if name.is_empty() => NOTHING.to_owned(),
            name => name,
        };
        let mut program = name(record.program());
        if !record.process_id().is_empty() {
            let _ = write!(program, "[{}]", name(record.process_id()));
        }
        let message = record.message();
        let message = &message[..message.len().min(MESSAGE_BYTES_MAX)];
        let message = String::from_utf8_lossy(message)
            .trim()
            .replace('\t', " ")
            .replace("\r\n", "\\n")
            .replace('\n', "\\n");
        Self {
            number,
            time: time(record),
            severity: record.severity().name(),
            host: name(record.host()),
            program,
            message: clean(&message, MESSAGE_BYTES_MAX),
        }
    }

    /// The line, cut to so many characters.
    pub(super) fn line(&self, columns: Columns, width: Option<usize>) -> String {
        let Self { number, time, severity, host, program, message } = self;
        let (hosts, programs) = (columns.host, columns.program);
        let line = format!(
            "{number:>NUMBER_WIDTH$}  {time}  {severity:SEVERITY_WIDTH$}  {host:hosts$}  {program:programs$}  {message}"
        );
        match width.filter(|&width| line.chars().count() > width) {
            Some(width) => line.chars().take(width.saturating_sub(1)).chain([CUT]).collect(),
            None => line.trim_end().to_owned(),
        }
    }

    /// Whether this line shows this record, however wide its columns are and wherever it was cut.
    pub(super) fn is_shown_by(&self, line: &str) -> bool {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let own = words(&self.line(Columns::default(), None));
        let typed = words(line);
        match typed.strip_suffix(CUT) {
            Some(start) => own == typed || own.starts_with(start.trim_end()),
            None => own == typed,
        }
    }
}

/// A record's time where it was sent from.
fn time(record: Record) -> String {
    let zone = Offset::from_seconds(record.zone_seconds()).unwrap_or(Offset::UTC);
    match Timestamp::from_nanosecond(i128::from(record.time())) {
        Ok(time) => {
            time.to_zoned(TimeZone::fixed(zone)).strftime("%Y-%m-%d %H:%M:%S%.6f%:z").to_string()
        }
        Err(_) => NOTHING.to_owned(),
    }
}

/// A record for a machine.
pub(super) fn machine(file: &str, number: u64, entry: &Entry, record: Record) -> Value {
    let word =
        |bytes: &[u8]| (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned());
    let mut time = Vec::new();
    text::time(record.time(), &mut time);
    let fields: Vec<_> = record
        .fields()
        .map(|field| {
            let (element, name, value) = (field.element, field.name, field.value);
            json!({"element": word(element), "name": word(name), "value": word(value)})
        })
        .collect();
    let assumed = [
        (TIME_ASSUMED, "time"),
        (ZONE_ASSUMED, "zone"),
        (YEAR_ASSUMED, "year"),
        (PRIORITY_ASSUMED, "priority"),
    ];
    let assumed: Vec<_> = assumed
        .into_iter()
        .filter(|(flag, _)| record.flags() & flag != 0)
        .map(|(_, name)| name)
        .collect();
    json!({
        "file": file,
        "number": number,
        "offset": entry.offset,
        "bytes": entry.bytes.len(),
        "time": String::from_utf8_lossy(&time),
        "zone_seconds": record.zone_seconds(),
        "severity": record.severity().name(),
        "facility": FACILITIES.get(record.facility() as usize),
        "host": word(record.host()),
        "program": word(record.program()),
        "process_id": word(record.process_id()),
        "message_id": word(record.message_id()),
        "message": String::from_utf8_lossy(record.message()),
        "fields": fields,
        "assumed": assumed,
        "understood": record.flags() & UNPARSED == 0,
        "whole": entry.whole,
    })
}

#[cfg(test)]
mod tests {
    use super::{Columns, Shown};

    fn shown() -> Shown {
        Shown {
            number: 7,
            time: "2023-02-20 15:12:47.757250-05:00".into(),
            severity: "error",
            host: "giganode1".into(),
            program: "sshd[12]".into(),
            message: "a  message of two\\nlines".into(),
        }
    }

    #[test]
    fn lines_are_aligned_and_cut() {
        let mut columns = Columns::default();
        columns.widen(&Shown { host: "a-longer-name".into(), ..shown() });
        columns.widen(&shown());
        let line = "     7  2023-02-20 15:12:47.757250-05:00  error          giganode1      sshd[12]  \
                    a  message of two\\nlines";
        assert_eq!(shown().line(columns, None), line);
        assert_eq!(shown().line(columns, Some(200)), line);
        assert_eq!(shown().line(columns, Some(12)), "     7  202…");
        let without = Shown { message: String::new(), ..shown() }.line(columns, None);
        assert_eq!(line.strip_prefix(&without), Some("  a  message of two\\nlines"));
    }

    #[test]
    fn a_line_is_known_again() {
        let check = |line: &str, expected| {
            assert_eq!(shown().is_shown_by(line), expected, "{line}");
        };
        let whole = shown().line(Columns::default(), None);
        check(&whole, true);
        check(&format!("   {whole}\r"), true);
        for width in 8..90 {
            check(&shown().line(Columns { host: 20, program: 30 }, Some(width)), true);
        }
        check(&whole[..60], false);
        check(&whole.replace("     7", "     8"), false);
        check(&whole.replace("giganode1", "giganode2"), false);
        check("     8  2023…", false);
        check("", false);
    }
}
