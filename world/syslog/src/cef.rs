//! A message whose text is an event in the Common Event Format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use correlator_world::Refused;

use crate::escape;
use crate::limit;
use crate::record::Record;
use crate::rfc5424;
use crate::target::Source;

/// Who made the event: vendor, product, version.
const DEVICE: &str = concat!("CEF:0|Correlator|Correlator|", env!("CARGO_PKG_VERSION"));

/// How severe the severities of syslog are, from 0 to 10.
const SEVERITIES: [u8; 8] = [10, 9, 8, 7, 5, 3, 1, 0];

/// The whole message, of so many bytes at most: a text that is too long is cut.
pub(crate) fn message(
    record: &Record,
    source: &Source,
    extensions: &BTreeMap<String, String>,
    most: usize,
) -> Result<String, Refused> {
    let mut out = rfc5424::head(record, source);
    out.push('-');
    let mut text = String::from(DEVICE);
    let event = record.event.unwrap_or("event");
    let name: String = record.message.chars().take(limit::CEF_NAME_CHARS_MAX).collect();
    for column in [event, &name] {
        text.push('|');
        escape::cef_column(&mut text, column);
    }
    let severity = SEVERITIES[usize::from(record.severity.min(7))];
    let _ = write!(text, "|{severity}|");
    extend(&mut text, record, extensions);
    rfc5424::with_text(out, text, most)
}

/// Adds the extensions, the longest text last, so that it is cut first.
fn extend(out: &mut String, record: &Record, extensions: &BTreeMap<String, String>) {
    let time = record.time.map(|time| (time / 1_000_000).to_string());
    let own = [("rt", time.as_deref()), ("externalId", Some(record.id)), ("cat", record.module)];
    let mut used: BTreeSet<String> = ["rt", "externalId", "cat", "msg"].map(String::from).into();
    for (key, value) in own {
        if let Some(value) = value {
            let _ = write!(out, "{key}=");
            escape::cef_value(out, value);
            out.push(' ');
        }
    }
    for (name, value) in &record.fields {
        let mut key = extensions.get(name).cloned().unwrap_or_else(|| plain(name));
        // A field that has the name of another does not take its place.
        while !used.insert(key.clone()) {
            key.push('_');
        }
        let _ = write!(out, "{key}=");
        escape::cef_value(out, value);
        out.push(' ');
    }
    out.push_str("msg=");
    escape::cef_value(out, record.message);
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

    #[test]
    fn messages() {
        let source = Source {
            facility: 16,
            hostname: "h".into(),
            app_name: "correlator".into(),
            sd_id: "correlator@32473".into(),
        };
        let record = Record {
            severity: 3,
            message: "a|b=c\\d\ne",
            event: Some("x|y"),
            module: Some("sshd"),
            time: Some(1_676_923_967_123_456_789),
            id: "sshd:1#0",
            fields: vec![
                ("addr".into(), "192.0.2.1".into()),
                ("msg".into(), "other".into()),
                ("a b".into(), "x=y z".into()),
            ],
        };
        let extensions = BTreeMap::from([("addr".into(), "src".into())]);
        let made = message(&record, &source, &extensions, 8192).expect("made");
        let expected = format!(
            "<131>1 2023-02-20T20:12:47.123456Z h correlator - x|y - CEF:0|Correlator|Correlator|{}\
             |x\\|y|a\\|b=c\\\\d e|7|rt=1676923967123 externalId=sshd:1#0 cat=sshd src=192.0.2.1 \
             msg_=other a_b=x\\=y z msg=a|b\\=c\\\\d\\ne",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(made, expected);
        let long = Record { message: &"x".repeat(9000), ..record };
        let made = message(&long, &source, &extensions, 2048).expect("made");
        assert!(made.len() == 2048 && made.ends_with("x..."), "{made}");
    }
}
