//! The environment, as an argument: what a process was started with, or what somebody says instead.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Where variables come from.
#[derive(Clone, Default)]
pub enum Variables {
    /// The environment of this process, read when it is asked for: secrets in it are not copied before.
    #[default]
    Process,
    /// These, and no others.
    Given(BTreeMap<String, OsString>),
}

impl Variables {
    /// The value of a variable that is set, and not to nothing.
    pub(crate) fn get(&self, name: &str) -> Option<OsString> {
        let value = match self {
            Self::Process => env::var_os(name),
            Self::Given(values) => values.get(name).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// A variable that holds an absolute path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The names of all variables.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Process => {
                env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
            }
            Self::Given(values) => values.keys().cloned().collect(),
        }
    }
}

impl fmt::Debug for Variables {
    /// Names alone: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process => f.write_str("Process"),
            Self::Given(values) => f.debug_set().entries(values.keys()).finish(),
        }
    }
}
