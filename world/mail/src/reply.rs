//! What a server says: answers of one or more lines, each with a number.
//!
//! Whatever a server says, it takes a bounded time and a bounded space, and what is told of it fits on one line. It must
//! never know what was asked.

use std::fmt;
use std::io::{self, Read};

use correlator_wire::link::Link;
use correlator_world::Hush;

use crate::limit;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub code: u16,
    /// Its lines, without numbers.
    pub lines: Vec<String>,
}

impl Reply {
    pub fn is_yes(&self) -> bool {
        matches!(self.code, 200..=399)
    }

    /// Whether it will be no for as long as the mail is what it is. A login that is wanted is for the operator.
    pub fn is_for_good(&self) -> bool {
        self.code >= 500 && self.code != 530
    }

    /// Whether the server ends the conversation with it.
    pub fn is_farewell(&self) -> bool {
        matches!(self.code, 221 | 421)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.code)?;
        let text = self.lines.join(" ");
        for c in text.trim().escape_debug().take(limit::REPLY_TOLD_MAX) {
            write!(f, "{c}")?;
        }
        Ok(())
    }
}

/// What was heard and not understood yet.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    heard: Vec<u8>,
    /// What is struck out of whatever is heard: a server may repeat what it was told.
    hush: Hush,
}

impl Ear {
    /// From now on this is struck out of whatever is heard.
    pub fn hush(&mut self, hush: Hush) {
        self.hush = hush;
    }

    /// The next answer.
    pub fn reply(&mut self, link: &mut Link) -> io::Result<Reply> {
        let (mut code, mut lines, mut bytes) = (None, Vec::new(), 0);
        loop {
            let line = self.line(link)?;
            bytes += line.len();
            if bytes > limit::REPLY_BYTES_MAX {
                return Err(self.nonsense("an answer without end", &line));
            }
            let (number, more, text) =
                parts(&line).ok_or_else(|| self.nonsense("no answer", &line))?;
            if *code.get_or_insert(number) != number {
                return Err(self.nonsense("two answers in one", &line));
            }
            lines.push(text.to_owned());
            if !more {
                // What is repeated may go on from line to line.
                let told = self.hush.strike(&lines.join("\n"));
                let lines = told.lines().map(str::to_owned).collect();
                return Ok(Reply { code: number, lines });
            }
        }
    }

    /// Whether the server has said more than it was asked.
    pub fn has_more(&self) -> bool {
        !self.heard.is_empty()
    }

    fn line(&mut self, link: &mut Link) -> io::Result<String> {
        let mut piece = [0; 1024];
        let mut seen = 0;
        loop {
            if let Some(end) = self.heard[seen..].iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=seen + end).collect();
                let text = String::from_utf8_lossy(&line);
                return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
            }
            seen = self.heard.len();
            if seen > limit::REPLY_LINE_BYTES_MAX {
                let line = String::from_utf8_lossy(&self.heard);
                return Err(self.nonsense("a line without end", &line));
            }
            match link.read(&mut piece) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up")),
                Ok(count) => self.heard.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn nonsense(&self, what: &str, line: &str) -> io::Error {
        let shown: String = self.hush.strike(line).escape_debug().take(SHOWN_MAX).collect();
        io::Error::new(io::ErrorKind::InvalidData, format!("{what}: \"{shown}\""))
    }
}

/// The number of a line, whether more lines follow, and its text.
fn parts(line: &str) -> Option<(u16, bool, &str)> {
    let (number, rest) = line.split_at_checked(3)?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let code = number.parse().ok().filter(|code| digits && (200..600).contains(code))?;
    match rest.as_bytes().first() {
        None => Some((code, false, "")),
        Some(b' ') => Some((code, false, &rest[1..])),
        Some(b'-') => Some((code, true, &rest[1..])),
        Some(_) => None,
    }
}

/// Characters that are shown of what makes no sense.
const SHOWN_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::{Reply, parts};

    #[test]
    fn lines() {
        let check = |line: &str, expected: Option<(u16, bool, &str)>| {
            assert_eq!(parts(line), expected, "{line:?}");
        };
        check("250 ok", Some((250, false, "ok")));
        check("250-SIZE 1", Some((250, true, "SIZE 1")));
        check("250- ", Some((250, true, " ")));
        check("354", Some((354, false, "")));
        for wrong in ["", "25", "250x", "199 a", "600 a", "+50 a", "2 5 0", "25é0", "ok 250"] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_is_told_fits_on_one_line() {
        let reply = Reply { code: 550, lines: vec!["a\u{1b}[31m".into(), "b\r".into()] };
        assert_eq!(reply.to_string(), "550 a\\u{1b}[31m b");
        let reply = Reply { code: 550, lines: vec!["x".repeat(9999)] };
        assert_eq!(reply.to_string().len(), 304);
    }
}
