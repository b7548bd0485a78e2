//! What an answer means.

use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::client::Answer;

/// What an answer means, if it is one of these.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The statuses that it is about; none: all.
    #[serde(default)]
    pub status: Vec<Statuses>,
    /// A text that the answer has in it; none: any.
    #[serde(default)]
    pub contains: Option<String>,
    /// The text that the answer is, but for spaces around it; none: any.
    #[serde(default)]
    pub equals: Option<String>,
    /// What it means then.
    pub is: Verdict,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is done.
    Done,
    /// It may be later.
    Later,
    /// It won't ever be.
    Refused,
}

/// A status, or some in a row: `429`, `500-599`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(pub RangeInclusive<u16>);

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Statuses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as `429` or `500-599`")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Statuses, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Statuses, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Statuses, E> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| {
            text.trim().parse().ok().filter(|status: &u16| (100..=999).contains(status))
        };
        match (status(first), status(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Statuses(first..=last)),
            _ => Err(E::custom(format!(
                "`{text}` is no status; it is written as `429` or `500-599`"
            ))),
        }
    }
}

/// What an answer means: by the first rule that is about it, else by what HTTP says.
pub(super) fn judge(rules: &[Rule], answer: &Answer) -> Verdict {
    let about = |rule: &&Rule| {
        let status = rule.status.is_empty()
            || rule.status.iter().any(|some| some.0.contains(&answer.status));
        status
            && rule.contains.as_ref().is_none_or(|text| has(&answer.body, text))
            && rule.equals.as_ref().is_none_or(|text| answer.body.trim_ascii() == text.as_bytes())
    };
    rules.iter().find(about).map_or_else(|| by_status(answer.status), |rule| rule.is)
}

/// What HTTP says of a status.
fn by_status(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Done,
        408 | 421 | 425 | 429 | 500..=599 => Verdict::Later,
        _ => Verdict::Refused,
    }
}

fn has(body: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(body).contains(text)
}

#[cfg(test)]
mod tests {
    use super::{Rule, Verdict, judge};
    use crate::client::Answer;

    #[test]
    fn the_first_rule_decides() {
        let rules = "
            - { status: [200], contains: rate limit, is: later }
            - { contains: never, is: refused }
            - { status: [404, 410-415], is: done }
            - { status: [202], equals: ok, is: later }
        ";
        let rules: Vec<Rule> = serde_yaml::from_str(rules).unwrap();
        let check = |status, body: &str, expected| {
            let answer = Answer { status, retry_after: None, body: body.into(), whole: true };
            assert_eq!(judge(&rules, &answer), expected, "{status} {body}");
        };
        check(200, "ok", Verdict::Done);
        check(200, "the rate limit is reached", Verdict::Later);
        check(201, "never", Verdict::Refused);
        check(202, "\r\nok\n", Verdict::Later);
        check(202, "<html>cookie</html>", Verdict::Done);
        check(404, "", Verdict::Done);
        check(412, "", Verdict::Done);
        check(409, "", Verdict::Refused);
        check(301, "", Verdict::Refused);
        check(421, "", Verdict::Later);
        check(429, "", Verdict::Later);
        check(503, "", Verdict::Later);
    }

    #[test]
    fn what_is_no_status_is_told() {
        let check = |text: &str| assert!(serde_yaml::from_str::<Rule>(text).is_err(), "{text}");
        check("{ status: [ok], is: done }");
        check("{ status: [599-500], is: done }");
        check("{ status: [7], is: done }");
        check("{ status: [200], is: perhaps }");
        check("{ status: [200], is: done, and: more }");
    }
}
