//! The files for systemd: what the engine relies on stands in them, and systemd itself finds nothing wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the engine puts its control socket in the service's folder, and root's clients look for it.
const SOCKET: &str = "/run/correlator/control.sock";

fn dist(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist").join(name);
    fs::read_to_string(path).expect("a file of the project")
}

/// The settings of a unit, in order; comments and sections left out.
fn settings(unit: &str) -> Vec<(&str, &str)> {
    let lines = unit.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
    lines.map(|line| line.split_once('=').expect("NAME=VALUE")).collect()
}

fn values<'a>(settings: &[(&'a str, &'a str)], name: &str) -> Vec<&'a str> {
    settings.iter().filter(|(key, _)| *key == name).map(|(_, value)| *value).collect()
}

#[test]
fn the_service_has_what_the_engine_relies_on() {
    let unit = dist("correlator.service");
    let settings = settings(&unit);
    let check = |name: &str, expected: &[&str]| {
        assert_eq!(values(&settings, name), expected, "{name}");
    };
    check("Type", &["notify"]);
    check("WatchdogSec", &["30s"]);
    check("StateDirectory", &["correlator"]);
    check("RuntimeDirectory", &["correlator"]);
    check("AmbientCapabilities", &["CAP_NET_BIND_SERVICE"]);
    check("CapabilityBoundingSet", &["CAP_NET_BIND_SERVICE"]);
    check("NoNewPrivileges", &["yes"]);
    check("ProtectSystem", &["strict"]);
    check("LimitNOFILE", &["65536"]);
    // Either would keep the engine from its work.
    check("MemoryDenyWriteExecute", &[]);
    check("PrivateUsers", &[]);
    let reload = values(&settings, "ExecReload").join(" ");
    assert!(reload.ends_with(&format!("--socket {SOCKET}")), "{reload}");
}

#[test]
fn the_sockets_belong_to_the_service() {
    let unit = dist("correlator.socket");
    let settings = settings(&unit);
    assert_eq!(values(&settings, "Service"), ["correlator.service"]);
    assert_eq!(values(&settings, "ListenDatagram"), ["514"]);
    let name = values(&settings, "FileDescriptorName").join("");
    assert!(unit.contains(&format!("systemd:{name}")), "the stack in its comment names it");
}

#[test]
fn systemd_finds_nothing_wrong() {
    let Some(analyze) = installed("systemd-analyze") else {
        eprintln!("skipped: systemd-analyze is not installed, so systemd has not read the units");
        return;
    };
    let folder = std::env::temp_dir().join(format!("correlator-units-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    // The program need not be installed for this; something must be where the unit says.
    let service = dist("correlator.service").replace("/usr/bin/correlator", "/bin/true");
    fs::write(folder.join("correlator.service"), service).expect("a unit");
    fs::write(folder.join("correlator.socket"), dist("correlator.socket")).expect("a unit");
    let units = ["correlator.service", "correlator.socket"].map(|name| folder.join(name));
    let output = Command::new(analyze)
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args(&units)
        .output()
        .expect("systemd-analyze starts");
    fs::remove_dir_all(&folder).expect("removed");
    let said = String::from_utf8_lossy(&output.stderr);
    // Of units that this machine has besides it may say what it likes.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("correlator")).collect();
    assert!(ours.is_empty(), "{}", ours.join("\n"));
}

fn installed(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}
