//! Values as JSON: for logs, requests and templates.
//!
//! A float that is no number in JSON is null; times and durations are text, as in table files. What is not UTF-8 is
//! replaced, and what steers a terminal or hides on it is escaped: somebody will look at it there.

use bstr::ByteSlice;
use correlator_frame::text;
use correlator_frame::value::Value;

use crate::event::Event;
use crate::text::hides;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends an event's columns as an object. Those that are absent are left out.
pub fn columns(event: &Event<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    members(event, out);
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// Appends an event's columns as members of an object, each with a comma before it. Those that are absent are left out.
pub fn members(event: &Event<'_>, out: &mut Vec<u8>) {
    for (place, column) in event.schema().columns.iter().enumerate() {
        if let Some(found) = event.value(place) {
            member(&column.name, found, out);
        }
    }
}

/// Appends a member of an object with a comma before it: `,"name":value`.
pub fn member(name: &str, found: Value<'_>, out: &mut Vec<u8>) {
    out.push(b',');
    string(name.as_bytes(), out);
    out.push(b':');
    value(found, out);
}

/// Appends a value.
pub fn value(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(bytes) => string(bytes, out),
        Value::Time(_) | Value::Duration(_) => {
            out.push(b'"');
            text::value(value, out);
            out.push(b'"');
        }
        Value::Float(number) if !number.is_finite() => out.extend_from_slice(b"null"),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => text::value(value, out),
    }
}

/// Appends a string.
pub fn string(bytes: &[u8], out: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use correlator_frame::value::Value;

    #[test]
    fn values() {
        let check = |value, expected: &str| {
            let mut out = Vec::new();
            super::value(value, &mut out);
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
