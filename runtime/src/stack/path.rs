//! Paths as they are typed: of what is read, written or listened on.
//!
//! This room must never look whether anything is there.

use std::path::{Path, PathBuf};

use super::node::Node;
use super::problem::Wrong;

/// A path, relative to this folder; `expected` says what of.
pub(super) fn read(expected: &str, node: &Node, folder: &Path) -> Result<PathBuf, Wrong> {
    let text = node.scalar(expected)?;
    if text.is_empty() || text.contains('\0') {
        return Err(Wrong::new(format!("expected {expected}, found an empty text")));
    }
    Ok(folder.join(text))
}
