//! Strikes secrets out of what strangers say: a server may repeat what it was sent.
//!
//! It repeats it in the form of its answer, so that bytes are escaped, maybe more than once; or it repeats a part: the
//! token at the end of a URL, the first half of a key. So both are compared without escapes, and a piece of a secret that
//! is long enough to be one is struck like all of it. It must never know what an answer means.

use std::fmt;

use zeroize::Zeroizing;

/// So many bytes of a secret in a row are part of it; fewer are a word.
const PIECE_BYTES: usize = 8;
/// A secret that is shorter has no part that could be told from a word.
const CUT_BYTES_MIN: usize = 2 * PIECE_BYTES;
/// What parts of a URL are told apart by.
const BETWEEN: &[u8] = b"/?&=#:";
/// Layers of escapes that a secret may have.
const ESCAPES_MAX: usize = 4;
/// Bytes of what HTML calls a character, with its semicolon.
const REFERENCE_BYTES_MAX: usize = 12;
/// What stands for a secret.
const STRUCK: &str = "***";

/// Secrets that are struck out.
#[derive(Default)]
pub struct Hush {
    /// Those that are struck where all of it is repeated.
    whole: Vec<Zeroizing<Vec<u8>>>,
    /// What any part of the others has in it, in order.
    pieces: Zeroizing<Vec<[u8; PIECE_BYTES]>>,
}

/// One byte of a text without its escapes, and where it stands in the text.
#[derive(Clone, Copy)]
struct Letter {
    byte: u8,
    start: usize,
    end: usize,
}

/// No secret is ever shown.
impl fmt::Debug for Hush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hush")
    }
}

impl Hush {
    /// Adds a secret, as it is or in another form in which it is sent.
    pub fn add(&mut self, secret: &str) {
        match secret.split_once("://") {
            None => self.part(bare(secret)),
            Some((_, rest)) => {
                self.whole.push(bare(secret));
                self.url(rest);
            }
        }
        self.pieces.sort_unstable();
        self.pieces.dedup();
    }

    /// Of a URL, who asks and what follows the host is what nobody may know.
    fn url(&mut self, rest: &str) {
        let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(host);
        let who = authority.rsplit_once('@').map_or("", |(who, _)| who);
        for text in [who, path.get(1..).unwrap_or_default()] {
            let text = bare(text);
            let parts = text.split(|byte| BETWEEN.contains(byte));
            for part in parts.filter(|part| part.len() >= PIECE_BYTES) {
                self.part(Zeroizing::new(part.to_vec()));
            }
            self.part(text);
        }
    }

    fn part(&mut self, text: Zeroizing<Vec<u8>>) {
        if text.len() >= CUT_BYTES_MIN {
            self.pieces.extend(text.windows(PIECE_BYTES).filter_map(<[u8]>::first_chunk));
        } else if !text.is_empty() {
            self.whole.push(text);
        }
    }

    /// The text without them.
    #[must_use]
    pub fn strike(&self, text: &str) -> String {
        let letters = letters(text);
        let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(bytes(&letters).collect());
        let mut struck = vec![false; letters.len()];
        let places = bytes.windows(PIECE_BYTES).enumerate();
        let is_piece = |piece: &[u8]| {
            piece.first_chunk().is_some_and(|piece| self.pieces.binary_search(piece).is_ok())
        };
        for (place, _) in places.filter(|(_, piece)| is_piece(piece)) {
            struck[place..place + PIECE_BYTES].fill(true);
        }
        for secret in &self.whole {
            let places = bytes.windows(secret.len()).enumerate();
            for (place, _) in places.filter(|(_, part)| *part == secret.as_slice()) {
                struck[place..place + secret.len()].fill(true);
            }
        }
        let (mut out, mut told) = (String::with_capacity(text.len()), 0);
        let mut before = false;
        for (letter, struck) in letters.iter().zip(struck) {
            if struck {
                if !before {
                    out.push_str(&text[told.min(letter.start)..letter.start]);
                    out.push_str(STRUCK);
                }
                told = letter.end;
            }
            before = struck;
        }
        out.push_str(&text[told..]);
        out
    }
}

/// A secret as it is compared.
fn bare(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes(&letters(text)).collect())
}

/// Whoever writes a secret in other letters has not made another one of it.
fn bytes(letters: &[Letter]) -> impl Iterator<Item = u8> {
    letters.iter().map(|letter| letter.byte.to_ascii_lowercase())
}

/// A text without its escapes, of whichever form it is: JSON and programs, URLs, HTML.
fn letters(text: &str) -> Vec<Letter> {
    let of_one = |(start, character): (usize, char)| {
        let end = start + character.len_utf8();
        text.as_bytes()[start..end].iter().map(move |&byte| Letter { byte, start, end })
    };
    let mut letters: Vec<Letter> = text.char_indices().flat_map(of_one).collect();
    for _ in 0..ESCAPES_MAX {
        let before = letters.len();
        letters = unescaped(&letters);
        if letters.len() == before {
            break;
        }
    }
    // A space in a form is a plus, and at the end of a line it is none.
    letters.iter_mut().filter(|it| matches!(it.byte, b'+' | b'\n')).for_each(|it| it.byte = b' ');
    letters
}

/// The same without one layer of escapes.
fn unescaped(letters: &[Letter]) -> Vec<Letter> {
    let mut out = Vec::with_capacity(letters.len());
    let mut rest = letters;
    while let Some((first, after)) = rest.split_first() {
        let (bytes, taken) = match first.byte {
            b'\\' => after_backslash(rest),
            b'%' => after_percent(rest),
            b'&' => reference(rest),
            _ => {
                out.push(*first);
                rest = after;
                continue;
            }
        };
        let (start, end) = (first.start, rest[taken - 1].end);
        out.extend(bytes.into_iter().map(|byte| Letter { byte, start, end }));
        rest = &rest[taken..];
    }
    out
}

/// What stands for a percent sign and what follows it, and how many letters that are.
fn after_percent(rest: &[Letter]) -> (Vec<u8>, usize) {
    let byte = hexadecimal(rest, 1, 2).and_then(|number| u8::try_from(number).ok());
    byte.map_or((vec![b'%'], 1), |byte| (vec![byte], 3))
}

/// What stands for a backslash and what follows it, and how many letters that are.
fn after_backslash(rest: &[Letter]) -> (Vec<u8>, usize) {
    let at = |place: usize| rest.get(place).map(|letter| letter.byte);
    match at(1) {
        Some(b'u') => {
            if let Some(unit) = hexadecimal(rest, 2, 4) {
                let pair = (at(6), at(7)) == (Some(b'\\'), Some(b'u'));
                let second = hexadecimal(rest, 8, 4).filter(|_| pair);
                let joined = second.and_then(|second| surrogates(unit, second));
                return joined.map_or((utf8(unit), 6), |character| (utf8(character), 12));
            }
            (vec![b'u'], 2)
        }
        Some(b'x') => hexadecimal(rest, 2, 2).map_or((vec![b'x'], 2), |it| (utf8(it), 4)),
        Some(byte) => (vec![byte], 2),
        None => (Vec::new(), 1),
    }
}

/// What a reference of HTML stands for, and how many letters it has; the ampersand itself where there is none.
fn reference(rest: &[Letter]) -> (Vec<u8>, usize) {
    let name: Vec<u8> = bytes(rest).skip(1).take(REFERENCE_BYTES_MAX).collect();
    let Some(length) = name.iter().position(|byte| *byte == b';') else { return (vec![b'&'], 1) };
    let name = std::str::from_utf8(&name[..length]).unwrap_or_default();
    let number = match (name.strip_prefix("#x"), name.strip_prefix('#')) {
        (Some(hex), _) => u32::from_str_radix(hex, 16).ok(),
        (_, Some(decimal)) => decimal.parse().ok(),
        _ => None,
    };
    let bytes = match name {
        "amp" => vec![b'&'],
        "lt" => vec![b'<'],
        "gt" => vec![b'>'],
        "quot" => vec![b'"'],
        "apos" => vec![b'\''],
        "sol" => vec![b'/'],
        "equals" => vec![b'='],
        "quest" => vec![b'?'],
        _ => number.map(utf8).unwrap_or_default(),
    };
    if bytes.is_empty() { (vec![b'&'], 1) } else { (bytes, length + 2) }
}

/// A number in so many digits.
fn hexadecimal(rest: &[Letter], from: usize, digits: usize) -> Option<u32> {
    let digits = rest.get(from..from + digits)?.iter();
    digits
        .map(|letter| char::from(letter.byte).to_digit(16))
        .try_fold(0, |number, digit| digit.map(|digit| number * 16 + digit))
}

fn surrogates(high: u32, low: u32) -> Option<u32> {
    let is_pair = (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
    is_pair.then(|| 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
}

fn utf8(number: u32) -> Vec<u8> {
    let character = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
    character.encode_utf8(&mut [0; 4]).as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::{Hush, STRUCK};

    const URL: &str = "https://hooks.example.org/services/T0AB/B0CD/Xyz12345Abcde678";
    const QUERY: &str =
        "https://example.org/run?api=2016-06-01&sp=%2Ftriggers%2Frun&sig=a+b/c_D-3456789";

    fn hush(secret: &str) -> Hush {
        let mut hush = Hush::default();
        hush.add(secret);
        hush
    }

    #[test]
    fn secrets_are_struck_however_they_are_written() {
        let check = |secret: &str, text: &str, expected: &str| {
            assert_eq!(hush(secret).strike(text), expected, "{secret} in {text}");
        };
        check(URL, URL, STRUCK);
        let path = "services/T0AB/B0CD/Xyz12345Abcde678";
        check(URL, &format!("no {path}!"), "no ***!");
        check(URL, &format!("no {}!", path.replace('/', r"\/")), "no ***!");
        check(URL, &format!("no {}!", path.replace('/', r"\\\/")), "no ***!");
        check(URL, &format!("no {}!", path.replace('/', r"\u002F")), "no ***!");
        check(URL, &format!("no {}!", path.replace('/', r"\x2f")), "no ***!");
        check(URL, &format!("no {}!", path.replace('/', "%2f")), "no ***!");
        check(URL, &format!("no {}!", path.replace('/', "%252F")), "no ***!");
        check(URL, &format!("no {}!", path.replace('/', "&#x2f;")), "no ***!");
        check(URL, &format!("no {}!", path.replace('/', "&sol;")), "no ***!");
        check(URL, &format!("no {}!", path.to_uppercase()), "no ***!");
        let every =
            |escape: fn(u8) -> String| path.bytes().map(escape).collect::<Vec<_>>().concat();
        check(URL, &format!("ü{}ü", every(|byte| format!("%{byte:02X}"))), "ü***ü");
        check(URL, &format!("\"{}\"", every(|byte| format!("\\u{byte:04x}"))), "\"***\"");
        check("pass word+1", "pass+word%2B1, pass%20word+1", "***, ***");
        check(r#"a"b\c"#, r#"{"got":"a\"b\\c"}"#, r#"{"got":"***"}"#);
        check("grün😀x", r"gr\u00fcn\ud83d\ude00x or grün😀x", "*** or ***");
        check("two words", "two\nwords", STRUCK);
    }

    #[test]
    fn parts_of_secrets_are_struck() {
        let check = |secret: &str, text: &str, expected: &str| {
            assert_eq!(hush(secret).strike(text), expected, "{secret} in {text}");
        };
        check(URL, "no hook Xyz12345Abcde678", "no hook ***");
        check(URL, "Xyz12345... of hooks.example.org", "***... of hooks.example.org");
        check(URL, "no T0AB at hooks.example.org", "no T0AB at hooks.example.org");
        check(QUERY, "bad sig a%2Bb%2Fc_D-3456789", "bad sig ***");
        check(QUERY, "bad c_D-3456789", "bad ***");
        check(QUERY, "/triggers/run: sorry", "***: sorry");
        check("https://u:1234567890@example.org", "who is 1234567890", "who is ***");
        check("https://u:1234567890@example.org", "who is u:1234567890", "who is ***");
        check("sk-0123456789abcdef", "key sk-01234*****cdef", "key ********cdef");
        // What is short is no part, and what is like it is something else.
        check("password1", "wrong password", "wrong password");
        check("", "nothing", "nothing");
    }

    #[test]
    fn whatever_is_said_the_rest_stays() {
        let text = r"%, %4, %zz, \, \u12, &amp; &none; &#xffffffff; a+b \ud800 ";
        assert_eq!(hush(URL).strike(text), text);
        assert_eq!(hush(URL).strike(""), "");
        assert_eq!(hush(URL).strike("\\"), "\\");
    }
}
