//! What unlocks the encrypted file: 32 bytes, out of a key file or of a passphrase.
//!
//! A key file is one line, `correlator-key-1` and the key in hexadecimal digits: it survives being copied by hand, and
//! says what it is.

use std::io;
use std::path::Path;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use correlator_world::Secret;
use zeroize::Zeroizing;

use super::seal::{self, Header};
use crate::{disk, limit};

const KEY_BYTES: usize = 32;
const PREFIX: &[u8] = b"correlator-key-1 ";
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The key of an encrypted file. It can't be shown.
#[derive(Clone)]
pub(super) struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The key that a passphrase comes to: slowly, and with much memory, so that guessing costs.
    pub fn of_passphrase(passphrase: &Secret, header: &Header) -> Result<Self, String> {
        let [memory, passes, lanes] = header.cost;
        if header.cost.iter().zip(limit::ARGON2_COST_MAX).any(|(cost, max)| *cost > max) {
            return Err(format!(
                "its passphrase would cost {memory} KiB of memory, {passes} passes and {lanes} lanes, more than is borne"
            ));
        }
        let params = Params::new(memory, passes, lanes, Some(KEY_BYTES))
            .map_err(|error| format!("what its passphrase costs makes no sense: {error}"))?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        // Who sees this memory need not guess any more, so it is wiped too.
        let mut blocks = Zeroizing::new(Vec::new());
        blocks.try_reserve_exact(params.block_count()).map_err(|_| {
            format!("there is no room for the {memory} KiB that its passphrase takes")
        })?;
        blocks.resize(params.block_count(), Block::new());
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(
                passphrase.reveal(),
                &header.salt,
                &mut *key,
                blocks.as_mut_slice(),
            )
            .map_err(|error| format!("the passphrase can't be worked on: {error}"))?;
        Ok(Self(key))
    }

    /// The key in a file, if it is there.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let Some(file) = disk::open_private(path)? else { return Ok(None) };
        let text = disk::read(&file, limit::KEY_FILE_BYTES_MAX)?;
        let key = parse(&text).ok_or_else(|| {
            io::Error::other(
                "it is no key: that is a line of `correlator-key-1` and 64 hexadecimal digits",
            )
        })?;
        Ok(Some(key))
    }

    /// The key in a file, which is made if it is not there.
    pub fn read_or_make(path: &Path) -> io::Result<Self> {
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        let key = Self(Zeroizing::new(seal::random()?));
        disk::make(path, &key.line())?;
        Ok(key)
    }

    fn line(&self) -> Zeroizing<Vec<u8>> {
        let mut line = Zeroizing::new(Vec::with_capacity(PREFIX.len() + 2 * KEY_BYTES + 1));
        line.extend_from_slice(PREFIX);
        for byte in self.0.iter() {
            line.push(DIGITS[usize::from(byte >> 4)]);
            line.push(DIGITS[usize::from(byte & 15)]);
        }
        line.push(b'\n');
        line
    }
}

fn parse(text: &[u8]) -> Option<Key> {
    let digits = text.strip_prefix(PREFIX)?.trim_ascii_end();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(Key(key))
}

fn digit(byte: u8) -> Option<u8> {
    let at = DIGITS.iter().position(|digit| *digit == byte.to_ascii_lowercase())?;
    u8::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::{Key, parse};

    #[test]
    fn a_key_is_a_line() {
        let key = Key(Zeroizing::new(std::array::from_fn(|at| (at * 9) as u8)));
        let line = key.line();
        assert!(line.starts_with(b"correlator-key-1 0009121b"), "{}", line.escape_ascii());
        assert_eq!(parse(&line).map(|key| *key.0), Some(*key.0));

        let check = |text: &[u8]| assert!(parse(text).is_none(), "{}", text.escape_ascii());
        check(b"");
        check(&line[..line.len() - 2]);
        check(&line[1..]);
        check(
            &line.iter().map(|byte| if *byte == b'9' { b'g' } else { *byte }).collect::<Vec<_>>(),
        );
    }
}
