//! A row as a line of CSV (RFC 4180), safe to open in a spreadsheet.
//!
//! A text that a spreadsheet would take for a formula gets an apostrophe in front. Line feeds and other control
//! characters are written as escapes (`\n`), so that a row is one line for every tool.

use correlator_frame::text;
use correlator_frame::value::Value;
use correlator_world::text::hides;

use super::super::cells::Row;
use crate::declaration::Column;

/// The names of the columns as a line.
pub(super) fn header(columns: &[Column]) -> Vec<u8> {
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    let mut line = names.join(",").into_bytes();
    line.push(b'\n');
    line
}

/// Appends a row as a line.
pub(super) fn row(columns: &[Column], row: Row<'_>, out: &mut Vec<u8>) {
    for column in 0..columns.len() {
        if column > 0 {
            out.push(b',');
        }
        match row.value(column) {
            None => {}
            Some(Value::Text(bytes)) => cell(bytes, out),
            Some(value) => text::value(value, out),
        }
    }
    out.push(b'\n');
}

/// Appends a text cell.
fn cell(bytes: &[u8], out: &mut Vec<u8>) {
    let formula = is_formula(bytes);
    // Most cells are plain: one look at them, one copy.
    if !formula && bytes.iter().all(|&byte| is_plain(byte)) {
        out.extend_from_slice(bytes);
        return;
    }
    out.push(b'"');
    if formula {
        out.push(b'\'');
    }
    for character in String::from_utf8_lossy(bytes).chars() {
        match character {
            '"' => out.extend_from_slice(b"\"\""),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            control if hides(control) => {
                out.extend_from_slice(format!("\\u{{{:x}}}", u32::from(control)).as_bytes());
            }
            other => {
                out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    out.push(b'"');
}

/// Printable ASCII that means nothing in CSV.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b','
}

/// Whether a spreadsheet would compute it: what matters is the first character that is seen.
fn is_formula(bytes: &[u8]) -> bool {
    let shown = bytes.trim_ascii_start();
    let wide = ["＝", "＋", "－", "＠"];
    matches!(shown.first(), Some(b'=' | b'+' | b'-' | b'@' | b'|' | b'%'))
        || matches!(bytes.first(), Some(b'\t' | b'\r' | b'\n'))
        || wide.iter().any(|sign| shown.starts_with(sign.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells() {
        let check = |text: &[u8], expected: &str| {
            let mut out = Vec::new();
            cell(text, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(b"root", "root");
        check(b"", "");
        check(b"a,b", "\"a,b\"");
        check(b"say \"no\"", "\"say \"\"no\"\"\"");
        check(b"=1+1", "\"'=1+1\"");
        check(b"  @SUM(A1)", "\"'  @SUM(A1)\"");
        check(b"-2+3", "\"'-2+3\"");
        check("＝1".as_bytes(), "\"'＝1\"");
        check(b"two\nlines", "\"two\\nlines\"");
        check(b"\x1b[31m", "\"\\u{1b}[31m\"");
        check(b"caf\xc3\xa9", "\"caf\u{e9}\"");
        check(b"bad\xff", "\"bad\u{fffd}\"");
    }
}
