//! `correlator stack show`: every option, limit and grant with its value, default and meaning.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::{Value, json};

use super::load::load;
use super::output::Output;
use super::{Common, EXIT_WELL, Failed, StackArguments};
use crate::stack::show::{self, ShownOption};

/// Shows what a stack comes to.
pub(super) fn show(
    arguments: &StackArguments,
    common: &Common,
    output: &mut Output,
) -> Result<u8, Failed> {
    let loaded = load(arguments, common)?;
    let shown = show::show(&loaded.stack, &loaded.known);
    if output.json {
        output.value(&shown.iter().map(machine).collect::<Value>());
    } else {
        output.result(&people(&shown));
    }
    Ok(EXIT_WELL)
}

/// A block for each instance; a star marks what was typed.
fn people(shown: &[ShownOption]) -> String {
    let mut text = String::new();
    let width = |of: fn(&ShownOption) -> &str| {
        shown.iter().map(|option| of(option).chars().count()).max().unwrap_or(0)
    };
    let (names, kinds) = (width(|option| &option.option), width(|option| &option.kind));
    let values = width(|option| &option.value).min(32);
    let mut block = ("", "", "");
    for option in shown {
        let this = (option.part, option.instance.as_str(), option.group);
        if this != block {
            block = this;
            let title: Vec<_> =
                [this.0, this.1, this.2].into_iter().filter(|word| !word.is_empty()).collect();
            let _ = writeln!(text, "\n{}", title.join(" "));
        }
        let mark = if option.set { '*' } else { ' ' };
        let default = match &option.default {
            Some(default) if *default != option.value => format!(" [default: {default}]"),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "{mark} {:names$}  {:kinds$}  {:values$}  {}{default}",
            option.option,
            option.kind,
            on_one_line(&option.value),
            option.meaning
        );
    }
    text.push_str("\n* set by the stack; the rest are defaults\n");
    text.trim_start().to_owned()
}

/// The first line of a text that has more, as a template from a file has.
fn on_one_line(value: &str) -> Cow<'_, str> {
    match value.split_once('\n') {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{first} ... {} lines", rest.lines().count() + 1).into()
        }
        _ => value.trim_end_matches('\n').into(),
    }
}

fn machine(option: &ShownOption) -> Value {
    json!({
        "part": option.part,
        "instance": option.instance,
        "group": option.group,
        "option": option.option,
        "kind": option.kind,
        "value": option.value,
        "default": option.default,
        "meaning": option.meaning,
        "set": option.set,
    })
}
