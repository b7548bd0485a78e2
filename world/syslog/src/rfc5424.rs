//! A message in the form of RFC 5424.

use std::fmt::Write;

use jiff::Timestamp;

use crate::escape;
use crate::fit::{self, Parameter};
use crate::limit;
use crate::record::Record;
use crate::target::Source;

/// What a text in UTF-8 begins with, if it is more than ASCII (RFC 5424, 6.4).
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What stands around a value: ` ="..."`.
const AROUND_BYTES: usize = 4;

/// The whole message, of so many bytes at most: what is too long is cut.
pub(crate) fn message(record: &Record, source: &Source, most: usize) -> String {
    let mut out = head(record, source);
    let mut text = String::new();
    escape::line(&mut text, escape::beginning(record.message, most));
    // Brackets, a space behind them, and the mark.
    let beside = source.sd_id.len() + 3 + BYTE_ORDER_MARK.len_utf8();
    let room = most.saturating_sub(out.len() + beside);
    let data = room - fit::share(&text, room);
    structured_data(&mut out, record, &source.sd_id, data, most);
    out.push(' ');
    if !text.is_ascii() {
        out.push(BYTE_ORDER_MARK);
    }
    escape::cut(&mut text, most.saturating_sub(out.len()));
    out.push_str(&text);
    out
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

/// Adds the structured data, whose values have so much room together.
fn structured_data(out: &mut String, record: &Record, sd_id: &str, room: usize, most: usize) {
    let own = [("id", Some(record.id)), ("event", record.event), ("module", record.module)];
    let own = own.into_iter().filter_map(|(name, text)| Some((name, text?)));
    let fields = record.fields.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let all = own.chain(fields).map(|(name, text)| {
        let name = escape::name(name, "=]\"", limit::PARAMETER_BYTES_MAX);
        let name = if name.is_empty() { "_".into() } else { name };
        let mut value = String::new();
        escape::quoted(&mut value, escape::beginning(text, most));
        Parameter { name, value }
    });
    let _ = write!(out, "[{sd_id}");
    for Parameter { name, value } in fit::fit(all.collect(), record.left_out, AROUND_BYTES, room) {
        let _ = write!(out, " {name}=\"{value}\"");
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
            left_out: 0,
        }
    }

    #[test]
    fn messages() {
        let made = message(&record("text\nmore"), &source(), 8192);
        let expected = "<132>1 2023-02-20T20:12:47.123456Z h correlator - login_failed \
            [correlator@32473 id=\"sshd:1#0\" event=\"login_failed\" module=\"sshd\" \
            user=\"a\\\"\\]\\\\\\\\n\" a_b_=\"ü\"] text\\nmore";
        assert_eq!(made, expected);
        let bare = Record { event: None, module: None, time: None, fields: vec![], ..record("ü") };
        let made = message(&bare, &source(), 8192);
        assert_eq!(made, "<132>1 - h correlator - - [correlator@32473 id=\"sshd:1#0\"] \u{feff}ü");
    }

    /// The names and values of the structured data, as a strict reader takes them, and the text.
    fn read(made: &str) -> (Vec<(String, String)>, &str) {
        let (_, data) = made.split_once(" [correlator@32473").expect("structured data");
        let (mut all, mut rest) = (Vec::new(), data);
        while let Some(tail) = rest.strip_prefix(' ') {
            let (name, tail) = tail.split_once("=\"").expect("a name");
            let mut value = String::new();
            let mut letters = tail.char_indices();
            rest = loop {
                match letters.next().expect("an end of the value") {
                    (at, '"') => break &tail[at + 1..],
                    (_, '\\') => {
                        let (_, c) = letters.next().expect("an escaped one");
                        assert!(matches!(c, '"' | '\\' | ']'), "{c} is no escape");
                        value.push(c);
                    }
                    (_, ']') => panic!("a bracket in a value"),
                    (_, c) => value.push(c),
                }
            };
            all.push((name.to_owned(), value));
        }
        let text = rest.strip_prefix("] ").expect("an end of the data");
        (all, text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    #[test]
    fn long_ones_are_cut() {
        let text = "ä".repeat(10_000);
        let made = message(&record(&text), &source(), 480);
        assert!(made.len() <= 480 && made.len() > 475 && made.ends_with("ä..."), "{made}");
        // A name of a stranger, who knows what is escaped.
        for evil in ["\"", "\\", "]", "\n", "ü", "x", "\u{1}"] {
            let fields = |evil: &str| {
                vec![("addr".into(), "192.0.2.1".into()), ("user".into(), evil.into())]
            };
            let record = Record { fields: fields(&evil.repeat(100_000)), ..record("it happened") };
            for most in [480, 2048, 8192, 65_536] {
                let made = message(&record, &source(), most);
                assert!(made.len() <= most && made.len() > most - 12, "{} of {most}", made.len());
                let (all, text) = read(&made);
                assert_eq!(text, "it happened");
                let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(names, ["id", "event", "module", "addr", "user"]);
                assert_eq!((&*all[0].1, &*all[3].1), ("sshd:1#0", "192.0.2.1"));
                assert!(all[4].1.ends_with("..."), "{made}");
            }
        }
        // Where both are long, each has its half.
        let fields = vec![("user".into(), "x".repeat(9_000))];
        let made = message(&Record { fields, ..record(&text) }, &source(), 2048);
        let (all, text) = read(&made);
        assert!(made.len() <= 2048 && text.len() > 900 && all[3].1.len() > 800, "{made}");
    }

    #[test]
    fn too_many_are_counted() {
        let fields: Vec<_> =
            (0..128).map(|n| (format!("{}{n}", "k".repeat(40)), "v".repeat(n * 9))).collect();
        let record = Record { fields, left_out: 72, ..record("it happened") };
        for most in [480, 2048, 8192, 65_536] {
            let made = message(&record, &source(), most);
            let (all, text) = read(&made);
            assert!(made.len() <= most && text == "it happened", "{made}");
            let told = all.last().expect("one");
            assert_eq!(told, &("left_out".into(), (200 + 4 - all.len()).to_string()), "{made}");
        }
    }

    #[test]
    fn the_longest_head_leaves_room() {
        let source = Source {
            facility: 23,
            hostname: "h".repeat(255),
            app_name: "a".repeat(48),
            sd_id: format!("{}@1", "s".repeat(30)),
        };
        let long = "ü".repeat(9_000);
        let record = Record { event: Some(&long), module: Some(&long), id: &long, ..record(&long) };
        let made = message(&record, &source, 480);
        assert!(made.len() <= 480 && made.ends_with("..."), "{made}");
    }
}
