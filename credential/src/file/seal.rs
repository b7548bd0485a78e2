//! The bytes of the encrypted file: a header, what is sealed, and a checksum.
//!
//! | bytes | what |
//! | --- | --- |
//! | 16 | `correlator-creds` |
//! | 4 | the version of all that follows, 1 |
//! | 4 | what unlocks it: 1 a key file, 2 a passphrase |
//! | 12 | what a passphrase costs: Argon2id's memory in KiB, passes and lanes |
//! | 16 | its salt |
//! | 24 | the nonce, new whenever the file is written |
//! | n + 16 | XChaCha20-Poly1305 of the entries, which vouches for all of the above too |
//! | 32 | BLAKE3 of all of the above |
//!
//! Numbers have their lowest byte first. The first 20 bytes and the last 32 are the same in every version. The checksum keeps nobody out: it tells a file that the disk or a bad copy has
//! damaged from one that the key does not fit.

use std::io;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::key::Key;
use crate::limit;

/// The version of the file that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;
const MAGIC: &[u8; 16] = b"correlator-creds";
const NONCE_BYTES: usize = 24;
const HEADER_BYTES: usize = 16 + 4 + 4 + 12 + SALT_BYTES + NONCE_BYTES;
const TAG_BYTES: usize = 16;
const SUM_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

/// What unlocks a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    KeyFile,
    Passphrase,
}

/// What a file says of itself before it is unlocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: Kind,
    /// Argon2id's memory in KiB, passes and lanes.
    pub cost: [u32; 3],
    pub salt: [u8; SALT_BYTES],
}

/// Why a file can't be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// It is something else.
    Stranger,
    /// A program that comes after this one has written it.
    Version(u32),
    /// It is not as it was written.
    Content,
    /// It is as it was written, and for another key.
    Key(Kind),
}

impl Header {
    /// The header of a new file.
    pub fn new(kind: Kind) -> io::Result<Self> {
        Ok(Self { kind, cost: limit::ARGON2_COST, salt: random()? })
    }

    /// What a file says of itself.
    pub fn read(bytes: &[u8]) -> Result<Self, Damage> {
        let Some((magic, rest)) = bytes.split_first_chunk() else { return Err(Damage::Stranger) };
        if magic != MAGIC {
            return Err(Damage::Stranger);
        }
        let mut rest = rest;
        let mut number = || -> Result<u32, Damage> {
            let (number, left) = rest.split_first_chunk().ok_or(Damage::Content)?;
            rest = left;
            Ok(u32::from_le_bytes(*number))
        };
        let version = number()?;
        if !whole(bytes) {
            return Err(Damage::Content);
        }
        if version != VERSION {
            return Err(Damage::Version(version));
        }
        if bytes.len() < HEADER_BYTES + TAG_BYTES + SUM_BYTES {
            return Err(Damage::Content);
        }
        let kind = match number()? {
            1 => Kind::KeyFile,
            2 => Kind::Passphrase,
            _ => return Err(Damage::Content),
        };
        let cost = [number()?, number()?, number()?];
        let (salt, _) = rest.split_first_chunk().ok_or(Damage::Content)?;
        Ok(Self { kind, cost, salt: *salt })
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        let kind: u32 = match self.kind {
            Kind::KeyFile => 1,
            Kind::Passphrase => 2,
        };
        bytes.extend_from_slice(&kind.to_le_bytes());
        for number in self.cost {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.salt);
    }
}

/// Whether a file is as it was written.
fn whole(bytes: &[u8]) -> bool {
    bytes
        .split_last_chunk::<SUM_BYTES>()
        .is_some_and(|(content, sum)| blake3::hash(content).as_bytes() == sum)
}

/// What is sealed in a file.
pub(super) fn open(bytes: &[u8], key: &Key) -> Result<Zeroizing<Vec<u8>>, Damage> {
    let header = Header::read(bytes)?;
    let content = &bytes[..bytes.len() - SUM_BYTES];
    let (head, sealed) = content.split_at(HEADER_BYTES);
    let (_, nonce) = head.split_last_chunk::<NONCE_BYTES>().ok_or(Damage::Content)?;
    let mut plain = Zeroizing::new(sealed.to_vec());
    XChaCha20Poly1305::new(key.bytes().into())
        .decrypt_in_place(&XNonce::from(*nonce), head, &mut *plain)
        .map_err(|_| Damage::Key(header.kind))?;
    Ok(plain)
}

/// The bytes of a file with this in it.
pub(super) fn close(
    header: &Header,
    key: &Key,
    mut plain: Zeroizing<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    let nonce: [u8; NONCE_BYTES] = random()?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + plain.len() + TAG_BYTES + SUM_BYTES);
    header.write(&mut bytes);
    bytes.extend_from_slice(&nonce);
    let tag = XChaCha20Poly1305::new(key.bytes().into())
        .encrypt_inout_detached(&XNonce::from(nonce), &bytes, plain.as_mut_slice().into())
        .map_err(|_| io::Error::other("there is more in it than can be sealed"))?;
    bytes.extend_from_slice(&plain);
    bytes.extend_from_slice(&tag);
    let sum = blake3::hash(&bytes);
    bytes.extend_from_slice(sum.as_bytes());
    Ok(bytes)
}

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        let flags = rustix::rand::GetRandomFlags::empty();
        match rustix::rand::getrandom(&mut bytes[filled..], flags) {
            Ok(more) => filled += more,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}
