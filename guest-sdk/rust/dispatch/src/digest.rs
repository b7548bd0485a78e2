//! Many events that wait to be told together.
//!
//! It holds so many of them whole, the most severe, and counts the others: a digest tells of all, whatever an attack makes
//! of a night.

use std::collections::BTreeMap;

use correlator_sdk::prelude::{Deserialize, Duration, Serialize, Time};

use crate::item::Item;
use crate::throttle::LATE_MAX;

/// Kinds of events that are counted apart; what is more counts together.
const KINDS_MAX: usize = 256;
/// Under which name that is.
const OTHERS: &str = "others";

/// Events that wait to be told together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    items: Vec<Item>,
    /// How many of each kind there are, by module and event.
    kinds: BTreeMap<(String, String), u64>,
    count: u64,
    held_back: u64,
    /// The earliest and the latest of them.
    span: Option<(Time, Time)>,
    /// The time of the first that came.
    opened: Option<Time>,
}

impl Digest {
    /// Adds an event, and how many like it were held back before it. The `room` most severe are kept whole, of equals the
    /// first.
    pub fn push(&mut self, item: Item, held_back: u64, room: usize) {
        self.count += 1;
        self.held_back += held_back;
        self.opened.get_or_insert(item.time);
        let (first, last) = self.span.unwrap_or((item.time, item.time));
        self.span = Some((first.min(item.time), last.max(item.time)));
        let kind = (item.module.clone(), item.event.clone());
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&kind) {
            *self.kinds.entry((OTHERS.to_owned(), OTHERS.to_owned())).or_default() += 1;
        } else {
            *self.kinds.entry(kind).or_default() += 1;
        }
        if self.items.len() >= room {
            // The last of the least severe makes room, if it is less severe than this one.
            let mildest = self.items.iter().enumerate().max_by_key(|(_, it)| it.severity);
            let Some((place, _)) = mildest.filter(|(_, it)| it.severity > item.severity) else {
                return;
            };
            self.items.remove(place);
        }
        self.items.push(item);
    }

    /// Adds how many more were held back.
    pub fn hold_back(&mut self, count: u64) {
        self.held_back += count;
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether there are so many that no other would be kept whole.
    #[must_use]
    pub fn is_full(&self, room: usize) -> bool {
        self.items.len() >= room
    }

    /// Whether something waits, and the first of it came so long ago; or it came so far in the future that this was a record
    /// that lied about its time.
    #[must_use]
    pub fn is_due(&self, now: Time, after: Duration) -> bool {
        self.opened
            .is_some_and(|opened| now - opened >= after || opened - now > after.max(LATE_MAX))
    }

    /// Takes out all that waits.
    #[must_use]
    pub fn take(&mut self) -> Self {
        core::mem::take(self)
    }

    /// The events that are kept whole, in the order in which they came.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// How many events there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many of them are not kept whole.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.count - self.items.len() as u64
    }

    /// How many more were held back before they came.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.held_back
    }

    /// How many there are of each kind: module, event and number.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        let kinds = self.kinds.iter();
        kinds.map(|((module, event), count)| (module.as_str(), event.as_str(), *count))
    }

    /// The times of the earliest and of the latest.
    #[must_use]
    pub fn span(&self) -> (Time, Time) {
        self.span.unwrap_or_default()
    }

    /// The most severe, and of several the first.
    #[must_use]
    pub fn gravest(&self) -> Option<&Item> {
        self.items.iter().min_by_key(|item| item.severity)
    }
}

#[cfg(test)]
mod tests {
    use correlator_sdk::prelude::{Duration, Time};

    use super::Digest;
    use crate::item::Item;

    fn item(seconds: i64, event: &str, severity: u32) -> Item {
        Item {
            module: "m".to_owned(),
            event: event.to_owned(),
            severity,
            time: Time::from_seconds(seconds),
            id: format!("m:0:{seconds}:0"),
            summary: String::new(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn all_are_told_of() {
        let mut digest = Digest::default();
        assert!(digest.is_empty() && !digest.is_due(Time::MAX, Duration::ZERO));
        for (seconds, event, severity) in [(10, "a", 6), (5, "b", 3), (20, "a", 4), (15, "c", 4)] {
            digest.push(item(seconds, event, severity), 2, 3);
        }
        digest.hold_back(5);
        assert_eq!((digest.count(), digest.left_out(), digest.held_back()), (4, 1, 13));
        let kinds: Vec<_> = digest.kinds().collect();
        assert_eq!(kinds, [("m", "a", 2), ("m", "b", 1), ("m", "c", 1)]);
        assert_eq!(digest.span(), (Time::from_seconds(5), Time::from_seconds(20)));
        assert_eq!(digest.gravest().map(|item| item.event.as_str()), Some("b"));
        let kept: Vec<_> = digest.items().iter().map(|item| item.event.as_str()).collect();
        assert_eq!(kept, ["b", "a", "c"]);
        assert!(digest.is_full(3) && !digest.is_full(4));
        let check = |seconds, due| {
            let now = Time::from_seconds(seconds);
            assert_eq!(digest.is_due(now, Duration::from_seconds(60)), due, "{seconds}");
        };
        check(69, false);
        check(70, true);
        // The first one lied about its time.
        check(10 - 300, false);
        check(10 - 301, true);
        assert_eq!(digest.take().count(), 4);
        assert!(digest.is_empty());
    }

    #[test]
    fn kinds_have_an_end() {
        let mut digest = Digest::default();
        for number in 0..1_000 {
            digest.push(item(number, &format!("e{number}"), 6), 0, 1);
        }
        assert_eq!(digest.kinds().count(), super::KINDS_MAX + 1);
        assert_eq!(digest.kinds().map(|(.., count)| count).sum::<u64>(), 1_000);
    }
}
