//! Text that stays where it is put: in a line, in a quoted value, in a column of CEF.
//!
//! It must never know what a text says.

use std::fmt::Write;

/// Adds a text in which nothing ends a line or moves a terminal's cursor: control characters stand there as `\n`, `\x1b`.
pub(crate) fn line(out: &mut String, text: &str) {
    for c in text.chars() {
        visible(out, c, "\\");
    }
}

/// The same between quotes (RFC 5424, 6.3.3).
pub(crate) fn quoted(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\\' | ']' => {
                out.push('\\');
                out.push(c);
            }
            _ => visible(out, c, "\\\\"),
        }
    }
}

/// The same in a column of a CEF head: no line can end there, so it becomes a space.
pub(crate) fn cef_column(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '|' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            _ if breaks(c) => out.push(' '),
            _ => out.push(c),
        }
    }
}

/// The same as the value of a CEF extension.
pub(crate) fn cef_value(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '=' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            _ => visible(out, c, "\\\\"),
        }
    }
}

/// A name of printable ASCII without some characters, of so many bytes at most.
pub(crate) fn name(text: &str, without: &str, bytes_max: usize) -> String {
    let fits = |c: &char| c.is_ascii_graphic() && !without.contains(*c);
    let shown = text.chars().map(|c| if fits(&c) { c } else { '_' });
    shown.take(bytes_max).collect()
}

/// The beginning of a text of which so many bytes are shown at the most: what is longer is longer still when it is escaped,
/// and need not be.
pub(crate) fn beginning(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max + CHARACTER_BYTES_MAX)]
}

/// Bytes of a character.
const CHARACTER_BYTES_MAX: usize = 4;

/// The beginning of a text that has so many bytes at most, with a mark if it is cut.
pub(crate) fn cut(text: &mut String, bytes_max: usize) {
    const MARK: &str = "...";
    if text.len() <= bytes_max {
        return;
    }
    let mark = &MARK[..MARK.len().min(bytes_max)];
    let end = text.floor_char_boundary(bytes_max - mark.len());
    text.truncate(end);
    // Half of what stood for one character is none.
    let dashes = text.len() - text.trim_end_matches('\\').len();
    text.truncate(text.len() - dashes % 2);
    text.push_str(mark);
}

fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Adds a character, or what stands for it behind such a backslash.
fn visible(out: &mut String, c: char, backslash: &str) {
    if !breaks(c) {
        out.push(c);
        return;
    }
    out.push_str(backslash);
    match c {
        '\n' => out.push('n'),
        '\r' => out.push('r'),
        '\t' => out.push('t'),
        '\0'..='\x7f' => {
            let _ = write!(out, "x{:02x}", u32::from(c));
        }
        _ => {
            let _ = write!(out, "u{:04x}", u32::from(c));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{cef_column, cef_value, cut, line, name, quoted};

    fn check(with: fn(&mut String, &str), text: &str, expected: &str) {
        let mut out = String::new();
        with(&mut out, text);
        assert_eq!(out, expected, "{text:?}");
    }

    #[test]
    fn escaped() {
        check(
            line,
            "a\nb\r\tc\0\u{1b}[31m\u{7f}\u{85}\u{2028}ü\\n",
            "a\\nb\\r\\tc\\x00\\x1b[31m\\x7f\\u0085\\u2028ü\\n",
        );
        check(quoted, "a\"b\\c]d[\n", "a\\\"b\\\\c\\]d[\\\\n");
        check(cef_column, "a|b\\c=d\ne", "a\\|b\\\\c=d e");
        check(cef_value, "a|b\\c=d\ne\r\u{1b}", "a|b\\\\c\\=d\\ne\\r\\\\x1b");
    }

    #[test]
    fn names() {
        assert_eq!(name("a b\"]=ü", "=\"]", 32), "a_b____");
        assert_eq!(name(&"x".repeat(99), "", 32).len(), 32);
    }

    #[test]
    fn cuts() {
        let check = |text: &str, most: usize, expected: &str| {
            let mut text = text.to_owned();
            cut(&mut text, most);
            assert_eq!(text, expected);
        };
        check("abcdef", 6, "abcdef");
        check("abcdefg", 6, "abc...");
        check("ääää", 7, "ää...");
        check("ab\\\\\\\\xx", 6, "ab...");
        check("a\\\\bcdef", 6, "a\\\\...");
        check("abcdef", 2, "..");
        check("abcdef", 0, "");
    }
}
