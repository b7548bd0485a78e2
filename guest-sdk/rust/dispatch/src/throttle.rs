//! How often the same may be told: once in a span of time, and then how many were held back meanwhile.
//!
//! What counts as the same is an event of one kind of one module, and with it the columns that the operator names. Keys
//! are strangers' words, so there are so many at the most; the oldest makes room.

use correlator_sdk::prelude::{
    BString, BoundSchema, Deserialize, Duration, Error, Event, Expiring, Serialize, Time,
};
use correlator_sdk::value;

use crate::names;

/// Things that are told apart at the most.
const KEYS_MAX: usize = 20_000;
/// Bytes of a key: what differs only beyond them counts as the same.
const KEY_BYTES_MAX: usize = 512;
/// Bytes of a value in it, so that a long one leaves room for others.
const VALUE_BYTES_MAX: usize = 128;
/// How long it is remembered that something was held back and not told yet.
const MEMORY: Duration = Duration::from_days(1);
/// Stands between the parts of a key.
const BORDER: u8 = 0;

/// What was told lately.
#[derive(Serialize, Deserialize)]
pub struct Throttle {
    told: Expiring<BString, Told>,
    held_back: u64,
}

/// When something was told, and how often it was held back since.
#[derive(Serialize, Deserialize)]
struct Told {
    at: Time,
    held_back: u64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { told: Expiring::with_capacity(KEYS_MAX), held_back: 0 }
    }
}

impl Throttle {
    /// Whether something may be told now, and then how often it was held back before. Without a span everything may.
    pub fn pass(&mut self, key: &BString, now: Time, span: Duration) -> Option<u64> {
        if span <= Duration::ZERO {
            return Some(0);
        }
        self.told.expire(now);
        let Some(told) = self.told.get_mut(key) else {
            self.told.insert(key, now + span, Told { at: now, held_back: 0 });
            return Some(0);
        };
        if now - told.at >= span {
            let held_back = told.held_back;
            self.told.insert(key, now + span, Told { at: now, held_back: 0 });
            return Some(held_back);
        }
        told.held_back += 1;
        let until = told.at + span + MEMORY;
        self.told.set_until(key, until);
        self.held_back += 1;
        None
    }

    /// How many were held back since the beginning.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.held_back
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
        // What was held back is told also much later, but not for ever.
        check("a", 3_600, Some(1));
        check("a", 3_601, None);
        check("a", 200_000, Some(0));
        assert_eq!(throttle.held_back(), 5);
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
