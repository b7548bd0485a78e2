//! What goes wrong with credentials. No message has a secret in it, or anything that somebody else's program said unescaped.

use thiserror::Error;

use crate::limit;
use crate::settings::{Place, listed};

/// Why something can't be done with a credential.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// It can't be called that.
    #[error(
        "`{0}` is no name of a credential: it has lower-case letters, digits, `_`, `-` and `.`, begins with neither `.` nor \
         `-`, and has 64 bytes at most"
    )]
    Name(String),
    /// A secret is too long, or there is none.
    #[error("a secret has 1 to {max} bytes, this one has {0}", max = limit::SECRET_BYTES_MAX)]
    Length(usize),
    /// A secret has a byte in it that ends it for whoever it is shown to.
    #[error(
        "a secret with a NUL byte in it is taken by no server and no program; nothing was kept"
    )]
    Nul,
    /// No place is to be asked.
    #[error("the order of credentials is empty; it may have {}", listed(Place::ALL))]
    NoOrder,
    /// A place is to be asked twice.
    #[error("`{0}` stands twice in the order of credentials")]
    Twice(Place),
    /// A place is not among those that are asked, so what is put there would not be found.
    #[error("`{place}` is not in the order of credentials, which is {}", listed(order.iter().copied()))]
    NotAsked {
        /// The place.
        place: Place,
        /// The places that are asked.
        order: Vec<Place>,
    },
    /// A place can't do it.
    #[error("{place}: {problem}")]
    Place {
        /// The place.
        place: Place,
        /// Why not, and the way out.
        problem: String,
    },
    /// None of the places can keep it.
    #[error("no place can keep credential `{name}`: {problems}")]
    Nowhere {
        /// Its name.
        name: String,
        /// What each of them says.
        problems: String,
    },
}

/// What somebody else said, fit to be shown: escaped and not too long.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for char in text.chars() {
        if quoted.len() >= limit::QUOTED_BYTES_MAX {
            quoted.push_str("...");
            break;
        }
        quoted.extend(char.escape_debug());
    }
    quoted
}
