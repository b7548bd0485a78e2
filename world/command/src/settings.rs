//! What the operator wrote. Whether it makes sense is seen in `command`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use correlator_world::human::{Size, Span};
use serde::Deserialize;

/// A grant of commands.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Commands by name. A request names one as its target.
    pub commands: BTreeMap<String, CommandSettings>,
}

/// One command.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandSettings {
    /// The program, by its whole path.
    pub program: PathBuf,
    /// Its arguments. `{NAME}` is the value of that name, `{{` and `}}` are braces.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// How it is taken back; it can't be, if absent.
    pub undo: Option<UndoSettings>,
    /// As whom it runs.
    #[serde(default = "nobody")]
    pub user: String,
    /// The group; the user's own, if absent.
    pub group: Option<String>,
    /// How long it may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// Bytes of its output that are kept; the rest is read and thrown away.
    #[serde(default = "output_max")]
    pub output_max: Size,
    /// Variables of its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Where it runs.
    #[serde(default = "root")]
    pub directory: PathBuf,
    /// What its arguments are made of.
    #[serde(default)]
    pub values: BTreeMap<String, ValueSettings>,
    /// Exit codes that say: try it again later.
    #[serde(default = "retry_codes")]
    pub retry_codes: Vec<i32>,
}

/// How a command is taken back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoSettings {
    /// The arguments of the same program that take it back.
    pub arguments: Vec<String>,
}

/// What may stand in a place for a value: a kind or a pattern, or both.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueSettings {
    /// Its kind.
    pub kind: Option<Kind>,
    /// A regular expression that all of it must fit.
    pub pattern: Option<String>,
    /// Its bytes at most.
    #[serde(default = "length_max")]
    pub length_max: usize,
    /// Whether it may begin an argument with a dash, which makes an option of it.
    #[serde(default)]
    pub leading_dash: bool,
}

/// The kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An IPv4 or IPv6 address.
    Address,
    /// An address, or a network such as `192.0.2.0/24`.
    Network,
    /// A whole number.
    Integer,
    /// Letters, digits, `.`, `_`, `-` and `@`, and neither `.` nor `-` first.
    Name,
    /// One line of text, not empty, without control characters.
    Text,
}

fn nobody() -> String {
    "nobody".into()
}

fn timeout() -> Span {
    Span::seconds(10)
}

fn output_max() -> Size {
    Size(64 << 10)
}

fn root() -> PathBuf {
    "/".into()
}

fn retry_codes() -> Vec<i32> {
    vec![75]
}

fn length_max() -> usize {
    256
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
        assert!(settings.commands.contains_key("block"));
    }
}
