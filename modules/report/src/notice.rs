//! The line that stands for a record: short, in one line, in the sender's own time.

use std::borrow::Cow;

use correlator_sdk::prelude::*;
use correlator_sdk::time;

/// Characters of a line at the most.
pub const CHARACTERS_MAX: usize = 128;
/// A line that must be cut is cut behind a space if there is one among so many of its last characters.
const SPACE_WITHIN: usize = 10;
/// Bytes of a line at the most, however many characters it has: what is behind can't be of interest.
const BYTES_MAX: usize = 4 * CHARACTERS_MAX;

/// Appends `2023-02-20 14:12:47: host program process-id message`. What is unknown is `-`.
pub fn write(record: Record<'_>, out: &mut Vec<u8>) {
    time::write_local(record.time(), record.zone_seconds(), out);
    out.push(b':');
    for part in [record.host(), record.program(), record.process_id()] {
        out.push(b' ');
        out.extend_from_slice(if part.is_empty() { b"-" } else { part });
    }
    let message = record.message();
    if !message.is_empty() {
        out.push(b' ');
        out.extend_from_slice(&message[..message.len().min(BYTES_MAX)]);
    }
    while let Some(line_end) = out.find_byteset(b"\r\n") {
        out[line_end] = b' ';
    }
}

/// The line as text. What is not UTF-8 is replaced; to see that nothing is is much cheaper than to replace nothing.
pub fn text(line: &[u8]) -> Cow<'_, str> {
    match core::str::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => line.to_str_lossy(),
    }
}

/// Cuts a line to [`CHARACTERS_MAX`] characters.
pub fn cut(line: &str) -> &str {
    // Counting characters one by one is dear, and most lines need no counting.
    let first = line.as_bytes().get(..CHARACTERS_MAX);
    let end = match first {
        None => return line,
        Some(first) if first.is_ascii() => CHARACTERS_MAX,
        Some(_) => match line.char_indices().nth(CHARACTERS_MAX) {
            Some((end, _)) => end,
            None => return line,
        },
    };
    if end == line.len() {
        return line;
    }
    let head = &line[..end];
    let tail = head.char_indices().rev().take(SPACE_WITHIN);
    match tail.into_iter().find(|(_, letter)| *letter == ' ') {
        Some((space, _)) => &head[..=space],
        None => head,
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn lines_are_cut_behind_a_space() {
        let spaced = |at: usize| format!("{} {}", "a".repeat(at), "a".repeat(199 - at));
        let check =
            |line: &str, expected| assert_eq!(cut(line).chars().count(), expected, "{line}");
        check("", 0);
        check(&"a".repeat(128), 128);
        check(&"a".repeat(129), 128);
        check(&"a".repeat(200), 128);
        check(&"ä".repeat(200), 128);
        check(&spaced(117), 128);
        check(&spaced(118), 119);
        check(&spaced(120), 121);
        check(&spaced(127), 128);
        check(&spaced(128), 128);
        check(&format!("{} a", "ä".repeat(126)), 128);
        check(&format!("{}{} b", "ä".repeat(120), " a".repeat(3)), 128);
    }
}
