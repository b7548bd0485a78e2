//! How records are told apart, as it is typed: a name, or the trailer itself.
//!
//! This room must never look at a record.

use correlator_record::framing::Framing;

use crate::limit;
use crate::stack::problem::Wrong;
use crate::stack::suggest;
use crate::text::clean;

/// How records are told apart; nothing for `auto`.
pub(in crate::stack) fn read(text: &str) -> Result<Option<Framing>, Wrong> {
    let names = ["auto", "lines", "octets"];
    match text {
        "auto" => return Ok(None),
        "lines" => return Ok(Some(Framing::Lines)),
        "octets" => return Ok(Some(Framing::Octets)),
        _ => {}
    }
    let expected = "expected `auto`, `lines`, `octets` or a trailer such as \"\\r\"";
    let wrong = Wrong::new(format!("{expected}, found `{}`", clean(text, 48)));
    // A word is a name that was mistyped sooner than a trailer.
    let trailer = unescape(text).filter(|_| !text.chars().all(|c| c.is_ascii_alphanumeric()));
    match trailer {
        Some(bytes) if (1..=limit::TRAILER_BYTES_MAX).contains(&bytes.len()) => {
            Ok(Some(if bytes == b"\n" { Framing::Lines } else { Framing::Trailer(bytes) }))
        }
        _ => Err(wrong
            .maybe(suggest::nearest(text, &names).map(|near| format!("did you mean `{near}`?")))),
    }
}

/// The bytes of a trailer; `\r` may be typed as an escape where YAML knows none.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        bytes.push(match characters.next()? {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => 0,
            '\\' => b'\\',
            'x' => {
                let digits: String = characters.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2)?
            }
            _ => return None,
        });
    }
    Some(bytes)
}
