//! A message whose text is an event in the Common Event Format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::Timestamp;

use crate::escape;
use crate::fit::{self, Parameter};
use crate::limit;
use crate::record::Record;
use crate::rfc5424;
use crate::target::Source;

/// Who made the event: vendor, product, version.
const DEVICE: &str = concat!("CEF:0|Correlator|Correlator|", env!("CARGO_PKG_VERSION"));

/// How severe the severities of syslog are, from 0 to 10.
const SEVERITIES: [u8; 8] = [10, 9, 8, 7, 5, 3, 1, 0];

/// The extensions that hold a moment, which is milliseconds since 1970.
const TIMES: [&str; 13] = [
    "rt",
    "start",
    "end",
    "art",
    "mrt",
    "deviceCustomDate1",
    "deviceCustomDate2",
    "flexDate1",
    "flexDate2",
    "fileCreateTime",
    "fileModificationTime",
    "oldFileCreateTime",
    "oldFileModificationTime",
];

/// What stands around the value of an extension: `=` and a space.
const AROUND_BYTES: usize = 2;
/// What stands before the text.
const TEXT: &str = "msg=";
/// The part of a message that the name of its kind may take, and the same again its own.
const NAMES_SHARE: usize = 4;

/// The whole message, of so many bytes at most: what is too long is cut. No mark of its encoding stands before it, as those
/// who look for `CEF:` at its beginning would not find it.
pub(crate) fn message(
    record: &Record,
    source: &Source,
    extensions: &BTreeMap<String, String>,
    most: usize,
) -> String {
    let mut out = rfc5424::head(record, source);
    out.push_str("- ");
    let room = most.saturating_sub(out.len());
    out.push_str(DEVICE);
    let name: String = record.message.chars().take(limit::CEF_NAME_CHARS_MAX).collect();
    for column in [record.event.unwrap_or("event"), &name] {
        let mut written = String::new();
        escape::cef_column(&mut written, escape::beginning(column, most));
        escape::cut(&mut written, room / NAMES_SHARE);
        let _ = write!(out, "|{written}");
    }
    let severity = SEVERITIES[usize::from(record.severity.min(7))];
    let _ = write!(out, "|{severity}|");
    let mut text = String::new();
    escape::cef_value(&mut text, escape::beginning(record.message, most));
    let room = most.saturating_sub(out.len() + TEXT.len());
    let others = room - fit::share(&text, room);
    for Parameter { name, value } in
        fit::fit(extend(record, extensions, most), record.left_out, AROUND_BYTES, others)
    {
        let _ = write!(out, "{name}={value} ");
    }
    out.push_str(TEXT);
    escape::cut(&mut text, most.saturating_sub(out.len()));
    out.push_str(&text);
    out
}

/// The extensions but the text.
fn extend(record: &Record, extensions: &BTreeMap<String, String>, most: usize) -> Vec<Parameter> {
    let written = |name: String, text: &str| {
        let mut value = String::new();
        escape::cef_value(&mut value, escape::beginning(text, most));
        Parameter { name, value }
    };
    let time = record.time.map(|time| (time / NANOSECONDS_PER_MILLISECOND).to_string());
    let own = [("rt", time.as_deref()), ("externalId", Some(record.id)), ("cat", record.module)];
    let mut used: BTreeSet<String> = ["rt", "externalId", "cat", "msg"].map(String::from).into();
    let own = own.into_iter().filter_map(|(key, text)| Some(written(key.into(), text?)));
    let mut all: Vec<Parameter> = own.collect();
    for (name, text) in &record.fields {
        let mut key = extensions.get(name).cloned().unwrap_or_else(|| plain(name));
        let moment = TIMES.contains(&key.as_str()).then(|| milliseconds(text)).flatten();
        // A field that has the name of another does not take its place.
        while !used.insert(key.clone()) {
            key.push('_');
        }
        all.push(written(key, moment.as_ref().unwrap_or(text)));
    }
    all
}

const NANOSECONDS_PER_MILLISECOND: i64 = 1_000_000;

/// A moment as CEF has it. Nothing of a text that is none.
fn milliseconds(text: &str) -> Option<String> {
    Some(text.parse::<Timestamp>().ok()?.as_millisecond().to_string())
}

/// A key: letters, digits and `_`.
pub(crate) fn plain(name: &str) -> String {
    let letters = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let key: String = name.chars().map(letters).take(limit::PARAMETER_BYTES_MAX).collect();
    if key.is_empty() { "_".into() } else { key }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            severity: 3,
            message: text,
            event: Some("x|y"),
            module: Some("sshd"),
            time: Some(1_676_923_967_123_456_789),
            id: "sshd:1#0",
            fields: Vec::new(),
            left_out: 0,
        }
    }

    fn fields(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect()
    }

    /// What stands behind the head.
    fn extensions(made: &str) -> &str {
        let place = made.rfind("|7|").expect("a head");
        &made[place + 3..]
    }

    #[test]
    fn messages() {
        let all = fields(&[("addr", "192.0.2.1"), ("msg", "other"), ("a b", "x=y z")]);
        let extensions = BTreeMap::from([("addr".into(), "src".into())]);
        let made =
            message(&Record { fields: all, ..record("a|b=c\\d\ne") }, &source(), &extensions, 8192);
        let expected = format!(
            "<131>1 2023-02-20T20:12:47.123456Z h correlator - x|y - CEF:0|Correlator|Correlator|{}\
             |x\\|y|a\\|b=c\\\\d e|7|rt=1676923967123 externalId=sshd:1#0 cat=sshd src=192.0.2.1 \
             msg_=other a_b=x\\=y z msg=a|b\\=c\\\\d\\ne",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(made, expected);
        // What looks for the beginning of the event finds it there, whatever language it is in.
        let made = message(&record("ü"), &source(), &extensions, 8192);
        assert!(made.contains(" - CEF:0|") && made.ends_with(" msg=ü"), "{made}");
    }

    #[test]
    fn moments() {
        let names = BTreeMap::from([("seen".into(), "deviceCustomDate1".into())]);
        let check = |name: &str, text: &str, expected: &str| {
            let record = Record { fields: fields(&[(name, text)]), ..record("m") };
            let made = message(&record, &source(), &names, 8192);
            let begin = "rt=1676923967123 externalId=sshd:1#0 cat=sshd ";
            assert_eq!(extensions(&made), format!("{begin}{expected} msg=m"));
        };
        check("start", "2023-02-20T20:12:47.123456Z", "start=1676923967123");
        check("end", "1969-12-31T23:59:59.5Z", "end=-500");
        check("seen", "2023-02-20T21:12:47.123+01:00", "deviceCustomDate1=1676923967123");
        check("start", "at noon", "start=at noon");
        check("began", "2023-02-20T20:12:47.123456Z", "began=2023-02-20T20:12:47.123456Z");
    }

    #[test]
    fn long_ones_are_cut() {
        let (none, long) = (BTreeMap::new(), "x".repeat(9000));
        let made = message(&record(&long), &source(), &none, 2048);
        assert!(made.len() == 2048 && made.ends_with("x..."), "{made}");
        for evil in ["=", "\\", "\n", "ü", "x", "|", "\u{1}"] {
            let evil = evil.repeat(100_000);
            let record = Record {
                fields: fields(&[("addr", "192.0.2.1"), ("user", &evil)]),
                ..record("it happened")
            };
            for most in [480, 2048, 8192, 65_536] {
                let made = message(&record, &source(), &none, most);
                assert!(made.len() <= most && made.len() > most - 12, "{} of {most}", made.len());
                assert!(made.ends_with("... msg=it happened"), "{made}");
                assert!(made.contains(" cat=sshd addr=192.0.2.1 user="), "{made}");
                let value = made.rsplit_once("user=").map_or("", |(_, rest)| rest);
                let value = value.trim_end_matches("... msg=it happened");
                let dashes = value.len() - value.trim_end_matches('\\').len();
                assert_eq!(dashes % 2, 0, "{made}");
            }
            let made = message(&Record { message: &evil, ..record }, &source(), &none, 2048);
            assert!(
                made.len() <= 2048 && made.contains(" msg=") && made.ends_with("..."),
                "{made}"
            );
        }
        let many: Vec<_> = (0..128).map(|n| (format!("k{n}"), long.clone())).collect();
        let made = message(&Record { fields: many, ..record("m") }, &source(), &none, 480);
        assert!(made.len() <= 480 && made.ends_with(" msg=m"), "{made}");
        assert!(made.contains(" left_out=1"), "{made}");
        let source = Source { hostname: "h".repeat(255), app_name: "a".repeat(48), ..source() };
        let made = message(&Record { event: Some(&long), ..record(&long) }, &source, &none, 480);
        assert!(made.len() <= 480 && made.contains("|7|"), "{made}");
    }
}
