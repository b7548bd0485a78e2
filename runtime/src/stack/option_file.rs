//! Options whose values stand in files of their own, as `template_text: { file: mail.txt }`: long texts need not stand in a
//! stack.
//!
//! A file is read whenever the stack is, so a reload takes up what changed. This room must never know what a value means.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use correlator_wire::file;

use super::node::{Key, Node, Value, get, only};
use super::problem::{Place, Problems, Wrong};
use super::{path, value};
use crate::limit;
use crate::text::clean;

/// What says that the value is in a file.
const FILE: &str = "file";

/// Whether a value names a file. After [`resolve`] only those do that could not be read, which was told.
pub(super) fn is_one(node: &Node) -> bool {
    matches!(&node.value, Value::Map(entries) if get(entries, FILE).is_some())
}

/// Puts what stands in files into the place of the options that name them; the files are added to `files`.
pub(super) fn resolve(
    options: &mut [(Key, Arc<Node>)],
    folder: &Path,
    files: &mut Vec<PathBuf>,
    problems: &mut Problems,
) {
    for (key, node) in options {
        let Value::Map(entries) = &node.value else { continue };
        let Some(named) = get(entries, FILE) else { continue };
        only(entries, &format!("option `{}` from a file", told(&key.text)), &[FILE], problems);
        let path = path::read("the path of a file", named, folder);
        let Some(path) = problems.take(&named.place, path) else { continue };
        let text = text(&path, &named.place);
        if !files.contains(&path) {
            files.push(path);
        }
        match text {
            Ok(text) => {
                let value = Value::Scalar { text, verbatim: None };
                *node = Arc::new(Node { place: named.place.clone(), value });
            }
            Err((place, wrong)) => {
                let message = format!("option `{}`: {}", told(&key.text), wrong.message);
                problems.error(&place, Wrong { message, help: wrong.help });
            }
        }
    }
}

/// What stands in a file, without the end of its last line.
fn text(path: &Path, named: &Place) -> Result<String, (Place, Wrong)> {
    let shown = told(&path.display().to_string());
    let here = |wrong: Wrong| (named.clone(), wrong);
    let failed = |error: io::Error| {
        let wrong = Wrong::new(format!("{shown} can't be read: {error}"));
        here(wrong.help("a relative path is relative to the file that names it"))
    };
    let (mut bytes, most) = (Vec::new(), limit::OPTION_FILE_BYTES_MAX);
    let file = file::open(path).map_err(failed)?;
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > most {
        let most = value::size_text(most as u64);
        return Err(here(Wrong::new(format!("{shown} is larger than {most}, the most allowed"))));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = memchr::memchr_iter(b'\n', valid).count() as u32 + 1;
        let start = valid.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
        let column = String::from_utf8_lossy(&valid[start..]).chars().count() as u32 + 1;
        let file = path.display().to_string().into();
        let place = Place::File { file, line, column, width: 1 };
        (place, Wrong::new("this is not UTF-8 text").help("save the file as UTF-8"))
    })?;
    for end in ['\n', '\r'] {
        if text.ends_with(end) {
            text.pop();
        }
    }
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn told(text: &str) -> String {
    clean(text, limit::MESSAGE_BYTES_MAX)
}
