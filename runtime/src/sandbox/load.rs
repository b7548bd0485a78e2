//! From a file's bytes to a guest that can be started, and started again.

use std::path::PathBuf;

use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use super::cache::Cache;
use super::compile::{self, CompileError};
use super::engine::{engine, keep_time};
use super::inspect::{Refusal, Shape, World, inspect};
use super::instance::{ListenerInstance, ModuleInstance};
use super::meter::Meter;
use crate::declaration::{BoundSchema, Description, Setting};
use crate::guest::{Cause, Effect, Failure, Listener, Module, Rows, Tick};
use crate::limit::{self, Limits};
use crate::text::clean;
use crate::wit;

/// Loads guests.
pub struct Sandbox {
    engine: Engine,
    linker: Linker<Meter>,
    compiler: PathBuf,
    cache: Option<Cache>,
}

/// A loaded component. Instances are made from it.
pub struct Guest {
    pre: InstancePre<Meter>,
    /// What it says of itself.
    pub description: Description,
    /// What it imports and exports.
    pub shape: Shape,
    /// The digest of its bytes, in hexadecimal.
    pub digest: String,
}

/// Why a component was not loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The host can't run any guest.
    #[error("the sandbox can't be set up on this machine: {0}")]
    Host(String),
    /// The file is not a guest.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was not compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It does not fit the contract.
    #[error("it does not fit the contract `correlator:engine@0.1.0`: {0}")]
    Contract(String),
    /// It failed when it was asked what it is.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl Sandbox {
    /// A sandbox that compiles with `compiler`, a program that runs [`super::child`] on [`super::CHILD_COMMAND`].
    ///
    /// # Errors
    /// The machine can't run WebAssembly as configured.
    pub fn new(compiler: PathBuf, cache: Option<Cache>) -> Result<Self, LoadError> {
        let host = |error: &dyn std::fmt::Display| LoadError::Host(error.to_string());
        let engine = engine().map_err(|error| host(&error))?;
        keep_time(&engine).map_err(|error| host(&error))?;
        let mut linker = Linker::new(&engine);
        // Both worlds import the same: the log, and types.
        wit::listener::Listener::add_to_linker::<_, HasSelf<_>>(&mut linker, |meter| meter)
            .map_err(|error| host(&error))?;
        Ok(Self { engine, linker, compiler, cache })
    }

    /// Loads a component and asks it what it is.
    ///
    /// # Errors
    /// It is no guest, does not compile within the limits, or fails to describe itself.
    pub fn load(&self, name: &str, component: &[u8], limits: &Limits) -> Result<Guest, LoadError> {
        let shape = inspect(component, limits.component_bytes)?;
        let compiled = self.code(component, limits)?;
        let contract = |error: &wasmtime::Error| {
            LoadError::Contract(clean(&format!("{error:#}"), limit::MESSAGE_BYTES_MAX))
        };
        let pre = self.linker.instantiate_pre(&compiled).map_err(|error| contract(&error))?;
        let description = match shape.world {
            World::Module => {
                wit::module::ModulePre::new(pre.clone()).map_err(|error| contract(&error))?;
                ModuleInstance::new(&pre, name, limits)?.describe()?
            }
            World::Listener => {
                wit::listener::ListenerPre::new(pre.clone()).map_err(|error| contract(&error))?;
                ListenerInstance::new(&pre, name, limits)?.describe()?
            }
        };
        let digest = blake3::hash(component).to_hex().to_string();
        Ok(Guest { pre, description, shape, digest })
    }

    /// The component's code: from the cache, or compiled now.
    fn code(&self, component: &[u8], limits: &Limits) -> Result<Component, LoadError> {
        if let Some(cache) = &self.cache
            && let Some(code) = cache.find(&self.engine, component)
        {
            match deserialize(&self.engine, &code) {
                Ok(component) => return Ok(component),
                Err(error) => tracing::warn!("cached code does not load, compiling again: {error}"),
            }
        }
        let code = compile::compile(&self.compiler, component, limits)?;
        if let Some(cache) = &self.cache {
            cache.keep(&self.engine, component, &code);
        }
        deserialize(&self.engine, &code).map_err(|error| LoadError::Contract(error.to_string()))
    }
}

/// Turns compiled code into a component.
#[allow(unsafe_code)]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the code comes from our own child process on this very run, or from the cache, whose entries carry a
    // digest under a key that only this user can read.
    unsafe { Component::deserialize(engine, code) }
}

impl Guest {
    /// A configured instance, as a module.
    ///
    /// # Errors
    /// It failed, or refused the settings.
    pub fn module(
        &self,
        name: &str,
        settings: &[(String, Setting)],
        limits: &Limits,
    ) -> Result<Box<dyn Module + Send>, Failure> {
        let mut instance = ModuleInstance::new(&self.pre, name, limits)?;
        instance.configure(settings)?;
        Ok(Box::new(instance))
    }

    /// A configured instance, as a listener.
    ///
    /// # Errors
    /// It failed, or refused the settings.
    pub fn listener(
        &self,
        name: &str,
        settings: &[(String, Setting)],
        schemas: &[BoundSchema],
        limits: &Limits,
    ) -> Result<Box<dyn Listener + Send>, Failure> {
        let mut instance = ListenerInstance::new(&self.pre, name, limits)?;
        instance.configure(settings, schemas)?;
        Ok(Box::new(instance))
    }
    /// What a fresh listener asks for when it gets these events, and is then told that there are no more. Nobody hears what
    /// it logs.
    ///
    /// # Errors
    /// It failed, or refused the settings.
    pub fn rehearse(
        &self,
        name: &str,
        settings: &[(String, Setting)],
        schemas: &[BoundSchema],
        limits: &Limits,
        (mut events, end): (Rows, i64),
    ) -> Result<Vec<Effect>, Failure> {
        let mut instance = ListenerInstance::new(&self.pre, name, limits)?;
        instance.hush();
        instance.configure(settings, schemas)?;
        let mut effects = instance.handle(&mut events)?;
        effects.extend(instance.tick(Tick { cause: Cause::End, time: end })?);
        Ok(effects)
    }
}
