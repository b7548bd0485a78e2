//! A dead letter as a value: what a guest was handed when it failed, and why it failed.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::status::Moment;

/// What a guest was handed when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A record, to a module. To a listener: an event, in letters of versions that did not keep it.
    Record,
    /// An event, to a listener.
    Event,
    /// A timer.
    Tick,
}

/// Bytes that are text where they can be, and hexadecimal digits otherwise: `{"text": ...}` or `{"hex": ...}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Raw(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    Text(String),
    Hex(String),
}

impl From<Raw> for Written {
    fn from(raw: Raw) -> Self {
        String::from_utf8(raw.0).map_or_else(
            |error| {
                let digits = error.as_bytes().iter().map(|byte| format!("{byte:02x}"));
                Self::Hex(digits.collect())
            },
            Self::Text,
        )
    }
}

impl TryFrom<Written> for Raw {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let digits = match written {
            Written::Text(text) => return Ok(Self(text.into_bytes())),
            Written::Hex(digits) => digits,
        };
        let pair = |pair: &[u8]| {
            let digits = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
            let text = std::str::from_utf8(pair).ok().filter(|_| digits)?;
            u8::from_str_radix(text, 16).ok()
        };
        let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(pair).collect();
        bytes.map(Self).ok_or_else(|| "`hex` must be pairs of hexadecimal digits".to_owned())
    }
}

/// An event as a letter keeps it: by names, so that people can read it, and so that it can be made again for whoever knows
/// its module, whatever else has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The module instance that returned it.
    pub module: String,
    /// What its module calls it.
    pub name: String,
    /// 0 to 7.
    pub severity: u32,
    /// Which source the record that triggered it came from, the record's position there, and which of its events it is:
    /// what names it for good.
    pub source: u32,
    /// The record's position.
    pub position: u64,
    /// Which of the record's events.
    pub count: u32,
    /// What it says, in order; columns that are absent are not there.
    pub columns: Vec<(String, Value)>,
}

impl Event {
    /// Its id, as all that tells of events writes it.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}:{:x}:{:x}:{:x}", self.module, self.source, self.position, self.count)
    }
}

/// What stands in a column of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// Text that is UTF-8.
    Text(String),
    /// Text that is not.
    Bytes(Raw),
    /// A signed 64-bit number.
    Integer(i64),
    /// A 64-bit floating-point number, in the fewest digits that tell it from others. JSON has none that are no numbers.
    Float(String),
    /// True or false.
    Boolean(bool),
    /// A moment.
    Time(Moment),
    /// A span of time, in nanoseconds.
    Duration(i64),
}

/// What was set aside, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Its name: of the file, and for people.
    pub id: String,
    /// The guest's name in the stack: of a module, or of a listener.
    pub module: String,
    /// The bundled guest, or the component's file.
    pub component: String,
    /// What tells this version of the component from others.
    pub component_digest: String,
    /// Record, event or tick.
    pub kind: Kind,
    /// Its place in the sequence that the guest reads; of a tick, the place of what it came before.
    pub sequence: u64,
    /// The source's name, of an event that of the record that triggered it; of a tick, empty.
    pub source: String,
    /// The source's own position.
    pub position: u64,
    /// The record's, the event's or the tick's time.
    pub time: Moment,
    /// The record as it came; of an event and of a tick, empty.
    pub raw: Raw,
    /// The event; of a record and of a tick, absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// How the guest failed.
    pub failure: String,
    /// The guest's functions that it was in, the innermost first.
    pub backtrace: Vec<String>,
    /// When it was set aside, by the machine's clock.
    pub when: Moment,
}

impl Letter {
    /// The id of a tick: two timers may be due at once.
    #[must_use]
    pub fn tick_id(module: &str, sequence: u64, time: Moment, cause: u32) -> String {
        format!("{}.{cause:02x}", Self::id(module, Kind::Tick, sequence, time))
    }

    /// The id of what a guest was handed, fit for a file's name. Ticks carry their time, since several can fall before
    /// the same record; this is how they were called as long as their cause was not in it. A guest gets either records or events, so both are named alike.
    #[must_use]
    pub fn id(module: &str, kind: Kind, sequence: u64, time: Moment) -> String {
        let mut id = String::new();
        for byte in module.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
                id.push(char::from(byte));
            } else {
                let _ = write!(id, "%{byte:02x}");
            }
        }
        match kind {
            Kind::Record | Kind::Event => format!("{id}-{sequence:016x}"),
            Kind::Tick => format!("{id}-{sequence:016x}.{:016x}", time.0),
        }
    }
}

/// What an id says of its letter; of an event, that it is a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) module: String,
    pub(super) kind: Kind,
    pub(super) sequence: u64,
    pub(super) time: i64,
    /// Of a tick; letters of earlier versions don't say it.
    pub(super) cause: Option<u32>,
}

impl Named {
    /// Reads an id; nothing else than [`Letter::id`] and [`Letter::tick_id`] make is one.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let (name, place) = id.rsplit_once('-')?;
        let (sequence, tick) =
            place.split_once('.').map_or((place, None), |(sequence, tick)| (sequence, Some(tick)));
        let (time, cause) = match tick.map(|tick| tick.split_once('.').unwrap_or((tick, ""))) {
            Some((time, "")) => (Some(hex(time)?.cast_signed()), None),
            Some((time, cause)) => {
                (Some(hex(time)?.cast_signed()), Some(u32::from_str_radix(cause, 16).ok()?))
            }
            None => (None, None),
        };
        let kind = if time.is_some() { Kind::Tick } else { Kind::Record };
        let (sequence, time) = (hex(sequence)?, time.unwrap_or(0));
        let module = plain(name)?;
        let made = match cause {
            Some(cause) => Letter::tick_id(&module, sequence, Moment(time), cause),
            None => Letter::id(&module, kind, sequence, Moment(time)),
        };
        (made == id).then_some(Self { module, kind, sequence, time, cause })
    }
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16)
}

/// The module's name of an id's first part.
fn plain(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{Event, Kind, Letter, Moment, Named, Raw, Value};

    #[test]
    fn raw_bytes_come_back_the_same() {
        let check = |bytes: &[u8], expected: &str| {
            let json = serde_json::to_string(&Raw(bytes.to_vec())).expect("bytes");
            assert_eq!(json, expected);
            assert_eq!(serde_json::from_str::<Raw>(&json).expect("the same").0, bytes);
        };
        check(b"", r#"{"text":""}"#);
        check(b"a\nb\0", r#"{"text":"a\nb\u0000"}"#);
        check("gr\u{fc}n".as_bytes(), "{\"text\":\"gr\u{fc}n\"}");
        check(b"\xff\x00a", r#"{"hex":"ff0061"}"#);
        for wrong in [r#"{"hex":"f"}"#, r#"{"hex":"zz"}"#, r#"{"hex":"+1"}"#, r#"{"base":""}"#] {
            assert!(serde_json::from_str::<Raw>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_event_is_told_by_names_and_comes_back_the_same() {
        let column = |name: &str, value| (name.to_owned(), value);
        let event = Event {
            module: "sshd#1".to_owned(),
            name: "login".to_owned(),
            severity: 4,
            source: 255,
            position: 16,
            count: 2,
            columns: vec![
                column("user", Value::Text("gr\u{fc}n".to_owned())),
                column("raw", Value::Bytes(Raw(b"\xff".to_vec()))),
                column("tries", Value::Integer(i64::MIN)),
                column("score", Value::Float("NaN".to_owned())),
                column("first", Value::Boolean(false)),
                column("since", Value::Time(Moment(1))),
                column("for", Value::Duration(-1)),
            ],
        };
        assert_eq!(event.id(), "sshd#1:ff:10:2");
        let json = serde_json::to_string(&event).expect("an event");
        assert!(
            json.contains(r#"["user",{"text":"grün"}],["raw",{"bytes":{"hex":"ff"}}]"#),
            "{json}"
        );
        assert!(json.contains(r#"["since",{"time":"1970-01-01T00:00:00.000000001Z"}]"#), "{json}");
        assert_eq!(serde_json::from_str::<Event>(&json).expect("the same"), event);
    }

    #[test]
    fn ids_are_file_names_and_say_what_they_name() {
        let check = |module: &str, kind, sequence, time, expected: &str| {
            let id = Letter::id(module, kind, sequence, Moment(time));
            assert_eq!(id, expected);
            let named = Named::parse(&id).expect("an id");
            let (module, cause) = (module.to_owned(), None);
            let expected = Named { module: module.clone(), kind, sequence, time, cause };
            assert_eq!(named, expected);
            let id = Letter::tick_id(&module, sequence, Moment(time), 64);
            let (kind, cause) = (Kind::Tick, Some(64));
            let expected = Named { module, kind, sequence, time, cause };
            assert_eq!(Named::parse(&id), Some(expected), "{id}");
        };
        check("sshd", Kind::Record, 255, 0, "sshd-00000000000000ff");
        check("a-b/1", Kind::Record, 1, 0, "a-b%2f1-0000000000000001");
        check("../x", Kind::Record, 0, 0, "%2e%2e%2fx-0000000000000000");
        check("\u{fc}%", Kind::Tick, 2, -1, "%c3%bc%25-0000000000000002.ffffffffffffffff");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for wrong in [
            "",
            "sshd",
            "sshd-ff",
            "../../etc/passwd-00000000000000ff",
            "a%2-00000000000000ff",
            "sshd-00000000000000FF",
            "sshd-00000000000000ff.1",
            "sshd-00000000000000ff.0000000000000001.",
            "sshd-00000000000000ff.0000000000000001.1",
            "sshd-00000000000000ff.0000000000000001.01.01",
            "sshd-00000000000000ff..01",
            "%61-00000000000000ff",
            "%ff-00000000000000ff",
        ] {
            assert_eq!(Named::parse(wrong), None, "{wrong}");
        }
    }
}
