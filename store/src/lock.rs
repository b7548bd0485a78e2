//! One writer at a time: a lock on a file in the folder, which the system lets go of whatever happens to its owner.
//!
//! The file says who the owner is, for the sake of whoever comes second. It must never know what is written there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::StoreError;
use crate::limit;

/// The right to write to a store, until it is dropped.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(StoreError::io(&path, "open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = owner(&file);
                return Err(StoreError::Locked { folder: folder.to_owned(), owner });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io(&path, "lock")(error)),
        }
        let name = format!("process {}", std::process::id());
        // Who it is helps people and nothing else: on a full disk the lock still holds.
        let told = file.set_len(0).and_then(|()| file.write_all(name.as_bytes()));
        if let Err(error) = told {
            tracing::debug!("{} does not say who has it: {error}", path.display());
        }
        Ok(Self(file))
    }
}

impl Drop for Lock {
    /// Lets go, rather than just closing the file: a process that is being started may hold a copy for a moment.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::debug!("a store's lock can't be let go of: {error}");
        }
    }
}

/// What the one who has the lock says of itself.
fn owner(file: &File) -> String {
    let mut said = Vec::new();
    let read = file.take(limit::OWNER_BYTES_MAX).read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    let said: String = said.chars().filter(|letter| !letter.is_control()).collect();
    match read {
        Ok(_) if !said.is_empty() => said,
        _ => "another process".to_owned(),
    }
}
