//! How often the same may be told: once in a span of time, and then how many were held back meanwhile.
//!
//! What counts as the same is an event of one kind of one module, and with it the columns that the operator names. Keys
//! are strangers' words, so there are so many at the most; the oldest makes room. No count is lost with its key: what was
//! held back and not told when its span ends, or its key makes room, is told with whatever is told next.

use correlator_sdk::prelude::{
    BStr, BString, BoundSchema, Deserialize, Duration, Error, Event, Expiring, Serialize, Time,
};
use correlator_sdk::value;

use crate::names;

/// How much later than what comes now something may have been told that was told lately: hosts disagree about the time,
/// and what comes by several ways is not in order.
pub(crate) const LATE_MAX: Duration = Duration::from_minutes(5);
/// Things that are told apart at the most.
const KEYS_MAX: usize = 20_000;
/// Bytes of a key: what differs only beyond them counts as the same.
const KEY_BYTES_MAX: usize = 512;
/// Bytes of a value in it, so that a long one leaves room for others.
const VALUE_BYTES_MAX: usize = 128;
/// The key of what was held back of keys that are gone. No event has it: theirs begin with a module's name.
const GONE: &[u8] = b"";
/// Keys of which it is known by name that something was held back; with more of them all are looked through.
const FRESH_MAX: usize = 1_000;
/// Stands between the parts of a key.
const BORDER: u8 = 0;

/// What was told lately.
#[derive(Serialize, Deserialize)]
pub struct Throttle {
    told: Expiring<BString, Told>,
    held_back: u64,
    /// The keys of which something was held back since all of it was taken. Nobody knows them after a restart, or if they
    /// are many: none then, and all keys are looked through.
    #[serde(skip)]
    fresh: Option<Vec<BString>>,
}

/// When something was told, and how often it was held back since.
#[derive(Serialize, Deserialize)]
struct Told {
    at: Time,
    held_back: u64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { told: Expiring::with_capacity(KEYS_MAX), held_back: 0, fresh: Some(Vec::new()) }
    }
}

impl Throttle {
    /// Whether something may be told now, and then how many were held back that are to be told with it: like it, and of
    /// whatever else has not been told for a span. Without a span everything may. What was told far in the future holds
    /// nothing back: that was a record that lied about its time.
    pub fn pass(&mut self, key: &BString, now: Time, span: Duration) -> Option<u64> {
        if span <= Duration::ZERO {
            return Some(self.end());
        }
        while let Some((_, told)) = self.told.pop_expired(now) {
            self.outlive(told.held_back);
        }
        let mut held_back = 0;
        if let Some(told) = self.told.get_mut(key) {
            if now - told.at < span && told.at - now <= span.max(LATE_MAX) {
                if told.held_back == 0 {
                    note(&mut self.fresh, key);
                }
                told.held_back += 1;
                self.held_back += 1;
                return None;
            }
            held_back = told.held_back;
        }
        held_back += self.make_room(key, now + span);
        self.told.insert(key, now + span, Told { at: now, held_back: 0 });
        Some(held_back)
    }

    /// Takes what was held back of all keys and has not been told: for a message that tells of everything.
    #[must_use]
    pub fn take(&mut self) -> u64 {
        let gone = self.take_gone();
        let one = |told: &mut Told| core::mem::take(&mut told.held_back);
        let known: u64 = match self.fresh.replace(Vec::new()) {
            Some(keys) => keys.iter().filter_map(|key| self.told.get_mut(key).map(one)).sum(),
            None => self.told.values_mut().map(one).sum(),
        };
        gone + known
    }

    /// How many were held back since the beginning.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.held_back
    }

    /// Nothing is held back any more: what was is told.
    fn end(&mut self) -> u64 {
        core::iter::from_fn(|| self.told.pop_first()).map(|(_, told)| told.held_back).sum()
    }

    /// A key goes, and the count stays.
    fn outlive(&mut self, held_back: u64) {
        if held_back > 0 {
            let new = || Told { at: Time::MAX, held_back: 0 };
            self.told.entry(BStr::new(GONE), Time::MAX, new).held_back += held_back;
        }
    }

    fn take_gone(&mut self) -> u64 {
        self.told.remove(BStr::new(GONE)).map_or(0, |told| told.held_back)
    }

    /// Makes room for a key, and takes what was held back of those that are gone.
    fn make_room(&mut self, key: &BString, until: Time) -> u64 {
        let mut held_back = self.take_gone();
        while self.told.len() >= KEYS_MAX && !self.told.contains(key) {
            let Some((_, told)) = self.told.pop_farthest(until) else { break };
            held_back += told.held_back;
        }
        held_back
    }
}

/// Notes a key of which something is held back.
fn note(fresh: &mut Option<Vec<BString>>, key: &BString) {
    match fresh {
        Some(keys) if keys.len() < FRESH_MAX => keys.push(key.clone()),
        _ => *fresh = None,
    }
}

/// What of an event tells it apart from others, for each schema that may arrive.
#[derive(Default)]
pub struct Keys {
    /// The places of the columns, by schema.
    columns: Vec<Vec<usize>>,
}

impl Keys {
    /// By the columns of this option: names with commas between them. An event that lacks one is told apart by the others.
    ///
    /// # Errors
    /// If no event that may arrive has one of the columns.
    pub fn new(option: &str, columns: &str, schemas: &[BoundSchema]) -> Result<Self, Error> {
        let wanted = names::list(columns);
        for name in &wanted {
            if !schemas.is_empty() && schemas.iter().all(|schema| schema.column(name).is_none()) {
                return Err(Error::Said(format!(
                    "option `{option}`: no event that may arrive has a column `{name}`"
                )));
            }
        }
        let places = |schema: &BoundSchema| {
            wanted.iter().filter_map(|name| schema.column(name)).collect::<Vec<_>>()
        };
        Ok(Self { columns: schemas.iter().map(places).collect() })
    }

    /// The key of an event.
    #[must_use]
    pub fn of(&self, event: &Event<'_>) -> BString {
        let schema = event.schema();
        let mut key = Vec::with_capacity(64);
        key.extend_from_slice(schema.instance.as_bytes());
        key.push(BORDER);
        key.extend_from_slice(schema.name.as_bytes());
        for place in self.columns.get(event.schema_place()).into_iter().flatten() {
            key.push(BORDER);
            let start = key.len();
            if let Some(found) = event.value(*place) {
                value::write(found, &mut key);
            }
            key.truncate(start + VALUE_BYTES_MAX);
        }
        key.truncate(KEY_BYTES_MAX);
        key.into()
    }
}

#[cfg(test)]
mod tests {
    use correlator_sdk::prelude::{Duration, Time};

    use super::{KEYS_MAX, Throttle};

    #[test]
    fn the_same_is_told_once_in_a_span() {
        let mut throttle = Throttle::default();
        let mut check = |key: &str, seconds, expected| {
            let (key, now) = (key.into(), Time::from_seconds(seconds));
            let passed = throttle.pass(&key, now, Duration::from_seconds(60));
            assert_eq!(passed, expected, "{key} at {seconds}");
        };
        check("a", 0, Some(0));
        check("b", 1, Some(0));
        check("a", 30, None);
        check("a", 59, None);
        // A late event is no reason to tell.
        check("a", -100, None);
        check("a", 60, Some(3));
        check("a", 61, None);
        check("b", 61, Some(0));
        // What was held back is told also much later, with whatever is told then.
        check("b", 3_600, Some(1));
        check("a", 3_600, Some(0));
        check("a", 3_601, None);
        check("a", 200_000_000, Some(1));
        assert_eq!(throttle.held_back(), 5);
    }

    #[test]
    fn what_was_told_in_the_future_holds_nothing_back() {
        let mut throttle = Throttle::default();
        let mut check = |seconds, expected| {
            let now = Time::from_seconds(seconds);
            let passed = throttle.pass(&"a".into(), now, Duration::from_seconds(60));
            assert_eq!(passed, expected, "{seconds}");
        };
        check(0, Some(0));
        check(60 * 365 * 86_400, Some(0));
        check(1, Some(0));
        check(2, None);
        check(60, None);
        check(61, Some(2));
        // Hosts disagree about the time.
        check(361, Some(0));
        check(62, None);
        check(61, None);
        check(60, Some(2));
    }

    #[test]
    fn what_tells_of_everything_takes_all_counts() {
        let mut throttle = Throttle::default();
        let span = Duration::from_seconds(3_600);
        let hold = |throttle: &mut Throttle, key: &str, seconds, times| {
            for _ in 0..times {
                let (key, now) = (key.into(), Time::from_seconds(seconds));
                let passed = throttle.pass(&key, now, span);
                assert_ne!(passed, Some(1), "{key} tells of what was told");
            }
        };
        hold(&mut throttle, "a", 0, 500);
        hold(&mut throttle, "b", 1, 3);
        assert_eq!((throttle.take(), throttle.take()), (499 + 2, 0));
        hold(&mut throttle, "a", 2, 4);
        assert_eq!(throttle.take(), 4);
        // Many keys, and those that nobody knows by name after a restart.
        for number in 0..2_000 {
            hold(&mut throttle, &i64::to_string(&number), 3, 2);
        }
        assert_eq!((throttle.take(), throttle.take()), (2_000, 0));
        hold(&mut throttle, "a", 4, 7);
        let bytes = postcard::to_allocvec(&throttle).expect("bytes");
        let mut throttle: Throttle = postcard::from_bytes(&bytes).expect("a throttle");
        assert_eq!((throttle.take(), throttle.take()), (7, 0));
        // Whoever ends the throttle is told the rest.
        hold(&mut throttle, "a", 5, 9);
        let told = throttle.pass(&"c".into(), Time::from_seconds(6), Duration::ZERO);
        assert_eq!(told, Some(9));
    }

    #[test]
    fn no_span_holds_nothing_back() {
        let mut throttle = Throttle::default();
        for _ in 0..5 {
            assert_eq!(throttle.pass(&"a".into(), Time::default(), Duration::ZERO), Some(0));
        }
        assert!(throttle.told.is_empty());
    }

    #[test]
    fn keys_have_an_end() {
        let mut throttle = Throttle::default();
        for (number, _) in (0..).zip(0..KEYS_MAX + 500) {
            let key = i64::to_string(&number).into();
            let span = Duration::from_days(1);
            assert_eq!(throttle.pass(&key, Time::from_seconds(number), span), Some(0));
        }
        assert_eq!(throttle.told.len(), KEYS_MAX);
        // The count of one that makes room stays.
        let mut pass = |key: &str| {
            throttle.pass(&key.into(), Time::from_seconds(20_500), Duration::from_days(1))
        };
        assert_eq!((pass("500"), pass("new"), pass("newer")), (None, Some(1), Some(0)));
        assert_eq!(throttle.told.len(), KEYS_MAX);
    }

    #[test]
    fn restored_goes_on_alike() -> Result<(), postcard::Error> {
        let mut throttle = Throttle::default();
        for seconds in 0..500_i64 {
            let key = (seconds % 7).to_string().into();
            let now = Time::from_seconds(seconds);
            let bytes = postcard::to_allocvec(&throttle)?;
            let mut again: Throttle = postcard::from_bytes(&bytes)?;
            let span = Duration::from_seconds(20);
            assert_eq!(throttle.pass(&key, now, span), again.pass(&key, now, span));
            assert_eq!(postcard::to_allocvec(&throttle)?, postcard::to_allocvec(&again)?);
        }
        Ok(())
    }
}
