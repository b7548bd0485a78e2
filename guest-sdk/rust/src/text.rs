//! Text that strangers wrote, made fit for people: nothing in it hides, and it has an end.
//!
//! Whoever writes logs chooses what stands in an event. Before a listener puts that into a message it takes out what
//! steers a terminal, reorders what is seen, or can't be seen at all.

use bstr::ByteSlice;

/// Stands at the end of what was cut.
const CUT: &str = "…";

/// Whether a character steers a terminal or reorders what is seen instead of being seen.
#[must_use]
pub fn hides(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text, so many bytes of it at the most. Line ends become `\n`, tabs stay; what else hides, and what is not UTF-8,
/// is replaced by `\u{fffd}`.
#[must_use]
pub fn tame(bytes: &[u8], bytes_max: usize) -> String {
    // What is beyond is not looked at: it may be very long.
    let head = &bytes[..bytes.len().min(bytes_max + CUT.len())];
    let text = head.to_str_lossy();
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' if letters.peek() == Some(&'\n') => {}
            '\r' | '\n' => out.push('\n'),
            '\t' => out.push('\t'),
            letter if hides(letter) => out.push(char::REPLACEMENT_CHARACTER),
            letter => out.push(letter),
        }
    }
    if head.len() < bytes.len() {
        out.push_str(CUT);
    }
    cut(&mut out, bytes_max);
    out
}

/// As [`tame`], in one line: line ends and tabs become spaces.
#[must_use]
pub fn tame_line(bytes: &[u8], bytes_max: usize) -> String {
    tame(bytes, bytes_max).replace(['\n', '\t'], " ")
}

/// Cuts a text to so many bytes between two characters; where something is missing, it ends with `…`.
pub fn cut(text: &mut String, bytes_max: usize) {
    if text.len() <= bytes_max {
        return;
    }
    let mut end = bytes_max.saturating_sub(CUT.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    if bytes_max >= CUT.len() {
        text.push_str(CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::{tame, tame_line};

    #[test]
    fn text_is_tamed() {
        let check = |text: &[u8], expected: &str| assert_eq!(tame(text, 20), expected);
        check(b"", "");
        check(b"plain", "plain");
        check(b"a\r\nb\rc\nd\te", "a\nb\nc\nd\te");
        check(b"\x1b[31mred", "\u{fffd}[31mred");
        check("a\u{202e}b\u{200b}".as_bytes(), "a\u{fffd}b\u{fffd}");
        check(b"\xff\xc3", "\u{fffd}\u{fffd}");
        check(b"12345678901234567890", "12345678901234567890");
        check(b"123456789012345678901", "12345678901234567…");
        check("ääääääääääää".as_bytes(), "ääääääää…");
        check(&b"\r\n".repeat(30), &format!("{}…", "\n".repeat(12)));
        check(&[0x1b; 30], "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}…");
        assert_eq!(tame_line(b"a\r\nb\tc", 20), "a b c");
        assert_eq!(tame(b"abc", 2), "");
    }
}
