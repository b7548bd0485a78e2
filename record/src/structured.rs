//! RFC 5424's structured data: elements in square brackets with parameters in quotes.
//!
//! It must never know what an element means.

use correlator_frame::record::{FieldSpan, Frame, Span};
use memchr::memchr2;

/// Where fields go.
pub(crate) struct Fields<'a> {
    /// Gets the rows; its text is elsewhere for the time being.
    pub frame: &'a mut Frame,
    /// Gets what had to be decoded. It is to stand in the frame's text, behind the block.
    pub decoded: &'a mut Vec<u8>,
    /// Where that begins in the frame's text.
    pub decoded_offset: usize,
}

/// Reads the elements that stand at `at`, and tells where the last whole one ends: at `at` if there is none. What is
/// not whole leaves no fields behind. `base` is where the bytes stand in the frame's text.
pub(crate) fn read(bytes: &[u8], base: usize, at: usize, fields: &mut Fields) -> usize {
    let mut end = at;
    while bytes.get(end) == Some(&b'[') {
        let (extra, decoded) = (fields.frame.extra.len(), fields.decoded.len());
        let Some(next) = element(bytes, base, end + 1, fields) else {
            fields.frame.extra.truncate(extra);
            fields.decoded.truncate(decoded);
            break;
        };
        end = next;
    }
    end
}

/// Reads the element behind a bracket; where it ends.
fn element(bytes: &[u8], base: usize, start: usize, fields: &mut Fields) -> Option<usize> {
    let mut at = name_end(bytes, start)?;
    let element = Span::new(base + start, base + at);
    let mut parameters = 0;
    loop {
        at += bytes[at..].iter().take_while(|&&byte| byte == b' ').count();
        if *bytes.get(at)? == b']' {
            if parameters == 0 {
                fields.frame.push_field(FieldSpan { element, ..FieldSpan::default() });
            }
            return Some(at + 1);
        }
        let end = name_end(bytes, at)?;
        let name = Span::new(base + at, base + end);
        if bytes.get(end..end + 2)? != b"=\"" {
            return None;
        }
        let (value, next) = value(bytes, base, end + 2, fields)?;
        fields.frame.push_field(FieldSpan { element, name, value });
        parameters += 1;
        at = next;
    }
}

/// Where a name ends. It has no spaces, brackets, quotes, equals signs or control characters in it, and is not empty;
/// how long it is doesn't matter.
fn name_end(bytes: &[u8], start: usize) -> Option<usize> {
    let ends = |byte: &u8| matches!(byte, 0..=b' ' | b'=' | b'"' | b']' | b'[' | 0x7f);
    let length = bytes.get(start..)?.iter().position(ends)?;
    (length > 0).then_some(start + length)
}

/// The value behind a quote, unescaped, and what stands behind the quote that ends it. A bracket that is not escaped
/// is the sender's mistake and can't mean anything else.
fn value(bytes: &[u8], base: usize, start: usize, fields: &mut Fields) -> Option<(Span, usize)> {
    let mut at = start;
    let mut copied = start;
    let decoded_start = fields.decoded.len();
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            break;
        }
        if matches!(bytes.get(at + 1), Some(b'"' | b'\\' | b']')) {
            fields.decoded.extend_from_slice(&bytes[copied..at]);
            copied = at + 1;
            at += 2;
        } else {
            at += 1;
        }
    }
    if copied == start {
        let span = if at == start { Span::default() } else { Span::new(base + start, base + at) };
        return Some((span, at + 1));
    }
    fields.decoded.extend_from_slice(&bytes[copied..at]);
    let offset = fields.decoded_offset;
    Some((Span::new(offset + decoded_start, offset + fields.decoded.len()), at + 1))
}
