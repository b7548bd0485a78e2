//! A guest's options: what was typed, against what the guest declares.

use std::sync::Arc;

use correlator_frame::value::Kind;
use jiff::tz::TimeZone;

use super::node::{Key, Node, Value, get};
use super::problem::{Place, Problems, Wrong};
use super::{option_file, suggest, value, zone};
use crate::declaration::{OptionSchema, Setting};
use crate::limit;
use crate::text::clean;

/// The options of one instance.
pub(super) struct Typed<'a> {
    /// What people call the instance.
    pub(super) what: &'a str,
    /// Where the instance stands.
    pub(super) place: &'a Place,
    /// What was typed.
    pub(super) entries: &'a [(Key, Arc<Node>)],
    /// The zone of times without one.
    pub(super) zone: &'a TimeZone,
}

/// The value of every option in the order of the schema, and the names of those that were typed.
pub(super) fn check(
    typed: &Typed<'_>,
    schema: &[OptionSchema],
    problems: &mut Problems,
) -> (Vec<(String, Setting)>, Vec<String>) {
    let names: Vec<&str> = schema.iter().map(|option| option.name.as_str()).collect();
    for (key, _) in typed.entries.iter().filter(|(key, _)| !names.contains(&key.text.as_str())) {
        let name = clean(&key.text, limit::NAME_BYTES_MAX);
        let wrong = Wrong::new(format!("{} has no option `{name}`", typed.what));
        let help = suggest::known(&key.text, &names).unwrap_or_else(|| "it has none".to_owned());
        problems.error(&key.place, wrong.help(help));
    }
    let mut settings = Vec::new();
    let mut set = Vec::new();
    for option in schema {
        let node = get(typed.entries, &option.name);
        let setting = if node.is_some_and(|node| option_file::is_one(node)) {
            // What is wrong with its file was told.
            option.default.clone()
        } else if let Some(node) = node {
            set.push(option.name.clone());
            let setting = read(option, node, typed.zone).and_then(|setting| bound(option, setting));
            problems.take(&node.place, setting.map_err(|wrong| named(&option.name, wrong)))
        } else {
            if option.default.is_none() {
                problems.error(typed.place, missing(typed, option));
            }
            zone::of_guest(option, typed.zone).or_else(|| option.default.clone())
        };
        settings.extend(setting.map(|setting| (option.name.clone(), setting)));
    }
    (settings, set)
}

fn named(name: &str, wrong: Wrong) -> Wrong {
    Wrong { message: format!("option `{name}`: {}", wrong.message), help: wrong.help }
}

fn missing(typed: &Typed<'_>, option: &OptionSchema) -> Wrong {
    let (what, name) = (typed.what, &option.name);
    let first = match typed.place {
        // Nobody typed anything of it yet.
        Place::Whole { .. } => "name it in a fragment beside it and ",
        _ => "",
    };
    Wrong::new(format!("{what} needs the option `{name}`, which has no default")).help(format!(
        "{first}add `{name}: ...` to its options, {}: {}",
        article(option.kind),
        option.meaning
    ))
}

const fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a text",
        Kind::Integer => "an integer",
        Kind::Float => "a number",
        Kind::Boolean => "true or false",
        Kind::Time => "a time",
        Kind::Duration => "a duration",
    }
}

/// The value of a node, by the kind that is declared and not by how it looks: `1.10` can be a text.
fn read(option: &OptionSchema, node: &Node, zone: &TimeZone) -> Result<Setting, Wrong> {
    if matches!(node.value, Value::Null) {
        let wrong = Wrong::new(format!("expected {}, found nothing", article(option.kind)));
        return Err(
            wrong.help("remove the line for the default, or write `\"\"` for an empty text")
        );
    }
    let text = node.scalar(article(option.kind))?;
    match option.kind {
        Kind::Text if zone::is_wanted(option) => {
            zone::read(text).map(|_| Setting::Text(text.to_owned()))
        }
        Kind::Text => Ok(Setting::Text(text.to_owned())),
        // A number of bytes may be typed as one.
        Kind::Integer if option.name.ends_with("bytes") => {
            let size = i64::try_from(value::size(text)?);
            size.map(Setting::Integer).map_err(|_| Wrong::new("this size is too large"))
        }
        Kind::Integer => value::integer(text).map(Setting::Integer),
        Kind::Float => value::float(text).map(Setting::Float),
        Kind::Boolean => value::boolean(text).map(Setting::Boolean),
        Kind::Time => value::time(text, zone).map(Setting::Time),
        Kind::Duration => value::duration(text).map(Setting::Duration),
    }
}

/// Refuses what the guest does.
fn bound(option: &OptionSchema, setting: Setting) -> Result<Setting, Wrong> {
    let told = value::setting_text(&setting);
    if let Setting::Text(text) = &setting {
        if option.choices.is_empty() || option.choices.contains(text) {
            return Ok(setting);
        }
        let allowed = format!("it can be {}", suggest::quoted(&option.choices));
        let near = suggest::nearest(text, &option.choices);
        let help = near.map_or(allowed, |near| format!("did you mean `{near}`?"));
        let told = clean(&told, limit::NAME_BYTES_MAX);
        return Err(Wrong::new(format!("`{told}` is none of its choices")).help(help));
    }
    let below = option.at_least.filter(|&least| less(&setting, least));
    let above = option.at_most.filter(|&most| greater(&setting, most));
    let text = |number| value::setting_text(&same_kind(&setting, number));
    if below.is_none() && above.is_none() {
        return Ok(setting);
    }
    Err(Wrong::new(match (option.at_least.map(text), option.at_most.map(text)) {
        (Some(least), Some(most)) => format!("{told} is not between {least} and {most}"),
        (Some(least), None) => format!("{told} is less than {least}, the least allowed"),
        (_, most) => format!("{told} is more than {}, the most allowed", most.unwrap_or_default()),
    }))
}

#[expect(clippy::cast_precision_loss, reason = "bounds of floats are small whole numbers")]
fn less(setting: &Setting, bound: i64) -> bool {
    match setting {
        Setting::Integer(number) | Setting::Time(number) | Setting::Duration(number) => {
            *number < bound
        }
        Setting::Float(number) => *number < bound as f64,
        Setting::Text(_) | Setting::Boolean(_) => false,
    }
}

#[expect(clippy::cast_precision_loss, reason = "bounds of floats are small whole numbers")]
fn greater(setting: &Setting, bound: i64) -> bool {
    match setting {
        Setting::Integer(number) | Setting::Time(number) | Setting::Duration(number) => {
            *number > bound
        }
        Setting::Float(number) => *number > bound as f64,
        Setting::Text(_) | Setting::Boolean(_) => false,
    }
}

fn same_kind(setting: &Setting, number: i64) -> Setting {
    match setting {
        Setting::Time(_) => Setting::Time(number),
        Setting::Duration(_) => Setting::Duration(number),
        _ => Setting::Integer(number),
    }
}
