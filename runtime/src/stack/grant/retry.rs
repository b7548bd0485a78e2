//! How often, and for how long, what the world does not take now is tried again.
//!
//! It must never know what is tried, nor what came of it.

use super::world::Manner;
use crate::clock::nanoseconds;
use crate::limit;
use crate::stack::node::{self, Node, get};
use crate::stack::problem::{Problems, Wrong};
use crate::stack::value;

/// The key of a grant.
pub(super) const NAME: &str = "retry";
const FIRST: &str = "first";
const MOST: &str = "most";
const FOR: &str = "for";
const TRIES: &str = "tries";

/// How often, and for how long, something is tried again. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How long it is left alone after it failed once.
    pub first: i64,
    /// And after it failed often.
    pub most: i64,
    /// How long something is tried at the least, before it is given up.
    pub time: i64,
    /// How often it is tried at the least, before it is given up.
    pub tries: u32,
}

impl Retry {
    /// What holds where a grant says nothing.
    #[must_use]
    pub fn usual(manner: Manner) -> Self {
        let most = match manner {
            Manner::Single => limit::DELIVERY_PAUSE_MAX,
            Manner::Together => limit::TOGETHER_PAUSE_MAX,
        };
        Self {
            first: nanoseconds(limit::DELIVERY_PAUSE_MIN),
            most: nanoseconds(most),
            time: nanoseconds(limit::DELIVERY_TIME_MAX),
            tries: limit::DELIVERY_TRIES_MIN,
        }
    }

    /// How long to wait after so many failures in a row: twice as long each time.
    #[must_use]
    pub fn pause(&self, failures: u32) -> i64 {
        self.first.saturating_mul(1 << failures.saturating_sub(1).min(30)).min(self.most)
    }

    /// Whether what was tried so often, in so long, is given up.
    #[must_use]
    pub fn is_over(&self, time: i64, tries: u32) -> bool {
        time > self.time && tries >= self.tries
    }

    /// As it was typed over what holds otherwise.
    pub(super) fn read(node: &Node, manner: Manner, problems: &mut Problems) -> Self {
        let mut retry = Self::usual(manner);
        let expected = "settings such as `{ first: 1s, most: 10m }`";
        let Some(entries) = problems.take(&node.place, node.map(expected)) else { return retry };
        node::only(entries, "`retry`", &[FIRST, MOST, FOR, TRIES], problems);
        let mut span = |name: &str, (least, most): (i64, i64), to: &mut i64| {
            let Some(node) = get(entries, name) else { return };
            let read = node.scalar("a span of time such as `10s`").and_then(value::duration);
            let read = read.and_then(|span| within(name, span, (least, most)));
            *to = problems.take(&node.place, read).unwrap_or(*to);
        };
        span(FIRST, (limit::RETRY_PAUSE_LEAST, limit::RETRY_PAUSE_MOST), &mut retry.first);
        span(MOST, (limit::RETRY_PAUSE_LEAST, limit::RETRY_PAUSE_MOST), &mut retry.most);
        span(FOR, (0, limit::RETRY_TIME_MOST), &mut retry.time);
        if let Some(node) = get(entries, TRIES) {
            let tries = node.scalar("a number").and_then(value::integer).and_then(|number| {
                let tries = u32::try_from(number).ok();
                let tries = tries.filter(|tries| (1..=limit::RETRY_TRIES_MOST).contains(tries));
                let most = limit::RETRY_TRIES_MOST;
                tries.ok_or_else(|| Wrong::new(format!("`{TRIES}` must be between 1 and {most}")))
            });
            retry.tries = problems.take(&node.place, tries).unwrap_or(retry.tries);
        }
        if retry.first > retry.most && get(entries, MOST).is_some() {
            let (first, most) =
                (value::duration_text(retry.first), value::duration_text(retry.most));
            let wrong = Wrong::new(format!("`{MOST}` ({most}) is less than `{FIRST}` ({first})"));
            let place = get(entries, MOST).map_or(&node.place, |node| &node.place);
            problems.error(place, wrong.help("the pauses grow from the one to the other"));
        }
        retry.most = retry.most.max(retry.first);
        for name in [FOR, TRIES].into_iter().filter(|_| manner == Manner::Together) {
            if let Some(node) = get(entries, name) {
                let wrong = Wrong::new(format!("`{name}` has no place here: nothing is given up"));
                let why =
                    "what is done with the turn is tried until it is done, and the events wait";
                problems.error(&node.place, wrong.help(why));
            }
        }
        retry
    }
}

fn within(name: &str, span: i64, (least, most): (i64, i64)) -> Result<i64, Wrong> {
    if (least..=most).contains(&span) {
        return Ok(span);
    }
    let (least, most) = (value::duration_text(least), value::duration_text(most));
    Err(Wrong::new(format!("`{name}` must be between {least} and {most}")))
}

#[cfg(test)]
mod tests {
    use super::Retry;
    use crate::stack::grant::world::Manner;
    use crate::stack::problem::Problems;
    use crate::stack::yaml;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retry = Retry { first: SECOND, most: 10 * SECOND, ..Retry::usual(Manner::Single) };
        let pauses = [0, 1, 2, 3, 4, 5, 99, u32::MAX].map(|failures| retry.pause(failures));
        assert_eq!(pauses.map(|pause| pause / SECOND), [1, 1, 2, 4, 8, 10, 10, 10]);
    }

    #[test]
    fn both_bounds_must_be_passed() {
        let check = |time, tries, expected| {
            let retry = Retry { time: 60, tries: 3, ..Retry::usual(Manner::Single) };
            assert_eq!(retry.is_over(time, tries), expected, "{time} {tries}");
        };
        check(61, 3, true);
        check(60, 3, false);
        check(61, 2, false);
        check(i64::MAX, 1, false);
    }

    fn check(manner: Manner, text: &str, expected: Result<Retry, &str>) {
        let mut problems = Problems::default();
        let node = yaml::read(text, &"stack.yaml".into(), &mut problems).expect("a document");
        let retry = Retry::read(&node, manner, &mut problems);
        let told: String = problems.finish(&[]).iter().map(ToString::to_string).collect();
        match expected {
            Ok(expected) => assert_eq!((retry, told.as_str()), (expected, ""), "{text}"),
            Err(part) => assert!(told.contains(part), "{text}: {told}"),
        }
    }

    #[test]
    fn what_is_typed_holds() {
        let usual = Retry::usual(Manner::Single);
        let check = |text, expected| check(Manner::Single, text, Ok(expected));
        check("{}", usual);
        check("first: 5s", Retry { first: 5 * SECOND, ..usual });
        // Whoever waits long at first waits no less later.
        check("first: 1h", Retry { first: 3_600 * SECOND, most: 3_600 * SECOND, ..usual });
        check("{ most: 1m, for: 1d }", Retry { most: 60 * SECOND, time: 86_400 * SECOND, ..usual });
        check("{ for: 0s, tries: 3 }", Retry { time: 0, tries: 3, ..usual });
    }

    #[test]
    fn what_makes_no_sense_is_told_where_it_stands() {
        let single = |text, part| check(Manner::Single, text, Err(part));
        single("many", "stack.yaml:1:1: expected settings such as `{ first: 1s, most: 10m }`");
        single("first: 1ms", "stack.yaml:1:8: `first` must be between 10ms and 1d");
        single("most: 2d", "stack.yaml:1:7: `most` must be between");
        single(
            "{ first: 10s, most: 5s }",
            "stack.yaml:1:21: `most` (5s) is less than `first` (10s)",
        );
        single("for: 400d", "stack.yaml:1:6: `for` must be between 0s and");
        single("tries: 0", "stack.yaml:1:8: `tries` must be between 1 and 1000000");
        single("tries: often", "stack.yaml:1:8: expected an integer");
        single("frist: 1s", "`retry` has no `frist`");
        let together = |text, part| check(Manner::Together, text, Err(part));
        together("for: 1h", "stack.yaml:1:6: `for` has no place here: nothing is given up");
        together("tries: 5", "`tries` has no place here");
    }
}
