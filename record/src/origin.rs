//! Who a traditional record comes from: host, program and process id, or as many of them as there are.
//!
//! RFC 3164 describes what senders did, and they did many things, so this is about likelihood: what has the shape of a
//! tag (`name[id]:`, `name:`, `name[7]`, `name 7:`) in the first or second place is one, and what stands before it is
//! the host. Each shape is in the tests.
//!
//! It must never know what a program's messages look like.

use crate::priority;
use crate::rfc5424::skip_spaces;

/// Bytes of a program's name with spaces in it at the most, its process id included.
const LONG_NAME_BYTES_MAX: usize = 64;
/// What the daemon itself writes without a tag.
const TAGLESS: [&[u8]; 4] =
    [b"last message repeated ", b"last message buffered ", b"message repeated ", b"-- MARK --"];

/// A range of bytes; an empty one is absent.
pub(crate) type Part = (usize, usize);

/// Who a record comes from and where its message starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub host: Part,
    pub program: Part,
    pub process_id: Part,
    pub message: usize,
    /// The priority, if it is written in words.
    pub priority: Option<u32>,
}

/// A word, which is a tag if it looks like one.
struct Word {
    end: usize,
    tag: Option<Tag>,
}

/// A program's name and process id.
#[derive(Clone, Copy)]
struct Tag {
    program: Part,
    process_id: Part,
    end: usize,
}

impl Origin {
    fn of(host: Part, tag: Tag) -> Self {
        let (program, process_id) = (tag.program, tag.process_id);
        Self { host, program, process_id, message: tag.end, priority: None }
    }

    /// Whether there is a program.
    pub fn has_program(&self) -> bool {
        self.program.0 < self.program.1
    }
}

/// What stands behind a date. Without a priority in front, daemons may write it in words, before the host or after it.
#[inline]
pub(crate) fn after_date(bytes: &[u8], at: usize, priority_known: bool) -> Origin {
    let first = word(bytes, at);
    if let Some(tag) = first.tag {
        return Origin::of((0, 0), tag);
    }
    let start = skip_spaces(bytes, first.end);
    if !priority_known && let Some(priority) = priority::in_words(&bytes[at..first.end]) {
        return Origin { priority: Some(priority), ..after_date(bytes, start, true) };
    }
    let host = (at, first.end);
    let second = word(bytes, start);
    match second.tag {
        Some(tag) if !is_number(bytes, tag.program) => Origin::of(host_of(bytes, host), tag),
        // `name 7:` without a host.
        Some(tag) => Origin::of((0, 0), Tag { program: host, process_id: tag.program, ..tag }),
        None => match priority::in_words(&bytes[start..second.end]) {
            Some(priority) if !priority_known => {
                let rest = skip_spaces(bytes, second.end);
                let origin = match word(bytes, rest).tag {
                    Some(tag) => Origin::of(host_of(bytes, host), tag),
                    None => Origin { host, message: rest, ..Origin::default() },
                };
                Origin { priority: Some(priority), ..origin }
            }
            _ => without_tag(bytes, host, (start, second.end)),
        },
    }
}

/// What stands behind a priority alone. Only what can't be anything else is taken as a tag.
pub(crate) fn without_date(bytes: &[u8], at: usize) -> Origin {
    let first = word(bytes, at);
    if let Some(tag) = first.tag {
        return Origin::of((0, 0), tag);
    }
    match word(bytes, skip_spaces(bytes, first.end)).tag {
        Some(tag) if tag.process_id.0 < tag.process_id.1 => {
            Origin::of(host_of(bytes, (at, first.end)), tag)
        }
        _ => Origin { message: at, ..Origin::default() },
    }
}

/// Neither the first nor the second word is a tag.
fn without_tag(bytes: &[u8], first: Part, second: Part) -> Origin {
    let rest = &bytes[first.0..];
    let bracket = bytes.get(first.0) == Some(&b'[') && !is_address(&bytes[first.0..first.1]);
    if bracket || TAGLESS.iter().any(|start| rest.starts_with(start)) {
        return Origin { message: first.0, ..Origin::default() };
    }
    let host = host_of(bytes, first);
    let rest = &bytes[second.0..];
    if rest.starts_with(b":") {
        // Some firewalls write a colon between host and tag.
        let start = skip_spaces(bytes, second.1);
        let after = word(bytes, start);
        return match after.tag {
            Some(tag) if second.1 - second.0 == 1 => Origin::of(host, tag),
            _ => Origin { host, message: start.min(bytes.len()), ..Origin::default() },
        };
    }
    let third = word(bytes, skip_spaces(bytes, second.1));
    if let Some(tag) = third.tag {
        let no_id = tag.process_id.0 == tag.process_id.1;
        if no_id && is_number(bytes, tag.program) {
            return Origin::of(host, Tag { program: second, process_id: tag.program, ..tag });
        }
    }
    match long_name(bytes, second.0) {
        Some(tag) => Origin::of(host, tag),
        None => Origin { host, message: second.0, ..Origin::default() },
    }
}

/// The word that starts here. A word has no spaces in it.
#[inline]
fn word(bytes: &[u8], start: usize) -> Word {
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b' ' => return Word { end: at, tag: None },
            b'[' | b':' if at > start => {
                let tag = if byte == b'[' {
                    tag_with_id(bytes, start, at)
                } else if bytes.get(at + 1).is_none_or(|&byte| byte == b' ') {
                    Some(Tag { program: (start, at), process_id: (0, 0), end: at + 1 })
                } else if bytes.get(at + 1) == Some(&b':') {
                    // `Module::Name`, or an address.
                    at += 2;
                    continue;
                } else {
                    tag_without_space(bytes, start, at)
                };
                if tag.is_some() {
                    return Word { end: word_end(bytes, at), tag };
                }
            }
            _ => {}
        }
        at += 1;
    }
    Word { end: at.min(bytes.len()), tag: None }
}

fn word_end(bytes: &[u8], at: usize) -> usize {
    let length =
        bytes.get(at..).unwrap_or_default().iter().take_while(|&&byte| byte != b' ').count();
    at + length
}

/// `name[id]:`, or `name[7]` with a space behind it.
#[inline]
fn tag_with_id(bytes: &[u8], start: usize, bracket: usize) -> Option<Tag> {
    let rest = &bytes[bracket + 1..];
    let length = rest.iter().take_while(|&&byte| byte != b']' && byte != b' ').count();
    let end = bracket + 1 + length;
    if bytes.get(end) != Some(&b']') {
        return None;
    }
    let process_id = (bracket + 1, end);
    let end = match bytes.get(end + 1) {
        Some(b':') => end + 2,
        None | Some(b' ') if is_number(bytes, process_id) => end + 1,
        _ => return None,
    };
    Some(Tag { program: (start, bracket), process_id, end })
}

/// `name:message`, unless it is an address, a host with its port, a time or a link.
fn tag_without_space(bytes: &[u8], start: usize, colon: usize) -> Option<Tag> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/%()".contains(byte);
    let name = &bytes[start..colon];
    let behind = (colon + 1, word_end(bytes, colon));
    let tag =
        name.first().is_some_and(|first| first.is_ascii_alphabetic() || b"_/%".contains(first))
            && name.iter().all(plain)
            && bytes.get(colon + 1) != Some(&b'/')
            && !is_number(bytes, behind)
            && priority::in_words(&bytes[start..behind.1]).is_none()
            && !is_address(&bytes[start..behind.1]);
    tag.then_some(Tag { program: (start, colon), process_id: (0, 0), end: colon + 1 })
}

/// A program whose name has spaces in it, which only a process id and a colon give away: `Google Chrome Helper[7]:`.
fn long_name(bytes: &[u8], start: usize) -> Option<Tag> {
    let window = &bytes[start..bytes.len().min(start + LONG_NAME_BYTES_MAX)];
    let close = window.windows(2).position(|pair| pair == b"]:")?;
    let open = window[..close].iter().rposition(|&byte| byte == b'[')?;
    let process_id = (start + open + 1, start + close);
    let tag = window[0].is_ascii_alphabetic()
        && is_number(bytes, process_id)
        && !window[..open].contains(&b':');
    tag.then_some(Tag { program: (start, start + open), process_id, end: start + close + 2 })
}

/// The host in what relays write around it: `source@host/relay`.
#[inline]
fn host_of(bytes: &[u8], (mut start, mut end): Part) -> Part {
    if let Some(place) = bytes[start..end].iter().position(|&byte| byte == b'@') {
        start += place + 1;
    }
    if let Some(place) = bytes[start..end].iter().position(|&byte| byte == b'/')
        && place > 0
    {
        end = start + place;
    }
    (start, end)
}

/// Whether these are digits, and at least one.
#[inline]
fn is_number(bytes: &[u8], (start, end): Part) -> bool {
    start < end && bytes[start..end].iter().all(u8::is_ascii_digit)
}

/// Whether this may be an IPv6 address, with brackets or a zone or without.
fn is_address(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"[").unwrap_or(word);
    let length = word.iter().take_while(|&&byte| byte != b'%' && byte != b']').count();
    let address = &word[..length];
    address.split(|&byte| byte == b':').nth(2).is_some()
        && address.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
}
