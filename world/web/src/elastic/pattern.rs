//! Which index a document goes to.
//!
//! What a guest names is part of the name and never the whole: the operator's own words stand before it, or the names
//! are listed.

use correlator_world::Request;

use crate::recipe::clean;
use crate::{clock, limit};

/// The name of an index, with gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Target,
    Column(String),
    /// A date: pieces of `strftime`.
    Date(String),
}

/// A name, and the pattern of all names that differ from it by dates and columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    pub index: String,
    /// With `*` for every gap but the target.
    pub family: String,
}

impl Pattern {
    /// Reads it. `bound` is whether the targets are listed.
    pub fn read(text: &str, bound: bool) -> Result<Self, String> {
        let wrong = |problem: String| format!("index `{text}`: {problem}");
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            if at > 0 {
                parts.push(literal(&rest[..at]).map_err(wrong)?);
            }
            let end = rest.find('}').ok_or_else(|| wrong("a `{` without its `}`".into()))?;
            parts.push(match &rest[at + 1..end] {
                "target" => Part::Target,
                gap if gap.starts_with('+') => Part::Date(date(&gap[1..]).map_err(wrong)?),
                "" => return Err(wrong("`{}` names nothing".into())),
                column => Part::Column(column.to_owned()),
            });
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            parts.push(literal(rest).map_err(wrong)?);
        }
        match parts.first() {
            Some(Part::Literal(start))
                if start.starts_with(|c: char| c.is_ascii_alphanumeric()) => {}
            Some(Part::Target) if bound => {}
            _ => {
                return Err(wrong(
                    "it begins with a word of yours, such as `correlator-{target}`; or `targets` lists what `{target}` may be"
                        .into(),
                ));
            }
        }
        Ok(Self(parts))
    }

    /// Whether a moment is part of it.
    pub fn is_dated(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Date(_)))
    }

    /// The index of a request.
    ///
    /// # Errors
    /// A gap has nothing in it that a name can have.
    pub fn name(&self, request: &Request, moment: i64) -> Result<Named, String> {
        let (mut index, mut family) = (String::new(), String::new());
        for part in &self.0 {
            match part {
                Part::Literal(text) => {
                    index.push_str(text);
                    family.push_str(text);
                }
                Part::Target => {
                    let target = word(&request.target, "the target")?;
                    index.push_str(&target);
                    family.push_str(&target);
                }
                Part::Column(name) => {
                    let text = request.text(name);
                    let text =
                        text.ok_or_else(|| format!("the column `{name}` is missing, or no text"))?;
                    index.push_str(&word(text, &format!("the column `{name}`"))?);
                    star(&mut family);
                }
                Part::Date(format) => {
                    index.push_str(&clock::moment(moment).strftime(format).to_string());
                    star(&mut family);
                }
            }
        }
        if index.len() > limit::INDEX_BYTES_MAX {
            return Err(format!(
                "the index's name would have more than {} bytes",
                limit::INDEX_BYTES_MAX
            ));
        }
        Ok(Named { index, family })
    }
}

fn star(family: &mut String) {
    if !family.ends_with('*') {
        family.push('*');
    }
}

fn literal(text: &str) -> Result<Part, String> {
    let plain =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if text.chars().all(plain) {
        Ok(Part::Literal(text.to_owned()))
    } else {
        Err(format!("`{text}` has other characters than a to z, 0 to 9, `-`, `_` and `.`"))
    }
}

/// A guest's word in a name: lowercase, because names are.
fn word(text: &str, what: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let starts = lower.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && lower.len() <= limit::INDEX_BYTES_MAX && lower.chars().all(plain) {
        return Ok(lower);
    }
    let shown: String = text.chars().take(limit::SAID_CHARACTERS_MAX).collect();
    Err(format!(
        "{what}, `{}`, can't be part of an index's name: letters, digits, `-` and `_` can",
        clean(&shown)
    ))
}

/// A date's pieces, as Logstash and Beats write them.
fn date(text: &str) -> Result<String, String> {
    let mut format = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let pieces = [
            ("yyyy", "%Y"),
            ("MM", "%m"),
            ("dd", "%d"),
            ("HH", "%H"),
            ("xxxx", "%G"),
            ("ww", "%V"),
        ];
        if let Some((piece, instead)) = pieces.iter().find(|(piece, _)| rest.starts_with(piece)) {
            format.push_str(instead);
            rest = &rest[piece.len()..];
        } else if let Some(tail) = rest.strip_prefix(['.', '-', '_']) {
            format.push_str(&rest[..1]);
            rest = tail;
        } else {
            return Err(format!(
                "`{{+{text}}}` is no date; it has yyyy, MM, dd, HH, xxxx, ww, `.`, `-`, `_`"
            ));
        }
    }
    if format.is_empty() { Err("`{+}` names no date".into()) } else { Ok(format) }
}

#[cfg(test)]
mod tests {
    use correlator_world::{Cell, Request};

    use super::Pattern;

    fn request(target: &str, module: &str) -> Request {
        let cells = vec![("module".to_owned(), Cell::Text(module.to_owned()))];
        Request { id: "1".into(), target: target.into(), cells }
    }

    #[test]
    fn names_are_made_of_requests() {
        let check = |pattern: &str, index: &str, family: &str| {
            let pattern = Pattern::read(pattern, true).unwrap();
            // 2023-11-14T22:13:20Z
            let named =
                pattern.name(&request("Events", "sshd-2"), 1_700_000_000_000_000_000).unwrap();
            assert_eq!((named.index.as_str(), named.family.as_str()), (index, family));
        };
        check(
            "correlator-{target}-{+yyyy.MM.dd}",
            "correlator-events-2023.11.14",
            "correlator-events-*",
        );
        check("c-{module}-{+yyyy.MM}", "c-sshd-2-2023.11", "c-*-*");
        check("c-{module}{+yyyy}", "c-sshd-22023", "c-*");
        check("{target}", "events", "events");
        check("all-{+xxxx_ww-HH}", "all-2023_46-22", "all-*");
    }

    #[test]
    fn hostile_words_make_no_name() {
        let pattern = Pattern::read("correlator-{target}-{module}", false).unwrap();
        let check = |target: &str, module: &str| {
            assert!(pattern.name(&request(target, module), 0).is_err(), "{target} {module}");
        };
        check("", "m");
        check("*", "m");
        check("a/../b", "m");
        check("a", ".security");
        check("a", "-x");
        check("a", "x,y");
        check("a", "x\ny");
        check("a", "é");
        check("a", &"x".repeat(300));
        check(&"x".repeat(200), &"y".repeat(200));
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        let check = |text: &str| assert!(Pattern::read(text, false).is_err(), "{text}");
        check("");
        check("{target}");
        check("-{target}");
        check(".internal-{target}");
        check("Correlator-{target}");
        check("c-{target");
        check("c-{}");
        check("c-{+}");
        check("c-{+dddd-EEE}");
        check("c-*");
    }
}
