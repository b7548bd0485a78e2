//! Failed logins on a server, each from an address that no other one comes from.
//!
//! It must never know who is to hear of them.

use jiff::Timestamp;

/// 2024-12-10T06:00:00Z, in milliseconds.
const BEGIN_MS: i64 = 1_733_810_400_000;
/// Between one failure and the next.
const STEP_MS: i64 = 10;

/// Where a failure comes from.
#[must_use]
pub fn address(number: usize) -> String {
    format!("10.{}.{}.{}", 64 + number / 65_536, number / 256 % 256, number % 256)
}

/// A failure as it is sent.
#[must_use]
pub fn failure(number: usize) -> String {
    failure_from(&address(number), number)
}

/// The same from another address.
#[must_use]
pub fn failure_from(address: &str, number: usize) -> String {
    let time = BEGIN_MS + STEP_MS * i64::try_from(number).unwrap_or(0);
    message(time, number, &format!("Failed password for root from {address} port 4711 ssh2"))
}

/// Something that is no failure, so many seconds after the first one: time passes by it.
#[must_use]
pub fn later(seconds: i64) -> String {
    message(BEGIN_MS + 1_000 * seconds, 1, "Server listening on 0.0.0.0 port 22.")
}

fn message(time_ms: i64, number: usize, text: &str) -> String {
    let time = Timestamp::from_millisecond(time_ms).unwrap_or_default();
    let time = time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
    format!("<38>1 {time} alpha sshd {} - - {text}", 2_000 + number)
}

/// The failures of a range.
#[must_use]
pub fn failures(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(failure).collect()
}
