//! Summaries: a line with `{column}` where a value goes and `{{` for a brace.
//!
//! Parsed once at configuration, so that rendering is copying. A placeholder that names no column stays as it is: the
//! host checks templates, and a listener must not fail on one.

/// What stands for a value that is absent.
const ABSENT: &[u8] = b"-";

/// A summary in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// A part of a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Stands as it is.
    Text(String),
    /// The value of the column at this place.
    Column(usize),
}

impl Template {
    /// Splits a summary at its placeholders.
    #[must_use]
    pub fn parse(template: &str, columns: &[&str]) -> Self {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = template;
        while let Some(open) = rest.find('{') {
            text.push_str(&rest[..open]);
            let behind = &rest[open + 1..];
            if let Some(after) = behind.strip_prefix('{') {
                text.push('{');
                rest = after;
                continue;
            }
            let close = behind.find('}').unwrap_or(behind.len());
            let place = columns.iter().position(|column| *column == &behind[..close]);
            if let (Some(place), Some(after)) = (place, behind.get(close + 1..)) {
                if !text.is_empty() {
                    parts.push(Part::Text(core::mem::take(&mut text)));
                }
                parts.push(Part::Column(place));
                rest = after;
            } else {
                text.push('{');
                rest = behind;
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Self { parts }
    }

    /// Its parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Appends the line. `value` appends a column's value and says whether there was one.
    pub fn render(&self, out: &mut Vec<u8>, mut value: impl FnMut(usize, &mut Vec<u8>) -> bool) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Column(place) => {
                    if !value(*place, out) {
                        out.extend_from_slice(ABSENT);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Template;

    #[test]
    fn renders() {
        let check = |template, expected: &str| {
            let mut out = Vec::new();
            let template = Template::parse(template, &["user", "count", "gone"]);
            template.render(&mut out, |place, out| {
                out.extend_from_slice([b"root".as_slice(), b"5", b""][place]);
                place < 2
            });
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check("", "");
        check("plain", "plain");
        check("{user}", "root");
        check("{user} came {count} times }", "root came 5 times }");
        check("{{user} is {user}", "{user} is root");
        check("{{{user}", "{root");
        check("from {gone}", "from -");
        check("{nobody} and {user", "{nobody} and {user");
        check("{", "{");
    }
}
