//! The settings of a source, for people: those that its door has.

use correlator_source::settings::{Address, Door, Source, SourcePath, StreamLimits, Tls};

use super::{Shown, zone_name};
use crate::limit::{Unit, setting};
use crate::stack::source::door::{idle_default, share_default};
use crate::stack::source::key;
use crate::stack::{address, bound, value};

/// A setting of a source: its name, kind, value, default and meaning.
type Row = (&'static str, &'static str, String, Option<String>, &'static str);

pub(super) fn show(shown: &mut Shown, source: &Source) {
    shown.begin("source", &source.name);
    let mut rows = Vec::new();
    match &source.door {
        Door::Files { paths, follow } => files(paths, *follow, &mut rows),
        Door::Stream { address, limits, tls } => {
            stream(source, address, *limits, &mut rows);
            if let Some(tls) = tls {
                secured(tls, &mut rows);
            }
        }
        Door::Datagram { address, buffer_bytes } => {
            datagram(source, address, *buffer_bytes as u64, &mut rows);
        }
    }
    every(source, &mut rows);
    for (name, kind, value, default, meaning) in rows {
        let set = source.typed.contains(&name);
        shown.row("settings", name, kind, value, default, set, meaning);
    }
}

fn files(paths: &[SourcePath], follow: bool, rows: &mut Vec<Row>) {
    let paths = paths.iter().map(|path| match path {
        SourcePath::Input => "-".to_owned(),
        SourcePath::File(path) => path.display().to_string(),
        SourcePath::Glob(pattern) => pattern.clone(),
    });
    let paths = paths.collect::<Vec<_>>().join(", ");
    let meaning = "The files to read; `-` is standard input.";
    rows.push((key::FILE, "paths", paths, None, meaning));
    let meaning = "Whether to go on at the end, by name, through rotation.";
    rows.push((key::FOLLOW, "boolean", follow.to_string(), Some("false".into()), meaning));
}

/// The key by which a source's address was typed.
fn door(source: &Source) -> &'static str {
    let typed = |name: &&'static str| source.typed.contains(name);
    key::DOORS.into_iter().find(typed).unwrap_or(key::TCP)
}

fn listens(name: &'static str, address: &Address, rows: &mut Vec<Row>) {
    let meaning = "Where it listens; `systemd:NAME` is a socket that systemd hands over.";
    rows.push((name, "address", address::text(address), None, meaning));
    if let Address::Path(_, mode) = address {
        let text = |mode: u32| format!("{mode:04o}");
        let default = Some(text(setting::SOCKET_MODE_DEFAULT));
        rows.push((key::MODE, "mode", text(*mode), default, "Who may connect to the socket."));
    }
}

fn stream(source: &Source, address: &Address, limits: StreamLimits, rows: &mut Vec<Row>) {
    let name = door(source);
    listens(name, address, rows);
    let never = |idle: Option<_>| idle.map_or_else(|| key::NEVER.to_owned(), bound::time_text);
    rows.push((
        key::CONNECTIONS,
        "integer",
        limits.connections.to_string(),
        Some(setting::CONNECTIONS_DEFAULT.to_string()),
        "Connections at once; those beyond are closed.",
    ));
    if name != key::UNIX {
        rows.push((
            key::PER_ADDRESS,
            "integer",
            limits.per_address.to_string(),
            Some(share_default(limits.connections).to_string()),
            "Connections of one address at once; those beyond are closed.",
        ));
    }
    rows.push((
        key::IDLE,
        "duration",
        never(limits.idle),
        Some(never(idle_default(name))),
        "How long a connection may say nothing.",
    ));
    rows.push((
        key::BYTES_IN_FLIGHT,
        "size",
        value::size_text(limits.bytes_in_flight as u64),
        Some(value::size_text(setting::BYTES_IN_FLIGHT_DEFAULT)),
        "Bytes of one peer that are held before they are taken.",
    ));
}

fn secured(tls: &Tls, rows: &mut Vec<Row>) {
    let authority = tls.client_authority.as_ref();
    let names = tls.client_names.join(", ");
    let path = |path: &std::path::PathBuf| path.display().to_string();
    rows.extend([
        (key::CERTIFICATE, "path", path(&tls.certificate), None, "The certificate that it shows."),
        (key::KEY, "path", path(&tls.key), None, "The certificate's private key."),
        (
            key::CLIENT_AUTHORITY,
            "path",
            authority.map_or_else(|| "none".to_owned(), path),
            Some("none".into()),
            "Who signs the certificates that clients must show; without one they need none.",
        ),
        (
            key::CLIENT_NAMES,
            "names",
            if names.is_empty() { "any".to_owned() } else { names },
            Some("any".into()),
            "The names of which a client's certificate must have one.",
        ),
    ]);
}

fn datagram(source: &Source, address: &Address, buffer: u64, rows: &mut Vec<Row>) {
    listens(door(source), address, rows);
    let default = Some(value::size_text(setting::DATAGRAM_BUFFER_DEFAULT));
    let meaning = "The kernel's buffer that is asked for.";
    rows.push((key::BUFFER, "size", bound::text(Unit::Bytes, buffer), default, meaning));
}

/// What every source has.
fn every(source: &Source, rows: &mut Vec<Row>) {
    let year = source.year.map_or_else(|| "inferred".to_owned(), |year| year.to_string());
    rows.extend([
        (
            key::FRAMING,
            "framing",
            source.framing_text.escape_default().to_string(),
            Some("auto".into()),
            "How records are told apart: `auto`, `lines`, `octets` or a trailer.",
        ),
        (
            key::TIME_ZONE,
            "time zone",
            zone_name(&source.zone),
            Some("the stack's".into()),
            "The zone of records that name none.",
        ),
        (key::YEAR, "integer", year, Some("inferred".into()), "The year of dates that name none."),
        (
            key::LATENESS,
            "duration",
            bound::time_text(source.lateness),
            Some("0s".into()),
            "How far behind the newest record another may be without being late.",
        ),
        (
            key::IDLE_AFTER,
            "duration",
            bound::time_text(source.idle_after),
            Some(bound::time_text(setting::IDLE_AFTER_DEFAULT)),
            "After how long without records nobody waits for it any more.",
        ),
    ]);
}
