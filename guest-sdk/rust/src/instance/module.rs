//! A module at work.

use correlator_frame::record::{Batch, LAYOUT};

use crate::description::{Description, Statistic, Tick};
use crate::error::Error;
use crate::module::Module;
use crate::options::{OptionSchema, Options, Setting};
use crate::record::Record;
use crate::state::{self, State};
use crate::time::Time;
use crate::turn::Turn;

/// What a turn gave: the events' text and index.
pub type Parts = (Vec<u8>, Vec<u32>);

/// An instance of a module with its options and its state.
pub struct ModuleInstance<M: Module> {
    module: M,
    options: Option<M::Options>,
    description: Description,
    literal_lengths: Vec<u32>,
    turn: Turn,
    sizes: (usize, usize),
}

impl<M: Module> Default for ModuleInstance<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Module> ModuleInstance<M> {
    /// A fresh instance, not yet configured.
    #[must_use]
    pub fn new() -> Self {
        let description = M::describe();
        Self {
            module: M::default(),
            options: None,
            literal_lengths: description.literal_lengths(),
            turn: Turn::new(&description.events),
            description,
            sizes: (0, 0),
        }
    }

    /// What the module says of itself.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What the stack may set.
    #[must_use]
    pub fn option_schemas(&self) -> Vec<OptionSchema> {
        M::Options::schemas()
    }

    /// Sets every option.
    ///
    /// # Errors
    /// If one is missing or doesn't fit, or the module refuses them.
    pub fn configure(&mut self, settings: &[Setting]) -> Result<(), Error> {
        let options = M::Options::read(settings)?;
        M::check(&options)?;
        self.options = Some(options);
        Ok(())
    }

    /// Works on a batch in this layout.
    ///
    /// # Errors
    /// If the layout is unknown or the module says so.
    pub fn process(&mut self, layout: u32, batch: Batch<'_>) -> Result<Parts, Error> {
        if layout != LAYOUT {
            return Err(Error::Layout { found: layout, expected: LAYOUT });
        }
        let options = self.options.as_ref().ok_or(Error::NotConfigured)?;
        self.turn.reserve(self.sizes.0, self.sizes.1);
        for (place, inner) in (0..).zip(batch.records()) {
            let record = Record::new(inner, &self.literal_lengths);
            self.turn.place(place, record.time());
            let result = self.module.process(options, record, &mut self.turn);
            if let Err(error) = result {
                self.turn.take();
                return Err(error);
            }
        }
        let parts = self.turn.take();
        self.sizes = (parts.0.len(), parts.1.len());
        Ok(parts)
    }

    /// A timer at this place of the description is due, or (without one) the input has ended.
    ///
    /// # Errors
    /// If there is no such timer or the module says so.
    pub fn tick(&mut self, timer: Option<u32>, time: i64) -> Result<Parts, Error> {
        let options = self.options.as_ref().ok_or(Error::NotConfigured)?;
        let tick = Tick::read(&self.description.timers, timer, time)?;
        self.turn.place(0, Time::from_nanoseconds(time));
        let result = self.module.tick(options, tick, &mut self.turn);
        let parts = self.turn.take();
        result.map(|()| parts)
    }

    /// All that the module must remember.
    ///
    /// # Errors
    /// If its state can't be written.
    pub fn save(&self) -> Result<State, Error> {
        state::save(&self.module, M::STATE_VERSION)
    }

    /// Takes over saved state.
    ///
    /// # Errors
    /// If it can't be read, or is of a version that the module can't migrate.
    pub fn restore(&mut self, version: u32, bytes: &[u8]) -> Result<(), Error> {
        self.module = if version == M::STATE_VERSION {
            state::load(bytes)?
        } else {
            M::migrate(version, bytes)?
        };
        Ok(())
    }

    /// Numbers about the work since it began.
    #[must_use]
    pub fn statistics(&self) -> Vec<Statistic> {
        self.module.statistics()
    }
}
