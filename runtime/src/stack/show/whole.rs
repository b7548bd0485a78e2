//! The settings of the stack itself, for people.

use correlator_spool::settings::Durability;

use super::{Shown, zone_name};
use crate::limit::setting;
use crate::stack::grant::allow;
use crate::stack::keeping::{durability_text, when_full_text};
use crate::stack::{Keeping, Stack, bound, value};

pub(super) fn show(shown: &mut Shown, stack: &Stack) {
    let mut row = |name: &str, kind: &str, value: String, default: &str, meaning: &str| {
        let set = stack.typed.iter().any(|typed| typed == name);
        shown.row("settings", name, kind, value, Some(default.to_owned()), set, meaning);
    };
    let meaning = "The zone of daily timers, and of records and sources that name none.";
    row("time_zone", "time zone", zone_name(&stack.zone), "system", meaning);
    let folder = stack.keeping.as_ref().map(|keeping| keeping.folder.display().to_string());
    let meaning = "The folder of what is kept across restarts.";
    row("state.folder", "path", folder.unwrap_or_else(none), "none", meaning);
    if let Some(keeping) = &stack.keeping {
        kept(keeping, &mut row);
    }
    let capture = stack.capture.as_ref().map(|path| path.display().to_string());
    let meaning = "The file to which what arrives is written, byte by byte.";
    row("capture", "path", capture.unwrap_or_else(none), "none", meaning);
    let order: Vec<_> = stack.credentials.order.iter().map(ToString::to_string).collect();
    let default = "keyring, keyutils, systemd, file, environment";
    let meaning = "Where credentials are looked for, in this order.";
    row("credentials", "list", order.join(", "), default, meaning);
    let meaning = "Who is never blocked, and never a command's value, whatever a rule says.";
    row("allow", "list", allow::told(&stack.allow), "nobody", meaning);
    reached(stack, &mut row);
}

fn none() -> String {
    "none".to_owned()
}

fn kept(keeping: &Keeping, row: &mut impl FnMut(&str, &str, String, &str, &str)) {
    let durability = durability_text(keeping.durability).to_owned();
    let meaning = "How sure it is that what was taken survives: `none`, `batched` or `each`.";
    row("state.durability", "durability", durability, "batched", meaning);
    if let Durability::Batched(every) = keeping.durability {
        let default = bound::time_text(setting::SYNC_EVERY_DEFAULT);
        let meaning =
            "How often it is written through: what came since may be lost with the power.";
        row("state.sync_every", "duration", bound::time_text(every), &default, meaning);
    }
    let default = value::size_text(setting::SPOOL_BYTES_DEFAULT);
    let meaning = "How large the spool of records, and that of events, may become.";
    row("state.spool_size", "size", value::size_text(keeping.spool_bytes), &default, meaning);
    let full = when_full_text(keeping.when_full).to_owned();
    let meaning = "What happens then: `block` whoever sends, or `drop` and count.";
    row("state.when_full", "choice", full, "block", meaning);
    let default = bound::time_text(setting::CHECKPOINT_EVERY_DEFAULT);
    let meaning = "How often the guests' state is saved with their positions.";
    let every = bound::time_text(keeping.checkpoint_every);
    row("state.checkpoint_every", "duration", every, &default, meaning);
}

fn reached(stack: &Stack, row: &mut impl FnMut(&str, &str, String, &str, &str)) {
    let control = &stack.control;
    let usual = if stack.is_live() { "the usual place" } else { "none" };
    let socket = match &control.socket {
        Some(path) => path.display().to_string(),
        None if control.socket_set => none(),
        None => usual.to_owned(),
    };
    row(
        "control.socket",
        "path",
        socket,
        usual,
        "The socket by which a running engine is reached.",
    );
    let metrics = control.metrics.map_or_else(none, |address| address.to_string());
    row("control.metrics", "address", metrics, "none", "Where metrics are served over HTTP.");
    let meaning = "Whether a change of the stack's files is taken up by itself.";
    let watch = control.watch.to_string();
    let typed = stack.typed.iter().any(|name| name == "control.watch");
    let default = if typed { "true if it is a file and live" } else { watch.as_str() };
    row("control.watch", "boolean", watch.clone(), default, meaning);
    let drop_in = control.drop_in.as_ref().map(|path| path.display().to_string());
    let meaning = "A folder of stack fragments and components that belong to the stack.";
    row("control.drop_in", "path", drop_in.unwrap_or_else(none), "none", meaning);
}
