//! What the operator wrote. Whether it makes sense is seen in `target`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use correlator_world::human::{Size, Span};
use serde::Deserialize;

/// A grant of syslog.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Targets by name. A request names one.
    pub targets: BTreeMap<String, TargetSettings>,
}

/// One target.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSettings {
    /// `HOST:PORT`, or the path of a socket. The port may be left out: 6514 for TLS, 514 otherwise.
    pub address: String,
    /// The way to it.
    pub transport: Transport,
    /// The file of the authorities (PEM) that sign the server's certificate; the machine's own, if absent.
    pub ca: Option<PathBuf>,
    /// The name that the server's certificate must have; the host in `address`, if absent.
    pub server_name: Option<String>,
    /// Our own certificate chain (PEM), for servers that ask.
    pub certificate: Option<PathBuf>,
    /// Its private key (PEM).
    pub key: Option<PathBuf>,
    /// The form of messages.
    #[serde(default)]
    pub format: Format,
    /// The facility: a name, or a number from 0 to 23.
    #[serde(default = "facility")]
    pub facility: String,
    /// The name of the program that messages come from.
    #[serde(default = "app_name")]
    pub app_name: String,
    /// The name of the machine that messages come from; this machine's, if absent.
    pub hostname: Option<String>,
    /// The name of the structured data: `NAME@NUMBER`, where the number is your enterprise's.
    #[serde(default = "sd_id")]
    pub sd_id: String,
    /// The CEF extensions that fields become, where they have other names: `addr: src`.
    #[serde(default)]
    pub extensions: BTreeMap<String, String>,
    /// Bytes of a message; longer texts are cut. 8 KiB, and 2 KiB over UDP, if absent.
    pub message_max: Option<Size>,
    /// How long connecting, and each write, may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
}

/// The way to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP, messages told apart by their lengths (RFC 6587, octet counting).
    Tcp,
    /// The same in TLS (RFC 5425).
    Tls,
    /// UDP, a message a datagram (RFC 5426).
    Udp,
    /// A Unix datagram socket, such as `/dev/log`.
    Unix,
}

/// The form of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// RFC 5424 with structured data.
    #[default]
    Rfc5424,
    /// RFC 5424 whose text is an event in the Common Event Format.
    Cef,
}

fn facility() -> String {
    "local0".into()
}

fn app_name() -> String {
    "correlator".into()
}

fn sd_id() -> String {
    // The number that is set aside for examples: there is none of this project's own.
    "correlator@32473".into()
}

fn timeout() -> Span {
    Span::seconds(10)
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn the_example_is_one() {
        let example = include_str!("lib.rs").split("```").nth(1).expect("an example");
        let lines = example.lines().filter_map(|line| line.strip_prefix("//!   ")).skip(1);
        let text = lines.collect::<Vec<_>>().join("\n");
        let settings: Settings = serde_yaml::from_str(&text).expect("settings");
        assert!(settings.targets.contains_key("siem"));
    }
}
