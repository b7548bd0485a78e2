//! What may stand in the place of a value.

use std::net::IpAddr;

use correlator_world::{Cell, Refused};
use ipnet::IpNet;
use regex_lite::Regex;

use crate::limit;
use crate::settings::{Kind, ValueSettings};
use crate::template::Filling;

/// What a value must be like.
#[derive(Debug)]
pub(crate) struct Rule {
    kind: Option<Kind>,
    pattern: Option<Regex>,
    length_max: usize,
    leading_dash: bool,
}

impl Rule {
    pub fn new(settings: &ValueSettings) -> Result<Self, String> {
        if settings.kind.is_none() && settings.pattern.is_none() {
            return Err("say what it must be by `kind` (address, network, integer, name, text) or `pattern`".into());
        }
        let most = limit::VALUE_BYTES_MAX;
        if !(1..=most).contains(&settings.length_max) {
            return Err(format!("length_max: {} is not from 1 to {most}", settings.length_max));
        }
        let pattern = settings.pattern.as_deref().map(|text| {
            // On its own first, so that it can't close the group that it is put into.
            Regex::new(text).and_then(|_| Regex::new(&format!(r"\A(?:{text})\z")))
        });
        Ok(Self {
            kind: settings.kind,
            pattern: pattern.transpose().map_err(|error| format!("pattern: {error}"))?,
            length_max: settings.length_max,
            leading_dash: settings.leading_dash,
        })
    }

    /// The value as it is filled in, if it is as it must be. Addresses are in their usual form.
    pub fn admit(&self, name: &str, cell: &Cell) -> Result<Filling, Refused> {
        let wrong = |what: &str| Refused::Denied(format!("`{name}` {what}"));
        let text = text(cell).ok_or_else(|| wrong("has no form that an argument can have"))?;
        if text.len() > self.length_max {
            let (length, most) = (text.len(), self.length_max);
            return Err(wrong(&format!(
                "has {length} bytes, more than its `length_max` of {most}"
            )));
        }
        if text.contains('\0') {
            return Err(wrong("has a NUL in it, which can't stand in an argument"));
        }
        let text = match self.kind {
            None => Some(text),
            Some(Kind::Address) => text.parse::<IpAddr>().ok().map(|address| address.to_string()),
            Some(Kind::Network) => network(&text),
            Some(Kind::Integer) => text.parse::<i64>().ok().map(|number| number.to_string()),
            Some(Kind::Name) => Some(text).filter(|text| is_name(text)),
            Some(Kind::Text) => Some(text).filter(|text| is_line(text)),
        };
        let text = text.ok_or_else(|| wrong(&format!("is no {}", self.kind_name())))?;
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&text)) {
            return Err(wrong("does not fit its `pattern` in the stack"));
        }
        Ok(Filling { text, leading_dash: self.leading_dash })
    }

    fn kind_name(&self) -> &'static str {
        match self.kind {
            Some(Kind::Address) => "address",
            Some(Kind::Network) => "address and no network",
            Some(Kind::Integer) => "whole number",
            Some(Kind::Name) => {
                "name (letters, digits, `.`, `_`, `-`, `@`; neither `.` nor `-` first)"
            }
            Some(Kind::Text) => "line of text without control characters",
            None => "value",
        }
    }
}

fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Absent(_) => None,
        Cell::Text(text) => Some(text.clone()),
        Cell::Integer(number) => Some(number.to_string()),
        Cell::Float(number) => number.is_finite().then(|| number.to_string()),
        Cell::Boolean(yes) => Some(yes.to_string()),
        Cell::Time(nanoseconds) => {
            let time = jiff::Timestamp::from_nanosecond(i128::from(*nanoseconds)).ok()?;
            Some(time.to_string())
        }
        // Seconds, as programs take them.
        Cell::Duration(nanoseconds) => {
            let sign = if *nanoseconds < 0 { "-" } else { "" };
            let all = nanoseconds.unsigned_abs();
            let (seconds, rest) = (all / 1_000_000_000, all % 1_000_000_000);
            let text = format!("{sign}{seconds}.{rest:09}");
            Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
        }
    }
}

fn network(text: &str) -> Option<String> {
    if text.contains('/') {
        text.parse::<IpNet>().ok().map(|network| network.trunc().to_string())
    } else {
        text.parse::<IpAddr>().ok().map(|address| address.to_string())
    }
}

fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    !text.is_empty() && !text.starts_with(['.', '-']) && text.chars().all(letters)
}

fn is_line(text: &str) -> bool {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    !text.trim().is_empty() && !text.chars().any(breaks)
}

#[cfg(test)]
mod tests {
    use correlator_world::{Cell, Kind};

    use super::Rule;
    use crate::settings::ValueSettings;

    fn rule(text: &str) -> Result<Rule, String> {
        let settings: ValueSettings = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
        Rule::new(&settings)
    }

    fn check(text: &str, cell: &Cell, expected: Result<&str, &str>) {
        let admitted = rule(text).expect("a rule").admit("v", cell);
        match (admitted.map_err(|error| error.to_string()), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.text, expected, "{text} {cell:?}"),
            (Err(error), Err(words)) => assert!(error.contains(words), "{cell:?}: {error}"),
            (found, _) => panic!("{text} {cell:?}: {found:?}"),
        }
    }

    #[test]
    fn values() {
        let texts = |kind: &str, texts: &[(&str, Result<&str, &str>)]| {
            for (text, expected) in texts {
                check(&format!("{{kind: {kind}}}"), &Cell::Text((*text).into()), *expected);
            }
        };
        texts(
            "address",
            &[
                ("192.0.2.1", Ok("192.0.2.1")),
                ("2001:DB8:0::1", Ok("2001:db8::1")),
                ("192.0.2.1; id", Err("is no address")),
                ("192.0.2.1\n", Err("is no address")),
                ("010.0.0.1", Err("is no address")),
                ("fe80::1%eth0", Err("is no address")),
                ("", Err("is no address")),
                ("192.0.2.0/24", Err("is no address")),
            ],
        );
        texts(
            "network",
            &[
                ("192.0.2.7/24", Ok("192.0.2.0/24")),
                ("::1", Ok("::1")),
                ("192.0.2.1/33", Err("no")),
            ],
        );
        texts(
            "integer",
            &[("+5", Ok("5")), ("-5", Ok("-5")), ("5 ", Err("no")), ("1e3", Err("no"))],
        );
        texts(
            "name",
            &[
                ("alice@example.org", Ok("alice@example.org")),
                ("../etc/passwd", Err("is no name")),
                (".hidden", Err("is no name")),
                ("-rf", Err("is no name")),
                ("a/b", Err("is no name")),
                ("ü", Err("is no name")),
            ],
        );
        texts(
            "text",
            &[
                ("$(id) ü", Ok("$(id) ü")),
                ("a\nb", Err("line of text")),
                ("a\0b", Err("NUL")),
                ("\u{1b}[31m", Err("line of text")),
                (" ", Err("line of text")),
                (&"x".repeat(257), Err("more than its `length_max` of 256")),
            ],
        );
    }

    #[test]
    fn patterns_and_other_kinds_of_cells() {
        let pattern = "{pattern: 'a|bc', length_max: 2}";
        check(pattern, &Cell::Text("bc".into()), Ok("bc"));
        check(pattern, &Cell::Text("ac".into()), Err("does not fit"));
        check(pattern, &Cell::Text("a\n".into()), Err("does not fit"));
        check("{kind: integer}", &Cell::Integer(-3), Ok("-3"));
        check("{kind: text}", &Cell::Duration(1_500_000_000), Ok("1.5"));
        check("{kind: text}", &Cell::Duration(-60_000_000_000), Ok("-60"));
        check("{kind: text}", &Cell::Time(0), Ok("1970-01-01T00:00:00Z"));
        check("{kind: text}", &Cell::Boolean(true), Ok("true"));
        check("{kind: text}", &Cell::Float(f64::NAN), Err("no form"));
        check("{kind: text}", &Cell::Absent(Kind::Text), Err("no form"));
    }

    #[test]
    fn rules_that_make_no_sense() {
        let check = |text: &str, expected: &str| {
            let error = rule(text).expect_err("refused");
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("{}", "`kind`");
        check("{pattern: '('}", "pattern: ");
        check("{pattern: 'a)|(?:.*'}", "pattern: ");
        check("{kind: text, length_max: 0}", "length_max: 0 is not from 1");
        check("{kind: shell}", "shell");
    }
}
