//! The files of samples, and the comparison with what is expected.

use std::fs;
use std::path::{Path, PathBuf};

/// Set to anything: expected files are written instead of compared.
const UPDATE: &str = "CORRELATOR_UPDATE";

/// The samples of a guest: the files in `samples` that end so.
pub fn find(folder: &str, extension: &str) -> Result<Vec<PathBuf>, String> {
    let folder = Path::new(folder).join("samples");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut samples: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    samples.sort();
    if samples.is_empty() {
        let place = folder.display();
        return Err(format!("{place} has no samples: put a NAME.{extension} there"));
    }
    Ok(samples)
}

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The text of a file that need not be there.
pub fn read_optional(path: &Path) -> Result<String, String> {
    if path.exists() {
        let bytes = read(path)?;
        String::from_utf8(bytes).map_err(|error| format!("{}: {error}", path.display()))
    } else {
        Ok(String::new())
    }
}

/// Compares lines with those of a file, notes and empty lines apart, or writes them there.
pub fn compare(path: &Path, lines: &[String]) -> Result<(), String> {
    let text = read_optional(path)?;
    if std::env::var_os(UPDATE).is_some() {
        let annotated = annotate(&text, lines);
        return fs::write(path, annotated).map_err(|error| format!("{}: {error}", path.display()));
    }
    let expected: Vec<&str> = text.lines().filter(|line| !is_note(line)).collect();
    difference(&expected, lines)
        .map_err(|what| format!("{}: {what}\n({UPDATE}=1 writes what came)", path.display()))
}

/// The first line where two lists part.
pub fn difference<A: AsRef<str>, B: AsRef<str>>(expected: &[A], found: &[B]) -> Result<(), String> {
    let count = expected.len().max(found.len());
    for place in 0..count {
        let wanted = expected.get(place).map_or("(nothing)", AsRef::as_ref);
        let came = found.get(place).map_or("(nothing)", AsRef::as_ref);
        if wanted != came {
            let number = place + 1;
            return Err(format!(
                "line {number} of {count}:\n  expected {wanted}\n  but came {came}"
            ));
        }
    }
    Ok(())
}

fn is_note(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

/// The lines with the notes of the old text: each note stays before the line that it stood before.
fn annotate(old: &str, lines: &[String]) -> String {
    let mut out = String::new();
    let mut old = old.lines().peekable();
    let mut put = |line: &str| {
        out.push_str(line);
        out.push('\n');
    };
    for line in lines {
        let rest: Vec<&str> = old.clone().collect();
        if let Some(place) = rest.iter().position(|candidate| *candidate == line.as_str()) {
            rest[..place].iter().filter(|line| is_note(line)).for_each(|note| put(note));
            old.nth(place);
        } else {
            while let Some(note) = old.next_if(|line| is_note(line)) {
                put(note);
            }
            old.next();
        }
        put(line);
    }
    old.filter(|line| is_note(line)).for_each(&mut put);
    out
}

#[cfg(test)]
mod tests {
    use super::{annotate, difference};

    #[test]
    fn notes_stay() {
        let check = |old, lines: &[&str], expected| {
            let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
            assert_eq!(annotate(old, &lines), expected);
        };
        check("", &["a", "b"], "a\nb\n");
        check("# one\na\n# two\nb\n", &["a", "b"], "# one\na\n# two\nb\n");
        check("# one\na\n# two\nb\n", &["a", "x", "b"], "# one\na\n# two\nx\nb\n");
        check("# one\na\n\n# two\nb\n# end\n", &["b"], "# one\n\n# two\nb\n# end\n");
        check("# one\na\n", &["x"], "# one\nx\n");
    }

    #[test]
    fn the_first_difference_is_told() {
        assert_eq!(difference(&["a"], &["a"]), Ok(()));
        let told = difference(&["a", "b"], &["a"]).err().unwrap_or_default();
        assert!(told.contains("line 2 of 2") && told.contains("(nothing)"), "{told}");
    }
}
