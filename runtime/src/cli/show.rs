//! `correlator stack show`: every option, limit and grant with its value, default and meaning.

use std::borrow::Cow;
use std::fmt::Write;

use serde_json::{Value, json};

use super::load::load;
use super::output::Output;
use super::table::{length, padded};
use super::{Common, EXIT_WELL, Failed, StackArguments};
use crate::stack::show::{self, ShownOption};

/// Cells of the columns of kinds and values, of which a few are very long.
const KIND_WIDTH_MAX: usize = 16;
const VALUE_WIDTH_MAX: usize = 20;
/// What stands before a meaning that stands below.
const BELOW: &str = "      ";

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
        output.result(&people(&shown, Output::width()));
    }
    Ok(EXIT_WELL)
}

/// A block for each instance; a star marks what was typed. Where there is no room for a meaning beside what it is of, it
/// stands below.
fn people(shown: &[ShownOption], page: usize) -> String {
    let mut text = String::new();
    let width = |of: fn(&ShownOption) -> &str| {
        shown.iter().map(|option| length(of(option))).max().unwrap_or(0)
    };
    let names = width(|option| &option.option);
    let kinds = width(|option| &option.kind).min(KIND_WIDTH_MAX);
    let values = width(|option| &option.value).min(VALUE_WIDTH_MAX);
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
        let meaning = format!("{}{default}", option.meaning);
        let cells = [
            padded(&option.option, names),
            padded(&option.kind, kinds),
            padded(&on_one_line(&option.value), values),
        ];
        let line = format!("{mark} {}  ", cells.join("  "));
        if length(&line) + length(&meaning) <= page {
            let _ = writeln!(text, "{line}{meaning}");
            continue;
        }
        let _ = writeln!(text, "{}", line.trim_end());
        for line in by_words(&meaning, page.saturating_sub(BELOW.len())) {
            let _ = writeln!(text, "{BELOW}{line}");
        }
    }
    text.push_str("\n* set by the stack; the rest are defaults\n");
    text.trim_start().to_owned()
}

/// A text in lines of so many cells, as far as its words let it.
fn by_words(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(word) <= width => line.extend([" ", word]),
            _ => lines.push(word.to_owned()),
        }
    }
    lines
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

#[cfg(test)]
mod tests {
    use super::people;
    use crate::stack::show::ShownOption;

    #[test]
    fn a_meaning_stands_beside_or_below() {
        let option = |name: &str, value: &str, meaning: &str| ShownOption {
            part: "stack",
            instance: String::new(),
            group: "settings",
            option: name.to_owned(),
            kind: "list".to_owned(),
            value: value.to_owned(),
            default: None,
            meaning: meaning.to_owned(),
            set: false,
        };
        let long = "keyring, keyutils, systemd, file, environment";
        let shown = [option("state", "here", "The folder."), option("order", long, "Where it is.")];
        let check = |page: usize, expected: &str| assert_eq!(people(&shown, page), expected);
        let end = "\n* set by the stack; the rest are defaults\n";
        let state = "  state  list  here                  The folder.\n";
        let order = format!("  order  list  {long}");
        check(usize::MAX, &format!("stack settings\n{state}{order}  Where it is.\n{end}"));
        check(60, &format!("stack settings\n{state}{order}\n      Where it is.\n{end}"));
    }
}
