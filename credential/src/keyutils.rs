//! The kernel's own keyring of the user: what is in it touches no disk, and is gone when the machine restarts.
//!
//! A key is looked for in the session's keyring first, which usually leads to the user's, and then in the user's itself:
//! a service has a session of its own that leads nowhere. What is set here can be read by all programs of the user, as
//! with the Secret Service; what others have put there may be for those alone whose session leads to it.

use std::fs::File;
use std::io::Read;

use correlator_world::Secret;
use linux_keyutils::{
    Key, KeyError, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission,
};
use zeroize::Zeroizing;

use crate::holder::{Holder, Trouble};
use crate::limit;
use crate::name::Name;

/// What stands before the name in a key's description.
const PREFIX: &str = "correlator:";
/// What the kernel tells of the keys that this process may see. Asked for the keys of a ring, it would tell them too, but
/// `linux-keyutils` believes it when it says that there are more than there is room for.
const KEYS: &str = "/proc/keys";

/// The kernel's keyring.
pub(crate) struct Keyutils {
    /// Why there is none, if so.
    absent: Option<String>,
}

impl Keyutils {
    /// Looks whether there is one: containers often have none. What is refused later is no answer to that: a process that
    /// has confined itself gives up its keyrings too.
    pub fn new() -> Self {
        let absent = ring(KeyRingIdentifier::User).err();
        Self {
            absent: absent
                .map(|error| format!("there is no keyring of the kernel here: {}", words(error))),
        }
    }

    fn there(&self) -> Result<(), Trouble> {
        self.absent.as_ref().map_or(Ok(()), |why| Err(Trouble::Absent(why.clone())))
    }

    fn find(&self, name: &Name) -> Result<Option<Key>, Trouble> {
        self.there()?;
        let description = format!("{PREFIX}{name}");
        for id in [KeyRingIdentifier::Session, KeyRingIdentifier::User] {
            match ring(id).and_then(|ring| ring.search(&description)) {
                Ok(key) => return Ok(Some(key)),
                Err(error) if gone(error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(None)
    }
}

fn ring(id: KeyRingIdentifier) -> Result<KeyRing, KeyError> {
    KeyRing::from_special_id(id, false)
}

/// Whether there is no such key or keyring, or it is on its way out.
fn gone(error: KeyError) -> bool {
    matches!(
        error,
        KeyError::KeyDoesNotExist
            | KeyError::MissingFileOrDirectory
            | KeyError::KeyExpired
            | KeyError::KeyRevoked
    )
}

fn failed(error: KeyError) -> Trouble {
    Trouble::Unreachable(words(error))
}

fn words(error: KeyError) -> String {
    match error {
        KeyError::AccessDenied => {
            "the key is not for this session; put it there with `correlator credential set`".into()
        }
        KeyError::PermissionDenied => "the system does not let this process use keyrings".into(),
        KeyError::QuotaExceeded => {
            "the user has no room for it; see /proc/key-users and /proc/sys/kernel/keys".into()
        }
        error => format!("the kernel says {error}"),
    }
}

impl Holder for Keyutils {
    fn get(&self, name: &Name) -> Result<Option<Secret>, Trouble> {
        let Some(key) = self.find(name)? else { return Ok(None) };
        let mut bytes = Zeroizing::new(vec![0; limit::SECRET_BYTES_MAX]);
        match key.read(&mut *bytes) {
            // Exactly as much as it takes, so that a secret is not 32 KiB of mostly nothing.
            Ok(len) if len <= bytes.len() => Ok(Some(Secret::new(bytes[..len].to_vec()))),
            Ok(_) => Err(failed(KeyError::InvalidArguments)),
            Err(error) if gone(error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    fn set(&self, name: &Name, secret: &Secret) -> Result<(), Trouble> {
        self.there()?;
        let description = format!("{PREFIX}{name}");
        let put = || -> Result<(), KeyError> {
            // Only whoever possesses a key may say who may read it, and what is in the thread's keyring is possessed
            // whatever the session's leads to.
            let own = KeyRing::from_special_id(KeyRingIdentifier::Thread, true)?;
            let key = own.add_key(&description, secret.reveal())?;
            let rights = Permission::VIEW
                | Permission::READ
                | Permission::WRITE
                | Permission::SEARCH
                | Permission::LINK;
            let rights =
                KeyPermissionsBuilder::builder().posessor(Permission::ALL).user(rights).build();
            let linked =
                key.set_perms(rights).and_then(|()| ring(KeyRingIdentifier::User)?.link_key(key));
            own.unlink_key(key)?;
            linked
        };
        put().map_err(failed)
    }

    fn names(&self) -> Result<Vec<Name>, Trouble> {
        self.there()?;
        let mut text = String::new();
        let read = File::open(KEYS)
            .and_then(|file| file.take(limit::KEYS_BYTES_MAX).read_to_string(&mut text));
        read.map_err(|error| Trouble::Unreachable(format!("{KEYS}: {error}")))?;
        let mut names = Vec::new();
        for name in text.lines().filter_map(listed) {
            // It may lie in a keyring that is not asked.
            if self.find(&name)?.is_some() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn remove(&self, name: &Name) -> Result<bool, Trouble> {
        let Some(key) = self.find(name)? else { return Ok(false) };
        for id in [KeyRingIdentifier::User, KeyRingIdentifier::Session] {
            match ring(id).and_then(|ring| ring.unlink_key(key)) {
                Ok(()) => {}
                Err(error) if gone(error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(true)
    }
}

/// The name in a line of what the kernel tells: `serial flags uses timeout rights user group type description: bytes`.
fn listed(line: &str) -> Option<Name> {
    let mut words = line.split_ascii_whitespace().skip(7);
    if words.next() != Some("user") {
        return None;
    }
    let name = words.next()?.strip_prefix(PREFIX)?.strip_suffix(':')?;
    Name::parse(name).ok()
}

#[cfg(test)]
mod tests {
    use super::{Name, listed};

    #[test]
    fn names_are_found_in_the_list_of_keys() {
        let check = |line: &str, expected: Option<&str>| {
            let found = listed(line);
            assert_eq!(found.as_ref().map(Name::as_str), expected, "{line}");
        };
        let line = |rest: &str| format!("296027e7 I--Q---     1 perm 3f010000     0     0 {rest}");
        check(&line("user      correlator:smtp: 7"), Some("smtp"));
        check(&line("keyring   correlator:smtp: 7"), None);
        check(&line("user      other:smtp: 7"), None);
        check(&line("user      correlator:: 7"), None);
        check("", None);
    }
}
