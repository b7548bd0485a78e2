//! All places in their order.

use std::path::PathBuf;
use std::sync::Arc;

use correlator_world::{NoSecret, Secret, Secrets};

use crate::environment::Environment;
use crate::error::CredentialError;
use crate::file::Sealed;
use crate::holder::{Holder, Trouble};
use crate::keyutils::Keyutils;
use crate::limit;
use crate::name::Name;
use crate::report::{Lacking, Listing, Removed, SET, Stored, Want};
use crate::service::Service;
use crate::settings::{Place, Settings, listed};
use crate::systemd::Systemd;
use crate::variables::Variables;

/// Where credentials are got from and put to. It holds none: every place is asked anew.
pub struct Vault {
    places: Vec<(Place, Arc<dyn Holder>)>,
    /// The one of them that may have to be unlocked.
    sealed: Option<Arc<Sealed>>,
    /// Where systemd puts credentials.
    handed: Option<PathBuf>,
}

/// What came of a search.
enum Sought {
    Found(Place, Secret),
    Nowhere,
    Unreachable(Silent),
}

/// Some places do not answer, and none of the others has it.
struct Silent {
    /// Those that do not, and why.
    silent: Vec<(Place, String)>,
    /// Those that do.
    answered: Vec<Place>,
}

impl Vault {
    /// The places of the settings, in this process' environment. None of them is asked for a credential yet.
    ///
    /// # Errors
    /// The order names no place, or one twice.
    pub fn open(settings: &Settings) -> Result<Self, CredentialError> {
        Self::open_in(settings, &Variables::Process)
    }

    /// The same, in another environment.
    ///
    /// # Errors
    /// The order names no place, or one twice.
    pub fn open_in(settings: &Settings, variables: &Variables) -> Result<Self, CredentialError> {
        let order = &settings.order;
        if order.is_empty() {
            return Err(CredentialError::NoOrder);
        }
        for (at, place) in order.iter().enumerate() {
            if order[..at].contains(place) {
                return Err(CredentialError::Twice(*place));
            }
        }
        let handed = variables.path("CREDENTIALS_DIRECTORY");
        let mut vault = Self { places: Vec::new(), sealed: None, handed: handed.clone() };
        for place in order {
            let holder: Arc<dyn Holder> = match place {
                Place::Keyring => Arc::new(Service::new(variables)),
                Place::Keyutils => Arc::new(Keyutils::new()),
                Place::Systemd => Arc::new(Systemd::new(handed.clone())),
                Place::Environment => Arc::new(Environment::new(variables.clone())),
                Place::File => {
                    let sealed = Arc::new(Sealed::new(settings, variables));
                    vault.sealed = Some(Arc::clone(&sealed));
                    sealed
                }
            };
            vault.places.push((*place, holder));
        }
        Ok(vault)
    }

    /// Whether the encrypted file takes a passphrase that was not given yet.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.sealed.as_ref().is_some_and(|sealed| sealed.is_locked())
    }

    /// Unlocks the encrypted file with its passphrase. If there is no file yet, the one that is made by the first
    /// [`Vault::set`] gets this passphrase instead of a key file.
    ///
    /// # Errors
    /// The passphrase is wrong, the file is damaged, or it has no passphrase.
    pub fn unlock(&self, passphrase: &Secret) -> Result<(), CredentialError> {
        match &self.sealed {
            Some(sealed) => sealed.unlock(passphrase),
            None => Err(CredentialError::NotAsked { place: Place::File, order: self.order() }),
        }
    }

    /// Keeps a secret in a place, or else in the first one that can and that lasts.
    ///
    /// # Errors
    /// The name or the secret is none, or no place can keep it.
    pub fn set(
        &self,
        name: &str,
        secret: &Secret,
        place: Option<Place>,
    ) -> Result<Stored, CredentialError> {
        let name = Name::parse(name)?;
        let len = secret.reveal().len();
        if !(1..=limit::SECRET_BYTES_MAX).contains(&len) {
            return Err(CredentialError::Length(len));
        }
        if has_nul(secret) {
            return Err(CredentialError::Nul);
        }
        let place = match place {
            Some(place) => self.put(&name, secret, place)?,
            None => self.put_anywhere(&name, secret)?,
        };
        let before = self.places.iter().take_while(|(other, _)| *other != place);
        let mut having = before.filter(|(_, holder)| matches!(holder.get(&name), Ok(Some(_))));
        Ok(Stored { place, shadowed_by: having.next().map(|(place, _)| *place) })
    }

    fn put(&self, name: &Name, secret: &Secret, place: Place) -> Result<Place, CredentialError> {
        let Some((_, holder)) = self.places.iter().find(|(other, _)| *other == place) else {
            return Err(CredentialError::NotAsked { place, order: self.order() });
        };
        let put = holder.set(name, secret).map(|()| place);
        put.map_err(|trouble| CredentialError::Place { place, problem: trouble.words().to_owned() })
    }

    /// A place that has trouble is passed over only if it is not there or not ours to fill: a secret must not land
    /// elsewhere because a keyring is locked at the moment. Nor must it be gone after a restart unless that was asked for.
    fn put_anywhere(&self, name: &Name, secret: &Secret) -> Result<Place, CredentialError> {
        let mut problems = Vec::new();
        for (place, holder) in &self.places {
            if *place == Place::Keyutils && self.any_lasts() {
                problems.push(format!(
                    "{place}: it lasts until the machine restarts, so it has to be named"
                ));
                continue;
            }
            match holder.set(name, secret) {
                Ok(()) => return Ok(*place),
                Err(Trouble::Unreachable(problem)) => {
                    let problem = format!(
                        "{problem}; or name another place with `--place` (asked: {})",
                        listed(self.order())
                    );
                    return Err(CredentialError::Place { place: *place, problem });
                }
                Err(trouble) => problems.push(format!("{place}: {}", trouble.words())),
            }
        }
        Err(CredentialError::Nowhere { name: name.to_string(), problems: problems.join("; ") })
    }

    /// All names, with the places that have them.
    #[must_use]
    pub fn list(&self) -> Listing {
        let mut listing = Listing::default();
        for (place, holder) in &self.places {
            match holder.names() {
                Ok(names) => {
                    for name in names {
                        let places = listing.names.entry(name).or_default();
                        if !places.contains(place) {
                            places.push(*place);
                        }
                    }
                }
                Err(Trouble::Unreachable(why)) => listing.unreachable.push((*place, why)),
                Err(Trouble::Absent(_) | Trouble::Foreign(_)) => {}
            }
        }
        listing
    }

    /// Removes a credential from every place that has it.
    ///
    /// # Errors
    /// The name is none.
    pub fn remove(&self, name: &str) -> Result<Removed, CredentialError> {
        let name = Name::parse(name)?;
        let mut removed = Removed::default();
        for (place, holder) in &self.places {
            match holder.remove(&name) {
                Ok(true) => removed.from.push(*place),
                Ok(false) | Err(Trouble::Absent(_)) => {}
                Err(Trouble::Unreachable(why) | Trouble::Foreign(why)) => {
                    removed.remains.push((*place, why));
                }
            }
        }
        Ok(removed)
    }

    /// Whether all of these can be got.
    ///
    /// # Errors
    /// Some can't: all of them, each with what adds it.
    pub fn check<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> Result<(), Lacking> {
        let mut wants: Vec<Want> = Vec::new();
        for name in names {
            let want = self.want(name.as_ref());
            wants.extend(want.filter(|want| wants.iter().all(|other| other.name != want.name)));
        }
        if wants.is_empty() { Ok(()) } else { Err(Lacking { wants }) }
    }

    fn want(&self, text: &str) -> Option<Want> {
        let name = match Name::parse(text) {
            Ok(name) => name,
            Err(error) => {
                let name = crate::error::quoted(text);
                let why = error.to_string();
                return Some(Want { name, unreachable: false, why, command: None });
            }
        };
        let (unreachable, why, command) = match self.seek(&name) {
            Sought::Found(place, secret) if has_nul(&secret) => {
                let why =
                    format!("in {place} it has a NUL byte, which no server and no program takes");
                (false, why, Some(self.anew(&name, place)))
            }
            Sought::Found(..) => return None,
            Sought::Nowhere => {
                let why = format!("it is nowhere (asked: {})", listed(self.order()));
                (false, why, Some(self.command(&name)))
            }
            Sought::Unreachable(silent) => (true, silent.to_string(), self.around(&name, &silent)),
        };
        Some(Want { name: name.to_string(), unreachable, why, command })
    }

    /// What the operator types to put another credential in the place of the one that is found by this name.
    #[must_use]
    pub fn replacing(&self, name: &str) -> Option<String> {
        let name = Name::parse(name).ok()?;
        match self.seek(&name) {
            Sought::Found(place, _) => Some(self.anew(&name, place)),
            Sought::Nowhere | Sought::Unreachable(_) => None,
        }
    }

    /// What puts another credential into the place that has one of this name.
    fn anew(&self, name: &Name, place: Place) -> String {
        let holder = self.places.iter().find(|(other, _)| *other == place && is_foreign(place));
        let ours = || format!("{SET}{name} --place {place}");
        holder.map_or_else(ours, |(_, holder)| holder.command(name))
    }

    /// What adds a credential though some places do not answer. Nothing does, where the place that would get it is one of
    /// them and no other takes it for good: it would fail as well.
    fn around(&self, name: &Name, silent: &Silent) -> Option<String> {
        let is_silent = |place| silent.silent.iter().any(|(other, _)| *other == place);
        let places = self.places.iter().map(|(place, _)| *place);
        let mut takers = places
            .filter(|place| !(is_foreign(*place) || *place == Place::Keyutils && self.any_lasts()));
        let there = |place: &Place| is_silent(*place) || silent.answered.contains(place);
        match takers.clone().find(there) {
            Some(first) if is_silent(first) => {
                let place = takers.find(|place| silent.answered.contains(place))?;
                Some(format!("{SET}{name} --place {place}"))
            }
            _ => Some(self.command(name)),
        }
    }

    /// Whether a place is asked that keeps for good what is put there.
    fn any_lasts(&self) -> bool {
        self.places.iter().any(|(place, _)| matches!(place, Place::Keyring | Place::File))
    }

    /// What adds a credential: to the first place that is ours to fill, or else to the first one.
    fn command(&self, name: &Name) -> String {
        let ours = self.places.iter().find(|(place, _)| !is_foreign(*place));
        let chosen = ours.or(self.places.first());
        chosen.map(|(_, holder)| holder.command(name)).unwrap_or_default()
    }

    fn seek(&self, name: &Name) -> Sought {
        let (mut silent, mut answered) = (Vec::new(), Vec::new());
        for (place, holder) in &self.places {
            match holder.get(name) {
                Ok(Some(secret)) => return Sought::Found(*place, secret),
                Ok(None) => answered.push(*place),
                Err(Trouble::Absent(_) | Trouble::Foreign(_)) => {}
                Err(Trouble::Unreachable(why)) => silent.push((*place, why)),
            }
        }
        if silent.is_empty() {
            Sought::Nowhere
        } else {
            Sought::Unreachable(Silent { silent, answered })
        }
    }

    /// The place that a credential would come from.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<Place> {
        match self.seek(&Name::parse(name).ok()?) {
            Sought::Found(place, _) => Some(place),
            Sought::Nowhere | Sought::Unreachable(_) => None,
        }
    }

    fn order(&self) -> Vec<Place> {
        self.places.iter().map(|(place, _)| *place).collect()
    }

    /// The folders that are read when a credential is got, for whoever confines the process: files in them are replaced.
    /// Those that are not there yet are left out.
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        let sealed = self.sealed.iter().flat_map(|sealed| sealed.folders());
        let handed = self.handed.iter().filter(|_| self.order().contains(&Place::Systemd));
        let mut folders: Vec<PathBuf> = sealed.chain(handed.cloned()).collect();
        folders.retain(|folder| folder.is_dir());
        folders.sort();
        folders.dedup();
        folders
    }

    /// Whether the kernel's keyrings are asked, for whoever confines the process: it takes the calls `keyctl` and
    /// `add_key`.
    #[must_use]
    pub fn asks_the_kernel(&self) -> bool {
        self.order().contains(&Place::Keyutils)
    }
}

impl Secrets for Vault {
    fn get(&self, name: &str) -> Result<Secret, NoSecret> {
        let name = Name::parse(name).map_err(|error| {
            NoSecret::Unreachable(crate::error::quoted(name), error.to_string())
        })?;
        match self.seek(&name) {
            Sought::Found(_, secret) => Ok(secret),
            Sought::Nowhere => Err(NoSecret::Unknown(name.to_string())),
            Sought::Unreachable(silent) => {
                Err(NoSecret::Unreachable(name.to_string(), silent.to_string()))
            }
        }
    }
}

impl std::fmt::Display for Silent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told: Vec<_> =
            self.silent.iter().map(|(place, why)| format!("{place}: {why}")).collect();
        f.write_str(&told.join("; "))
    }
}

/// Whether somebody else fills a place.
fn is_foreign(place: Place) -> bool {
    matches!(place, Place::Systemd | Place::Environment)
}

/// Whether a secret has a byte that ends it, or what it stands in, wherever it is shown.
fn has_nul(secret: &Secret) -> bool {
    secret.reveal().contains(&0)
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("order", &self.order()).finish_non_exhaustive()
    }
}
