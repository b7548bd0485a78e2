//! Who was blocked before, until when, and for how long next time.
//!
//! An attack makes an event of every line that it leaves, also while its block is on the way: who is blocked is not asked
//! for again at once. If he goes on to appear, the block is not in force (it was lifted, or the kernel lost it), and is
//! asked for again for the rest of its time. So it is if it was asked for far in the future: that was a record that lied
//! about its time. Addresses are strangers' choice: there are so many at the most.

use correlator_sdk::prelude::{BString, Deserialize, Duration, Expiring, Serialize, Time};

/// Addresses that are remembered at the most.
const OFFENDERS_MAX: usize = 50_000;

/// For how long somebody is blocked.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub duration: Duration,
    pub factor: u32,
    pub duration_max: Duration,
    pub remember: Duration,
    pub again_after: Duration,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sentence {
    pub duration: Duration,
    /// Whether it is another block, and not the rest of one.
    pub is_new: bool,
}

/// Who was blocked before.
#[derive(Serialize, Deserialize)]
pub struct Offenders(Expiring<BString, Offender>);

#[derive(Serialize, Deserialize)]
struct Offender {
    /// How often, without the first time.
    again: u32,
    until: Time,
    asked: Time,
}

impl Default for Offenders {
    fn default() -> Self {
        Self(Expiring::with_capacity(OFFENDERS_MAX))
    }
}

impl Offenders {
    /// What is asked for, now that an address has offended; nothing if it is blocked.
    pub fn judge(&mut self, address: &BString, now: Time, terms: &Terms) -> Option<Sentence> {
        self.0.expire(now);
        let again = match self.0.get_mut(address) {
            Some(known) if now < known.until => {
                let asked_ago = now - known.asked;
                if asked_ago < terms.again_after && Duration::ZERO - asked_ago <= terms.again_after
                {
                    return None;
                }
                known.asked = now;
                known.until = known.until.min(now + terms.length(known.again));
                return Some(Sentence { duration: known.until - now, is_new: false });
            }
            Some(known) => known.again.saturating_add(1),
            None => 0,
        };
        let duration = terms.length(again);
        let until = now + duration;
        self.0.insert(address, until + terms.remember, Offender { again, until, asked: now });
        Some(Sentence { duration, is_new: true })
    }
}

impl Terms {
    /// How long a block is that was preceded by so many.
    fn length(&self, again: u32) -> Duration {
        let times = i64::from(self.factor).checked_pow(again).unwrap_or(i64::MAX);
        (self.duration * times).min(self.duration_max)
    }
}

#[cfg(test)]
mod tests {
    use correlator_sdk::prelude::{Duration, Time};

    use super::{Offenders, Sentence, Terms};

    const TERMS: Terms = Terms {
        duration: Duration::from_seconds(100),
        factor: 3,
        duration_max: Duration::from_seconds(1_000),
        remember: Duration::from_seconds(5_000),
        again_after: Duration::from_seconds(10),
    };

    #[test]
    fn each_time_is_longer() {
        let mut offenders = Offenders::default();
        let mut check = |address: &str, seconds, expected: Option<(i64, bool)>| {
            let found = offenders.judge(&address.into(), Time::from_seconds(seconds), &TERMS);
            let duration = Duration::from_seconds;
            let expected = expected.map(|(it, is_new)| Sentence { duration: duration(it), is_new });
            assert_eq!(found, expected, "{address} at {seconds}");
        };
        check("a", 0, Some((100, true)));
        check("a", 1, None);
        check("a", 9, None);
        check("b", 9, Some((100, true)));
        // It goes on: the rest is asked for again, and not at each event.
        check("a", 10, Some((90, false)));
        check("a", 19, None);
        // A late event is no offence of its own.
        check("a", 5, None);
        check("a", 99, Some((1, false)));
        check("a", 100, Some((300, true)));
        check("a", 400, Some((900, true)));
        check("a", 1_300, Some((1_000, true)));
        check("a", 2_300, Some((1_000, true)));
        // Forgotten after a while.
        check("a", 3_300 + 5_001, Some((100, true)));
    }

    #[test]
    fn what_was_asked_for_in_the_future_keeps_nobody_safe() {
        let mut offenders = Offenders::default();
        let mut check = |seconds, expected: Option<i64>| {
            let found = offenders.judge(&"a".into(), Time::from_seconds(seconds), &TERMS);
            assert_eq!(found.map(|it| it.duration.seconds()), expected, "{seconds}");
        };
        check(60 * 365 * 86_400, Some(100));
        check(0, Some(100));
        check(9, None);
        check(10, Some(90));
        check(100, Some(300));
    }

    #[test]
    fn the_length_does_not_overflow() {
        let terms = Terms { factor: 1_000, duration_max: Duration::from_days(3_650), ..TERMS };
        assert_eq!(terms.length(u32::MAX), terms.duration_max);
        assert_eq!(Terms { factor: 1, ..TERMS }.length(u32::MAX), TERMS.duration);
    }
}
