//! How values stand in a line: `name=value`, quoted only where it must be.

use std::fmt::Write as _;

use bstr::ByteSlice;

/// Appends a value: as it is if it is one plain word, otherwise in quotes with escapes.
pub fn write_value(value: &[u8], out: &mut String) {
    let plain = |text: &str| {
        !text.is_empty()
            && !text.contains(|letter: char| {
                letter.is_whitespace() || letter.is_control() || "\"\\".contains(letter)
            })
    };
    if let Some(text) = value.to_str().ok().filter(|text| plain(text)) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for chunk in value.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' | '\\' => out.extend(['\\', letter]),
                '\n' => out.push_str("\\n"),
                letter if letter.is_control() => {
                    let mut bytes = [0; 4];
                    hex(letter.encode_utf8(&mut bytes).as_bytes(), out);
                }
                letter => out.push(letter),
            }
        }
        hex(chunk.invalid(), out);
    }
    out.push('"');
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        // Writing to a string can't fail.
        let _ = write!(out, "\\x{byte:02x}");
    }
}

/// Splits a line into words; a part in quotes belongs to its word, and its escapes are resolved.
pub fn words(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut letters = line.trim().chars().peekable();
    while letters.peek().is_some() {
        let mut word = Vec::new();
        let mut quoted = false;
        while let Some(letter) = letters.next_if(|letter| quoted || !letter.is_whitespace()) {
            match letter {
                '"' => quoted = !quoted,
                '\\' if quoted => word.push(escape(&mut letters)?),
                letter => {
                    word.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
        if quoted {
            return Err("a quote is never closed".to_owned());
        }
        words.push(word);
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
    }
    Ok(words)
}

fn escape(letters: &mut impl Iterator<Item = char>) -> Result<u8, String> {
    match letters.next() {
        Some('n') => Ok(b'\n'),
        Some('x') => {
            let digits: String = letters.take(2).collect();
            u8::from_str_radix(&digits, 16).map_err(|_| format!("\\x{digits} is no byte"))
        }
        Some(letter @ ('"' | '\\')) => Ok(letter as u8),
        other => Err(format!("\\{} is no escape", other.unwrap_or(' '))),
    }
}

#[cfg(test)]
mod tests {
    use super::{words, write_value};

    #[test]
    fn values_come_back() {
        let check = |value: &[u8], expected: &str| {
            let mut line = String::new();
            write_value(value, &mut line);
            assert_eq!(line, expected);
            assert_eq!(words(&line), Ok(vec![value.to_vec()]));
        };
        check(b"root", "root");
        check(b"a=b", "a=b");
        check("größe".as_bytes(), "größe");
        check(b"", "\"\"");
        check(b"two words", "\"two words\"");
        check(b"say \"hi\" \\", "\"say \\\"hi\\\" \\\\\"");
        check(b"\x1b[31m\n\xff", "\"\\x1b[31m\\n\\xff\"");
        check("a\u{85}".as_bytes(), "\"a\\xc2\\x85\"");
    }

    #[test]
    fn lines_are_split() {
        let check = |line, expected: &[&str]| {
            let found = words(line).unwrap_or_default();
            let found: Vec<_> = found.iter().map(|word| String::from_utf8_lossy(word)).collect();
            assert_eq!(found, expected, "{line}");
        };
        check("", &[]);
        check(" a  b=\"c d\" e ", &["a", "b=c d", "e"]);
        assert!(words("\"open").is_err());
        assert!(words("\"\\q\"").is_err());
    }
}
