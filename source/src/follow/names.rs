//! Which names a source follows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use correlator_wire::file::not_a_file;

use super::FollowError;
use super::resume::is_absent;
use super::told::Told;
use crate::path::{Paths, escaped};
use crate::settings::{Door, Source, SourcePath};

/// Names that are followed: as they are, or all that a pattern matches.
#[derive(Debug, Default)]
pub(super) struct Names {
    plain: Vec<PathBuf>,
    patterns: Vec<Paths>,
}

impl Names {
    /// What a source asks for. Plain names need not be there yet, but must not be anything else than files.
    pub fn new(source: &Source) -> Result<Self, FollowError> {
        let Door::Files { paths, .. } = &source.door else { return Ok(Self::default()) };
        let mut names = Self::default();
        for path in paths {
            match path {
                SourcePath::Input => {
                    return Err(FollowError::Input { source_name: source.name.clone() });
                }
                SourcePath::File(path) => names.plain.push(bare(path).to_owned()),
                SourcePath::Glob(text) if Path::new(text).exists() => {
                    names.plain.push(bare(Path::new(text)).to_owned());
                }
                SourcePath::Glob(text) => {
                    let text = text.trim_start_matches("./");
                    names.patterns.push(pattern(source, text)?);
                }
            }
        }
        for path in &names.plain {
            if let Some(kind) = fs::metadata(path).ok().and_then(|facts| not_a_file(&facts)) {
                let (source_name, path) = (source.name.clone(), escaped(path));
                return Err(FollowError::NotAFile { source_name, path, kind });
            }
        }
        Ok(names)
    }

    /// All names: plain ones whether they are there or not, and what patterns match now.
    pub fn now(&self, told: &mut Told) -> Vec<PathBuf> {
        let mut seen: BTreeSet<PathBuf> = self.plain.iter().cloned().collect();
        let mut names: Vec<PathBuf> = self.plain.clone();
        for pattern in &self.patterns {
            for path in pattern.find() {
                match path {
                    Ok(path) if seen.insert(path.clone()) => names.push(path),
                    Ok(_) => {}
                    Err((folder, error)) => told.problem(&folder, &error.to_string()),
                }
            }
        }
        names
    }

    /// Names that were typed as they are and have no file now.
    pub fn absent(&self) -> impl Iterator<Item = &Path> {
        let is_absent = |path: &&Path| fs::metadata(path).is_err_and(|error| is_absent(&error));
        self.plain.iter().map(PathBuf::as_path).filter(is_absent)
    }

    /// Whether this is such a name.
    pub fn has(&self, path: &Path) -> bool {
        self.plain.iter().any(|plain| plain == path)
            || self.patterns.iter().any(|names| names.match_path(path))
    }

    /// The names that were typed as they are.
    pub fn plain(&self) -> &[PathBuf] {
        &self.plain
    }

    /// Whether this name was typed as it is.
    pub fn has_plain(&self, path: &Path) -> bool {
        self.plain.iter().any(|plain| plain == path)
    }

    /// The folders in which names may appear or go.
    pub fn folders(&self, now: &[PathBuf]) -> BTreeSet<PathBuf> {
        let bases = self.patterns.iter().map(Paths::base);
        now.iter().map(|name| folder(name).to_owned()).chain(bases).collect()
    }
}

fn pattern(source: &Source, text: &str) -> Result<Paths, FollowError> {
    Paths::new(text).map_err(|error| FollowError::Pattern {
        source_name: source.name.clone(),
        pattern: text.to_owned(),
        problem: error.to_string(),
    })
}

/// The folder that a name is in.
pub(super) fn folder(name: &Path) -> &Path {
    match name.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A name as it is compared: without what says that it is here. The kernel tells names and not how they were typed.
pub(super) fn bare(path: &Path) -> &Path {
    path.strip_prefix(".").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Names, bare, pattern};
    use crate::follow::tests::source;
    use crate::settings::SourcePath;

    #[test]
    fn names_of_patterns() {
        let check = |text: &str, path: &str, base: &str, expected: bool| {
            let one = pattern(&source("test", &[]), text).expect("a pattern");
            assert_eq!(one.base(), Path::new(base), "{text}");
            let names = Names { plain: Vec::new(), patterns: vec![one] };
            assert_eq!(names.has(Path::new(path)), expected, "{text} {path}");
        };
        check("/var/log/*.log", "/var/log/a.log", "/var/log", true);
        check("/var/log/*.log", "/var/log/a.log.1", "/var/log", false);
        check("/var/log/*.log", "/var/log/sub/a.log", "/var/log", false);
        check("/var/log/*/a.log", "/var/log/sub/a.log", "/var/log", true);
        check("/var/log/**/a.log", "/var/log/x/y/a.log", "/var/log", true);
        check("*.log", "a.log", ".", true);
    }

    #[test]
    fn a_name_is_known_however_it_was_typed() {
        let check = |typed: SourcePath| {
            let names = Names::new(&source("test", &[typed])).expect("a name");
            // As the kernel tells of the folder `.`.
            let told = bare(Path::new(".")).join("none-such.log");
            assert!(names.has(&told), "{names:?}");
        };
        check(SourcePath::File("none-such.log".into()));
        check(SourcePath::File("./none-such.log".into()));
        check(SourcePath::Glob("none-such.l*".into()));
        check(SourcePath::Glob("./none-such.l*".into()));
    }
}
