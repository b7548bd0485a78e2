//! What strangers say, made fit for people to read.
//!
//! Words of guests and of logs end up on terminals, where escape sequences and line feeds would let them speak in the
//! engine's name.

use std::fmt::Write;

use correlator_world::text::hides;

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

/// JSON with the same meaning, in which nothing steers or reorders what is seen: a terminal takes more characters for its
/// own than JSON must escape. They can stand in its strings alone.
#[must_use]
pub fn seen(json: String) -> String {
    if json.is_ascii() && !json.contains('\u{7f}') || !json.chars().any(hides) {
        return json;
    }
    let mut seen = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if hides(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(seen, "\\u{unit:04x}");
            }
        } else {
            seen.push(character);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::{clean, seen};

    #[test]
    fn json_steers_nothing_and_means_the_same() {
        let text = "\x1b[31m \u{9b}2J \u{202e}x \u{7f} \u{e0041} grüße";
        let json = seen(serde_json::Value::from(text).to_string());
        assert!(!json.chars().any(correlator_world::text::hides), "{json}");
        assert!(json.contains("grüße") && json.contains(r"\u009b2J"), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).ok().as_deref(), Some(text));
    }

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
