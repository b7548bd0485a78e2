//! What the host and its capabilities agree on: what is asked for, what came of it, and where secrets come from.
//!
//! A capability is a crate beside this one. It knows one thing of the world and how to ask it for something; it is told
//! what it may do by its settings, which the operator wrote. It must never know which guest asks, nor how often it was
//! tried before: that is for whoever delivers.

use std::time::Duration;

pub mod human;
mod needs;
mod outcome;
mod request;
mod secret;

pub use needs::Needs;
pub use outcome::Outcome;
pub use request::{Cell, Kind, Request};
pub use secret::{NoSecret, Nowhere, Secret, Secrets};

/// One capability as one grant allows it.
pub trait Capability: Send {
    /// Whether the grant covers a request, and what it asks for makes sense. The world is not touched.
    ///
    /// # Errors
    /// Why not, in words for the operator.
    fn check(&self, request: &Request) -> Result<(), Refused>;

    /// What would be done, in one line: for a dry run and for the audit trail. No secret is in it.
    fn plan(&self, request: &Request) -> String;

    /// Asks the world for what was checked before, in this order. As many outcomes as requests.
    fn deliver(&mut self, requests: &[Request], secrets: &dyn Secrets) -> Vec<Outcome>;

    /// Takes back what was done. What can't be taken back is refused.
    fn undo(&mut self, request: &Request, secrets: &dyn Secrets) -> Outcome {
        let _ = (request, secrets);
        Outcome::Refused("what is sent can't be taken back".into())
    }

    /// Puts in force again what was done before the engine was started, where it may be gone: what, and how long ago.
    /// How much of it, in words, if there is anything to tell.
    ///
    /// # Errors
    /// Why that can't be done now.
    fn restore(&mut self, done: &[(Request, Duration)]) -> Result<Option<String>, String> {
        let _ = done;
        Ok(None)
    }

    /// Whether what it does can be gone when the engine starts.
    fn restores(&self) -> bool {
        false
    }

    /// Sees to it that what was done is still in force; called about every second. Tells what was not, in words for the
    /// operator.
    ///
    /// # Errors
    /// Why that can't be seen to now.
    fn keep(&mut self) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    /// What it needs of the machine, so that all the rest can be taken away.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// The credentials that it needs, by name.
    fn credentials(&self) -> Vec<String> {
        Vec::new()
    }

    /// What shares one fate: requests of one endpoint wait together when it is down.
    fn endpoint(&self, request: &Request) -> String {
        request.target.clone()
    }

    /// Requests of one key are done in order, each after the one before it is; those without one in any order.
    fn key(&self, request: &Request) -> Option<String> {
        let _ = request;
        None
    }
}

/// Why a request is not carried out, whatever the world might say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The grant does not cover it.
    #[error("denied: {0}")]
    Denied(String),
    /// It makes no sense.
    #[error("not understood: {0}")]
    Malformed(String),
}
