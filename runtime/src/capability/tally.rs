//! How many requests a grant has covered so far: in the span that runs, and in all, together and for each target alone. And
//! how many it has not.
//!
//! It is kept with the listener's place: after a crash what is asked for again is counted again, and comes to the same. What
//! was granted is counted by event time, so a replay is told the same.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::limit;
use crate::stack::grant::bounds::Bounds;

/// What a target is known by: its name can be long, and is a stranger's.
type Party = [u8; 16];

/// What was counted for one grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    all: Count,
    each: BTreeMap<Party, Count>,
    /// What it did not cover: kept beside, since there are checkpoints without it.
    #[serde(skip)]
    pub denied: Denied,
}

/// Requests that were denied, by number: a turn that is done again after a crash gives the same numbers again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// The number of the last.
    pub number: u64,
    /// The span, by the machine's clock.
    pub span: i64,
    /// How many of it were recorded one by one.
    pub entries: u64,
}

/// A bound of a grant, and how much of it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What the grant calls it.
    pub bound: &'static str,
    /// How many requests count for it; of each target's bound, those of the target that has the most.
    pub used: u64,
    /// How many it covers.
    pub most: u64,
    /// In how many nanoseconds; none of those that are counted in all.
    pub span: Option<i64>,
}

/// Requests that were granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    /// The span that runs, by its place and length.
    span: Option<(i64, i64)>,
    in_span: u64,
    /// Since when all are counted, as the grant says it.
    since: Option<i64>,
    in_all: u64,
}

/// A tally that outlives whoever counts in it.
pub type Shared = Arc<Mutex<Tally>>;

/// The tallies of all listeners' grants, by listener and capability.
#[derive(Debug, Default)]
pub struct Tallies(Mutex<BTreeMap<(String, &'static str), Shared>>);

/// Locks a tally.
pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A count is changed in one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tallies {
    /// The tally of a listener's grant, for whoever goes on counting in it; what was kept of it where nobody counted in
    /// this run.
    #[must_use]
    pub fn of(&self, listener: &str, capability: &'static str, kept: Option<Tally>) -> Shared {
        let mut all = held(&self.0);
        let tally = all.entry((listener.to_owned(), capability)).or_default();
        if let Some(kept) = kept {
            *held(tally) = kept;
        }
        Arc::clone(tally)
    }

    /// Forgets what was counted for a listener.
    pub fn forget(&self, listener: &str) {
        held(&self.0).retain(|(of, _), _| of != listener);
    }
}

impl Tally {
    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Counts a request for these targets, if the grant covers one more.
    ///
    /// # Errors
    /// It does not, and why; then it is not counted.
    pub fn count(
        &mut self,
        bounds: &Bounds,
        each: &Bounds,
        parties: &[String],
        now: i64,
    ) -> Result<(), String> {
        let mut all = self.all.at(bounds, now);
        all.add(bounds).map_err(|over| over.of("", "all together"))?;
        let mut counted = BTreeMap::new();
        if each.is_any() {
            for party in parties {
                let party = known_as(party);
                let before = self.each.get(&party).copied().unwrap_or_default();
                // Who is named twice counts once.
                if let Entry::Vacant(free) = counted.entry(party) {
                    let mut count = before.at(each, now);
                    count.add(each).map_err(|over| over.of("each.", "one target"))?;
                    free.insert(count);
                }
            }
            self.make_room(each, now, &counted)?;
        } else {
            self.each.clear();
        }
        self.all = all;
        self.each.extend(counted);
        Ok(())
    }

    /// How much of each bound is used at a time.
    #[must_use]
    pub fn used(&self, bounds: &Bounds, each: &Bounds, now: i64) -> Vec<Used> {
        let all = self.all.at(bounds, now);
        let mut of_one = Count::default().at(each, now);
        for count in self.each.values().map(|count| count.at(each, now)) {
            of_one.in_span = of_one.in_span.max(count.in_span);
            of_one.in_all = of_one.in_all.max(count.in_all);
        }
        let names = [("rate", "total"), ("each.rate", "each.total")];
        let each_of =
            |((rate, total), bounds, count): ((&'static str, &'static str), &Bounds, Count)| {
                let rate = bounds.rate.map(|(most, span)| Used {
                    bound: rate,
                    used: count.in_span,
                    most,
                    span: Some(span),
                });
                let total = bounds.total.map(|it| Used {
                    bound: total,
                    used: count.in_all,
                    most: it.most,
                    span: None,
                });
                [rate, total].into_iter().flatten()
            };
        let [of_all, of_each] = names;
        [(of_all, bounds, all), (of_each, each, of_one)].into_iter().flat_map(each_of).collect()
    }

    /// There is an end to the targets that are counted alone. Those go whose count says nothing any more.
    fn make_room(
        &mut self,
        each: &Bounds,
        now: i64,
        coming: &BTreeMap<Party, Count>,
    ) -> Result<(), String> {
        let new = |it: &Self| coming.keys().filter(|party| !it.each.contains_key(*party)).count();
        if self.each.len() + new(self) > limit::PARTIES_MAX {
            self.each.retain(|_, count| count.at(each, now) != Count::default().at(each, now));
        }
        if self.each.len() + new(self) <= limit::PARTIES_MAX {
            return Ok(());
        }
        let most = limit::PARTIES_MAX;
        Err(format!("more than {most} targets, each with bounds of its own by the grant's `each`"))
    }
}

/// What a grant does not cover.
enum Over {
    Rate(u64),
    Total(u64),
}

impl Over {
    fn of(self, prefix: &str, what: &str) -> String {
        match (self, prefix) {
            (Self::Rate(most), "") => format!("more than {most} requests, the grant's `rate`"),
            (Self::Rate(most), _) => {
                format!("more than {most} requests for {what}, the grant's `{prefix}rate`")
            }
            (Self::Total(most), "") => format!(
                "more than {most} requests in all, the grant's `total`; another `since` begins anew"
            ),
            (Self::Total(most), _) => format!(
                "more than {most} requests for {what} in all, the grant's `{prefix}total`; another `since` begins anew"
            ),
        }
    }
}

impl Count {
    /// What counts of it now, by these bounds.
    fn at(mut self, bounds: &Bounds, now: i64) -> Self {
        let span = bounds.rate.map(|(_, span)| (now.div_euclid(span), span));
        if self.span != span {
            (self.span, self.in_span) = (span, 0);
        }
        let since = bounds.total.and_then(|total| total.since);
        if self.since != since {
            (self.since, self.in_all) = (since, 0);
        }
        if bounds.total.is_none() {
            self.in_all = 0;
        }
        self
    }

    fn add(&mut self, bounds: &Bounds) -> Result<(), Over> {
        match (bounds.rate, bounds.total) {
            (Some((most, _)), _) if self.in_span >= most => return Err(Over::Rate(most)),
            (_, Some(total)) if self.in_all >= total.most => return Err(Over::Total(total.most)),
            _ => {}
        }
        self.in_span += u64::from(bounds.rate.is_some());
        self.in_all += u64::from(bounds.total.is_some());
        Ok(())
    }
}

fn known_as(party: &str) -> Party {
    let hash = blake3::hash(party.as_bytes());
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Tallies, Tally};
    use crate::limit;
    use crate::stack::grant::bounds::{Bounds, Total};

    const SECOND: i64 = 1_000_000_000;

    fn rate(most: u64) -> Bounds {
        Bounds { rate: Some((most, 60 * SECOND)), total: None }
    }

    fn total(most: u64, since: Option<i64>) -> Bounds {
        Bounds { rate: None, total: Some(Total { most, since }) }
    }

    /// Asks, each time at a second and for targets: a dot for what is granted, the first different word of what is not.
    fn ask(tally: &mut Tally, bounds: (Bounds, Bounds), asked: &[(i64, &str)]) -> String {
        let one = |(seconds, parties): &(i64, &str)| {
            let parties: Vec<String> = parties.split(',').map(str::to_owned).collect();
            match tally.count(&bounds.0, &bounds.1, &parties, seconds * SECOND) {
                Ok(()) => '.',
                Err(why) if why.contains("`rate`") => 'r',
                Err(why) if why.contains("`total`") => 't',
                Err(why) if why.contains("`each.rate`") => 'R',
                Err(why) if why.contains("`each.total`") => 'T',
                Err(_) => '?',
            }
        };
        asked.iter().map(one).collect()
    }

    fn check(bounds: (Bounds, Bounds), asked: &[(i64, &str)], expected: &str) {
        let mut tally = Tally::default();
        assert_eq!(ask(&mut tally, bounds, asked), expected, "{bounds:?} {asked:?}");
        // What was kept goes on as if nothing had been.
        for cut in 0..asked.len() {
            let (before, after) = asked.split_at(cut);
            let mut tally = Tally::default();
            let first = ask(&mut tally, bounds, before);
            let bytes = postcard::to_allocvec(&tally).expect("bytes");
            let mut tally: Tally = postcard::from_bytes(&bytes).expect("a tally");
            assert_eq!(first + &ask(&mut tally, bounds, after), expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_goes_beyond_is_denied() {
        let none = Bounds::default();
        let three = [(0, "a"), (1, "a"), (2, "b")];
        check((none, none), &three, "...");
        check((rate(2), none), &three, "..r");
        check((rate(2), none), &[(58, "a"), (59, "a"), (59, "a"), (60, "a")], "..r.");
        check((total(2, None), none), &[(0, "a"), (1_000, "a"), (9_999, "b")], "..t");
        check((total(0, None), none), &three, "ttt");
        check((none, rate(1)), &three, ".R.");
        check((none, total(1, None)), &[(0, "a"), (999, "a"), (999, "b")], ".T.");
        // A mail to several is for each of them, and is denied for one.
        check((none, total(1, None)), &[(0, "a,b,a"), (1, "b,c"), (2, "c")], ".T.");
        // What is denied takes nothing from what is left.
        check(
            (total(2, None), rate(1)),
            &[(0, "a"), (1, "a"), (2, "a"), (3, "b"), (4, "c")],
            ".RR.t",
        );
        let both = Bounds { rate: rate(1).rate, ..total(2, None) };
        check((both, none), &[(0, "a"), (1, "a"), (60, "a"), (120, "a")], ".r.t");
    }

    #[test]
    fn a_new_since_begins_anew_and_another_bound_does_not() {
        let none = Bounds::default();
        let mut tally = Tally::default();
        let mut check = |bounds: Bounds, expected: &str| {
            assert_eq!(
                ask(&mut tally, (bounds, none), &[(0, "a"), (1, "a")]),
                expected,
                "{bounds:?}"
            );
        };
        check(total(3, None), "..");
        check(total(3, None), ".t");
        check(total(4, None), ".t");
        check(total(4, Some(5)), "..");
        check(total(4, Some(5)), "..");
        check(total(4, Some(5)), "tt");
        check(total(4, Some(6)), "..");
        check(none, "..");
        check(total(1, Some(6)), ".t");
    }

    #[test]
    fn what_is_used_is_told() {
        let both =
            |most, total_most| Bounds { rate: rate(most).rate, ..total(total_most, Some(5)) };
        let (bounds, each) = (both(3, 10), both(2, 4));
        let mut tally = Tally::default();
        assert!(tally.used(&Bounds::default(), &Bounds::default(), 0).is_empty());
        let used = |tally: &Tally, seconds: i64| -> Vec<(&str, u64, u64)> {
            let all = tally.used(&bounds, &each, seconds * SECOND);
            all.iter().map(|it| (it.bound, it.used, it.most)).collect()
        };
        let told = |counts: [u64; 4]| {
            let [rate, total, each_rate, each_total] = counts;
            let all = [("rate", rate, 3), ("total", total, 10)];
            let each = [("each.rate", each_rate, 2), ("each.total", each_total, 4)];
            [all, each].concat()
        };
        assert_eq!(used(&tally, 0), told([0; 4]));
        // The fourth is denied, and counts for nothing.
        let asked = [(0, "a"), (1, "a"), (2, "b"), (3, "b")];
        assert_eq!(ask(&mut tally, (bounds, each), &asked), "...r");
        assert_eq!(used(&tally, 4), told([3, 3, 2, 2]));
        // The next minute begins without anybody asking.
        assert_eq!(used(&tally, 60), told([0, 3, 0, 2]));
        assert_eq!(ask(&mut tally, (bounds, each), &[(61, "b"), (62, "b")]), "..");
        assert_eq!(used(&tally, 63), told([2, 5, 2, 3]));
        let spans: Vec<_> = tally.used(&bounds, &each, 0).iter().map(|it| it.span).collect();
        assert_eq!(spans, [Some(60 * SECOND), None, Some(60 * SECOND), None]);
        // Another `since` begins anew here too.
        let anew = both(3, 10).total.map(|it| Total { since: Some(6), ..it });
        let total = tally.used(&Bounds { rate: None, total: anew }, &Bounds::default(), 0);
        assert_eq!(total.iter().map(|it| it.used).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn targets_have_an_end() {
        let (none, mut tally) = (Bounds::default(), Tally::default());
        let mut ask = |name: usize, each: Bounds, seconds: i64| {
            tally.count(&none, &each, &[name.to_string()], seconds * SECOND).is_ok()
        };
        assert!((0..limit::PARTIES_MAX).all(|name| ask(name, rate(5), 0)));
        assert!(!ask(limit::PARTIES_MAX, rate(5), 1));
        assert!(ask(1, rate(5), 1));
        // A minute later nobody has a count that matters.
        assert!(ask(limit::PARTIES_MAX, rate(5), 60));
        let bytes = postcard::to_allocvec(&tally).expect("bytes");
        assert!(bytes.len() < 100, "{}", bytes.len());
    }

    #[test]
    fn who_goes_on_counts_in_the_same() {
        let tallies = Tallies::default();
        let mut kept = Tally::default();
        kept.count(&total(2, None), &Bounds::default(), &[], 0).expect("covered");
        let shared = tallies.of("ops", "mail", Some(kept.clone()));
        assert_eq!(*super::held(&tallies.of("ops", "mail", None)), kept);
        assert!(super::held(&tallies.of("ops", "sms", None)).is_empty());
        super::held(&shared).count(&total(2, None), &Bounds::default(), &[], 0).expect("covered");
        tallies.forget("ops");
        assert!(super::held(&tallies.of("ops", "mail", None)).is_empty());
    }
}
