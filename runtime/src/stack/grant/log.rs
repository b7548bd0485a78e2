//! The grant `log`: lines in the engine's log and on its output.

use super::{Body, Explained};
use crate::stack::node;
use crate::stack::problem::Problems;

/// The capability's name.
pub const NAME: &str = "log";
/// What to type.
pub(super) const EXAMPLE: &str = "log: true";

/// A listener may write lines. There is nothing to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogGrant {}

impl LogGrant {
    #[expect(clippy::unnecessary_wraps, reason = "every grant has this shape")]
    pub(super) fn read(body: &Body<'_>, problems: &mut Problems) -> Option<Self> {
        node::only(body.entries, "the grant `log`", &[], problems);
        Some(Self {})
    }

    #[expect(clippy::unused_self, reason = "every grant has this shape")]
    pub(super) fn explain(&self) -> Vec<Explained> {
        let meaning = "The listener may write lines to the log.";
        vec![Explained {
            name: NAME,
            kind: "boolean",
            value: "true".into(),
            default: None,
            meaning,
        }]
    }
}
