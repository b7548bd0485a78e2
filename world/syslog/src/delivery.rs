//! Requests, and what came of each.
//!
//! It must never know how often one was tried before.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::time::Instant;

use correlator_wire::clock;
use correlator_world::{Capability, Outcome, Refused, Request, Secrets, Undone, target};

use crate::datagram::{Stopped, send_udp, send_unix};
use crate::limit;
use crate::settings::Settings;
use crate::stream::{Sent, Stream};
use crate::target::{Place, Target};

/// Syslog as one grant allows it.
#[derive(Debug)]
pub struct Syslog {
    targets: BTreeMap<String, (Target, Stream)>,
}

impl Syslog {
    /// Checks what the operator wrote.
    ///
    /// # Errors
    /// A value makes no sense; it is named, and what is allowed.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        if settings.targets.is_empty() || settings.targets.len() > limit::TARGETS_MAX {
            let most = limit::TARGETS_MAX;
            return Err(format!("targets: name one at least and {most} at most"));
        }
        let targets = settings.targets.iter().map(|(name, target)| {
            let target = Target::new(target).map_err(|error| format!("targets.{name}.{error}"));
            Ok((name.clone(), (target?, Stream::default())))
        });
        Ok(Self { targets: targets.collect::<Result<_, String>>()? })
    }

    fn target(&self, name: &str) -> Result<&Target, Refused> {
        self.targets.get(name).map(|(target, _)| target).ok_or_else(|| {
            let target: String = name.escape_debug().take(TARGET_SHOWN_MAX).collect();
            let known: Vec<&str> = self.targets.keys().map(String::as_str).collect();
            let known = known.join(", ");
            Refused::Denied(format!(
                "target `{target}` is not granted; those of the stack: {known}"
            ))
        })
    }
}

/// Characters that are shown of a name that is none.
const TARGET_SHOWN_MAX: usize = 80;

/// Sends messages of one target; what came of each.
fn send(target: &Target, stream: &mut Stream, messages: &[String]) -> Vec<Outcome> {
    let (place, timeout) = (&target.place, target.timeout.0);
    let done = Outcome::Done(format!("taken by the system for {place}; nobody confirms syslog"));
    let sent = match place {
        Place::Stream(server, trust) => {
            let sent = stream.send(messages, server, trust.as_ref(), timeout);
            return match sent {
                Ok(sent) => {
                    let mut outcomes = vec![done; messages.len()];
                    tell_again(&mut outcomes, sent);
                    outcomes
                }
                Err(error) => vec![
                    Outcome::later(format!(
                        "{place}: {error}; what was written of it may arrive twice"
                    ));
                    messages.len()
                ],
            };
        }
        Place::Udp(server) => send_udp(messages, server, timeout),
        Place::Unix(path) => send_unix(messages, path, timeout),
    };
    let mut outcomes = vec![done; messages.len()];
    if let Err(Stopped { taken, error }) = sent {
        let later = Outcome::later(format!("{place}: {error}"));
        outcomes[taken..].fill(later);
    }
    outcomes
}

/// Tells what was sent again besides, with the first of what was sent.
fn tell_again(outcomes: &mut [Outcome], sent: Sent) {
    let Some(Outcome::Done(words)) = outcomes.first_mut() else { return };
    if sent.again > 0 {
        let _ = write!(
            words,
            "; the connection had broken, so {} messages of before were sent again",
            sent.again
        );
    }
    if sent.lost > 0 {
        let _ = write!(words, "; {} older ones may be lost: too much was written since", sent.lost);
    }
}

impl Syslog {
    /// Closes all connections, and waits for the other sides to do so too: which broke off, and why.
    fn part(&mut self, broken: &mut BTreeMap<String, io::Error>, until: Instant) {
        let mut open: Vec<_> = self.targets.iter_mut().collect();
        open.retain(|(_, (_, stream))| stream.is_unsure());
        for (_, (_, stream)) in &mut open {
            stream.finish();
        }
        let deadline = until.min(clock::instant() + limit::FAREWELL_MAX);
        for (name, (_, stream)) in open {
            match stream.hear_out(deadline) {
                Ok(()) => {
                    broken.remove(name);
                }
                // Why it could not be opened again says more.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    broken.entry(name.clone()).or_insert(error);
                }
                Err(error) => {
                    broken.insert(name.clone(), error);
                }
            }
        }
    }

    /// Writes once more what may not have been read, as far as there is time.
    fn send_again(&mut self, broken: &mut BTreeMap<String, io::Error>, until: Instant) {
        for (name, why) in broken {
            let left = until.saturating_duration_since(clock::instant());
            if let Some((target, stream)) = self.targets.get_mut(name)
                && let Place::Stream(server, trust) = &target.place
                && !left.is_zero()
                && let Err(error) =
                    stream.send(&[], server, trust.as_ref(), left.min(target.timeout.0))
            {
                *why = error;
            }
        }
    }
}

impl Capability for Syslog {
    fn check(&self, request: &Request) -> Result<(), Refused> {
        self.target(&request.target)?.message(request).map(|_| ())
    }

    fn knows(&self, target: &str) -> Result<(), Refused> {
        self.target(target).map(|_| ())
    }

    fn usual_target(&self) -> Option<&str> {
        target::meant(self.targets.keys().map(String::as_str), "default")
    }

    fn plan(&self, request: &Request) -> String {
        let target = self.target(&request.target);
        match target.and_then(|target| target.message(request).map(|text| (target, text))) {
            Ok((target, text)) => format!("to {}: {text}", target.place),
            Err(error) => error.to_string(),
        }
    }

    fn deliver(&mut self, requests: &[Request], _: &dyn Secrets) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; requests.len()];
        let mut of_targets: BTreeMap<&str, (Vec<usize>, Vec<String>)> = BTreeMap::new();
        for (place, request) in requests.iter().enumerate() {
            match self.target(&request.target).and_then(|target| target.message(request)) {
                Ok(message) => {
                    let (places, messages) = of_targets.entry(&request.target).or_default();
                    places.push(place);
                    messages.push(message);
                }
                Err(error) => outcomes[place] = Some(Outcome::Refused(error.to_string())),
            }
        }
        for (name, (places, messages)) in of_targets {
            let Some((target, stream)) = self.targets.get_mut(name) else { continue };
            for (place, outcome) in places.into_iter().zip(send(target, stream, &messages)) {
                outcomes[place] = Some(outcome);
            }
        }
        let unsent = || Outcome::later("it was not sent");
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unsent)).collect()
    }

    fn close(&mut self) -> Vec<Undone> {
        let until = clock::instant() + limit::FAREWELLS_TIME;
        let mut broken = BTreeMap::new();
        for _ in 0..limit::FAREWELLS_MAX {
            self.send_again(&mut broken, until);
            self.part(&mut broken, until);
            if broken.is_empty() {
                break;
            }
        }
        let undone = self.targets.iter().filter(|(_, (_, stream))| stream.undone() > 0);
        let told = |(name, (target, stream)): (&String, &(Target, Stream))| {
            let place = &target.place;
            let why = broken.get(name).map_or_else(
                || "its connection broke when too much had been written since".to_owned(),
                |error| format!("its connection broke at the end: {error}"),
            );
            Undone {
                target: name.clone(),
                requests: stream.undone() as u64,
                reason: format!("{place} may not have read it: {why}"),
            }
        };
        undone.map(told).collect()
    }
}
