//! Where time comes from: the one place that reads the machine's clock.

use std::time::SystemTime;

use jiff::Timestamp;

/// Nanoseconds since 1970-01-01T00:00:00Z by the machine's clock, which may jump.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// A moment as it is written everywhere: RFC 3339, in UTC.
pub(crate) fn written(nanoseconds: i64) -> String {
    moment(nanoseconds).to_string()
}

/// A moment in the calendar. All that 64 bits of nanoseconds hold lie within it.
pub(crate) fn moment(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default()
}
