//! What strangers say, made fit for people to read.
//!
//! Words of guests and of logs end up on terminals, where escape sequences and line feeds would let them speak in the
//! engine's name.

use std::fmt::Write;

/// The text without control characters (they are written as escapes), cut to so many bytes.
#[must_use]
pub fn clean(text: &str, bytes_max: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(bytes_max).saturating_add(4));
    for character in text.chars() {
        if clean.len() >= bytes_max {
            clean.push_str(" ...");
            break;
        }
        if hides(character) {
            let _ = write!(clean, "\\u{{{:x}}}", u32::from(character));
        } else {
            clean.push(character);
        }
    }
    clean
}

/// Whether a character steers a terminal or reorders what is seen instead of being seen.
pub(crate) fn hides(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn controls_are_escaped_and_length_is_bounded() {
        let check = |text: &str, expected: &str| assert_eq!(clean(text, 16), expected);
        check("plain", "plain");
        check("\x1b[31mred\n", "\\u{1b}[31mred\\u{a}");
        check("\u{202e}abc", "\\u{202e}abc");
        check("\u{9b}2J", "\\u{9b}2J");
        check("0123456789abcdefgh", "0123456789abcdef ...");
        check("grüße", "grüße");
    }
}
