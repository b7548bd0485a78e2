//! How many requests a grant covers: in a span of time, and in all. Of the whole grant, and of each target alone.
//!
//! This room must never know how they are counted.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::stack::node::{self, Key, Node, Value, get};
use crate::stack::problem::{Problems, Wrong};
use crate::stack::value;

/// The key of how many in a span of time.
pub(super) const RATE: &str = "rate";
/// The key of how many in all.
pub(super) const TOTAL: &str = "total";
/// The key of the same for each target alone.
pub(super) const EACH: &str = "each";
const MOST: &str = "most";
const SINCE: &str = "since";

/// How many requests there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// So many in so many nanoseconds.
    pub rate: Option<(u64, i64)>,
    /// So many in all.
    pub total: Option<Total>,
}

/// How many requests there may be in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// So many.
    pub most: u64,
    /// A moment that tells one counting from another: with a new one it begins anew.
    pub since: Option<i64>,
}

impl Bounds {
    /// Whether anything is bounded.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.rate.is_some() || self.total.is_some()
    }

    /// What stands in a grant, or under its `each`.
    pub(super) fn read(
        entries: &[(Key, Arc<Node>)],
        zone: &TimeZone,
        problems: &mut Problems,
    ) -> Self {
        let rate = get(entries, RATE).and_then(|node| {
            let rate = node.scalar("a rate such as `100/1h`").and_then(rate);
            let rate = problems.take(&node.place, rate);
            warn_of_none(RATE, node, rate.map(|(count, _)| count), problems);
            rate
        });
        let total = get(entries, TOTAL).and_then(|node| {
            let total = Total::read(node, zone, problems);
            warn_of_none(TOTAL, node, total.map(|total| total.most), problems);
            total
        });
        Self { rate, total }
    }

    /// The same for each target alone.
    pub(super) fn each(
        entries: &[(Key, Arc<Node>)],
        zone: &TimeZone,
        problems: &mut Problems,
    ) -> Self {
        let Some(node) = get(entries, EACH) else { return Self::default() };
        let expected = "bounds for each target alone, such as `{ rate: 10/1h }`";
        let Some(entries) = problems.take(&node.place, node.map(expected)) else {
            return Self::default();
        };
        node::only(entries, "`each`", &[RATE, TOTAL], problems);
        let bounds = Self::read(entries, zone, problems);
        if entries.is_empty() {
            let wrong = Wrong::new("`each` bounds nothing");
            problems.warning(&node.place, wrong.help("add `rate: 10/1h`, or remove it"));
        }
        bounds
    }
}

/// Not to be granted anything can be meant, but is said more plainly.
fn warn_of_none(name: &str, node: &Node, count: Option<u64>, problems: &mut Problems) {
    if count == Some(0) {
        let wrong = Wrong::new(format!("with this `{name}` nothing is covered"));
        problems
            .warning(&node.place, wrong.help("write how many there may be, or remove the grant"));
    }
}

impl Total {
    fn read(node: &Node, zone: &TimeZone, problems: &mut Problems) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            let most = node.scalar("a number such as `500`").and_then(most);
            return problems.take(&node.place, most).map(|most| Self { most, since: None });
        };
        node::only(entries, "`total`", &[MOST, SINCE], problems);
        let Some(number) = get(entries, MOST) else {
            let wrong = Wrong::new(format!("`{TOTAL}` needs `{MOST}`, how many there may be"));
            let help = format!("write `{TOTAL}: {{ {MOST}: 500, {SINCE}: 2026-11-21 }}`");
            problems.error(&node.place, wrong.help(help));
            return None;
        };
        let typed = number.scalar("a number such as `500`").and_then(most);
        let most = problems.take(&number.place, typed);
        let since = match get(entries, SINCE) {
            Some(node) => {
                let since = node.scalar("a moment").and_then(|text| value::time(text, zone));
                Some(problems.take(&node.place, since)?)
            }
            None => None,
        };
        Some(Self { most: most?, since })
    }
}

fn most(text: &str) -> Result<u64, Wrong> {
    if let Some((count, _)) = text.split_once('/') {
        let wrong = Wrong::new(format!("`{TOTAL}` is how many in all, found `{text}`"));
        return Err(wrong.help(format!(
            "write `{TOTAL}: {count}`, or `{RATE}: {text}` for how many in a span of time"
        )));
    }
    let number = value::integer(text)?;
    u64::try_from(number).map_err(|_| Wrong::new(format!("{number} is less than none")))
}

/// `100/1h`: so many in so long.
fn rate(text: &str) -> Result<(u64, i64), Wrong> {
    let wrong = || Wrong::new(format!("expected a rate such as `100/1h`, found `{text}`"));
    let (count, span) = text.split_once('/').ok_or_else(wrong)?;
    let count = count.trim().parse().map_err(|_| wrong())?;
    let span = value::duration(span.trim())?;
    if span > 0 { Ok((count, span)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::{Bounds, Total};
    use crate::stack::node::Value;
    use crate::stack::problem::Problems;
    use crate::stack::yaml;

    fn check(text: &str, expected: Result<(Bounds, Bounds), &str>) {
        let mut problems = Problems::default();
        let node = yaml::read(text, &"stack.yaml".into(), &mut problems).expect("a document");
        let Value::Map(entries) = &node.value else { panic!("{text} is no mapping") };
        let bounds = Bounds::read(entries, &TimeZone::UTC, &mut problems);
        let each = Bounds::each(entries, &TimeZone::UTC, &mut problems);
        let told: String = problems.finish(&[]).iter().map(ToString::to_string).collect();
        match expected {
            Ok(expected) => assert_eq!(((bounds, each), told.as_str()), (expected, ""), "{text}"),
            Err(part) => assert!(told.contains(part), "{text}: {told}"),
        }
    }

    #[test]
    fn bounds_are_read() {
        let none = Bounds::default();
        let total = |most, since| Bounds { total: Some(Total { most, since }), ..none };
        check("dry_run: true", Ok((none, none)));
        check("rate: 100/1m", Ok((Bounds { rate: Some((100, 60_000_000_000)), ..none }, none)));
        check("total: 20_000", Ok((total(20_000, None), none)));
        check("total: { most: 5 }", Ok((total(5, None), none)));
        check(
            "total: { most: 5, since: 1970-01-02 }",
            Ok((total(5, Some(86_400_000_000_000)), none)),
        );
        let both = Bounds { rate: Some((1, 1_000_000_000)), ..total(7, None) };
        check("each: { rate: 1/1s, total: 7 }", Ok((none, both)));
    }

    #[test]
    fn what_makes_no_sense_is_told_where_it_stands() {
        check("rate: 100", Err("stack.yaml:1:7: expected a rate such as `100/1h`, found `100`"));
        check("rate: 1/0s", Err("expected a rate"));
        check(
            "rate: 0/1h",
            Err("stack.yaml:1:7: warning: with this `rate` nothing is covered; write how"),
        );
        check("total: 0", Err("stack.yaml:1:8: warning: with this `total` nothing is covered"));
        check("each: { total: { most: 0 } }", Err("with this `total` nothing is covered"));
        check("total: -1", Err("stack.yaml:1:8: -1 is less than none"));
        check("total: many", Err("expected an integer"));
        check("total: 500/1d", Err("or `rate: 500/1d` for how many in a span of time"));
        check("total: [5]", Err("expected a number such as `500`, found a list"));
        check("total: { since: 2026-11-21 }", Err("`total` needs `most`"));
        check("total: { most: 5, since: soon }", Err("stack.yaml:1:26: expected a time"));
        check("total: { most: 5, form: 1 }", Err("`total` has no `form`"));
        check("each: 5", Err("expected bounds for each target alone"));
        check("each: { dry_run: true }", Err("`each` has no `dry_run`"));
        check("each: {}", Err("`each` bounds nothing"));
    }
}
