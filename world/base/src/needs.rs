//! What a capability needs of the machine beside the network.

use std::path::PathBuf;

/// What a capability needs of the machine beside the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files and folders that it reads.
    pub read: Vec<PathBuf>,
    /// Folders that it writes to.
    pub write: Vec<PathBuf>,
    /// Programs that it starts, and as somebody else: such a program needs more than anybody can name.
    pub run: Vec<PathBuf>,
}
