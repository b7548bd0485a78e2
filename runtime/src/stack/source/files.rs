//! The files of a source, as they are typed: paths, globs, standard input.
//!
//! This room must never look whether anything is there.

use std::path::Path;
use std::sync::Arc;

use correlator_source::settings::SourcePath;

use crate::limit;
use crate::stack::node::Node;
use crate::stack::problem::{Problems, Wrong};
use crate::text::clean;

/// What is to be read, in this order.
pub(super) fn read(node: &Arc<Node>, folder: &Path, problems: &mut Problems) -> Vec<SourcePath> {
    let nodes = node.one_or_many();
    if nodes.is_empty() || nodes.len() > limit::PATHS_MAX {
        let wrong = format!("expected 1 to {} paths, found {}", limit::PATHS_MAX, nodes.len());
        problems.error(&node.place, Wrong::new(wrong));
        return Vec::new();
    }
    let path = |node: Arc<Node>| {
        let text = node.scalar("a path, a glob or `\"-\"` for standard input");
        problems.take(&node.place, text.and_then(|text| path(text, folder)))
    };
    nodes.into_iter().filter_map(path).collect()
}

fn path(text: &str, folder: &Path) -> Result<SourcePath, Wrong> {
    if text == "-" {
        return Ok(SourcePath::Input);
    }
    if text.is_empty() || text.contains('\0') {
        return Err(Wrong::new("expected a path, found an empty text"));
    }
    if !text.contains(['*', '?', '[']) {
        return Ok(SourcePath::File(folder.join(text)));
    }
    let told = clean(text, limit::NAME_BYTES_MAX);
    if let Err(error) = glob::Pattern::new(text) {
        return Err(Wrong::new(format!("`{told}` is no glob: {}", error.msg))
            .help("write `[*]`, `[?]` or `[[]` for the character itself"));
    }
    if Path::new(text).is_absolute() || folder.as_os_str().is_empty() {
        return Ok(SourcePath::Glob(text.to_owned()));
    }
    let Some(folder) = folder.to_str() else {
        let wrong = format!("the glob `{told}` is relative to a folder whose name is not UTF-8");
        return Err(Wrong::new(wrong).help("write the whole path, with `*` where it is not UTF-8"));
    };
    // The folder is no pattern, whatever characters are in its name.
    Ok(SourcePath::Glob(format!("{}/{text}", glob::Pattern::escape(folder))))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use correlator_source::settings::SourcePath;

    use super::path;

    #[test]
    fn globs_are_relative_to_the_folder_as_it_is() {
        let check = |text: &str, folder: &[u8], expected: Option<&str>| {
            let found = path(text, Path::new(OsStr::from_bytes(folder)));
            let expected = expected.map(|pattern| SourcePath::Glob(pattern.to_owned()));
            assert_eq!(found.ok(), expected, "{text} in {folder:?}");
        };
        check("*.log", b"", Some("*.log"));
        check("*.log", b"/a[b]", Some("/a[[]b[]]/*.log"));
        check("/x/*.log", b"/a\xff", Some("/x/*.log"));
        check("*.log", b"/a\xff", None);
    }
}
