//! The grant `table`: rows in files of one folder, and nowhere else.

use std::path::PathBuf;

use super::{Body, Explained};
use crate::limit;
use crate::stack::node::{self, get};
use crate::stack::problem::{Problems, Wrong};
use crate::stack::{path, value};

/// The capability's name.
pub const NAME: &str = "table";
/// What to type.
pub(super) const EXAMPLE: &str = "table: { directory: out }";

/// The key of the folder.
pub(in crate::stack) const DIRECTORY: &str = "directory";
const ROTATE_BYTES: &str = "rotate_bytes";
const ROTATE_DAILY: &str = "rotate_daily";
const KEEP: &str = "keep";
const KEEP_DEFAULT: u32 = 10;

/// A listener may write table files in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableGrant {
    /// The folder; relative paths are relative to the stack file.
    pub directory: PathBuf,
    /// The size at which a file is put aside; never, if absent.
    pub rotate_bytes: Option<u64>,
    /// Whether a file is put aside at the end of its day, in the stack's time zone.
    pub rotate_daily: bool,
    /// How many of those put aside are kept.
    pub keep: u32,
}

impl TableGrant {
    /// Files in this folder that are never put aside.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory, rotate_bytes: None, rotate_daily: false, keep: KEEP_DEFAULT }
    }

    pub(super) fn read(body: &Body<'_>, problems: &mut Problems) -> Option<Self> {
        let what = "the grant `table`";
        node::only(body.entries, what, &[DIRECTORY, ROTATE_BYTES, ROTATE_DAILY, KEEP], problems);
        let Some(directory) = get(body.entries, DIRECTORY) else {
            let wrong = Wrong::new(format!("{what} needs `{DIRECTORY}`, the folder to write in"));
            problems.error(body.place, wrong.help(format!("write `{EXAMPLE}`")));
            return None;
        };
        let path = path::read("the path of a folder", directory, body.folder);
        let mut grant = Self::new(problems.take(&directory.place, path)?);
        if let Some(node) = get(body.entries, ROTATE_BYTES) {
            let size =
                node.scalar("a size such as `10MB`").and_then(value::size).and_then(|size| {
                    let least = limit::TABLE_ROTATE_BYTES_MIN;
                    let wrong = || {
                        Wrong::new(format!(
                            "`{ROTATE_BYTES}` must be at least {}",
                            value::size_text(least)
                        ))
                    };
                    if size < least { Err(wrong()) } else { Ok(size) }
                });
            grant.rotate_bytes = problems.take(&node.place, size);
        }
        if let Some(node) = get(body.entries, ROTATE_DAILY) {
            let daily = node.scalar("`true` or `false`").and_then(value::boolean);
            grant.rotate_daily = problems.take(&node.place, daily).unwrap_or_default();
        }
        if let Some(node) = get(body.entries, KEEP) {
            let keep = node.scalar("a number").and_then(value::integer).and_then(|number| {
                let most = limit::TABLE_KEEP_MAX;
                let keep = u32::try_from(number).ok().filter(|keep| (1..=most).contains(keep));
                keep.ok_or_else(|| Wrong::new(format!("`{KEEP}` must be between 1 and {most}")))
            });
            grant.keep = problems.take(&node.place, keep).unwrap_or(KEEP_DEFAULT);
            let rotates = grant.rotate_daily || get(body.entries, ROTATE_BYTES).is_some();
            if !rotates {
                let wrong = Wrong::new(format!("`{KEEP}` has no effect without `{ROTATE_BYTES}`"));
                problems.warning(&node.place, wrong.help(format!("add `{ROTATE_BYTES}: 10MB`")));
            }
        }
        Some(grant)
    }

    pub(super) fn explain(&self) -> Vec<Explained> {
        let rotate = self.rotate_bytes.map_or_else(|| "never".to_owned(), value::size_text);
        vec![
            Explained {
                name: "table.directory",
                kind: "path",
                value: self.directory.display().to_string(),
                default: None,
                meaning: "The folder that the listener may write table files in.",
            },
            Explained {
                name: "table.rotate_bytes",
                kind: "size",
                value: rotate,
                default: Some("never".into()),
                meaning: "The size at which a file is put aside.",
            },
            Explained {
                name: "table.rotate_daily",
                kind: "boolean",
                value: self.rotate_daily.to_string(),
                default: Some("false".into()),
                meaning: "Whether a file is put aside at the end of its day.",
            },
            Explained {
                name: "table.keep",
                kind: "integer",
                value: self.keep.to_string(),
                default: Some(KEEP_DEFAULT.to_string()),
                meaning: "How many of the files that were put aside are kept.",
            },
        ]
    }
}
