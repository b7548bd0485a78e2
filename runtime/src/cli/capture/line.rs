//! A record of a capture as one line for people, and as one object for machines.

use std::fmt::Write;
use std::ops::Range;

use correlator_frame::record::{
    PRIORITY_ASSUMED, Record, TIME_ASSUMED, UNPARSED, YEAR_ASSUMED, ZONE_ASSUMED,
};
use correlator_frame::severity::FACILITIES;
use correlator_frame::text;
use correlator_source::replay::reader::Entry;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Value, json};

use crate::cli::table::{CUT, cut, length, padded};
use crate::text::clean;

/// Characters of the number column.
const NUMBER_WIDTH: usize = 6;
/// Cells up to which columns grow with what is in them, and down to which they give way.
const COLUMN_WIDTHS: [usize; 2] = [6, 32];
/// Cells of the longest severity, and of the longest short one.
const SEVERITY_WIDTH: usize = 13;
const SEVERITY_WIDTH_SHORT: usize = 8;
/// Cells that a message has before other columns have what they want.
const MESSAGE_WIDTH_MIN: usize = 30;
/// What of a time is its month, day, hour, minute and second.
const TIME_SHORT: Range<usize> = 5..19;
/// What stands between columns.
const GAP: &str = "  ";
/// Bytes of a message that are shown where lines have no end.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a name that are shown.
const NAME_BYTES_MAX: usize = 512;
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
        let fits = |text: &str| length(text).min(COLUMN_WIDTHS[1]);
        self.host = self.host.max(fits(&shown.host));
        self.program = self.program.max(fits(&shown.program));
    }

    /// The same in so much room, as far as they can give way.
    fn within(mut self, room: usize) -> Self {
        while self.host + self.program > room {
            let wider = if self.host > self.program { &mut self.host } else { &mut self.program };
            if *wider <= COLUMN_WIDTHS[0] {
                break;
            }
            *wider -= 1;
        }
        self
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

    /// The line, of so many cells at the most. Where there is little room, the message has some before the rest is whole.
    pub(super) fn line(&self, columns: Columns, width: usize) -> String {
        let rest = width.saturating_sub(columns.host + columns.program + MESSAGE_WIDTH_MIN);
        let whole = [NUMBER_WIDTH, length(&self.time), SEVERITY_WIDTH, 5 * GAP.len()];
        let line = if whole.iter().sum::<usize>() <= rest {
            let severity = padded(self.severity, SEVERITY_WIDTH);
            let (host, program) = (&self.host, &self.program);
            let names = [padded(host, columns.host), padded(program, columns.program)];
            self.joined(&self.time, &severity, &names)
        } else {
            let time = self.time_short();
            let taken = [NUMBER_WIDTH, length(time), SEVERITY_WIDTH_SHORT, 5 * GAP.len()];
            let taken = taken.iter().sum::<usize>() + MESSAGE_WIDTH_MIN;
            let columns = columns.within(width.saturating_sub(taken));
            let name = |text: &str, width: usize| padded(&cut(text, width), width);
            let names = [name(&self.host, columns.host), name(&self.program, columns.program)];
            self.joined(time, &padded(self.severity_short(), SEVERITY_WIDTH_SHORT), &names)
        };
        cut(line.trim_end(), width)
    }

    fn joined(&self, time: &str, severity: &str, [host, program]: &[String; 2]) -> String {
        let number = format!("{:>NUMBER_WIDTH$}", self.number);
        [number.as_str(), time, severity, host, program, &self.message].join(GAP)
    }

    fn time_short(&self) -> &str {
        self.time.get(TIME_SHORT).unwrap_or(&self.time)
    }

    fn severity_short(&self) -> &str {
        match self.severity {
            "informational" => "info",
            "emergency" => "emerg",
            short => short,
        }
    }

    /// Whether this line shows this record, however wide its columns are and wherever it was cut.
    pub(super) fn is_shown_by(&self, line: &str) -> bool {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let names = [self.host.clone(), self.program.clone()];
        let typed = words(line);
        [(self.time.as_str(), self.severity), (self.time_short(), self.severity_short())]
            .iter()
            .any(|(time, severity)| fits(&typed, &words(&self.joined(time, severity, &names))))
    }
}

/// Whether a text is another one, but for what was cut out of it.
fn fits(typed: &str, whole: &str) -> bool {
    if typed == whole {
        return true;
    }
    let mut pieces = typed.split(CUT);
    let first = pieces.next().unwrap_or_default();
    let Some(last) = pieces.next_back() else { return false };
    // What was cut may end where a column does.
    let Some(mut rest) = whole.strip_prefix(first.trim_end()) else { return false };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
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
        assert_eq!(shown().line(columns, usize::MAX), line);
        assert_eq!(shown().line(columns, 200), line);
        assert_eq!(shown().line(columns, 12), "     7  02-…");
        // On a narrow page the message has its room, and names have what is left.
        let narrow = "     7  02-20 15:12:47  error     gigan…  sshd[…  a  message of two\\nlines";
        assert_eq!(shown().line(columns, 80), narrow);
        let without = Shown { message: String::new(), ..shown() }.line(columns, usize::MAX);
        assert_eq!(line.strip_prefix(&without), Some("  a  message of two\\nlines"));
    }

    #[test]
    fn a_line_is_known_again() {
        let check = |line: &str, expected| {
            assert_eq!(shown().is_shown_by(line), expected, "{line}");
        };
        let whole = shown().line(Columns::default(), usize::MAX);
        check(&whole, true);
        check(&format!("   {whole}\r"), true);
        for width in 8..90 {
            check(&shown().line(Columns { host: 20, program: 30 }, width), true);
        }
        check(&whole[..60], false);
        check(&whole.replace("     7", "     8"), false);
        check(&whole.replace("giganode1", "giganode2"), false);
        check("     8  2023…", false);
        check("", false);
    }
}
