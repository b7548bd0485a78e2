//! What came of a share of requests, and how steady whoever was asked has been with what he took lately.
//!
//! A run of failures says little by itself. Of one that takes everything the first failure says that it is down; one that
//! fails on single requests all day is down only when it fails on more of them in a row than it usually does. So what is
//! counted is how often it came back at once.
//!
//! It must never know what is asked for, nor what follows for whoever asks.

use std::time::Duration;

use correlator_world::Outcome;

use crate::limit;

/// How steady an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steadiness {
    /// More each time that it takes something after it put something off, less with everything that it takes.
    fickle: u32,
    /// How many in a row were put off, and not each alone.
    vain: u32,
}

impl Default for Steadiness {
    /// Nothing is known of it. With the first that it takes it counts as steady.
    fn default() -> Self {
        Self { fickle: limit::FICKLE_MIN, vain: 0 }
    }
}

impl Steadiness {
    /// How many in a row it may put off before it counts as down.
    fn forborne(self) -> u32 {
        if self.fickle < limit::FICKLE_MIN { 1 } else { self.fickle / limit::FICKLE_PER_REQUEST }
    }

    fn is_down(self) -> bool {
        self.vain >= self.forborne()
    }

    /// It took so many.
    fn takes(&mut self, count: u32) {
        if std::mem::take(&mut self.vain) > 0 {
            self.fickle = (self.fickle + limit::FICKLE_STEP).min(limit::FICKLE_MAX);
        }
        self.fickle = self.fickle.saturating_sub(count);
    }

    /// It put off something alone: it is there.
    fn answers(&mut self) {
        self.vain = 0;
    }

    /// It put so many off, and none of those that were asked for with them was taken.
    fn puts_off(&mut self, count: u32) {
        self.vain = self.vain.saturating_add(count);
    }
}

/// What came of a share of requests so far.
#[derive(Debug, Default)]
pub(super) struct Fared {
    pub(super) steadiness: Steadiness,
    /// How many it took, or refused for good.
    pub(super) taken: usize,
    /// How many it put off, and not each alone.
    pub(super) put_off: usize,
    /// How many in a row were put off, each alone or not.
    row: usize,
    /// Whether it let itself be waited for in vain.
    is_slow: bool,
    /// How long it asked to be left alone.
    pub(super) after: Option<Duration>,
    /// Why the first one was put off.
    pub(super) reason: Option<String>,
}

impl Fared {
    /// Nothing so far, of one that was as steady as this.
    pub(super) fn new(steadiness: Steadiness) -> Self {
        Self { steadiness, ..Self::default() }
    }

    /// Takes in what came of some that were asked for as one, and how long that took.
    pub(super) fn add(&mut self, outcomes: &[Outcome], time: Duration) {
        let (mut taken, mut put_off, mut alone_count) = (0, 0, 0);
        for outcome in outcomes {
            let Outcome::Later { reason, after, alone } = outcome else {
                taken += 1;
                continue;
            };
            self.after = self.after.max(*after);
            self.reason.get_or_insert_with(|| reason.clone());
            self.put_off += usize::from(!alone);
            alone_count += u32::from(*alone);
            // Who says when to come again says nothing of others.
            put_off += u32::from(!alone && after.is_none());
        }
        self.taken += taken as usize;
        self.row = if taken > 0 { 0 } else { self.row + outcomes.len() };
        if taken > 0 {
            self.steadiness.takes(taken);
        } else if put_off > 0 {
            self.steadiness.puts_off(put_off);
            self.is_slow |= time >= limit::DELIVERY_SLOW;
        } else if alone_count > 0 {
            self.steadiness.answers();
        }
    }

    /// Whether it was asked for nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0 && self.reason.is_none()
    }

    /// Whether it can't be asked for anything now.
    pub(super) fn is_down(&self) -> bool {
        self.steadiness.is_down() || (self.is_slow && self.taken == 0)
    }

    /// Whether all that it put off was put off alone.
    pub(super) fn is_alone(&self) -> bool {
        self.put_off == 0
    }

    /// Whether the rest of the share is not asked for now.
    pub(super) fn is_over(&self) -> bool {
        let is_told = self.after.is_some();
        is_told || self.is_slow || self.is_down() || self.row >= limit::DELIVERED_IN_VAIN_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use correlator_world::Outcome;

    use super::{Fared, Steadiness};
    use crate::limit;

    fn done() -> Outcome {
        Outcome::Done(String::new())
    }

    /// Hands over what came of requests, one by one, and tells how many of them were asked for.
    fn fared(steadiness: Steadiness, outcomes: &[Outcome], time: Duration) -> (Fared, usize) {
        let mut fared = Fared::new(steadiness);
        for (place, outcome) in outcomes.iter().enumerate() {
            fared.add(std::slice::from_ref(outcome), time);
            if fared.is_over() {
                return (fared, place + 1);
            }
        }
        (fared, outcomes.len())
    }

    #[test]
    fn nobody_is_asked_on_who_is_down() {
        let check = |outcomes: &[Outcome], asked: usize| {
            let mut steady = Steadiness::default();
            steady.takes(1);
            let found = fared(steady, outcomes, Duration::ZERO).1;
            assert_eq!(found, asked, "{outcomes:?}");
        };
        check(&[Outcome::later(""), done(), done()], 1);
        check(&[done(), Outcome::later(""), done()], 2);
        check(&[done(), done()], 2);
        let (alone, most) = (Outcome::later_alone(""), limit::DELIVERED_IN_VAIN_MAX);
        check(&vec![alone.clone(); 3 * most], most);
        let mixed = (0..3 * most).map(|n| if n % 2 == 0 { alone.clone() } else { done() });
        check(&mixed.collect::<Vec<_>>(), 3 * most);
    }

    #[test]
    fn one_that_is_known_to_fail_now_and_then_is_asked_on() {
        let mut steadiness = Steadiness::default();
        let check = |of: &Steadiness, most: u32, time, asked: usize| {
            assert_eq!(of.forborne(), most);
            let found = fared(*of, &vec![Outcome::later(""); 20], time).1;
            assert_eq!(found, asked, "{of:?}");
        };
        // Nobody knows it yet.
        check(&steadiness, 6, Duration::ZERO, 6);
        steadiness.takes(1);
        check(&steadiness, 1, Duration::ZERO, 1);
        for _ in 0..20 {
            steadiness.puts_off(1);
            steadiness.takes(1);
        }
        check(&steadiness, 127, Duration::ZERO, limit::DELIVERED_IN_VAIN_MAX);
        check(&steadiness, 127, limit::DELIVERY_SLOW, 1);
        let told =
            Outcome::Later { reason: String::new(), after: Some(Duration::ZERO), alone: false };
        assert_eq!(fared(steadiness, &[done(), told, done()], Duration::ZERO).1, 2);
        // It is forgotten with what it takes.
        steadiness.takes(limit::FICKLE_MAX - limit::FICKLE_MIN);
        check(&steadiness, 1, Duration::ZERO, 1);
    }

    #[test]
    fn a_failure_in_a_hundred_is_of_single_requests_and_one_in_two_hundred_of_the_endpoint() {
        let check = |taken: u32, forborne: bool| {
            let mut steadiness = Steadiness::default();
            for _ in 0..20 {
                steadiness.takes(taken);
                steadiness.puts_off(1);
                steadiness.takes(1);
            }
            steadiness.takes(taken);
            assert_eq!(steadiness.forborne() > 1, forborne, "{taken}");
        };
        check(8, true);
        check(98, true);
        check(198, false);
    }

    #[test]
    fn all_that_is_asked_for_as_one_counts_as_one() {
        let mut steady = Steadiness::default();
        steady.takes(100);
        let mut fared = Fared::new(Steadiness { fickle: 0, ..steady });
        fared.add(&[done(), done()], Duration::ZERO);
        assert!(!fared.is_over());
        fared.add(&[Outcome::later("a"), Outcome::later("b")], Duration::ZERO);
        assert!(fared.is_over() && fared.is_down());
        let mut fared = Fared::new(steady);
        fared.add(&[Outcome::later("a"), done()], Duration::ZERO);
        assert!(!fared.is_over());
        fared.add(&[Outcome::later("a"), Outcome::later("b")], Duration::ZERO);
        assert!(fared.is_over());
    }
}
