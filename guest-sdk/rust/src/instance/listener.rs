//! A listener at work.

use correlator_frame::event::LAYOUT;

use crate::description::{Statistic, Tick};
use crate::effect::{Effect, EffectTurn};
use crate::error::Error;
use crate::event::Events;
use crate::listener::{BoundSchema, Listener, ListenerDescription};
use crate::options::{OptionSchema, Options, Setting};
use crate::state::{self, State};

/// An instance of a listener with its options, the events that it may get, and its state.
pub struct ListenerInstance<L: Listener> {
    listener: L,
    configured: Option<(L::Options, Vec<BoundSchema>)>,
    description: ListenerDescription,
    turn: EffectTurn,
}

impl<L: Listener> Default for ListenerInstance<L> {
    fn default() -> Self {
        Self::new()
    }
}

impl<L: Listener> ListenerInstance<L> {
    /// A fresh instance, not yet configured.
    #[must_use]
    pub fn new() -> Self {
        Self {
            listener: L::default(),
            configured: None,
            description: L::describe(),
            turn: EffectTurn::default(),
        }
    }

    /// What the listener says of itself.
    #[must_use]
    pub fn description(&self) -> &ListenerDescription {
        &self.description
    }

    /// What the stack may set.
    #[must_use]
    pub fn option_schemas(&self) -> Vec<OptionSchema> {
        L::Options::schemas()
    }

    /// Sets every option and announces the events.
    ///
    /// # Errors
    /// If an option is missing or doesn't fit, or the listener refuses.
    pub fn configure(
        &mut self,
        settings: &[Setting],
        schemas: Vec<BoundSchema>,
    ) -> Result<(), Error> {
        let options = L::Options::read(settings)?;
        self.listener.configure(&options, &schemas)?;
        self.configured = Some((options, schemas));
        Ok(())
    }

    /// Works on a batch of events in this layout.
    ///
    /// # Errors
    /// If the batch isn't in the contract's layout or the listener says so.
    pub fn handle(
        &mut self,
        layout: u32,
        text: &[u8],
        index: &[u32],
    ) -> Result<Vec<Effect>, Error> {
        if layout != LAYOUT {
            return Err(Error::Layout { found: layout, expected: LAYOUT });
        }
        let (options, schemas) = self.configured.as_ref().ok_or(Error::NotConfigured)?;
        let events = Events::new(text, index, schemas)?;
        let result = self.listener.handle(options, events, &mut self.turn);
        let effects = self.turn.take();
        result.map(|()| effects)
    }

    /// A timer at this place of the description is due, or (without one) the input has ended.
    ///
    /// # Errors
    /// If there is no such timer or the listener says so.
    pub fn tick(&mut self, timer: Option<u32>, time: i64) -> Result<Vec<Effect>, Error> {
        let (options, _) = self.configured.as_ref().ok_or(Error::NotConfigured)?;
        let tick = Tick::read(&self.description.timers, timer, time)?;
        let result = self.listener.tick(options, tick, &mut self.turn);
        let effects = self.turn.take();
        result.map(|()| effects)
    }

    /// All that the listener must remember.
    ///
    /// # Errors
    /// If its state can't be written.
    pub fn save(&self) -> Result<State, Error> {
        state::save(&self.listener, L::STATE_VERSION)
    }

    /// Takes over saved state, and configures it anew: what follows from options and schemas isn't saved.
    ///
    /// # Errors
    /// If it can't be read, or is of a version that the listener can't migrate.
    pub fn restore(&mut self, version: u32, bytes: &[u8]) -> Result<(), Error> {
        let (options, schemas) = self.configured.as_ref().ok_or(Error::NotConfigured)?;
        let mut listener = if version == L::STATE_VERSION {
            state::load(bytes)?
        } else {
            L::migrate(version, bytes)?
        };
        listener.configure(options, schemas)?;
        self.listener = listener;
        Ok(())
    }

    /// Numbers about the work since it began.
    #[must_use]
    pub fn statistics(&self) -> Vec<Statistic> {
        self.listener.statistics()
    }
}
