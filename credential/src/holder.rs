//! What every place can do, and how it says that it can't.

use correlator_world::Secret;

use crate::name::Name;

/// A place where credentials are kept.
pub(crate) trait Holder: Send + Sync {
    /// The secret of a name, if it is there.
    fn get(&self, name: &Name) -> Result<Option<Secret>, Trouble>;

    /// Keeps a secret, in place of what had the name before.
    fn set(&self, name: &Name, secret: &Secret) -> Result<(), Trouble>;

    /// All names that it has.
    fn names(&self) -> Result<Vec<Name>, Trouble>;

    /// Forgets a secret. Whether it was there.
    fn remove(&self, name: &Name) -> Result<bool, Trouble>;

    /// What the operator types to put a credential here.
    fn command(&self, name: &Name) -> String {
        format!("{}{name}", crate::report::SET)
    }
}

/// Why a place can't do what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// This machine or session has no such place: as good as empty.
    Absent(String),
    /// It is there, and does not answer as it should.
    Unreachable(String),
    /// It is filled by somebody else.
    Foreign(String),
}

impl Trouble {
    /// What is the matter, and the way out.
    pub fn words(&self) -> &str {
        match self {
            Self::Absent(words) | Self::Unreachable(words) | Self::Foreign(words) => words,
        }
    }
}
