//! Which table files this process has open, and for whom: who waits for one is told who has it.
//!
//! A lock says that a file is taken, not by whom, and this program's own listeners lock each other out too.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::file::Identity;

/// The listener of each file that is open.
static TAKEN: Mutex<BTreeMap<Identity, String>> = Mutex::new(BTreeMap::new());

/// A file that a listener has open. Dropped, it is nobody's.
pub(super) struct Taken(Identity);

impl Taken {
    /// Notes that a listener has a file, whose lock it holds.
    pub(super) fn note(file: Identity, listener: &str) -> Self {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(file, listener.to_owned());
        Self(file)
    }

    /// Which file it is.
    pub(super) fn file(&self) -> Identity {
        self.0
    }

    /// Which listener of this process has a file; none, if another program has it.
    pub(super) fn by(file: Identity) -> Option<String> {
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner).get(&file).cloned()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}
