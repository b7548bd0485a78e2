//! An event as a line for people.

use correlator_sdk::prelude::*;

/// Appends `2023-02-20T20:14:09.072459Z warning [sshd :: login] summary`.
pub fn write(event: &Event<'_>, out: &mut Vec<u8>) {
    let schema = event.schema();
    event.time().write(out);
    for part in [" ", event.severity().name(), " [", &schema.instance, " :: ", &schema.name, "] "] {
        out.extend_from_slice(part.as_bytes());
    }
    event.write_summary(out);
}
