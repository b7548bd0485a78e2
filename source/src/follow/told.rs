//! What is said about files that make trouble: once, and again when the trouble has changed or is over.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::limit;
use crate::path::escaped;

/// The trouble that a source has with a file that it was told by name, as long as it has it.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// What it is.
    #[must_use]
    pub fn now(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, trouble: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// What was said last about which path.
#[derive(Debug)]
pub(super) struct Told {
    source: String,
    problems: HashMap<PathBuf, String>,
    /// The names that were typed as they are: whoever types one means it.
    plain: Vec<PathBuf>,
    pub trouble: Trouble,
}

impl Told {
    /// Nothing was said yet about files of this source.
    pub fn new(source: &str, plain: &[PathBuf]) -> Self {
        let (source, plain) = (source.to_owned(), plain.to_vec());
        Self { source, problems: HashMap::new(), plain, trouble: Trouble::default() }
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
        self.look();
    }

    /// There is nothing any more that could be in trouble.
    pub fn gone(&mut self, path: &Path) {
        if !self.problems.is_empty() && self.problems.remove(path).is_some() {
            self.look();
        }
    }

    /// Which trouble there is now with a name that was typed.
    fn look(&self) {
        let trouble = self.plain.iter().find_map(|path| {
            let problem = self.problems.get(path)?;
            Some(format!("{}: {problem}", escaped(path)))
        });
        self.trouble.set(trouble);
    }

    /// There is no trouble any more.
    pub fn solved(&mut self, path: &Path) {
        if !self.problems.is_empty() && self.problems.remove(path).is_some() {
            self.look();
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
