//! Installs what building needs and this machine lacks.
//!
//! rustup brings what is needed, and `rust-toolchain.toml` says what: rustup does so on its own unless
//! it was told not to. It asks for nothing and touches nothing outside rustup's folder.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::{peers, process};

/// What guests are built for.
const TARGET: &str = "wasm32-unknown-unknown";

/// Programs of others that tests send with, and look at the engine with; without them those tests say that they skip.
const PEERS: [&str; 19] = [
    "rsyslog",
    "rsyslog-gnutls",
    "openssl",
    "bsdutils",
    "faketime",
    "sec",
    // What capabilities act on.
    "nftables",
    "iproute2",
    "postfix",
    "sasl2-bin",
    "libsasl2-modules",
    "libsasl2-modules-db",
    "postgresql",
    "mariadb-server",
    "prometheus-alertmanager",
    // Where credentials are kept.
    "dbus-daemon",
    "gnome-keyring",
    "libsecret-tools",
    "keyutils",
];

/// Debian lets rsyslog and syslog-ng not stand side by side, so the second is unpacked into a folder of its own.
const UNPACKED: [&str; 6] =
    ["syslog-ng-core", "libivykis0", "libjson-c5", "libnet1", "libpcre3", "libwrap0"];

/// What is told afterwards: what Debian has started.
const AFTERWARDS: &str = "\
Debian starts servers that it installs, and the tests start their own: if you want none of these, then
  systemctl disable --now postfix postgresql mariadb prometheus-alertmanager";

/// What `cargo xtask check` calls.
const TOOLS: [&str; 2] = ["clippy", "rustfmt"];

/// Brings the target that guests are built for, if it is missing.
pub fn require_target() -> Result<()> {
    if has_target() {
        return Ok(());
    }
    if process::answer("rustup", &["--version"]).is_none() {
        bail!(
            "this Rust can't build for {TARGET}, and there is no rustup to bring it: install \
             https://rustup.rs, or your distribution's package of that target"
        );
    }
    println!("installing the target {TARGET}, which the bundled guests are built for");
    process::run("rustup", &["target", "add", TARGET])
}

/// `cargo xtask setup`, with the programs of others for `--all`.
pub fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => {}
        [all] if all == "--all" => others()?,
        _ => bail!("`setup` takes `--all` and nothing else"),
    }
    require_target()?;
    for tool in TOOLS {
        if process::answer("cargo", &[tool.trim_start_matches("rust"), "--version"]).is_none() {
            println!("installing {tool}, which `cargo xtask check` calls");
            process::run("rustup", &["component", "add", tool])?;
        }
    }
    println!("ready: {}, {TARGET}", process::answer("rustc", &["--version"]).unwrap_or_default());
    Ok(())
}

/// Installs the programs of others on Debian, as root.
fn others() -> Result<()> {
    if process::answer("apt-get", &["--version"]).is_none() {
        bail!("`--all` installs Debian's packages {}; this is no Debian", PEERS.join(", "));
    }
    // Some packages ask how they are to be set up. The tests set up their own.
    let install = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes"];
    process::run("env", &[install.as_slice(), PEERS.as_slice()].concat())?;
    let folder = process::target()?.join("peers");
    fs::create_dir_all(&folder)?;
    let script = format!(
        "cd '{}' && apt-get download {} ; for package in ./*.deb; do dpkg -x \"$package\" syslog-ng; done",
        folder.display(),
        UNPACKED.join(" ")
    );
    process::run("sh", &["-c", &script])?;
    peers::bring()?;
    println!("{AFTERWARDS}");
    Ok(())
}

fn has_target() -> bool {
    process::answer("rustc", &["--print", "target-libdir", "--target", TARGET])
        .is_some_and(|folder| Path::new(&folder).is_dir())
}
