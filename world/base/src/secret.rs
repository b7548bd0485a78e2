//! Secrets, and where they come from.

use std::fmt;

use zeroize::Zeroizing;

/// The value of a credential. It is wiped from memory when it is dropped, and no form of it is ever shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// A secret of these bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for whoever hands them to the world.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text; nothing if it is none.
    #[must_use]
    pub fn reveal_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Where capabilities get secrets from, by name.
pub trait Secrets: Send + Sync {
    /// The secret of this name.
    ///
    /// # Errors
    /// There is none, or what holds it can't be reached now.
    fn get(&self, name: &str) -> Result<Secret, NoSecret>;
}

/// Why there is no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSecret {
    /// Nothing has it.
    #[error("there is no credential `{0}`; add it with `correlator credential set {0}`")]
    Unknown(String),
    /// What may have it does not answer.
    #[error("credential `{0}`: {1}")]
    Unreachable(String, String),
}

/// A place without secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Secrets for Nowhere {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        Err(NoSecret::Unknown(name.to_owned()))
    }
}
