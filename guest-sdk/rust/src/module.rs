//! What the author of a module writes: one trait.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::description::{Description, Statistic, Tick};
use crate::error::Error;
use crate::options::Options;
use crate::record::Record;
use crate::turn::Turn;

/// Turns records into events. The struct is the state: all that must be remembered is a field of it.
///
/// A module is a pure function from (state, input) to (state, events). What it concludes must not depend on where one
/// batch ends and the next begins; [`testing::check_samples`](crate::testing::check_samples) finds it out.
pub trait Module: Default + Serialize + DeserializeOwned + 'static {
    /// What the stack may set: a struct with `#[derive(Options)]`, or `()`.
    type Options: Options + 'static;

    /// The version of the form of the saved state. Raise it when the struct changes.
    const STATE_VERSION: u32 = 1;

    /// What this module is, wants and declares. The same answer at every call.
    fn describe() -> Description;

    /// Refuses options that fit one by one but not together.
    ///
    /// # Errors
    /// A sentence for the operator; the stack is refused.
    fn check(_options: &Self::Options) -> Result<(), Error> {
        Ok(())
    }

    /// Works on one record.
    ///
    /// # Errors
    /// Any error fails the whole turn and restarts the module from its last saved state: nothing in a record should.
    fn process(
        &mut self,
        options: &Self::Options,
        record: Record<'_>,
        turn: &mut Turn,
    ) -> Result<(), Error>;

    /// A timer is due, or the input has ended.
    ///
    /// # Errors
    /// Any error fails the turn.
    fn tick(
        &mut self,
        _options: &Self::Options,
        _tick: Tick,
        _turn: &mut Turn,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Numbers about the work since it began, for the summary of a run.
    fn statistics(&self) -> Vec<Statistic> {
        Vec::new()
    }

    /// Reads state that was saved by another version of this module.
    ///
    /// # Errors
    /// By default always: it names both versions.
    fn migrate(version: u32, _bytes: &[u8]) -> Result<Self, Error> {
        Err(Error::StateVersion { found: version, expected: Self::STATE_VERSION })
    }
}
