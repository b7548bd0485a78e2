//! A mapping whose names are known: what was typed of it, name by name.
//!
//! It must never know what the values are for.

use std::sync::Arc;

use super::node::{Key, Node, get};
use super::problem::{Problems, Wrong};

/// What was typed in a mapping, and which of its names were read.
pub(super) struct Fields<'a> {
    entries: &'a [(Key, Arc<Node>)],
    /// The names that are there, of those that were asked for.
    pub(super) typed: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Nothing of it is read yet.
    pub(super) const fn new(entries: &'a [(Key, Arc<Node>)]) -> Self {
        Self { entries, typed: Vec::new() }
    }

    /// The value of this name, if it is there.
    pub(super) fn get(&mut self, name: &'static str) -> Option<&'a Arc<Node>> {
        get(self.entries, name).inspect(|_| self.typed.push(name))
    }

    /// What the value of this name comes to; nothing if it is not there, or wrong, which is told.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        problems: &mut Problems,
        read: impl FnOnce(&Arc<Node>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let node = self.get(name)?;
        problems.take(&node.place, read(node))
    }
}
