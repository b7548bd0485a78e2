//! Who does not work: put off by the operator, or suspended until the operator says otherwise. Where anything is kept that
//! outlives the engine.
//!
//! One small file of JSON in the state folder, written beside and renamed, so that it is there whole or not at all. It must
//! never know how a guest is started or ended.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::pipeline::engine::locked;
use crate::whole;

/// The file's name in the state folder.
const FILE: &str = "disabled.json";
/// The version of its form.
const VERSION: u32 = 1;

/// A module or a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Module,
    Listener,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Listener => "listener",
        }
    }
}

/// Who does not work.
#[derive(Debug, Default)]
pub(crate) struct PutOff {
    names: Mutex<Names>,
    /// Where that is written down, if anything is.
    path: Option<PathBuf>,
}

/// By role and name; suspended are instances, all others whole guests of the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    version: u32,
    modules: BTreeSet<String>,
    listeners: BTreeSet<String>,
    suspended: BTreeSet<String>,
}

impl Names {
    fn of(&self, role: Role) -> &BTreeSet<String> {
        match role {
            Role::Module => &self.modules,
            Role::Listener => &self.listeners,
        }
    }

    fn of_mut(&mut self, role: Role) -> &mut BTreeSet<String> {
        match role {
            Role::Module => &mut self.modules,
            Role::Listener => &mut self.listeners,
        }
    }
}

impl PutOff {
    /// What an earlier run left in this state folder. What can't be read is told, and all work: an engine that did not
    /// start would lose more.
    pub(crate) fn load(state: &Path) -> Self {
        let path = state.join(FILE);
        let names = match read(&path) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Names::default(),
            Err(error) => {
                tracing::error!(
                    "{}: {error}; guests that were disabled work, and are to be disabled again",
                    path.display()
                );
                Names::default()
            }
        };
        Self { names: Mutex::new(names), path: Some(path) }
    }

    /// Whether the operator put it off.
    pub(crate) fn has(&self, role: Role, name: &str) -> bool {
        locked(&self.names).of(role).contains(name)
    }

    /// Whether this instance was suspended when the engine ended.
    pub(crate) fn is_suspended(&self, instance: &str) -> bool {
        locked(&self.names).suspended.contains(instance)
    }

    /// Notes that the operator put it off, or that it works again.
    ///
    /// # Errors
    /// That can't be written down: it holds until the engine ends.
    pub(crate) fn note(&self, role: Role, name: &str, off: bool) -> Result<(), String> {
        self.change(|names| {
            let known = names.of_mut(role);
            if off { known.insert(name.to_owned()) } else { known.remove(name) }
        })
    }

    /// Notes that an instance is suspended, or tried again.
    pub(crate) fn note_suspended(&self, instance: &str, suspended: bool) {
        let noted = self.change(|names| {
            let known = &mut names.suspended;
            if suspended { known.insert(instance.to_owned()) } else { known.remove(instance) }
        });
        if let Err(error) = noted {
            tracing::warn!(
                "{error}; whether `{instance}` is suspended is forgotten with the engine"
            );
        }
    }

    /// Forgets all but those that a stack has: `stays` is asked for those that are put off, and for instances that are
    /// suspended without their role.
    pub(crate) fn retain(&self, stays: impl Fn(Option<Role>, &str) -> bool) {
        let forgotten = self.change(|names| {
            let before = names.clone();
            names.modules.retain(|name| stays(Some(Role::Module), name));
            names.listeners.retain(|name| stays(Some(Role::Listener), name));
            names.suspended.retain(|name| stays(None, name));
            *names != before
        });
        if let Err(error) = forgotten {
            tracing::warn!("{error}; what it says of guests that are gone is forgotten later");
        }
    }

    /// Makes a change, and writes it down if it is one.
    fn change(&self, change: impl FnOnce(&mut Names) -> bool) -> Result<(), String> {
        let mut names = locked(&self.names);
        if !change(&mut names) {
            return Ok(());
        }
        let Some(path) = &self.path else { return Ok(()) };
        names.version = VERSION;
        write(path, &names).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn read(path: &Path) -> io::Result<Names> {
    let names: Names = serde_json::from_slice(&fs::read(path)?)?;
    if names.version == VERSION {
        return Ok(names);
    }
    Err(io::Error::other(format!("it has the form {}, not {VERSION}", names.version)))
}

fn write(path: &Path, names: &Names) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(names)?;
    text.push(b'\n');
    whole::write(path, "new", &text).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::{FILE, PutOff, Role};

    /// A state folder of this test's own, gone at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir()
                .join(format!("correlator-put-off-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }

        fn told(&self) -> String {
            fs::read_to_string(self.0.join(FILE)).unwrap_or_default()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn it_outlives_the_engine() {
        let folder = Folder::new("outlives");
        let off = PutOff::load(&folder.0);
        assert!(!off.has(Role::Module, "sshd"));
        off.note(Role::Module, "sshd", true).expect("written");
        off.note(Role::Listener, "csv", true).expect("written");
        off.note_suspended("web#1", true);
        let off = PutOff::load(&folder.0);
        assert!(off.has(Role::Module, "sshd") && off.has(Role::Listener, "csv"));
        assert!(off.is_suspended("web#1") && !off.is_suspended("web#0"));
        // A name is that of one role.
        assert!(!off.has(Role::Listener, "sshd") && !off.has(Role::Module, "csv"));
        off.note(Role::Module, "sshd", false).expect("written");
        off.note_suspended("web#1", false);
        let off = PutOff::load(&folder.0);
        assert!(!off.has(Role::Module, "sshd") && !off.is_suspended("web#1"));
        off.retain(|role, _| role == Some(Role::Module));
        assert!(!PutOff::load(&folder.0).has(Role::Listener, "csv"));
    }

    #[test]
    fn nothing_is_written_that_changes_nothing() {
        let folder = Folder::new("nothing");
        let off = PutOff::load(&folder.0);
        off.note(Role::Module, "sshd", false).expect("nothing");
        off.note_suspended("sshd", false);
        off.retain(|_, _| false);
        assert_eq!(folder.told(), "");
    }

    #[test]
    fn what_can_not_be_read_puts_nobody_off() {
        let folder = Folder::new("damaged");
        PutOff::load(&folder.0).note(Role::Module, "sshd", true).expect("written");
        let whole = folder.told();
        for cut in 0..whole.trim_end().len() {
            fs::write(folder.0.join(FILE), &whole[..cut]).expect("damaged");
            assert!(!PutOff::load(&folder.0).has(Role::Module, "sshd"), "cut at {cut}");
        }
        let newer = whole.replace("\"version\": 1", "\"version\": 2");
        fs::write(folder.0.join(FILE), newer).expect("another form");
        let off = PutOff::load(&folder.0);
        assert!(!off.has(Role::Module, "sshd"));
        off.note(Role::Module, "sshd", true).expect("written anew");
        assert_eq!(folder.told(), whole);
    }

    #[test]
    fn what_can_not_be_written_holds_for_the_run() {
        let folder = Folder::new("unwritable");
        let off = PutOff::load(&folder.0);
        fs::create_dir(folder.0.join("disabled.new")).expect("in its way");
        let error = off.note(Role::Module, "sshd", true).expect_err("a folder is in its way");
        assert!(error.contains(FILE), "{error}");
        assert!(off.has(Role::Module, "sshd"));
        let nowhere = PutOff::default();
        nowhere.note(Role::Module, "sshd", true).expect("nothing is kept");
        assert!(nowhere.has(Role::Module, "sshd"));
    }
}
