//! What is said about files that make trouble: once, and again when the trouble has changed or is over.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::limit;
use crate::path::escaped;

/// What was said last about which path.
#[derive(Debug)]
pub(super) struct Told {
    source: String,
    problems: HashMap<PathBuf, String>,
}

impl Told {
    /// Nothing was said yet about files of this source.
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned(), problems: HashMap::new() }
    }

    /// There is this trouble.
    pub fn problem(&mut self, path: &Path, problem: &str) {
        if self.problems.get(path).is_some_and(|told| told == problem) {
            return;
        }
        if self.problems.len() >= limit::FOLLOW_NAMES_MAX {
            self.problems.clear();
        }
        tracing::warn!("source `{}`: {}: {problem}", self.source, escaped(path));
        self.problems.insert(path.to_owned(), problem.to_owned());
    }

    /// There is no trouble any more.
    pub fn solved(&mut self, path: &Path) {
        if !self.problems.is_empty() && self.problems.remove(path).is_some() {
            self.news(path, "is read now");
        }
    }

    /// Something to know that is no trouble.
    pub fn news(&self, path: &Path, news: &str) {
        tracing::info!("source `{}`: {} {news}", self.source, escaped(path));
    }

    /// Something was lost: said each time.
    pub fn lost(&self, path: &Path, loss: &str) {
        tracing::warn!("source `{}`: {}: {loss}", self.source, escaped(path));
    }
}
