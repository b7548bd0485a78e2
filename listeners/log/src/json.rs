//! An event as one line of JSON.
//!
//! The names that every event has are reserved in the contract, so columns stand beside them. A float that is no
//! number in JSON is null; times and durations are text, as in table files.

use correlator_sdk::prelude::*;
use correlator_sdk::value;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends the event as an object. Columns that are absent are left out.
pub fn write(event: &Event<'_>, out: &mut Vec<u8>) {
    let schema = event.schema();
    out.extend_from_slice(b"{\"time\":");
    member(Value::Time(event.time().nanoseconds()), out);
    for (name, text) in [
        ("severity", event.severity().name()),
        ("module", schema.instance.as_str()),
        ("event", schema.name.as_str()),
    ] {
        key(name, out);
        string(text.as_bytes(), out);
    }
    let mut text = Vec::new();
    event.write_id(&mut text);
    key("id", out);
    string(&text, out);
    text.clear();
    event.write_summary(&mut text);
    key("summary", out);
    string(&text, out);
    for (place, column) in schema.columns.iter().enumerate() {
        if let Some(value) = event.value(place) {
            key(&column.name, out);
            member(value, out);
        }
    }
    out.push(b'}');
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.push(b',');
    string(name.as_bytes(), out);
    out.push(b':');
}

fn member(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(bytes) => string(bytes, out),
        Value::Time(_) | Value::Duration(_) => {
            out.push(b'"');
            value::write(value, out);
            out.push(b'"');
        }
        Value::Float(number) if !number.is_finite() => out.extend_from_slice(b"null"),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => value::write(value, out),
    }
}

/// Appends a string. What is not UTF-8 is replaced; what steers a terminal or hides on it is escaped.
fn string(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if bytes.iter().all(plain) {
        out.extend_from_slice(bytes);
    } else {
        for letter in bytes.to_str_lossy().chars() {
            character(letter, out);
        }
    }
    out.push(b'"');
}

fn character(letter: char, out: &mut Vec<u8>) {
    match letter {
        '"' | '\\' => out.extend_from_slice(&[b'\\', letter as u8]),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        letter if hides(letter) => {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let digit = |shift: u32| HEX[usize::from(*unit >> shift & 15)];
                out.extend_from_slice(b"\\u");
                out.extend_from_slice(&[digit(12), digit(8), digit(4), digit(0)]);
            }
        }
        letter => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Whether a character steers a terminal or reorders what is seen instead of being seen.
fn hides(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use correlator_sdk::prelude::Value;

    #[test]
    fn members() {
        let check = |value, expected: &str| {
            let mut out = Vec::new();
            super::member(value, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(Value::Text(b"plain"), "\"plain\"");
        check(Value::Text(b""), "\"\"");
        check(Value::Text(b"\"\\\n\r\t\x1b\x7f"), r#""\"\\\n\r\t\u001b\u007f""#);
        check(
            Value::Text("größe \u{202e} \u{e0001}".as_bytes()),
            "\"größe \\u202e \\udb40\\udc01\"",
        );
        check(Value::Text(b"\xff\xc3"), "\"\u{fffd}\u{fffd}\"");
        check(Value::Integer(-5), "-5");
        check(Value::Integer(i64::MIN), "-9223372036854775808");
        check(Value::Float(1.5), "1.5");
        check(Value::Float(f64::NAN), "null");
        check(Value::Float(f64::NEG_INFINITY), "null");
        check(Value::Boolean(true), "true");
        check(Value::Time(0), "\"1970-01-01T00:00:00.000000Z\"");
        check(Value::Duration(81_300_827_000), "\"0:01:21.300827\"");
    }
}
