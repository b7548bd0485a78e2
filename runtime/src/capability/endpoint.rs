//! How an endpoint fares, and what it is given because of that: less when it fails, and more again step by step, so that
//! what waited for it through a day does not come all at once.
//!
//! It must never know what is asked for there.

use super::fared::{Fared, Steadiness};
use crate::clock::nanoseconds;
use crate::limit;
use crate::stack::grant::retry::Retry;

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
    steadiness: Steadiness,
    /// How often in a row it was found down, or put off each that it was asked for.
    failures: u32,
    /// It is left alone until then.
    pub(super) rests_until: i64,
    /// How many requests it is given at once.
    pub(super) share: usize,
    /// Whether it failed and is not yet given as much as before.
    recovers: bool,
    /// Whether it was told that it takes nothing.
    is_worse: bool,
    /// When it took something last, if it ever did.
    took_at: i64,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            steadiness: Steadiness::default(),
            failures: 0,
            rests_until: i64::MIN,
            share: limit::DELIVERED_AT_ONCE_MAX,
            recovers: false,
            is_worse: false,
            took_at: i64::MIN,
        }
    }
}

impl Endpoint {
    /// A share of requests that it is about to be asked for.
    pub(super) fn faring(&self) -> Fared {
        Fared::new(self.steadiness)
    }

    /// Takes in what came of a share.
    pub(super) fn learn(&mut self, fared: Fared, retry: &Retry, now: i64) -> Option<Change> {
        self.steadiness = fared.steadiness;
        let (taken, put_off) = (fared.taken, fared.put_off);
        if taken > 0 {
            self.took_at = now;
        }
        let rest = if let Some(after) = fared.after {
            // As much as it took is what it gets next.
            self.fail(taken, taken.max(1));
            nanoseconds(after)
        } else if fared.is_down() {
            self.fail(taken, 1);
            // Who took something a moment ago may soon do so again.
            let vain = now.checked_sub(self.took_at).filter(|vain| *vain >= 0);
            let most = vain.map_or(i64::MAX, |vain| vain / 2);
            retry.pause(self.failures).min(most.max(retry.first))
        } else if taken == 0 && fared.is_alone() {
            // One that answers is asked on for others, if gently.
            self.fail(taken, limit::DELIVERED_IN_VAIN_MAX);
            retry.pause(self.failures).min(nanoseconds(limit::DELIVERY_PAUSE_ALONE_MAX))
        } else if taken < put_off {
            self.falter(taken);
            retry.first
        } else if self.grow() {
            retry.first
        } else {
            0
        };
        self.rests_until = if rest == 0 { i64::MIN } else { now.saturating_add(rest) };
        match fared.reason {
            Some(reason) if taken == 0 => {
                (!std::mem::replace(&mut self.is_worse, true)).then_some(Change::Worse(reason))
            }
            _ if taken > put_off => std::mem::take(&mut self.is_worse).then_some(Change::Better),
            _ => None,
        }
    }

    /// It is not to be asked for more now.
    fn fail(&mut self, taken: usize, share: usize) {
        self.failures = if taken > 0 { 0 } else { self.failures.saturating_add(1) };
        (self.share, self.recovers) = (share, true);
    }

    /// It took less than it put off, as it does: it is asked on gently, but for no less than that.
    fn falter(&mut self, taken: usize) {
        const GENTLE: usize = limit::DELIVERED_IN_VAIN_MAX;
        self.share = match self.share {
            share @ ..GENTLE if taken > 0 => (share * 2).min(GENTLE),
            share @ ..GENTLE => share,
            share => (share / 2).max(GENTLE),
        };
        (self.failures, self.recovers) = (0, true);
    }

    /// It took most of what it was given. Whether it is to rest nevertheless, since it gets more step by step.
    fn grow(&mut self) -> bool {
        self.failures = 0;
        self.recovers &= self.share < limit::DELIVERED_AT_ONCE_MAX;
        self.share = (self.share * 2).min(limit::DELIVERED_AT_ONCE_MAX);
        self.recovers
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

    use super::{Change, Endpoint};
    use crate::stack::grant::retry::Retry;
    use crate::stack::grant::world::Manner;

    const SECOND: i64 = 1_000_000_000;

    fn done() -> Outcome {
        Outcome::Done(String::new())
    }

    /// Has an endpoint asked for what comes out so, as long as it may be. What was told of it, and how many seconds it
    /// rests.
    fn learn(endpoint: &mut Endpoint, outcomes: &[Outcome]) -> (Option<Change>, usize, i64) {
        let mut fared = endpoint.faring();
        for outcome in outcomes {
            fared.add(std::slice::from_ref(outcome), Duration::ZERO);
            if fared.is_over() {
                break;
            }
        }
        let change = endpoint.learn(fared, &Retry::usual(Manner::Single), 0);
        (change, endpoint.share, endpoint.rests_until.max(0) / SECOND)
    }

    #[test]
    fn one_that_is_down_is_asked_ever_less_and_gets_more_step_by_step() {
        let mut endpoint = Endpoint::default();
        let worse = Some(Change::Worse("gone".into()));
        let gone = vec![Outcome::later("gone"); 64];
        assert_eq!(learn(&mut endpoint, &gone), (worse, 1, 1));
        for rest in [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
            assert_eq!(learn(&mut endpoint, &gone), (None, 1, rest));
        }
        assert_eq!(learn(&mut endpoint, &[done()]), (Some(Change::Better), 2, 1));
        for share in [4, 8, 16, 32, 64] {
            assert_eq!(learn(&mut endpoint, &[done()]), (None, share, 1));
        }
        assert_eq!(learn(&mut endpoint, &[done()]), (None, 64, 0));
    }

    #[test]
    fn one_that_took_something_a_while_ago_rests_for_half_of_that_at_the_most() {
        let mut endpoint = Endpoint::default();
        learn(&mut endpoint, &[done()]);
        let (mut now, mut rests) = (0, Vec::new());
        for _ in 0..10 {
            let mut fared = endpoint.faring();
            fared.add(&[Outcome::later("gone")], Duration::ZERO);
            endpoint.learn(fared, &Retry::usual(Manner::Single), now);
            rests.push((endpoint.rests_until - now) / (SECOND / 10));
            now = endpoint.rests_until;
        }
        assert_eq!(rests, [10, 10, 10, 15, 22, 33, 50, 75, 113, 170]);
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
        assert_eq!(learn(&mut endpoint, std::slice::from_ref(&busy)), (worse, 1, 77));
        // As much as it took is what it gets next.
        let mut five = vec![done(); 5];
        five.push(busy);
        assert_eq!(learn(&mut endpoint, &five), (Some(Change::Better), 5, 77));
    }

    /// Asks an endpoint with an endless backlog from one second to another, each request taking two milliseconds: how many were
    /// asked for, and how many taken.
    fn ask(
        endpoint: &mut Endpoint,
        (begin, end): (i64, i64),
        mut takes: impl FnMut(usize) -> bool,
    ) -> (usize, usize) {
        let (mut now, mut asked, mut taken) = (begin * SECOND, 0, 0);
        endpoint.wake();
        while now < end * SECOND {
            let mut fared = endpoint.faring();
            for _ in 0..endpoint.share {
                asked += 1;
                now += 2 * SECOND / 1_000;
                let outcome = if takes(asked) { done() } else { Outcome::later("") };
                taken += usize::from(outcome == done());
                fared.add(&[outcome], Duration::ZERO);
                if fared.is_over() {
                    break;
                }
            }
            endpoint.learn(fared, &Retry::usual(Manner::Single), now);
            now = now.max(endpoint.rests_until);
        }
        (asked, taken)
    }

    /// Chances that nobody foresees, the same each time.
    fn chance(percent: u64) -> impl FnMut(usize) -> bool {
        let mut seed = 7_u64;
        move |_| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % 100 < percent
        }
    }

    #[test]
    fn what_it_takes_mostly_it_gets_fast_and_what_it_takes_rarely_gently() {
        let check = |what: &str, takes: &mut dyn FnMut(usize) -> bool, asked: [usize; 2], least| {
            let found = ask(&mut Endpoint::default(), (0, 300), takes);
            assert!((asked[0]..=asked[1]).contains(&found.0), "{what}: {found:?}");
            assert!(found.1 >= least, "{what}: {found:?}");
        };
        // At full speed it would be 150,000 in that time.
        check("all", &mut |_| true, [150_000, 150_064], 150_000);
        check("none", &mut |_| false, [14, 14], 0);
        for every in [2, 5, 10, 100] {
            let what = format!("all but one in {every}");
            check(&what, &mut |n| n % every > 0, [100_000, 150_064], 50_000);
        }
        check("99 %", &mut chance(99), [100_000, 150_064], 99_000);
        check("90 %", &mut chance(90), [130_000, 150_064], 117_000);
        check("70 %", &mut chance(70), [100_000, 150_064], 70_000);
        check("30 %", &mut chance(30), [1_200, 3_000], 400);
        check("one in 10", &mut |n| n % 10 == 0, [600, 2_500], 100);
        // The same of one that took all before, in an hour.
        let mut endpoint = Endpoint::default();
        ask(&mut endpoint, (0, 60), |_| true);
        let (asked, taken) = ask(&mut endpoint, (60, 3_660), chance(10));
        assert!(asked < 8 * 3_700 && taken > 1_000, "{asked} {taken}");
    }

    #[test]
    fn one_that_failed_now_and_then_is_found_down_too_and_is_not_overrun_when_it_is_back() {
        let mut endpoint = Endpoint::default();
        ask(&mut endpoint, (0, 300), chance(90));
        let (asked, _) = ask(&mut endpoint, (300, 3_900), |_| false);
        assert!((130..200).contains(&asked), "asked {asked} times in vain in an hour");
        assert_eq!(endpoint.share, 1);
        let back = [1, 2, 3, 4, 5, 6]
            .map(|seconds| ask(&mut endpoint.clone(), (5_000, 5_000 + seconds), |_| true).0);
        assert_eq!(back, [1, 3, 7, 15, 31, 63]);
    }
}
