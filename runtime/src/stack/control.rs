//! How a running engine is reached, as it is typed.
//!
//! This room must never open a socket or look into a folder.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::fields::Fields;
use super::node::{Node, only};
use super::problem::Problems;
use super::{Control, address, path, value};

pub(super) const SOCKET: &str = "socket";
pub(super) const METRICS: &str = "metrics";
pub(super) const WATCH: &str = "watch";
pub(super) const DROP_IN: &str = "drop_in";
/// In the place of the socket's path: none.
pub(super) const NONE: &str = "none";

/// The port of metrics in examples.
const PORT: u16 = 9600;

/// What was typed for `control`, over what holds otherwise; and which of its parts.
pub(super) fn read(
    node: &Arc<Node>,
    folder: &Path,
    mut control: Control,
    problems: &mut Problems,
) -> (Control, Vec<&'static str>) {
    let entries = node.map("a mapping such as `{ socket: none }`");
    let Some(entries) = problems.take(&node.place, entries) else {
        return (control, Vec::new());
    };
    only(entries, "`control`", &[SOCKET, METRICS, WATCH, DROP_IN], problems);
    let mut fields = Fields::new(entries);
    let socket = fields.read(SOCKET, problems, |node| {
        if node.scalar("") == Ok(NONE) {
            return Ok(None);
        }
        address::socket_path(node, folder).map(Some)
    });
    if let Some(socket) = socket {
        control = Control { socket, socket_set: true, ..control };
    }
    control.metrics = fields.read(METRICS, problems, metrics);
    control.drop_in = fields.read(DROP_IN, problems, |node| drop_in(node, folder));
    let watch = fields
        .read(WATCH, problems, |node| node.scalar("`true` or `false`").and_then(value::boolean));
    control.watch = watch.unwrap_or(control.watch);
    (control, fields.typed)
}

fn metrics(node: &Arc<Node>) -> Result<SocketAddr, super::problem::Wrong> {
    address::socket(node.scalar("an address such as `127.0.0.1:9600`")?, PORT)
}

/// The folder of fragments and components.
pub(super) fn drop_in(
    node: &Node,
    folder: &Path,
) -> Result<std::path::PathBuf, super::problem::Wrong> {
    path::read("the path of a folder", node, folder)
}
