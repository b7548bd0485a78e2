//! How an endpoint fares, and what it is given because of that: less when it fails, and more again step by step, so that
//! what waited for it through a day does not come all at once.
//!
//! It must never know what is asked for there.

use std::time::Duration;

use correlator_world::Outcome;

use crate::clock::nanoseconds;
use crate::limit;
use crate::stack::grant::retry::Retry;

/// What came of a share of requests so far.
#[derive(Debug, Default)]
pub(super) struct Fared {
    /// It took something, or refused it for good.
    answered: bool,
    /// Whether it can't be asked for anything.
    is_down: bool,
    /// How many in a row were put off, each alone.
    alone: usize,
    /// How long it asked to be left alone.
    after: Option<Duration>,
    /// Why the first one was put off.
    reason: Option<String>,
}

impl Fared {
    /// Takes in what came of some that were asked for as one.
    pub(super) fn add(&mut self, outcomes: &[Outcome]) {
        let mut down = !outcomes.is_empty();
        for outcome in outcomes {
            match outcome {
                Outcome::Later { reason, after, alone } => {
                    self.after = self.after.max(*after);
                    self.reason.get_or_insert_with(|| reason.clone());
                    self.alone += 1;
                    down &= !alone;
                }
                Outcome::Done(_) | Outcome::Refused(_) => {
                    (self.answered, self.alone) = (true, 0);
                    down = false;
                }
            }
        }
        self.is_down = down;
    }

    /// Whether it was asked for nothing.
    pub(super) fn is_empty(&self) -> bool {
        !self.answered && self.reason.is_none()
    }

    /// Whether the rest of the share is not asked for now.
    pub(super) fn is_over(&self) -> bool {
        self.is_down || self.alone >= limit::DELIVERED_ALONE_MAX
    }
}

/// What is to be told of an endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It takes nothing any more, and why.
    Worse(String),
    /// It takes something again.
    Better,
}

/// How an endpoint fares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoint {
    /// How often in a row it took nothing.
    failures: u32,
    /// It is left alone until then.
    pub(super) rests_until: i64,
    /// How many requests it is given at once.
    pub(super) share: usize,
    /// Whether it failed and is not yet given as much as before.
    recovers: bool,
}

impl Default for Endpoint {
    fn default() -> Self {
        let share = limit::DELIVERED_AT_ONCE_MAX;
        Self { failures: 0, rests_until: i64::MIN, share, recovers: false }
    }
}

impl Endpoint {
    /// Takes in what came of a share.
    pub(super) fn learn(&mut self, fared: Fared, retry: &Retry, now: i64) -> Option<Change> {
        let Fared { answered, is_down, after, reason, .. } = fared;
        let Some(reason) = reason.filter(|_| is_down || !answered) else {
            return self.grow(retry, now);
        };
        let before = self.failures;
        self.failures = if answered { 0 } else { before.saturating_add(1) };
        let pause = retry.pause(self.failures);
        // One that answers is asked on for others, if gently.
        let (share, most) = if is_down {
            (1, pause)
        } else {
            (limit::DELIVERED_ALONE_MAX, nanoseconds(limit::DELIVERY_PAUSE_ALONE_MAX))
        };
        (self.share, self.recovers) = (share, true);
        let rest = after.map_or(pause.min(most), nanoseconds);
        self.rests_until = now.saturating_add(rest);
        match (before, self.failures) {
            (0, 1) => Some(Change::Worse(reason)),
            (1.., 0) => Some(Change::Better),
            _ => None,
        }
    }

    /// It took what it was given.
    fn grow(&mut self, retry: &Retry, now: i64) -> Option<Change> {
        let was_worse = std::mem::take(&mut self.failures) > 0;
        self.recovers &= self.share < limit::DELIVERED_AT_ONCE_MAX;
        self.share = (self.share * 2).min(limit::DELIVERED_AT_ONCE_MAX);
        self.rests_until = if self.recovers { now.saturating_add(retry.first) } else { i64::MIN };
        was_worse.then_some(Change::Better)
    }

    /// Whether it works again and is given more step by step.
    pub(super) fn grows(&self) -> bool {
        self.recovers && self.failures == 0
    }

    /// Is asked again now, whatever came before.
    pub(super) fn wake(&mut self) {
        self.rests_until = i64::MIN;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use correlator_world::Outcome;

    use super::{Change, Endpoint, Fared};
    use crate::limit;
    use crate::stack::grant::retry::Retry;
    use crate::stack::grant::world::Manner;

    const SECOND: i64 = 1_000_000_000;

    fn done() -> Outcome {
        Outcome::Done(String::new())
    }

    /// Hands over what came of requests, one by one, and tells how many of them were asked for.
    fn fared(outcomes: &[Outcome]) -> (Fared, usize) {
        let mut fared = Fared::default();
        for (place, outcome) in outcomes.iter().enumerate() {
            fared.add(std::slice::from_ref(outcome));
            if fared.is_over() {
                return (fared, place + 1);
            }
        }
        (fared, outcomes.len())
    }

    /// An endpoint, what was told of it, and how many seconds it rests.
    fn learn(endpoint: &mut Endpoint, outcomes: &[Outcome]) -> (Option<Change>, usize, i64) {
        let retry = Retry::usual(Manner::Single);
        let change = endpoint.learn(fared(outcomes).0, &retry, 0);
        (change, endpoint.share, endpoint.rests_until.max(0) / SECOND)
    }

    #[test]
    fn one_that_is_down_is_asked_ever_less_and_gets_more_step_by_step() {
        let mut endpoint = Endpoint::default();
        let worse = Some(Change::Worse("gone".into()));
        assert_eq!(learn(&mut endpoint, &[Outcome::later("gone")]), (worse, 1, 1));
        for rest in [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
            assert_eq!(learn(&mut endpoint, &[Outcome::later("gone")]), (None, 1, rest));
        }
        assert_eq!(learn(&mut endpoint, &[done()]), (Some(Change::Better), 2, 1));
        for share in [4, 8, 16, 32, 64] {
            assert_eq!(learn(&mut endpoint, &[done()]), (None, share, 1));
        }
        assert_eq!(learn(&mut endpoint, &[done()]), (None, 64, 0));
    }

    #[test]
    fn nobody_is_asked_on_who_is_down() {
        let check = |outcomes: &[Outcome], asked: usize| assert_eq!(fared(outcomes).1, asked);
        check(&[Outcome::later(""), done(), done()], 1);
        check(&[done(), Outcome::later(""), done()], 2);
        check(&[done(), done()], 2);
        let (alone, most) = (Outcome::later_alone(""), limit::DELIVERED_ALONE_MAX);
        check(&vec![alone.clone(); 3 * most], most);
        let mixed = (0..3 * most).map(|n| if n % 2 == 0 { alone.clone() } else { done() });
        check(&mixed.collect::<Vec<_>>(), 3 * most);
    }

    #[test]
    fn one_that_puts_off_single_requests_never_rests_for_long() {
        let mut endpoint = Endpoint::default();
        let alone = vec![Outcome::later_alone("full"); 20];
        assert_eq!(learn(&mut endpoint, &alone), (Some(Change::Worse("full".into())), 8, 1));
        for rest in [2, 4, 8, 10, 10, 10] {
            assert_eq!(learn(&mut endpoint, &alone), (None, 8, rest));
        }
        // Some for whom it is full among others.
        assert_eq!(learn(&mut endpoint, &[alone[0].clone(), done()]).0, Some(Change::Better));
        assert_eq!(learn(&mut endpoint, &[alone[0].clone(), done()]).0, None);
    }

    #[test]
    fn what_it_asks_for_counts() {
        let mut endpoint = Endpoint::default();
        let after = Some(Duration::from_secs(77));
        let busy = Outcome::Later { reason: "busy".into(), after, alone: false };
        // It took one before it was busy: that is nothing to tell of.
        assert_eq!(learn(&mut endpoint, &[done(), busy.clone()]), (None, 1, 77));
        let worse = Some(Change::Worse("busy".into()));
        assert_eq!(learn(&mut endpoint, &[busy]), (worse, 1, 77));
    }

    #[test]
    fn all_that_is_asked_for_as_one_counts_as_one() {
        let mut fared = Fared::default();
        fared.add(&[Outcome::later("a"), done()]);
        assert!(!fared.is_over());
        fared.add(&[Outcome::later("a"), Outcome::later("b")]);
        assert!(fared.is_over());
    }
}
