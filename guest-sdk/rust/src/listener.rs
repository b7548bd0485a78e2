//! What the author of a listener writes: one trait.

use correlator_frame::severity::Severity;
use correlator_frame::value::Kind;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::description::{Statistic, Tick, Timer};
use crate::effect::EffectTurn;
use crate::error::Error;
use crate::event::Events;
use crate::options::Options;
use crate::template::Template;

/// Turns events into effects. The struct is the state; what follows from options and schemas is worked out in
/// `configure` and marked with `#[serde(skip)]`.
pub trait Listener: Default + Serialize + DeserializeOwned + 'static {
    /// What the stack may set: a struct with `#[derive(Options)]`, or `()`.
    type Options: Options + 'static;

    /// The version of the form of the saved state. Raise it when the struct changes.
    const STATE_VERSION: u32 = 1;

    /// What this listener is and wants. The same answer at every call.
    fn describe() -> ListenerDescription;

    /// Gets ready for these events. Called on a fresh value, and again when saved state has been read into one.
    ///
    /// # Errors
    /// A sentence for the operator; the stack is refused.
    fn configure(
        &mut self,
        _options: &Self::Options,
        _schemas: &[BoundSchema],
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Works on a batch of events.
    ///
    /// # Errors
    /// Any error fails the turn: none of its effects is carried out.
    fn handle(
        &mut self,
        options: &Self::Options,
        events: Events<'_>,
        turn: &mut EffectTurn,
    ) -> Result<(), Error>;

    /// A timer is due, or the input has ended.
    ///
    /// # Errors
    /// Any error fails the turn.
    fn tick(
        &mut self,
        _options: &Self::Options,
        _tick: Tick,
        _turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Numbers about the work since it began, for the summary of a run.
    fn statistics(&self) -> Vec<Statistic> {
        Vec::new()
    }

    /// Reads state that was saved by another version of this listener.
    ///
    /// # Errors
    /// By default always: it names both versions.
    fn migrate(version: u32, _bytes: &[u8]) -> Result<Self, Error> {
        Err(Error::StateVersion { found: version, expected: Self::STATE_VERSION })
    }
}

/// What a listener says of itself.
#[derive(Clone, Debug)]
pub struct ListenerDescription {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it is for, in one line.
    pub meaning: &'static str,
    /// The criteria in force where the stack gives none; empty for every event.
    pub criteria: &'static str,
    /// The capabilities that it will ask for.
    pub wants: Vec<Want>,
    /// The credentials that the host adds on the way out, by name.
    pub credentials: Vec<&'static str>,
    /// Its timers.
    pub timers: Vec<Timer>,
}

impl ListenerDescription {
    /// A listener of this name and version, and what it is for in one line.
    #[must_use]
    pub fn new(name: &'static str, version: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            version,
            meaning,
            criteria: "",
            wants: Vec::new(),
            credentials: Vec::new(),
            timers: Vec::new(),
        }
    }

    /// The criteria in force where the stack gives none. Without them: every event.
    #[must_use]
    pub fn criteria(mut self, criteria: &'static str) -> Self {
        self.criteria = criteria;
        self
    }

    /// Adds a capability that the listener will ask for, and why in one line.
    #[must_use]
    pub fn wants(mut self, capability: &'static str, reason: &'static str) -> Self {
        self.wants.push(Want { capability, reason });
        self
    }

    /// Adds a credential that the host adds on the way out.
    #[must_use]
    pub fn credential(mut self, name: &'static str) -> Self {
        self.credentials.push(name);
        self
    }

    /// Adds a timer.
    #[must_use]
    pub fn timer(mut self, timer: Timer) -> Self {
        self.timers.push(timer);
        self
    }
}

/// A capability that a listener will ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The capability's name.
    pub capability: &'static str,
    /// Why, for the operator who grants it.
    pub reason: &'static str,
}

/// A column of an event that may arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be absent.
    pub optional: bool,
    /// What it means, for people.
    pub meaning: String,
}

/// The schema of an event that may arrive, with the module instance that it comes from.
#[derive(Clone, Debug)]
pub struct BoundSchema {
    /// The instance's name in the stack.
    pub instance: String,
    /// The event's name.
    pub name: String,
    /// The severity of its events where a row says nothing else.
    pub severity: Severity,
    /// What it means, for people.
    pub meaning: String,
    /// Its columns, in the order of the cells.
    pub columns: Vec<BoundColumn>,
    summary: Template,
    /// The places of the columns that hold text: their cells point elsewhere and need care when they are copied.
    text_columns: Vec<usize>,
}

impl BoundSchema {
    /// A schema with its summary's template.
    #[must_use]
    pub fn new(
        instance: String,
        name: String,
        severity: Severity,
        summary: &str,
        meaning: String,
        columns: Vec<BoundColumn>,
    ) -> Self {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let summary = Template::parse(summary, &names);
        let is_text = |place: &usize| columns[*place].kind == Kind::Text;
        let text_columns = (0..columns.len()).filter(is_text).collect();
        Self { instance, name, severity, meaning, columns, summary, text_columns }
    }

    /// The line for people, in parts.
    #[must_use]
    pub fn summary(&self) -> &Template {
        &self.summary
    }

    #[inline]
    pub(crate) fn text_columns(&self) -> &[usize] {
        &self.text_columns
    }

    /// The place of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}
