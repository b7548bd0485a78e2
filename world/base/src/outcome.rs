//! What came of a request.

use std::time::Duration;

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done. What the world said to it, in a few words without secrets: a message id, a status.
    Done(String),
    /// It is done, but not for all that it was for, and for the others it never will be.
    Partly {
        /// What the world said to it.
        said: String,
        /// For whom it is not done, each in words that are the same whenever that comes again.
        missing: Vec<String>,
    },
    /// The world does not take it now and may later: a refused connection, a busy server, a full disk.
    Later {
        /// Why, in words for the operator.
        reason: String,
        /// How long the world asked to be left alone.
        after: Option<Duration>,
        /// Whether only this one is not taken: others at the same endpoint may fare better, a mail to another mailbox. If
        /// not, the endpoint is let rest as a whole.
        alone: bool,
    },
    /// The world will not take it, however often it is asked.
    Refused(String),
}

impl Outcome {
    /// Not now, for a reason.
    #[must_use]
    pub fn later(reason: impl Into<String>) -> Self {
        Self::Later { reason: reason.into(), after: None, alone: false }
    }

    /// Not now, but others may fare better.
    #[must_use]
    pub fn later_alone(reason: impl Into<String>) -> Self {
        Self::Later { reason: reason.into(), after: None, alone: true }
    }
}

/// Requests that were called done, and may not have come to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// What of the capability they were for.
    pub target: String,
    /// How many there are.
    pub requests: u64,
    /// Why, in words for the operator.
    pub reason: String,
}
