//! What is kept across restarts, as it is typed: a folder, or a folder with how surely and how much.
//!
//! This room must never look into the folder.

use std::path::Path;
use std::sync::Arc;

use correlator_spool::settings::{Durability, WhenFull};

use super::fields::Fields;
use super::node::{Node, Value, only};
use super::problem::{Problems, Wrong};
use super::{Keeping, bound, path, suggest};
use crate::limit::{Unit, setting};
use crate::text::clean;

pub(super) const FOLDER: &str = "folder";
pub(super) const DURABILITY: &str = "durability";
pub(super) const SYNC_EVERY: &str = "sync_every";
pub(super) const SPOOL_SIZE: &str = "spool_size";
pub(super) const WHEN_FULL: &str = "when_full";
pub(super) const CHECKPOINT_EVERY: &str = "checkpoint_every";
/// What `state` may have.
pub(super) const NAMES: [&str; 6] =
    [FOLDER, DURABILITY, SYNC_EVERY, SPOOL_SIZE, WHEN_FULL, CHECKPOINT_EVERY];

const DURABILITIES: [&str; 3] = ["none", "batched", "each"];
const WHEN_FULLS: [&str; 2] = ["block", "drop"];

/// What was typed for `state`, and which of its parts.
pub(super) fn read(
    node: &Arc<Node>,
    folder: &Path,
    problems: &mut Problems,
) -> Option<(Keeping, Vec<&'static str>)> {
    let expected = "the path of a folder";
    if let Value::Scalar { .. } = &node.value {
        let folder = problems.take(&node.place, path::read(expected, node, folder))?;
        return Some((keeping(folder), vec![FOLDER]));
    }
    let entries = problems.take(&node.place, node.map("a folder, or a mapping with `folder`"))?;
    only(entries, "`state`", &NAMES, problems);
    let mut fields = Fields::new(entries);
    let folder = fields.read(FOLDER, problems, |node| path::read(expected, node, folder));
    if !fields.typed.contains(&FOLDER) {
        let wrong = Wrong::new("`state` needs `folder`, in which everything is kept");
        problems.error(&node.place, wrong.help("add `folder: /var/lib/correlator`"));
    }
    let bounds = setting::SYNC_EVERY_MIN..=setting::SYNC_EVERY_MAX;
    let sync_every = fields
        .read(SYNC_EVERY, problems, |node| bound::time("`sync_every`", bounds, node))
        .unwrap_or(setting::SYNC_EVERY_DEFAULT);
    let durability = fields.read(DURABILITY, problems, |node| word(node, DURABILITIES));
    let durability = match durability {
        Some("none") => Durability::None,
        Some("each") => Durability::Each,
        _ => Durability::Batched(sync_every),
    };
    if let (Durability::None | Durability::Each, Some(node)) = (durability, fields.get(SYNC_EVERY))
    {
        let wrong = Wrong::new("`sync_every` has an effect with `durability: batched` alone");
        problems.warning(&node.place, wrong.help("remove it"));
    }
    let bounds = setting::SPOOL_BYTES_MIN..=setting::SPOOL_BYTES_MAX;
    let spool_bytes = fields
        .read(SPOOL_SIZE, problems, |node| bound::read("`spool_size`", Unit::Bytes, bounds, node))
        .unwrap_or(setting::SPOOL_BYTES_DEFAULT);
    let when_full = fields.read(WHEN_FULL, problems, |node| word(node, WHEN_FULLS));
    let when_full = if when_full == Some("drop") { WhenFull::Drop } else { WhenFull::Block };
    let bounds = setting::CHECKPOINT_EVERY_MIN..=setting::CHECKPOINT_EVERY_MAX;
    let checkpoint_every = fields
        .read(CHECKPOINT_EVERY, problems, |node| bound::time("`checkpoint_every`", bounds, node))
        .unwrap_or(setting::CHECKPOINT_EVERY_DEFAULT);
    let folder = folder?;
    let keeping = Keeping { folder, durability, spool_bytes, when_full, checkpoint_every };
    Some((keeping, fields.typed))
}

/// Everything but the folder as it is by default.
fn keeping(folder: std::path::PathBuf) -> Keeping {
    Keeping {
        folder,
        durability: Durability::Batched(setting::SYNC_EVERY_DEFAULT),
        spool_bytes: setting::SPOOL_BYTES_DEFAULT,
        when_full: WhenFull::Block,
        checkpoint_every: setting::CHECKPOINT_EVERY_DEFAULT,
    }
}

/// One of these words.
fn word<const N: usize>(node: &Node, words: [&'static str; N]) -> Result<&'static str, Wrong> {
    let all = suggest::quoted(&words);
    let text = node.scalar(&format!("one of {all}"))?;
    words.into_iter().find(|word| *word == text).ok_or_else(|| {
        let wrong = format!("expected one of {all}, found `{}`", clean(text, 48));
        let near = suggest::nearest(text, &words).map(|near| format!("did you mean `{near}`?"));
        Wrong::new(wrong).maybe(near)
    })
}

/// A durability as it is written in a stack.
pub(super) const fn durability_text(durability: Durability) -> &'static str {
    match durability {
        Durability::None => DURABILITIES[0],
        Durability::Batched(_) => DURABILITIES[1],
        Durability::Each => DURABILITIES[2],
    }
}

/// What happens to a full spool as it is written in a stack.
pub(super) const fn when_full_text(when_full: WhenFull) -> &'static str {
    match when_full {
        WhenFull::Block => WHEN_FULLS[0],
        WhenFull::Drop => WHEN_FULLS[1],
    }
}
