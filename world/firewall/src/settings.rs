//! What the operator grants, as it is written and as it is checked. It must never know what the kernel holds.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use correlator_world::human::Span;
use ipnet::IpNet;
use serde::Deserialize;

use crate::wish;

/// Sets of one grant.
pub(crate) const SETS_MAX: usize = 32;
/// Ports of one set: each is a rule of its own for each length of prefix.
pub(crate) const PORTS_MAX: usize = 32;
/// Bytes of a name: the kernel allows 255 with what is added to it.
pub(crate) const NAME_BYTES_MAX: usize = 64;
/// Entries of one set that may be asked for: about 200 bytes of the kernel's memory each.
pub(crate) const ENTRIES_MAX: usize = 4_000_000;
/// Entries of an allow-list.
pub(crate) const ALLOW_MAX: usize = 10_000;
/// No block is shorter.
pub(crate) const DURATION_MIN: Duration = Duration::from_secs(1);

const PRIORITIES: RangeInclusive<i32> = -300..=300;
const V4_PREFIX_MIN: RangeInclusive<u8> = 8..=32;
const V6_PREFIX_MIN: RangeInclusive<u8> = 16..=128;

/// What a grant allows, as the operator writes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The table of family inet that is ours.
    pub table: String,
    /// The sets that may be named as a target.
    pub sets: BTreeMap<String, SetSettings>,
    /// How long an address is blocked where the listener doesn't say.
    pub duration: Span,
    /// Nothing is blocked for longer.
    pub duration_max: Span,
    /// The network that a single address stands for.
    pub prefix: Prefix,
    /// The shortest prefix, which is the largest network, that may be asked for.
    pub prefix_min: Prefix,
    /// Addresses and networks that are never blocked.
    pub allow: Vec<String>,
    /// How many entries a set holds at most.
    pub entries_max: usize,
    /// How operators log in.
    pub ssh: SshSettings,
}

/// What is done to those in a set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SetSettings {
    /// When the set is asked: the lower the earlier; filters have 0.
    pub priority: i32,
    /// What it is asked about.
    pub hook: Hook,
    /// Only what is sent to these ports; everything if there are none.
    pub ports: Vec<u16>,
    /// Only what is sent by this protocol.
    pub protocol: Option<Protocol>,
    /// What is done to a packet.
    pub verdict: Verdict,
}

/// What a set is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// What is sent to this host.
    Input,
    /// What this host passes on.
    Forward,
    /// Both.
    Both,
}

/// A protocol over IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What is done to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is gone and the sender learns nothing.
    Drop,
    /// The sender is told: by a reset where the set is about TCP, else as what is prohibited.
    Reject,
}

/// Lengths of prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prefix {
    /// Of IPv4.
    #[serde(default)]
    pub v4: Option<u8>,
    /// Of IPv6.
    #[serde(default)]
    pub v6: Option<u8>,
}

/// How operators log in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SshSettings {
    /// Where the SSH daemon listens.
    pub ports: Vec<u16>,
    /// After this long the SSH daemon has closed what has not logged in: whatever is connected for longer is a session.
    pub login_grace: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            table: "correlator".into(),
            sets: BTreeMap::new(),
            duration: Span(Duration::from_mins(10)),
            duration_max: Span(Duration::from_hours(7 * 24)),
            prefix: Prefix { v4: None, v6: None },
            prefix_min: Prefix { v4: None, v6: None },
            allow: Vec::new(),
            entries_max: 100_000,
            ssh: SshSettings::default(),
        }
    }
}

impl Default for SetSettings {
    fn default() -> Self {
        Self {
            priority: -10,
            hook: Hook::Input,
            ports: Vec::new(),
            protocol: None,
            verdict: Verdict::Drop,
        }
    }
}

impl Default for SshSettings {
    fn default() -> Self {
        Self { ports: vec![22], login_grace: Span(Duration::from_mins(2)) }
    }
}

/// What is checked: nothing behind it checks again.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) table: String,
    pub(crate) duration: Duration,
    pub(crate) duration_max: Duration,
    pub(crate) v6_prefix: u8,
    pub(crate) v4_prefix_min: u8,
    pub(crate) v6_prefix_min: u8,
    pub(crate) allow: Vec<IpNet>,
    pub(crate) entries_max: usize,
}

impl Settings {
    /// All that can be checked without the world.
    pub(crate) fn checked(&self) -> Result<Granted, String> {
        name("table", &self.table)?;
        if self.sets.is_empty() {
            return Err(
                "sets: there is none; add one, such as `sets: { ssh: { ports: [22] } }`".into()
            );
        }
        within("sets", self.sets.len(), &(1..=SETS_MAX))?;
        for (set, settings) in &self.sets {
            name("sets", set)?;
            settings.checked(set)?;
        }
        within("entries_max", self.entries_max, &(1..=ENTRIES_MAX))?;
        within("allow", self.allow.len(), &(0..=ALLOW_MAX))?;
        within("ssh.ports", self.ssh.ports.len(), &(0..=PORTS_MAX))?;
        let (duration, duration_max) = (self.duration.0, self.duration_max.0);
        if duration < DURATION_MIN {
            return Err(format!("duration: {} is too short: at least 1s", self.duration));
        }
        if duration > duration_max {
            return Err(format!(
                "duration: {} is more than duration_max, which is {}",
                self.duration, self.duration_max
            ));
        }
        one_of("prefix.v4", self.prefix.v4, &[32])?;
        let v6_prefix = one_of("prefix.v6", self.prefix.v6, &[128, 64])?;
        let v4_prefix_min = self.prefix_min.v4.unwrap_or(24);
        within("prefix_min.v4", v4_prefix_min, &V4_PREFIX_MIN)?;
        let v6_prefix_min = self.prefix_min.v6.unwrap_or(48);
        within("prefix_min.v6", v6_prefix_min, &V6_PREFIX_MIN)?;
        if v6_prefix_min > v6_prefix {
            return Err(format!(
                "prefix_min.v6: {v6_prefix_min} is more than prefix.v6, which is {v6_prefix}"
            ));
        }
        let allow = wish::networks(&self.allow).map_err(|wrong| format!("allow: {wrong}"))?;
        Ok(Granted {
            table: self.table.clone(),
            duration,
            duration_max,
            v6_prefix,
            v4_prefix_min,
            v6_prefix_min,
            allow,
            entries_max: self.entries_max,
        })
    }
}

impl SetSettings {
    fn checked(&self, set: &str) -> Result<(), String> {
        within(&format!("sets.{set}.priority"), self.priority, &PRIORITIES)?;
        within(&format!("sets.{set}.ports"), self.ports.len(), &(0..=PORTS_MAX))?;
        if self.ports.contains(&0) {
            return Err(format!("sets.{set}.ports: 0 is no port: 1 to 65535 are"));
        }
        Ok(())
    }
}

fn name(place: &str, name: &str) -> Result<(), String> {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest =
        name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    if first && rest && name.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    Err(format!(
        "{place}: `{}` is no name: a to z, 0 to 9, `_` and `-`, a letter first, at most {NAME_BYTES_MAX}",
        name.escape_default()
    ))
}

fn within<T>(place: &str, value: T, allowed: &RangeInclusive<T>) -> Result<(), String>
where
    T: PartialOrd + Copy + std::fmt::Display,
{
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(format!("{place}: {value} is not allowed: {} to {} are", allowed.start(), allowed.end()))
}

/// The value, or the first of those allowed.
fn one_of(place: &str, value: Option<u8>, allowed: &[u8]) -> Result<u8, String> {
    let value = value.unwrap_or(allowed[0]);
    if allowed.contains(&value) {
        return Ok(value);
    }
    let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    Err(format!("{place}: {value} is not allowed: {} is", allowed.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<(), &str>) {
        let checked = serde_json::from_str::<Settings>(json)
            .map_err(|wrong| wrong.to_string())
            .and_then(|settings| settings.checked().map(|_| ()));
        match (&checked, expected) {
            (Ok(()), Ok(())) => {}
            (Err(wrong), Err(part)) => assert!(wrong.contains(part), "{json}: {wrong}"),
            _ => panic!("{json}: {checked:?}, not {expected:?}"),
        }
    }

    #[test]
    fn the_example_is_one() {
        let example = include_str!("lib.rs").split("```").nth(1).unwrap();
        let lines = example.lines().skip(2).filter_map(|line| line.strip_prefix("//!   "));
        let text = lines.collect::<Vec<_>>().join("\n");
        let settings: Settings = serde_yaml::from_str(&text).unwrap();
        assert_eq!(
            (settings.sets.len(), settings.allow.len(), settings.prefix.v6),
            (2, 2, Some(64))
        );
        settings.checked().unwrap();
    }

    #[test]
    fn settings_are_checked() {
        check(r#"{"sets": {"ssh": {}}}"#, Ok(()));
        check(
            r#"{"table": "t", "sets": {"a-b": {"hook": "both", "ports": [22], "protocol": "tcp",
               "verdict": "reject", "priority": -20}}, "duration": "1m", "duration_max": "1d",
               "prefix": {"v4": 32, "v6": 64}, "prefix_min": {"v4": 16, "v6": 32},
               "allow": ["10.0.0.0/8", "::1"], "entries_max": 10,
               "ssh": {"ports": [22, 2222], "login_grace": "30s"}}"#,
            Ok(()),
        );
        check("{}", Err("sets: there is none"));
        check(r#"{"sets": {"ssh; flush ruleset": {}}}"#, Err("is no name"));
        check(r#"{"table": "", "sets": {"a": {}}}"#, Err("table: `` is no name"));
        check(r#"{"sets": {"a": {"ports": [0]}}}"#, Err("0 is no port"));
        check(r#"{"sets": {"a": {"ports": [65536]}}}"#, Err("65536"));
        check(r#"{"sets": {"a": {"hook": "output"}}}"#, Err("output"));
        check(r#"{"sets": {"a": {"priority": -1000}}}"#, Err("sets.a.priority: -1000"));
        check(r#"{"sets": {"a": {}}, "prefix": {"v6": 56}}"#, Err("prefix.v6: 56"));
        check(r#"{"sets": {"a": {}}, "prefix": {"v4": 24}}"#, Err("prefix.v4: 24"));
        check(r#"{"sets": {"a": {}}, "prefix_min": {"v4": 0}}"#, Err("prefix_min.v4: 0"));
        check(r#"{"sets": {"a": {}}, "prefix": {"v6": 64}, "prefix_min": {"v6": 96}}"#, Err("96"));
        check(r#"{"sets": {"a": {}}, "duration": "8d"}"#, Err("duration: 8d is more than"));
        check(r#"{"sets": {"a": {}}, "duration": "10ms"}"#, Err("too short"));
        check(r#"{"sets": {"a": {}}, "duration": "soon"}"#, Err("`soon` is no duration"));
        check(r#"{"sets": {"a": {}}, "allow": ["10.0.0.0/33"]}"#, Err("allow: `10.0.0.0/33`"));
        check(r#"{"sets": {"a": {}}, "entries_max": 0}"#, Err("entries_max: 0"));
        check(r#"{"sets": {"a": {}}, "password": "x"}"#, Err("password"));
    }
}
