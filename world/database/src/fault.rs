//! What can go wrong with a database, by what is to be done about it.
//!
//! No fault may hold a value or a password: servers quote values in their messages, so their words are repeated only where
//! they are known to name nothing but tables, columns and constraints.

use crate::limit::WORDS_MAX;

/// What went wrong. The words are for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The connection is of no use any more; what was under way is done or not.
    #[error("{0}")]
    Lost(String),
    /// Not now, but the connection is good.
    #[error("{0}")]
    Later(String),
    /// The table is not what it was when it was looked at.
    #[error("{0}")]
    Changed(String),
    /// Never, however often it is asked.
    #[error("{0}")]
    Refused(String),
}

impl Fault {
    /// The same where nothing was asked about a row yet: then it is the connection's.
    #[must_use]
    pub fn of_connection(self) -> Self {
        Self::Lost(self.to_string())
    }
}

/// Words of another program, so that they can stand in a message: bounded, on one line, without control characters.
pub fn shown(words: &str) -> String {
    let clean = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(WORDS_MAX).collect::<String>().trim().to_owned()
}
