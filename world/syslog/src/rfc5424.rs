//! A message in the form of RFC 5424.

use std::fmt::Write;

use correlator_world::Refused;
use jiff::Timestamp;

use crate::escape;
use crate::limit;
use crate::record::Record;
use crate::target::Source;

/// What a text in UTF-8 begins with, if it is more than ASCII (RFC 5424, 6.4).
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The whole message, of so many bytes at most: a text that is too long is cut.
pub(crate) fn message(record: &Record, source: &Source, most: usize) -> Result<String, Refused> {
    let mut out = head(record, source);
    structured_data(&mut out, record, &source.sd_id);
    let mut text = String::with_capacity(record.message.len());
    escape::line(&mut text, record.message);
    with_text(out, text, most)
}

/// What stands before the structured data.
pub(crate) fn head(record: &Record, source: &Source) -> String {
    let priority = u16::from(source.facility) * 8 + u16::from(record.severity);
    let mut out = format!("<{priority}>1 ");
    let time = record.time.and_then(|time| Timestamp::from_nanosecond(i128::from(time)).ok());
    let _ = match time {
        Some(time) => write!(out, "{time:.6}"),
        None => write!(out, "-"),
    };
    let kind = escape::name(record.event.unwrap_or_default(), "", limit::MESSAGE_ID_BYTES_MAX);
    let kind = if kind.is_empty() { "-" } else { &kind };
    let _ = write!(out, " {} {} - {kind} ", source.hostname, source.app_name);
    out
}

/// Adds the text, with what is left of the room.
pub(crate) fn with_text(mut out: String, mut text: String, most: usize) -> Result<String, Refused> {
    out.push(' ');
    if !text.is_ascii() {
        out.push(BYTE_ORDER_MARK);
    }
    let room = most.saturating_sub(out.len());
    if room < ROOM_MIN.min(text.len()) {
        return Err(Refused::Denied(format!(
            "its fields leave no room for its text in a message of {most} bytes; raise `message_max` in the stack"
        )));
    }
    escape::cut(&mut text, room);
    out.push_str(&text);
    Ok(out)
}

/// Bytes of text that must have room.
const ROOM_MIN: usize = 32;

fn structured_data(out: &mut String, record: &Record, sd_id: &str) {
    let own = [("id", Some(record.id)), ("event", record.event), ("module", record.module)];
    let own = own.into_iter().filter_map(|(name, text)| Some((name, text?)));
    let fields = record.fields.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let _ = write!(out, "[{sd_id}");
    for (name, text) in own.chain(fields) {
        let name = escape::name(name, "=]\"", limit::PARAMETER_BYTES_MAX);
        let name = if name.is_empty() { "_" } else { &name };
        let _ = write!(out, " {name}=\"");
        escape::quoted(out, text);
        out.push('"');
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::message;
    use crate::record::Record;
    use crate::target::Source;

    fn source() -> Source {
        Source {
            facility: 16,
            hostname: "h".into(),
            app_name: "correlator".into(),
            sd_id: "correlator@32473".into(),
        }
    }

    fn record(text: &str) -> Record<'_> {
        Record {
            severity: 4,
            message: text,
            event: Some("login_failed"),
            module: Some("sshd"),
            time: Some(1_676_923_967_123_456_789),
            id: "sshd:1#0",
            fields: vec![("user".into(), "a\"]\\\n".into()), ("a b=".into(), "ü".into())],
        }
    }

    #[test]
    fn messages() {
        let made = message(&record("text\nmore"), &source(), 8192).expect("made");
        let expected = "<132>1 2023-02-20T20:12:47.123456Z h correlator - login_failed \
            [correlator@32473 id=\"sshd:1#0\" event=\"login_failed\" module=\"sshd\" \
            user=\"a\\\"\\]\\\\\\\\n\" a_b_=\"ü\"] text\\nmore";
        assert_eq!(made, expected);
        let bare = Record { event: None, module: None, time: None, fields: vec![], ..record("ü") };
        let made = message(&bare, &source(), 8192).expect("made");
        assert_eq!(made, "<132>1 - h correlator - - [correlator@32473 id=\"sshd:1#0\"] \u{feff}ü");
    }

    #[test]
    fn long_ones_are_cut() {
        let text = "ä".repeat(10_000);
        let made = message(&record(&text), &source(), 480).expect("made");
        assert!(made.len() <= 480 && made.len() > 475 && made.ends_with("ä..."), "{made}");
        let fields = vec![("x".into(), "y".repeat(500))];
        let error = message(&Record { fields, ..record(&text) }, &source(), 480);
        assert!(error.expect_err("refused").to_string().contains("raise `message_max`"));
    }
}
