//! The environment: the last resort, since children inherit it and `/proc` shows it.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Mutex, PoisonError};

use correlator_world::Secret;

use crate::holder::{Holder, Trouble};
use crate::name::Name;
use crate::variables::Variables;

/// The environment.
pub(crate) struct Environment {
    variables: Variables,
    /// The names whose use was told: once is enough.
    told: Mutex<BTreeSet<Name>>,
}

impl Environment {
    pub fn new(variables: Variables) -> Self {
        Self { variables, told: Mutex::default() }
    }

    fn warn(&self, name: &Name) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(name.clone()) {
            tracing::warn!(
                "credential `{name}` comes from the environment ({}), where other programs may see it; keep it with \
                 `correlator credential set {name}` instead",
                name.variable()
            );
        }
    }
}

impl Holder for Environment {
    fn get(&self, name: &Name) -> Result<Option<Secret>, Trouble> {
        let found = self.variables.get(&name.variable());
        if found.is_some() {
            self.warn(name);
        }
        Ok(found.map(|value| Secret::new(value.into_vec())))
    }

    fn set(&self, name: &Name, _: &Secret) -> Result<(), Trouble> {
        Err(Trouble::Foreign(format!(
            "a program can't change what it is started with; {}",
            self.command(name)
        )))
    }

    fn names(&self) -> Result<Vec<Name>, Trouble> {
        let names = self.variables.names();
        let set = names.iter().filter(|name| self.variables.get(name).is_some());
        Ok(set.filter_map(|name| Name::of_variable(name)).collect())
    }

    fn remove(&self, name: &Name) -> Result<bool, Trouble> {
        match self.variables.get(&name.variable()) {
            None => Ok(false),
            Some(_) => Err(Trouble::Foreign(format!(
                "a program can't change what it is started with; `unset {}`",
                name.variable()
            ))),
        }
    }

    fn command(&self, name: &Name) -> String {
        format!("read -rs {0} && export {0}", name.variable())
    }
}
