//! What strangers say, made fit for people to read.

use std::fmt::Write;

use correlator_world::text::hides;

/// A text on one line: line ends and other control characters become spaces, hidden ones are dropped.
pub(crate) fn clean(text: &str) -> String {
    let words = text.chars().filter_map(|character| match character {
        character if character.is_control() => Some(' '),
        '\u{2028}' | '\u{2029}' => Some(' '),
        character if hides(character) => None,
        character => Some(character),
    });
    words.collect::<String>().trim().to_owned()
}

/// The beginning of what was answered, on one line, in quotes; nothing if it is blank.
pub(crate) fn excerpt(text: &str, characters_max: usize) -> String {
    let text = clean(text);
    let mut said = String::new();
    if text.is_empty() {
        return said;
    }
    let mut characters = text.chars();
    let start: String = characters.by_ref().take(characters_max).collect();
    let _ = write!(said, ": `{start}`");
    if characters.next().is_some() {
        said.push_str(" ...");
    }
    said
}

#[cfg(test)]
mod tests {
    use super::{clean, excerpt};

    #[test]
    fn what_steers_is_no_part_of_it() {
        let check = |text: &str, expected: &str| assert_eq!(clean(text), expected);
        check("two\r\nlines", "two  lines");
        check("\x1b[31mred", "[31mred");
        check("\u{202e}abc\u{200b}", "abc");
        check("a\u{2028}b", "a b");
        check("grüße", "grüße");
    }

    #[test]
    fn excerpts_are_short() {
        let check = |text: &str, expected: &str| assert_eq!(excerpt(text, 4), expected);
        check("", "");
        check(" \n", "");
        check("four", ": `four`");
        check("fünfe", ": `fünf` ...");
    }
}
