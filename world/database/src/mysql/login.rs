//! How a password is shown to MySQL without being said, by the ways that servers ask for.

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use zeroize::Zeroizing;

/// Bytes of the server's challenge.
pub const CHALLENGE_BYTES: usize = 20;

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plugin {
    /// By SHA-1: the one of MariaDB, and of MySQL before 8.
    Native,
    /// By SHA-256: the one of MySQL since 8. A server that has not seen the user lately asks for the password itself.
    CachingSha2,
    /// By SHA-256 without a cache, which nobody ought to use any more: over TLS by the password itself.
    Sha256,
    /// By the password itself.
    Clear,
}

impl Plugin {
    /// The way of a name, if it is known here.
    pub fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"mysql_native_password" => Some(Self::Native),
            b"caching_sha2_password" => Some(Self::CachingSha2),
            b"sha256_password" => Some(Self::Sha256),
            b"mysql_clear_password" => Some(Self::Clear),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
            Self::Sha256 => "sha256_password",
            Self::Clear => "mysql_clear_password",
        }
    }

    /// Whether its answer is the password itself.
    pub fn is_said(self) -> bool {
        matches!(self, Self::Sha256 | Self::Clear)
    }

    /// What answers a challenge.
    pub fn answer(self, password: &[u8], challenge: &[u8]) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Sha256 | Self::Clear => with_nul(password),
            Self::Native | Self::CachingSha2 if password.is_empty() => Zeroizing::new(Vec::new()),
            Self::CachingSha2 => {
                let once = digest(&SHA256, password);
                let twice = digest(&SHA256, once.as_ref());
                mixed(&SHA256, once.as_ref(), &[twice.as_ref(), challenge].concat())
            }
            Self::Native => {
                let sha1 = &SHA1_FOR_LEGACY_USE_ONLY;
                let once = digest(sha1, password);
                let twice = digest(sha1, once.as_ref());
                mixed(sha1, once.as_ref(), &[challenge, twice.as_ref()].concat())
            }
        }
    }
}

/// A password as it is said where nobody else hears it.
pub fn with_nul(password: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut said = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    said.extend_from_slice(password);
    said.push(0);
    said
}

fn mixed(by: &'static Algorithm, one: &[u8], other: &[u8]) -> Zeroizing<Vec<u8>> {
    let other = digest(by, other);
    Zeroizing::new(one.iter().zip(other.as_ref()).map(|(a, b)| a ^ b).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let challenge: Vec<u8> = (1..=20).collect();
        // What a server keeps is SHA1(SHA1(password)): from it and the answer it finds SHA1(password) again.
        let answer = Plugin::Native.answer(b"secret", &challenge);
        let kept = digest(
            &SHA1_FOR_LEGACY_USE_ONLY,
            digest(&SHA1_FOR_LEGACY_USE_ONLY, b"secret").as_ref(),
        );
        let mask = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[&challenge, kept.as_ref()].concat());
        let found: Vec<u8> = answer.iter().zip(mask.as_ref()).map(|(a, b)| a ^ b).collect();
        assert_eq!(digest(&SHA1_FOR_LEGACY_USE_ONLY, &found).as_ref(), kept.as_ref());
        // The newer way is the same by SHA-256, with the challenge at the end.
        let answer = Plugin::CachingSha2.answer(b"secret", &challenge);
        let kept = digest(&SHA256, digest(&SHA256, b"secret").as_ref());
        let mask = digest(&SHA256, &[kept.as_ref(), &challenge].concat());
        let found: Vec<u8> = answer.iter().zip(mask.as_ref()).map(|(a, b)| a ^ b).collect();
        assert_eq!(digest(&SHA256, &found).as_ref(), kept.as_ref());
        assert!(Plugin::Native.answer(b"", &challenge).is_empty());
        assert_eq!(Plugin::Clear.answer(b"x", &challenge).as_slice(), b"x\0");
    }
}
