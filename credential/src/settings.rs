//! Where to look for credentials: what the operator writes under `credentials:` in the stack.
//!
//! It must never have a field that could hold a secret.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where to look for credentials.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The places that are asked, the first one first.
    pub order: Vec<Place>,
    /// The encrypted file; absent, `/etc/correlator/credentials` for root and `correlator/credentials` in the user's folder
    /// for data for others.
    pub file: Option<PathBuf>,
    /// The file with its key; absent, the same path with `.key` behind it.
    pub key: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { order: Place::ALL.to_vec(), file: None, key: None }
    }
}

impl Settings {
    /// The same, with relative paths taken as relative to a folder: that of the stack.
    #[must_use]
    pub fn relative_to(mut self, folder: &Path) -> Self {
        for path in [&mut self.file, &mut self.key].into_iter().flatten() {
            *path = folder.join(&*path);
        }
        self
    }
}

/// A place where credentials are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The Secret Service of the session.
    Keyring,
    /// The kernel's own keyring of the user.
    Keyutils,
    /// What systemd hands to the service.
    Systemd,
    /// The encrypted file.
    File,
    /// The environment.
    Environment,
}

impl Place {
    /// All of them, in the order in which they are asked if the operator doesn't say.
    pub const ALL: [Self; 5] =
        [Self::Keyring, Self::Keyutils, Self::Systemd, Self::File, Self::Environment];

    /// What it is called in the stack and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::Keyutils => "keyutils",
            Self::Systemd => "systemd",
            Self::File => "file",
            Self::Environment => "environment",
        }
    }

    /// The place that a word names.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.word() == word)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Places as a list in words.
pub(crate) fn listed(places: impl IntoIterator<Item = Place>) -> String {
    places.into_iter().map(Place::word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Place, Settings};

    #[test]
    fn settings_are_read_as_the_operator_writes_them() {
        let check = |text: &str, expected: Option<Settings>| {
            assert_eq!(serde_yaml::from_str::<Settings>(text).ok(), expected, "{text}");
        };
        check("{}", Some(Settings::default()));
        check(
            "{ order: [systemd, file], file: c, key: /k }",
            Some(Settings {
                order: vec![Place::Systemd, Place::File],
                file: Some("c".into()),
                key: Some("/k".into()),
            }),
        );
        check("{ order: [vault] }", None);
        check("{ password: hunter2 }", None);
    }

    #[test]
    fn paths_are_relative_to_the_stack() {
        let settings =
            Settings { file: Some("c".into()), key: Some("/k".into()), ..Settings::default() };
        let settings = settings.relative_to(Path::new("/etc/stack"));
        assert_eq!(settings.file.as_deref(), Some(Path::new("/etc/stack/c")));
        assert_eq!(settings.key.as_deref(), Some(Path::new("/k")));
    }

    #[test]
    fn words_name_places() {
        for place in Place::ALL {
            assert_eq!(Place::of_word(place.word()), Some(place));
            assert_eq!(serde_yaml::from_str::<Place>(place.word()).ok(), Some(place));
        }
        assert_eq!(Place::of_word("vault"), None);
    }
}
