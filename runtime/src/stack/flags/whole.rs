//! What flags say of the whole stack: what is kept, what is captured, how the engine is reached.

use std::sync::Arc;

use super::{Flags, Maker, key, scalar};
use crate::stack::node::{Node, Value};
use crate::stack::problem::Wrong;
use crate::stack::{control, keeping};

impl Maker {
    pub(super) fn whole(&mut self, flags: &Flags) {
        self.state(flags);
        if let Some(path) = &flags.capture {
            self.raw.capture = Some(self.node("capture", &path.display().to_string()));
        }
        let parts = [
            (control::SOCKET, "control", flags.control.as_ref()),
            (control::METRICS, "metrics", flags.metrics.as_ref()),
        ];
        self.raw.control = self.mapping(&parts);
    }

    fn state(&mut self, flags: &Flags) {
        let folder = flags.state.as_ref().map(|folder| folder.display().to_string());
        let parts = [
            (keeping::FOLDER, "state", folder.as_ref()),
            (keeping::DURABILITY, "durability", flags.durability.as_ref()),
            (keeping::SYNC_EVERY, "sync-every", flags.sync_every.as_ref()),
            (keeping::SPOOL_SIZE, "spool-size", flags.spool_size.as_ref()),
            (keeping::WHEN_FULL, "when-full", flags.when_full.as_ref()),
            (keeping::CHECKPOINT_EVERY, "checkpoint-every", flags.checkpoint_every.as_ref()),
        ];
        let state = self.mapping(&parts);
        if folder.is_some() {
            self.raw.state = state;
        } else if let Some(Node { value: Value::Map(entries), .. }) = state.as_deref() {
            for (key, _) in entries {
                let wrong = Wrong::new("this has no effect where nothing is kept");
                self.raw.problems.error(&key.place, wrong.help("add `--state FOLDER`"));
            }
        }
    }

    /// A mapping of those that were given; nothing if none was.
    fn mapping(
        &mut self,
        parts: &[(&'static str, &'static str, Option<&String>)],
    ) -> Option<Arc<Node>> {
        let given = parts.iter().filter_map(|(name, flag, value)| Some((name, flag, (*value)?)));
        let entries: Vec<_> = given
            .map(|(name, flag, value)| {
                let node = self.node(flag, value);
                (key(name, &node.place), node)
            })
            .collect();
        let place = entries.first()?.0.place.clone();
        Some(Arc::new(Node { place, value: Value::Map(entries) }))
    }

    fn node(&mut self, flag: &str, value: &str) -> Arc<Node> {
        let place = self.place(flag, value);
        Arc::new(scalar(value, place))
    }
}
