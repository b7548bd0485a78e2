//! Paths as the system has them, bytes that need not be text: found by patterns, and shown to people.
//!
//! A pattern is text and means what it means to the crate `glob`, whose own search passes over names that are not UTF-8. To a
//! pattern, each byte of a name that is no text is a character of its own, which `*` and `?` match. What is found is the
//! name itself. This room must never know why somebody looks.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern, PatternError};

/// What makes a part of a path more than a name.
const SPECIAL: [char; 3] = ['*', '?', '['];

/// A pattern of paths.
#[derive(Debug)]
pub(crate) struct Paths {
    whole: Pattern,
    root: &'static str,
    parts: Vec<Part>,
    /// Only folders, which a pattern with a `/` at its end means.
    folders: bool,
}

/// What stands between two `/`.
#[derive(Debug)]
enum Part {
    /// A name.
    Name(String),
    /// All names that match.
    Names(Pattern),
    /// `**`: this folder and all below it.
    Below,
}

/// What was found, and folders that could not be looked into.
pub(crate) type Found = Vec<Result<PathBuf, (PathBuf, io::Error)>>;

impl Paths {
    /// Reads a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let part = |part: &str| match part {
            "**" => Ok(Part::Below),
            name if !name.contains(SPECIAL) => Ok(Part::Name(name.to_owned())),
            pattern => Pattern::new(pattern).map(Part::Names),
        };
        let parts = text.split('/').filter(|part| !part.is_empty()).map(part);
        Ok(Self {
            whole: Pattern::new(text)?,
            root: if text.starts_with('/') { "/" } else { "." },
            parts: parts.collect::<Result<_, _>>()?,
            folders: text.ends_with('/'),
        })
    }

    /// Whether a path would be found if it was there.
    pub fn match_path(&self, path: &Path) -> bool {
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        self.whole.matches_with(&as_text(path.as_os_str()), options)
    }

    /// The folder below which all of them are.
    pub fn base(&self) -> PathBuf {
        let names = self.parts.iter().map_while(|part| match part {
            Part::Name(name) => Some(name),
            Part::Names(_) | Part::Below => None,
        });
        names.fold(PathBuf::from(self.root), |at, name| join(&at, OsStr::new(name)))
    }

    /// What is there, folders too, in the order of names.
    pub fn find(&self) -> Found {
        let mut found = Found::new();
        find(Path::new(self.root), &self.parts, &mut found);
        if self.folders {
            found.retain(|path| path.as_ref().map_or(true, |path| path.is_dir()));
        }
        found
    }
}

/// Finds what matches these parts in a folder.
fn find(at: &Path, parts: &[Part], found: &mut Found) {
    let Some((part, rest)) = parts.split_first() else { return found.push(Ok(at.to_owned())) };
    match part {
        Part::Name(name) => {
            let path = join(at, OsStr::new(name));
            if path.symlink_metadata().is_ok() {
                find(&path, rest, found);
            }
        }
        Part::Names(pattern) => {
            for one in inside(at, found) {
                if pattern.matches(&as_text(&one.name)) {
                    find(&one.path, rest, found);
                }
            }
        }
        Part::Below => {
            let deeper = |part: &Part| matches!(part, Part::Below);
            let rest = &rest[rest.iter().take_while(|part| deeper(part)).count()..];
            find_below(at, rest, found);
        }
    }
}

/// Finds what matches these parts in a folder and in all below it.
fn find_below(at: &Path, parts: &[Part], found: &mut Found) {
    // Nothing behind `**` means folders, and nobody reads those.
    let Some((part, rest)) = parts.split_first() else { return };
    for one in inside(at, found) {
        let matches = match part {
            Part::Name(wanted) => one.name == OsStr::new(wanted),
            Part::Names(pattern) => pattern.matches(&as_text(&one.name)),
            Part::Below => false,
        };
        if matches {
            find(&one.path, rest, found);
        }
        if one.folder {
            find_below(&one.path, parts, found);
        }
    }
}

/// Something in a folder.
struct Inside {
    name: OsString,
    path: PathBuf,
    /// Whether it is a folder, or leads to one.
    folder: bool,
}

/// What is in a folder, in the order of names. Nothing is in what is none.
fn inside(folder: &Path, found: &mut Found) -> Vec<Inside> {
    let one = |entry: io::Result<DirEntry>| -> io::Result<Inside> {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let path = join(folder, &name);
        let folder = kind.is_dir() || kind.is_symlink() && path.is_dir();
        Ok(Inside { name, path, folder })
    };
    let list = fs::read_dir(folder).and_then(|entries| entries.map(one).collect());
    let mut list: Vec<Inside> = list.unwrap_or_else(|error| {
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
            found.push(Err((folder.to_owned(), error)));
        }
        Vec::new()
    });
    list.sort_by(|one, other| one.name.cmp(&other.name));
    list
}

/// A path in a folder. What is here is called by its name alone, however it was typed.
fn join(folder: &Path, name: &OsStr) -> PathBuf {
    if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) }
}

/// A name as a pattern sees it.
fn as_text(name: &OsStr) -> Cow<'_, str> {
    if let Some(text) = name.to_str() {
        return text.into();
    }
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text.into()
}

/// A path for people: what is no text, and what would steer a terminal, as escapes.
pub(crate) fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            // Writing into a text does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::{Path, PathBuf};

    use super::{Paths, escaped};

    fn path(bytes: &[u8]) -> &Path {
        Path::new(OsStr::from_bytes(bytes))
    }

    #[test]
    fn bytes_that_are_no_text_match_like_characters() {
        let check = |pattern: &str, name: &[u8], expected: bool| {
            let paths = Paths::new(pattern).expect("a pattern");
            assert_eq!(paths.match_path(path(name)), expected, "{pattern} {name:?}");
        };
        check("logs/*.log", b"logs/\xff\xfe.log", true);
        check("logs/??.log", b"logs/\xff\xfe.log", true);
        check("logs/?.log", b"logs/\xff\xfe.log", false);
        check("logs/[!a]x.log", b"logs/\xffx.log", true);
        check("logs/b*.log", "logs/bü.log".as_bytes(), true);
        check("*/a.log", b"\xe2\x82/a.log", true);
        check("*/a.log", b"\xe2\x82/b/a.log", false);
        check("logs/*.log", b"logs/A.LOG", false);
        assert!(Paths::new("a**").is_err() && Paths::new("[").is_err());
    }

    #[test]
    fn everything_that_matches_is_found_in_order() {
        let folder = std::env::temp_dir().join(format!("correlator-path-{}", std::process::id()));
        let files: [&[u8]; 8] = [
            b"a.log",
            b"b\xff.log",
            b"c\xff/one.log",
            b"c\xff/d/two.log",
            b".hidden.log",
            b"e/three.log",
            b"e/[x].log",
            b"f.txt",
        ];
        for name in files {
            let path = folder.join(path(name));
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, "").expect("a file");
        }
        std::os::unix::fs::symlink(folder.join("e"), folder.join("link")).expect("a link");
        let check = |pattern: &str, expected: &[&[u8]]| {
            let found = Paths::new(&format!("{}/{pattern}", folder.display())).expect("a pattern");
            let found: Vec<PathBuf> =
                found.find().into_iter().map(|it| it.expect("readable")).collect();
            let expected: Vec<_> = expected.iter().map(|name| folder.join(path(name))).collect();
            assert_eq!(found, expected, "{pattern}");
            // What it finds of names that are text is what the crate finds.
            let own = glob::glob(&format!("{}/{pattern}", folder.display())).expect("a pattern");
            let own = own.map(|it| it.expect("readable")).filter(|it| it.to_str().is_some());
            let found = found.into_iter().filter(|it| it.to_str().is_some());
            assert_eq!(found.collect::<Vec<_>>(), own.collect::<Vec<_>>(), "{pattern}");
        };
        check("*.log", &[b".hidden.log", b"a.log", b"b\xff.log"]);
        check(
            "?*/*.log",
            &[b"c\xff/one.log", b"e/[x].log", b"e/three.log", b"link/[x].log", b"link/three.log"],
        );
        check("e/[[]x[]].log", &[b"e/[x].log"]);
        check("./e//t*", &[b"e/three.log"]);
        check("e/../a.l*", &[b"e/../a.log"]);
        check("a.log/*", &[]);
        check("none/*", &[]);
        check("e*/", &[b"e"]);
        check("**/t*.log", &[b"c\xff/d/two.log", b"e/three.log", b"link/three.log"]);
        check("**/**/d/*", &[b"c\xff/d/two.log"]);
        fs::remove_dir_all(folder).expect("clean up");
    }

    #[test]
    fn names_are_shown_so_that_they_steer_nothing() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(escaped(path(bytes)), expected);
        check(b"/var/log/a.log", "/var/log/a.log");
        check("grüße.log".as_bytes(), "grüße.log");
        check(b"a\xff\xfe.log", "a\\xff\\xfe.log");
        check(b"\x1b[2J\n", "\\u{1b}[2J\\n");
    }
}
