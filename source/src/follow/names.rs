//! Which names a source follows.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use glob::Pattern;

use super::FollowError;
use super::told::Told;
use crate::settings::{Door, Source, SourcePath};

/// Characters that make a part of a path a pattern.
const SPECIAL: [char; 3] = ['*', '?', '['];

/// Names that are followed: as they are, or all that a pattern matches.
#[derive(Debug, Default)]
pub(super) struct Names {
    plain: Vec<PathBuf>,
    patterns: Vec<Matches>,
}

/// The names that one pattern matches.
#[derive(Debug)]
struct Matches {
    text: String,
    pattern: Pattern,
    /// The folder below which all of them are.
    base: PathBuf,
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
                    names.patterns.push(Matches::new(source, text)?);
                }
            }
        }
        for path in &names.plain {
            if let Some(kind) = fs::metadata(path).ok().and_then(|facts| not_a_file(&facts)) {
                let (source_name, path) = (source.name.clone(), path.display().to_string());
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
            let found = match glob::glob(&pattern.text) {
                Ok(found) => found,
                Err(error) => {
                    told.problem(&pattern.base, &error.to_string());
                    continue;
                }
            };
            for path in found {
                match path {
                    Ok(path) if seen.insert(path.clone()) => names.push(path),
                    Ok(_) => {}
                    Err(error) => told.problem(error.path(), &error.error().to_string()),
                }
            }
        }
        names
    }

    /// Whether this is such a name.
    pub fn has(&self, path: &Path) -> bool {
        self.plain.iter().any(|plain| plain == path)
            || self.patterns.iter().any(|names| names.matches(path))
    }

    /// Whether this name was typed as it is.
    pub fn has_plain(&self, path: &Path) -> bool {
        self.plain.iter().any(|plain| plain == path)
    }

    /// The folders in which names may appear or go.
    pub fn folders(&self, now: &[PathBuf]) -> BTreeSet<PathBuf> {
        let bases = self.patterns.iter().map(|names| names.base.clone());
        now.iter().map(|name| folder(name).to_owned()).chain(bases).collect()
    }
}

impl Matches {
    fn new(source: &Source, text: &str) -> Result<Self, FollowError> {
        let pattern = Pattern::new(text).map_err(|error| FollowError::Pattern {
            source_name: source.name.clone(),
            pattern: text.to_owned(),
            problem: error.to_string(),
        })?;
        let parts = Path::new(text).components();
        let base: PathBuf = parts
            .take_while(|part| !part.as_os_str().to_string_lossy().contains(SPECIAL))
            .collect();
        let base = if base.as_os_str().is_empty() { PathBuf::from(".") } else { base };
        Ok(Self { text: text.to_owned(), pattern, base })
    }

    fn matches(&self, path: &Path) -> bool {
        let options =
            glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
        self.pattern.matches_path_with(path, options)
    }
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

/// What something is that can't be followed.
pub(super) fn not_a_file(facts: &fs::Metadata) -> Option<&'static str> {
    let kind = facts.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Matches, Names, bare};
    use crate::follow::tests::source;
    use crate::settings::SourcePath;

    #[test]
    fn names_of_patterns() {
        let check = |pattern: &str, path: &str, base: &str, expected: bool| {
            let one = Matches::new(&source("test", &[]), pattern).expect("a pattern");
            assert_eq!(one.base, Path::new(base), "{pattern}");
            let names = Names { plain: Vec::new(), patterns: vec![one] };
            assert_eq!(names.has(Path::new(path)), expected, "{pattern} {path}");
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
