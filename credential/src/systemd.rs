//! What systemd hands to a service: one file a credential, in memory, for this service alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use correlator_world::Secret;

use crate::disk;
use crate::holder::{Holder, Trouble};
use crate::limit;
use crate::name::Name;

/// The folder that systemd has filled, if it has.
pub(crate) struct Systemd {
    folder: Option<PathBuf>,
}

impl Systemd {
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    fn folder(&self) -> Result<&Path, Trouble> {
        self.folder.as_deref().ok_or_else(|| {
            Trouble::Absent(
                "the program was not started by systemd with credentials ($CREDENTIALS_DIRECTORY is not set)".into(),
            )
        })
    }
}

fn failed(path: &Path, error: &io::Error) -> Trouble {
    Trouble::Unreachable(format!("{}: {error}", path.display()))
}

impl Holder for Systemd {
    fn get(&self, name: &Name) -> Result<Option<Secret>, Trouble> {
        let path = self.folder()?.join(name.as_str());
        let file = match disk::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, &error)),
        };
        let mut bytes =
            disk::read(&file, limit::SECRET_BYTES_MAX).map_err(|error| failed(&path, &error))?;
        trim(&mut bytes);
        Ok(Some(Secret::new(std::mem::take(&mut *bytes))))
    }

    fn set(&self, name: &Name, _: &Secret) -> Result<(), Trouble> {
        Err(Trouble::Foreign(format!("systemd fills it; {}", self.command(name))))
    }

    fn names(&self) -> Result<Vec<Name>, Trouble> {
        let folder = self.folder()?;
        let entries = fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter_map(|name| Name::parse(&name).ok()).collect())
    }

    fn remove(&self, name: &Name) -> Result<bool, Trouble> {
        let Some(folder) = &self.folder else { return Ok(false) };
        if !folder.join(name.as_str()).exists() {
            return Ok(false);
        }
        Err(Trouble::Foreign(format!(
            "systemd fills it; take `{name}` out of the unit's `LoadCredentialEncrypted=`"
        )))
    }

    fn command(&self, name: &Name) -> String {
        format!(
            "systemd-ask-password -n | systemd-creds encrypt --name={name} - /etc/credstore.encrypted/{name}, with \
             `LoadCredentialEncrypted={name}` in the unit"
        )
    }
}

/// A single line of text loses its end: `echo` has put it there. What may be anything else stays as it is.
fn trim(bytes: &mut Vec<u8>) {
    if let Some((b'\n', line)) = bytes.split_last()
        && !line.is_empty()
        && !line.contains(&b'\n')
        && std::str::from_utf8(line).is_ok()
    {
        let end = line.len() - usize::from(line.ends_with(b"\r"));
        bytes.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_line_loses_its_end() {
        let check = |given: &[u8], expected: &[u8]| {
            let mut bytes = given.to_vec();
            super::trim(&mut bytes);
            assert_eq!(bytes, expected, "{given:?}");
        };
        check(b"word\n", b"word");
        check(b"word\r\n", b"word");
        check(b"word", b"word");
        check(b"word\n\n", b"word\n\n");
        check(b"-----BEGIN\nkey\n", b"-----BEGIN\nkey\n");
        check(b"\xff\xfe\n", b"\xff\xfe\n");
        check(b"\n", b"\n");
        check(b"", b"");
    }
}
