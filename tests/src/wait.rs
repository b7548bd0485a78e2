//! Waiting for conditions: until something holds, and no longer than it may take on a busy machine.
//!
//! It must never know what is waited for.

use std::time::{Duration, Instant};

/// How long anything may take on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(5);

/// Asks until there is an answer, or until it has taken too long.
#[allow(
    clippy::disallowed_methods,
    reason = "another process is watched: only the clock tells that it hangs"
)]
pub fn within<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if begin.elapsed() > patience {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

/// Asks until there is an answer.
///
/// # Panics
/// If there is none in time.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, ask).unwrap_or_else(|| panic!("after {PATIENCE:?} still not: {what}"))
}

/// Asks until there is an answer, however long that takes, as long as this number grows.
///
/// # Panics
/// If neither happens in time.
pub fn while_it_grows<T>(
    what: &str,
    number: impl Fn() -> usize,
    mut ask: impl FnMut() -> Option<T>,
) -> T {
    loop {
        let before = number();
        let found = until(what, || match ask() {
            None if number() > before => Some(None),
            None => None,
            answer => Some(answer),
        });
        if let Some(answer) = found {
            return answer;
        }
    }
}

/// Lets so much time pass: for kills at moments that nothing else tells from others.
#[allow(clippy::disallowed_methods, reason = "the moment of a kill is chance, not a condition")]
pub fn pass(time: Duration) {
    std::thread::sleep(time);
}
