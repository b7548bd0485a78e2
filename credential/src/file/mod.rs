//! One encrypted file, for machines that have nothing better: unlocked by a key file, or by a passphrase.
//!
//! It is read anew for every credential, since another program may have replaced it. What stays in memory is the key that
//! a passphrase came to: getting it again takes long on purpose.
//!
//! # Layout
//! - `key`: what unlocks it
//! - `seal`: its bytes, and what they say when they are no good
//! - `entries`: what is in it once it is open

mod entries;
mod key;
mod seal;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use correlator_world::Secret;

use self::key::Key;
use self::seal::{Damage, Header, Kind};
use crate::disk;
use crate::error::CredentialError;
use crate::holder::{Holder, Trouble};
use crate::limit;
use crate::name::Name;
use crate::settings::{Place, Settings};
use crate::variables::Variables;

/// The encrypted file.
pub(crate) struct Sealed {
    /// Where it lies; nowhere, if neither the settings nor the user have a place for it.
    paths: Option<Paths>,
    /// What a passphrase came to, and for which file.
    unlocked: Mutex<Option<(Header, Key)>>,
}

#[derive(Clone)]
struct Paths {
    file: PathBuf,
    key: PathBuf,
}

/// The file, open.
struct Opened {
    header: Header,
    key: Key,
    entries: BTreeMap<Name, Secret>,
}

impl Sealed {
    pub fn new(settings: &Settings, variables: &Variables) -> Self {
        let file = settings.file.clone().or_else(|| default_path(variables));
        let paths = file.map(|file| {
            let key = settings.key.clone().unwrap_or_else(|| disk::beside(&file, ".key"));
            Paths { file, key }
        });
        Self { paths, unlocked: Mutex::default() }
    }

    /// What is read, for whoever confines the process: folders, since files in them are replaced.
    pub fn folders(&self) -> Vec<PathBuf> {
        let paths = self.paths.iter().flat_map(|paths| [&paths.file, &paths.key]);
        paths.map(|path| disk::folder(path).to_owned()).collect()
    }

    /// Whether nothing can be got before a passphrase is given.
    pub fn is_locked(&self) -> bool {
        let Ok(paths) = self.paths() else { return false };
        match bytes(paths) {
            Ok(Some(bytes)) => Header::read(&bytes).is_ok_and(|header| {
                header.kind == Kind::Passphrase && self.kept(&header).is_none()
            }),
            _ => false,
        }
    }

    /// Unlocks a file that has a passphrase, or says which one the file is to get when it is made.
    pub fn unlock(&self, passphrase: &Secret) -> Result<(), CredentialError> {
        self.try_unlock(passphrase).map_err(|trouble| CredentialError::Place {
            place: Place::File,
            problem: trouble.words().to_owned(),
        })
    }

    fn try_unlock(&self, passphrase: &Secret) -> Result<(), Trouble> {
        let paths = self.paths()?;
        let len = passphrase.reveal().len();
        if !(1..=limit::PASSPHRASE_BYTES_MAX).contains(&len) {
            let max = limit::PASSPHRASE_BYTES_MAX;
            return Err(Trouble::Unreachable(format!("a passphrase has 1 to {max} bytes")));
        }
        let bytes = bytes(paths)?;
        let header = match &bytes {
            Some(bytes) => Header::read(bytes).map_err(|damage| told(paths, damage))?,
            None => Header::new(Kind::Passphrase).map_err(|error| failed(&paths.file, &error))?,
        };
        if header.kind == Kind::KeyFile {
            return Err(Trouble::Unreachable(format!(
                "{} has no passphrase, it is unlocked by {}",
                paths.file.display(),
                paths.key.display()
            )));
        }
        let key = Key::of_passphrase(passphrase, &header).map_err(|problem| {
            Trouble::Unreachable(format!("{}: {problem}", paths.file.display()))
        })?;
        if let Some(bytes) = &bytes {
            seal::open(bytes, &key).map_err(|damage| told(paths, damage))?;
        }
        *self.unlocked.lock().unwrap_or_else(PoisonError::into_inner) = Some((header, key));
        Ok(())
    }

    fn paths(&self) -> Result<&Paths, Trouble> {
        self.paths.as_ref().ok_or_else(|| {
            Trouble::Absent("there is no place for the file; name one in the stack: `credentials: { file: PATH }`".into())
        })
    }

    /// The key that a passphrase came to, if it was for this file.
    fn kept(&self, header: &Header) -> Option<Key> {
        let unlocked = self.unlocked.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, key) = unlocked.as_ref()?;
        (of == header).then(|| key.clone())
    }

    /// The file as it is now; nothing, if there is none yet.
    fn read(&self) -> Result<Option<Opened>, Trouble> {
        let paths = self.paths()?;
        let Some(bytes) = bytes(paths)? else { return Ok(None) };
        let header = Header::read(&bytes).map_err(|damage| told(paths, damage))?;
        let key = match header.kind {
            Kind::Passphrase => self.kept(&header).ok_or_else(|| {
                Trouble::Unreachable(format!(
                    "{} is locked, and its passphrase was not given; at a terminal it is asked for",
                    paths.file.display()
                ))
            })?,
            Kind::KeyFile => Key::read(&paths.key)
                .map_err(|error| failed(&paths.key, &error))?
                .ok_or_else(|| {
                    Trouble::Unreachable(format!(
                        "{} is locked, and its key {} is not there; put that back, or remove {0} and set its credentials \
                         again",
                        paths.file.display(),
                        paths.key.display()
                    ))
                })?,
        };
        let plain = seal::open(&bytes, &key).map_err(|damage| told(paths, damage))?;
        let entries = entries::read(&plain).ok_or_else(|| told(paths, Damage::Content))?;
        Ok(Some(Opened { header, key, entries }))
    }

    /// A file that is to be made.
    fn begin(&self) -> Result<Opened, Trouble> {
        let paths = self.paths()?;
        let unlocked = self.unlocked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (header, key) = if let Some(unlocked) = unlocked {
            unlocked
        } else {
            let failed = |error| failed(&paths.key, &error);
            let header = Header::new(Kind::KeyFile).map_err(failed)?;
            disk::make_folder(&paths.key).map_err(failed)?;
            (header, Key::read_or_make(&paths.key).map_err(failed)?)
        };
        Ok(Opened { header, key, entries: BTreeMap::new() })
    }

    fn write(&self, opened: &Opened) -> Result<(), Trouble> {
        let paths = self.paths()?;
        let plain = entries::write(&opened.entries).map_err(Trouble::Unreachable)?;
        let bytes = seal::close(&opened.header, &opened.key, plain)
            .map_err(|error| failed(&paths.file, &error))?;
        disk::replace(&paths.file, &bytes).map_err(|error| failed(&paths.file, &error))
    }
}

impl Holder for Sealed {
    fn get(&self, name: &Name) -> Result<Option<Secret>, Trouble> {
        Ok(self.read()?.and_then(|mut opened| opened.entries.remove(name)))
    }

    fn set(&self, name: &Name, secret: &Secret) -> Result<(), Trouble> {
        let paths = self.paths()?;
        let failed = |error| failed(&paths.file, &error);
        disk::make_folder(&paths.file).map_err(failed)?;
        let _lock = disk::lock(&paths.file).map_err(failed)?;
        let mut opened = match self.read()? {
            Some(opened) => opened,
            None => self.begin()?,
        };
        opened.entries.insert(name.clone(), secret.clone());
        self.write(&opened)
    }

    fn names(&self) -> Result<Vec<Name>, Trouble> {
        Ok(self.read()?.map(|opened| opened.entries.into_keys().collect()).unwrap_or_default())
    }

    fn remove(&self, name: &Name) -> Result<bool, Trouble> {
        let paths = self.paths()?;
        // Where there is no file there is no folder for the lock either.
        if bytes(paths)?.is_none() {
            return Ok(false);
        }
        let _lock = disk::lock(&paths.file).map_err(|error| failed(&paths.file, &error))?;
        let Some(mut opened) = self.read()? else { return Ok(false) };
        let was = opened.entries.remove(name).is_some();
        if was {
            self.write(&opened)?;
        }
        Ok(was)
    }
}

/// The file's bytes, if it is there.
fn bytes(paths: &Paths) -> Result<Option<Vec<u8>>, Trouble> {
    let open = disk::open_private(&paths.file).map_err(|error| failed(&paths.file, &error))?;
    let Some(file) = open else { return Ok(None) };
    let mut bytes =
        disk::read(&file, limit::FILE_BYTES_MAX).map_err(|error| failed(&paths.file, &error))?;
    Ok(Some(std::mem::take(&mut *bytes)))
}

/// Where the file lies if nobody says.
fn default_path(variables: &Variables) -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some("/etc/correlator/credentials".into());
    }
    let data = variables
        .path("XDG_DATA_HOME")
        .or_else(|| variables.path("HOME").map(|home| home.join(".local/share")));
    data.map(|data| data.join("correlator/credentials"))
}

fn failed(path: &std::path::Path, error: &io::Error) -> Trouble {
    let way_out = match error.kind() {
        io::ErrorKind::PermissionDenied => "; go on as the user whose it is",
        _ => "",
    };
    Trouble::Unreachable(format!("{}: {error}{way_out}", path.display()))
}

fn told(paths: &Paths, damage: Damage) -> Trouble {
    let file = paths.file.display();
    Trouble::Unreachable(match damage {
        Damage::Stranger => format!(
            "{file} is no file of credentials; take it away, or name another one in the stack's `credentials`"
        ),
        Damage::Version(version) => {
            format!(
                "{file} is of version {version}, this program knows {} alone; go on with the program that wrote it, or \
                 remove it and set its credentials again",
                seal::VERSION
            )
        }
        Damage::Content => format!(
            "{file} is damaged; put a copy in its place, or remove it and set its credentials again"
        ),
        Damage::Key(Kind::Passphrase) => format!("the passphrase does not fit {file}"),
        Damage::Key(Kind::KeyFile) => format!(
            "the key {} does not fit {file}; put the right one there, or remove both and set the credentials again",
            paths.key.display()
        ),
    })
}

#[cfg(test)]
mod tests;
