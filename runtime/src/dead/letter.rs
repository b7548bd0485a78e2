//! A dead letter as a value: what a module was handed when it failed, and why it failed.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::status::Moment;

/// What a module was handed when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A record.
    Record,
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

/// What was set aside, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Its name: of the file, and for people.
    pub id: String,
    /// The module instance.
    pub module: String,
    /// The bundled guest, or the component's file.
    pub component: String,
    /// What tells this version of the component from others.
    pub component_digest: String,
    /// Record or tick.
    pub kind: Kind,
    /// Its place in the sequence that the module reads; of a tick, the place of the record that it came before.
    pub sequence: u64,
    /// The source's name; of a tick, empty.
    pub source: String,
    /// The source's own position.
    pub position: u64,
    /// The record's or the tick's time.
    pub time: Moment,
    /// The record as it came; of a tick, empty.
    pub raw: Raw,
    /// How the module failed.
    pub failure: String,
    /// The guest's functions that it was in, the innermost first.
    pub backtrace: Vec<String>,
    /// When it was set aside, by the machine's clock.
    pub when: Moment,
}

impl Letter {
    /// The id of what a module was handed, fit for a file's name. Ticks carry their time, since several can fall before
    /// the same record.
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
            Kind::Record => format!("{id}-{sequence:016x}"),
            Kind::Tick => format!("{id}-{sequence:016x}.{:016x}", time.0),
        }
    }
}

/// What an id says of its letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) module: String,
    pub(super) kind: Kind,
    pub(super) sequence: u64,
    pub(super) time: i64,
}

impl Named {
    /// Reads an id; nothing else than [`Letter::id`] makes is one.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let (name, place) = id.rsplit_once('-')?;
        let (sequence, time) = match place.split_once('.') {
            Some((sequence, time)) => (sequence, Some(hex(time)?.cast_signed())),
            None => (place, None),
        };
        let kind = if time.is_some() { Kind::Tick } else { Kind::Record };
        let (sequence, time) = (hex(sequence)?, time.unwrap_or(0));
        let module = plain(name)?;
        let made = Letter::id(&module, kind, sequence, Moment(time));
        (made == id).then_some(Self { module, kind, sequence, time })
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
    use super::{Kind, Letter, Moment, Named, Raw};

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
    fn ids_are_file_names_and_say_what_they_name() {
        let check = |module: &str, kind, sequence, time, expected: &str| {
            let id = Letter::id(module, kind, sequence, Moment(time));
            assert_eq!(id, expected);
            let named = Named::parse(&id).expect("an id");
            let expected = Named { module: module.to_owned(), kind, sequence, time };
            assert_eq!(named, expected);
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
            "%61-00000000000000ff",
            "%ff-00000000000000ff",
        ] {
            assert_eq!(Named::parse(wrong), None, "{wrong}");
        }
    }
}
