//! What the host and its capabilities agree on: what is asked for, what came of it, and where secrets come from.
//!
//! A capability is a crate beside this one. It knows one thing of the world and how to ask it for something; it is told
//! what it may do by its settings, which the operator wrote. It must never know which guest asks, nor how often it was
//! tried before: that is for whoever delivers.

use std::time::Duration;

pub mod allow;
mod guarded;
pub mod human;
mod hush;
mod kept;
mod needs;
mod outcome;
pub mod pattern;
mod request;
mod secret;
pub mod target;
pub mod text;

pub use guarded::Guarded;
pub use hush::Hush;
pub use kept::Kept;
pub use needs::Needs;
pub use outcome::{Outcome, Undone};
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

    /// Whether the grant has a target of this name, whatever a request may ask of it.
    ///
    /// # Errors
    /// It has not, in words for the operator.
    fn knows(&self, target: &str) -> Result<(), Refused> {
        let _ = target;
        Ok(())
    }

    /// The target that is meant where a request names none: the only one that there is, or the usual one of several.
    fn usual_target(&self) -> Option<&str> {
        None
    }

    /// What of a request is left out because the grant has it otherwise.
    fn leaves_out(&self, request: &Request) -> Option<LeftOut> {
        let _ = request;
        None
    }

    /// How many requests it asks the world for as one. What is being asked for when the engine is killed is in doubt, so
    /// where each takes a while this is one: what came of it is written down before the next is asked for.
    fn at_once(&self) -> usize {
        usize::MAX
    }

    /// Nothing more is asked for now: a conversation that was kept for the next request ends.
    fn rest(&mut self) {}

    /// Nothing more will be asked for: what was kept open ends, and waits for a while to hear whether all came to pass. What
    /// may not have.
    fn close(&mut self) -> Vec<Undone> {
        Vec::new()
    }

    /// Takes back what was done. What can't be taken back is refused.
    fn undo(&mut self, request: &Request, secrets: &dyn Secrets) -> Outcome {
        let _ = (request, secrets);
        Outcome::Refused("what is sent can't be taken back".into())
    }

    /// Takes back what was done, but not what others stand for that were done too: what was said of each of these, and how
    /// long ago it was done.
    fn undo_beside(
        &mut self,
        request: &Request,
        others: &[(&str, Duration)],
        secrets: &dyn Secrets,
    ) -> Outcome {
        let _ = others;
        self.undo(request, secrets)
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

    /// Sees to it that what was done is still in force, and that nothing is that must not be; called about every second,
    /// after what [`forbids`](Self::forbids) is undone.
    ///
    /// # Errors
    /// Why that can't be seen to now.
    fn keep(&mut self) -> Result<Kept, String> {
        Ok(Kept::default())
    }

    /// Whether doing it twice comes to the same as doing it once: then it need not wait until the disk knows of it.
    fn is_idempotent(&self) -> bool {
        false
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

    /// Whom or what it is for, where a grant bounds each alone: recipients, sets, endpoints.
    fn parties(&self, request: &Request) -> Vec<String> {
        vec![request.target.clone()]
    }

    /// Whether what was done so long ago may still be in force, and can be taken back.
    fn lasts(&self, request: &Request, since: Duration) -> bool {
        let _ = (request, since);
        false
    }

    /// Whether there is somebody who is never acted against.
    fn guards(&self) -> bool {
        false
    }

    /// Whether it forbids more than when this was last asked, so that what was done is to be looked through; asked about
    /// every second. Whoever asks for the first time is told yes, or looks through it anyway.
    fn forbids_more(&mut self) -> bool {
        false
    }

    /// Why what was done so long ago must be in force no more, if it may still be.
    fn forbids(&self, request: &Request, since: Duration) -> Option<String> {
        let _ = (request, since);
        None
    }
}

/// What of a request is left out, whatever it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The column.
    pub column: &'static str,
    /// Why, in words for the operator.
    pub why: String,
    /// The way out.
    pub way: &'static str,
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
