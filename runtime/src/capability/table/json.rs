//! A row as a line of JSON: an object with a member for each column that is not absent.

use correlator_frame::text;
use correlator_frame::value::Value;

use super::super::cells::Row;
use crate::declaration::Column;
use crate::text::seen;

/// Appends a row as a line.
pub(super) fn row(columns: &[Column], row: Row<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for (place, column) in columns.iter().enumerate() {
        let Some(value) = row.value(place) else { continue };
        if !first {
            out.push(b',');
        }
        first = false;
        quoted(column.name.as_bytes(), out);
        out.push(b':');
        member(value, out);
    }
    out.extend_from_slice(b"}\n");
}

fn member(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(bytes) => quoted(bytes, out),
        Value::Time(_) | Value::Duration(_) => {
            out.push(b'"');
            text::value(value, out);
            out.push(b'"');
        }
        Value::Float(number) if !number.is_finite() => out.extend_from_slice(b"null"),
        other => text::value(other, out),
    }
}

/// Appends a JSON string, in which nothing steers a terminal that shows the file.
fn quoted(bytes: &[u8], out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(bytes);
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        // Writing a string to memory can't fail.
        let _ = serde_json::to_writer(out, text.as_ref());
    } else {
        out.extend_from_slice(seen(serde_json::Value::from(text).to_string()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn strings_mean_the_same_and_steer_nothing() {
        let check = |text: &[u8], expected: &str| {
            let mut out = Vec::new();
            quoted(text, &mut out);
            assert_eq!(String::from_utf8(out).as_deref(), Ok(expected), "{text:?}");
        };
        check(b"a \"b\" \\", r#""a \"b\" \\""#);
        check(b"\x1b[31m\x7f", r#""\u001b[31m\u007f""#);
        check("\u{9b}2J \u{202e}x".as_bytes(), r#""\u009b2J \u202ex""#);
        check("grüße 😀".as_bytes(), "\"grüße 😀\"");
        check(b"\xff", "\"\u{fffd}\"");
    }
}
