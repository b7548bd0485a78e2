//! The module as the engine sees it: what it wants, what it tells, and the way of a record to the machine.

use correlator_sdk::prelude::*;

use crate::events::{AttemptsExceeded, Login, LoginFailed, SessionStarted, Statistics};
use crate::literals::{
    BRACKETED, BROKEN_CONNECTION, Kind, LAST_REPEATED, PAM_FAILURE, PROGRAMS, SEPARATOR, STARTS,
};
use crate::machine::{Machine, Origin, Work};
use crate::message::{self, Message, Method, find};
use crate::options::Options;

/// The places of the literals in the interest, after the beginnings.
const PAM_FAILURE_PLACE: usize = STARTS.len();
const BROKEN_PLACE: usize = PAM_FAILURE_PLACE + 1;
const SEPARATOR_PLACE: usize = BROKEN_PLACE + 1;
const LAST_REPEATED_PLACE: usize = SEPARATOR_PLACE + 1;
const BRACKETED_PLACE: usize = LAST_REPEATED_PLACE + 1;

const STATISTICS: &str = "statistics";
const EXPIRY: &str = "expiry";

/// OpenSSH's server.
#[derive(Default, Serialize, Deserialize)]
pub struct Sshd {
    machine: Machine,
}

impl Module for Sshd {
    type Options = Options;

    fn describe() -> Description {
        let starts: Vec<&str> = STARTS.iter().map(|(text, _)| *text).collect();
        let sshd = Interest::any().programs(PROGRAMS).starts_with_any(&starts).contains_any(&[
            PAM_FAILURE,
            BROKEN_CONNECTION,
            SEPARATOR,
        ]);
        let meaning = "Logins, failed logins and attacks on OpenSSH";
        Description::new("sshd", env!("CARGO_PKG_VERSION"), meaning)
            .interest(sshd)
            .interest(Interest::any().starts_with_any(&[LAST_REPEATED, BRACKETED]))
            .event::<Login>()
            .event::<SessionStarted>()
            .event::<LoginFailed>()
            .event::<AttemptsExceeded>()
            .event::<Statistics>()
            .timer(Timer::daily(STATISTICS, 0, 0))
            .timer(Timer::every(EXPIRY, Duration::from_hours(1)))
    }

    fn process(
        &mut self,
        options: &Options,
        record: Record<'_>,
        turn: &mut Turn,
    ) -> Result<(), Error> {
        let origin = self.machine.origin(record);
        let mut work = Work { machine: &mut self.machine, options, turn };
        hear(&mut work, record, origin)
    }

    fn tick(&mut self, options: &Options, tick: Tick, turn: &mut Turn) -> Result<(), Error> {
        let mut work = Work { machine: &mut self.machine, options, turn };
        work.tidy(tick.time, tick.is_end())?;
        if tick.is_end() || tick.is_timer(STATISTICS) {
            work.tell_statistics()?;
        }
        Ok(())
    }

    fn statistics(&self) -> Vec<Statistic> {
        self.machine.statistics()
    }
}

/// Reads a record by the literals that the host found in it.
fn hear(work: &mut Work<'_>, record: Record<'_>, origin: Origin<'_>) -> Result<(), Error> {
    let mut hits = record.hits();
    let Some(hit) = hits.next() else { return Ok(()) };
    let Some((_, kind)) = STARTS.get(hit.literal) else {
        return hear_within(work, record, hit, origin);
    };
    match kind {
        Kind::Repeated => match message::repeated(hit.rest) {
            Some((count, inner)) => hear_unsearched(work, inner, Origin { count, ..origin }),
            None => Ok(()),
        },
        Kind::Identified => match message::identified(hit.rest) {
            Some(inner) => hear_unsearched(work, inner, origin),
            None => Ok(()),
        },
        _ => {
            let separator = hits.find(|hit| hit.literal == SEPARATOR_PLACE);
            let start = record.message().len() - hit.rest.len();
            let separator = separator.and_then(|hit| hit.before.len().checked_sub(start));
            // Under attack this is the most frequent line of all: it takes the short way.
            if *kind == Kind::FailedPassword {
                return match message::failed_password(hit.rest, separator) {
                    Some(who) => work.failed(&origin, Method::Guess, &who),
                    None => Ok(()),
                };
            }
            match message::read(*kind, hit.rest, separator) {
                Some(message) => work.hear(&origin, &message),
                None => Ok(()),
            }
        }
    }
}

/// Reads a record in which a literal was found elsewhere than at its beginning.
fn hear_within(
    work: &mut Work<'_>,
    record: Record<'_>,
    hit: Hit<'_>,
    origin: Origin<'_>,
) -> Result<(), Error> {
    if hit.literal == LAST_REPEATED_PLACE {
        return match message::last_repeated(hit.rest) {
            Some(count) => work.hear_again(&Origin { count, ..origin }),
            None => Ok(()),
        };
    }
    if hit.literal == BRACKETED_PLACE {
        // What names a program says this in its own name, whatever it quotes.
        let bare = record.program().is_empty();
        return if bare { hear_unsearched(work, hit.rest, origin) } else { Ok(()) };
    }
    let message = if hit.literal == PAM_FAILURE_PLACE {
        pam_failed(hit.before, hit.rest)
    } else {
        broken(record.message())
    };
    match message {
        Some(message) => work.hear(&origin, &message),
        None => Ok(()),
    }
}

/// Reads a message that the host did not search, because it stands within another.
fn hear_unsearched(work: &mut Work<'_>, text: &[u8], origin: Origin<'_>) -> Result<(), Error> {
    let message = match message::recognise(text) {
        Some((kind, length)) => {
            let rest = &text[length..];
            message::read(kind, rest, find(rest, SEPARATOR.as_bytes()))
        }
        None => match find(text, PAM_FAILURE.as_bytes()) {
            Some(place) => pam_failed(&text[..place], &text[place + PAM_FAILURE.len()..]),
            None => broken(text),
        },
    };
    match message {
        Some(message) => work.hear(&origin, &message),
        None => Ok(()),
    }
}

/// Reads a PAM module's failure from what stands before and behind [`PAM_FAILURE`].
#[inline]
fn pam_failed<'a>(before: &'a [u8], rest: &'a [u8]) -> Option<Message<'a>> {
    let module = before.strip_prefix(b"pam_")?;
    if module.contains(&b' ') {
        return None;
    }
    message::pam_failed(module, rest)
}

/// Reads a message whose beginning is the name of the function that noticed that a connection broke.
fn broken(text: &[u8]) -> Option<Message<'_>> {
    let place = find(text, BROKEN_CONNECTION.as_bytes())?;
    let name = text[..place].strip_prefix(b"fatal: ").unwrap_or(&text[..place]);
    let rest = &text[place + BROKEN_CONNECTION.len()..];
    let named = !name.is_empty() && !name.contains(&b' ');
    message::read(Kind::EndedBecause, rest, None).filter(|_| named)
}
