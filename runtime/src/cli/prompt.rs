//! How secrets come in: typed at a terminal that does not show them, or handed over by standard input. Never as an
//! argument, which every process of the machine could read.
//!
//! What is read goes into memory that is wiped, past every buffer that is not.

use std::io::{self, IsTerminal};

use correlator_credential::limit::SECRET_BYTES_MAX;
use correlator_world::Secret;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::output::Output;
use super::{EXIT_INTERRUPTED, EXIT_MACHINE, EXIT_WRONG, Failed};

/// What is read at once.
const PIECE_BYTES: usize = 4_096;

/// How much of standard input is the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A line of it; more may follow.
    Line,
    /// All that is left.
    Rest,
}

/// Whether somebody can type.
pub(super) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Asks for a secret: at the terminal, or else it is what standard input has.
pub(super) fn secret(words: &str, part: Part, output: &mut Output) -> Result<Secret, Failed> {
    let mut bytes = if is_terminal() {
        typed(words, output)?
    } else {
        handed(part)
            .map_err(|error| Failed::new(EXIT_MACHINE, format!("standard input: {error}")))?
    };
    if bytes.len() > SECRET_BYTES_MAX {
        let text = format!("a secret has {SECRET_BYTES_MAX} bytes at most, this one has more");
        return Err(Failed::new(EXIT_WRONG, text));
    }
    if bytes.is_empty() {
        return Err(Failed::new(EXIT_WRONG, "no secret was given; nothing was changed"));
    }
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// What standard input has, without the end of its last line.
fn handed(part: Part) -> io::Result<Zeroizing<Vec<u8>>> {
    let input = io::stdin();
    let mut bytes = room();
    let mut piece = Zeroizing::new([0; PIECE_BYTES]);
    // Of a line not a byte more must be taken than it has.
    let most = if part == Part::Line { 1 } else { PIECE_BYTES };
    while bytes.len() <= SECRET_BYTES_MAX + 2 {
        let read = rustix::io::retry_on_intr(|| rustix::io::read(&input, &mut piece[..most]))?;
        if read == 0 || (part == Part::Line && piece[0] == b'\n') {
            break;
        }
        bytes.extend_from_slice(&piece[..read]);
    }
    trim(&mut bytes);
    Ok(bytes)
}

/// Room for all of a secret: a vector that grows leaves copies behind.
fn room() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 2 + PIECE_BYTES))
}

/// Takes the end of the last line away: whoever pipes a secret seldom means it.
fn trim(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
}

/// The terminal as it was, put back when this goes.
struct Quiet(Termios);

impl Quiet {
    /// Nothing that is typed is shown, and every key comes by itself: an interrupt too, so that the terminal is not left
    /// as it is now.
    fn begin() -> rustix::io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        let shown = LocalModes::ECHO | LocalModes::ECHONL;
        quiet.local_modes.remove(shown | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

fn typed(words: &str, output: &mut Output) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let machine = |error| Failed::new(EXIT_MACHINE, format!("the terminal: {error}"));
    let quiet = Quiet::begin().map_err(machine)?;
    output.error(&format!("{words}: "));
    let input = io::stdin();
    let mut bytes = room();
    let mut key = Zeroizing::new([0; 1]);
    let done = loop {
        let read = rustix::io::retry_on_intr(|| rustix::io::read(&input, &mut key[..]));
        match read.map(|read| (read > 0).then(|| press(&mut bytes, key[0]))) {
            Ok(Some(Pressed::More)) => {}
            Ok(Some(Pressed::Interrupt)) => {
                break Err(Failed { code: EXIT_INTERRUPTED, text: String::new() });
            }
            Ok(None | Some(Pressed::End)) => break Ok(()),
            Err(error) => break Err(machine(error)),
        }
    };
    drop(quiet);
    output.error("\n");
    done.map(|()| bytes)
}

/// What a key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pressed {
    More,
    End,
    Interrupt,
}

/// What a key does to what was typed before: the terminal itself does nothing any more.
fn press(bytes: &mut Vec<u8>, key: u8) -> Pressed {
    const CTRL_C: u8 = 0x03;
    const CTRL_D: u8 = 0x04;
    const CTRL_U: u8 = 0x15;
    const BACKSPACE: u8 = 0x08;
    const DELETE: u8 = 0x7f;
    match key {
        b'\n' | b'\r' | CTRL_D => return Pressed::End,
        CTRL_C => return Pressed::Interrupt,
        CTRL_U => bytes.clear(),
        BACKSPACE | DELETE => {
            // A character beyond ASCII is several bytes.
            while bytes.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
        }
        other if bytes.len() <= SECRET_BYTES_MAX => bytes.push(other),
        _ => {}
    }
    Pressed::More
}

#[cfg(test)]
mod tests {
    use super::{Pressed, SECRET_BYTES_MAX, press, trim};

    #[test]
    fn keys_do_what_a_line_is_used_to() {
        let check = |keys: &str, expected: &str, end: Pressed| {
            let mut bytes = Vec::new();
            let pressed = keys.bytes().map(|key| press(&mut bytes, key));
            let last = pressed.last().expect("a key");
            assert_eq!((bytes, last), (expected.as_bytes().to_vec(), end), "{keys:?}");
        };
        check("secret\n", "secret", Pressed::End);
        check("secret\r", "secret", Pressed::End);
        check("sex\x7fcret\x04", "secret", Pressed::End);
        check("sé\x7fe", "se", Pressed::More);
        check("wrong\x15right\n", "right", Pressed::End);
        check("\x7f\x08a", "a", Pressed::More);
        check("secret\x03", "secret", Pressed::Interrupt);
    }

    #[test]
    fn what_is_typed_has_an_end() {
        let mut bytes = Vec::new();
        for _ in 0..SECRET_BYTES_MAX + 10 {
            press(&mut bytes, b'x');
        }
        assert_eq!(bytes.len(), SECRET_BYTES_MAX + 1, "one too many is told as such");
    }

    #[test]
    fn the_end_of_the_last_line_is_no_part_of_a_secret() {
        let check = |text: &str, expected: &str| {
            let mut bytes = text.as_bytes().to_vec();
            trim(&mut bytes);
            assert_eq!(bytes, expected.as_bytes(), "{text:?}");
        };
        check("secret\n", "secret");
        check("secret\r\n", "secret");
        check("two\nlines\n\n", "two\nlines\n");
        check("secret", "secret");
        check("\n", "");
    }
}
