//! The firewall as the host sees it: requests come in, entries in the kernel's sets come out.

use std::path::PathBuf;
use std::time::Duration;

use correlator_world::human::Span;
use correlator_world::{Capability, Kept, Needs, Outcome, Refused, Request, Secrets, target};
use ipnet::IpNet;

use crate::clock;
use crate::coming::Coming;
use crate::error::Error;
use crate::firewall::Firewall;
use crate::force::{self, Held};
use crate::wish::{self, Wish};

impl Capability for Firewall {
    fn check(&self, request: &Request) -> Result<(), Refused> {
        let wish = self.wished(request)?;
        // Where the host can't be looked at, delivery waits until it can; and it looks more closely.
        if self.protected.borrow_mut().glance().is_ok() {
            self.place(&wish)?;
        }
        Ok(())
    }

    fn knows(&self, target: &str) -> Result<(), Refused> {
        if self.set(target).is_some() {
            return Ok(());
        }
        let sets: Vec<String> =
            self.force.sets.iter().map(|set| format!("`{}`", set.name)).collect();
        Err(Refused::Denied(format!(
            "the grant has no set `{}`, only {}",
            wish::short(target),
            sets.join(", ")
        )))
    }

    fn usual_target(&self) -> Option<&str> {
        target::meant(self.force.sets.iter().map(|set| set.name.as_str()), "blocked")
    }

    fn plan(&self, request: &Request) -> String {
        wish::plan(&self.granted, request)
    }

    fn deliver(&mut self, requests: &[Request], _secrets: &dyn Secrets) -> Vec<Outcome> {
        if let Err(error) = self.ready() {
            return requests.iter().map(|_| later(&error)).collect();
        }
        let _turn = force::turn();
        let asked = requests.iter().filter_map(|request| self.aim(request).ok());
        let asked: Vec<Held> = asked.map(|(held, _)| held).collect();
        if let Err(error) = self.force.learn(&asked) {
            return requests.iter().map(|_| later(&error)).collect();
        }
        let (now, most) = (clock::uptime(), self.granted.entries_max);
        let full = self.force.sets.iter_mut().filter(|set| set.entries.len() >= most);
        full.for_each(|set| set.entries.purge(now));
        let mut coming = Coming::new(&self.force.sets, most);
        let words: Vec<Result<String, String>> =
            requests.iter().map(|request| self.placed(request, &mut coming)).collect();
        let said = self.force.put(&coming.all());
        let outcome = |words: Result<String, String>| match (words, &said) {
            (Err(refused), _) => Outcome::Refused(refused),
            (Ok(_), Err(error)) => later(error),
            (Ok(done), Ok(())) => Outcome::Done(done),
        };
        words.into_iter().map(outcome).collect()
    }

    fn undo(&mut self, request: &Request, secrets: &dyn Secrets) -> Outcome {
        self.undo_beside(request, &[], secrets)
    }

    fn undo_beside(
        &mut self,
        request: &Request,
        others: &[(&str, Duration)],
        _secrets: &dyn Secrets,
    ) -> Outcome {
        let (Some(at), Ok(exact)) = (self.set(&request.target), wish::address(request)) else {
            return Outcome::Refused("what was asked for could never have been blocked".into());
        };
        let mut nets = vec![wish::widened(&self.granted, exact), exact];
        nets.dedup();
        let held: Vec<Held> = nets.into_iter().map(|net| (at, net)).collect();
        match self.release(&held, others) {
            Ok(said) => Outcome::Done(said),
            Err(error) => later(&error),
        }
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn restores(&self) -> bool {
        true
    }

    fn restore(&mut self, done: &[(Request, Duration)]) -> Result<Option<String>, String> {
        let lasting = done.iter().filter_map(|(request, since)| {
            // What the grant does not cover any more is not put back.
            let wish = self.wished(request).ok()?;
            let rest = wish.duration.checked_sub(*since).filter(|rest| !rest.is_zero())?;
            Some((request.target.clone(), wish.wide, rest))
        });
        let lasting: Vec<_> = lasting.collect();
        if lasting.is_empty() {
            return Ok(None);
        }
        // Before anything is judged the host is looked at.
        self.ready().map_err(|error| error.to_string())?;
        let protected = self.protected.get_mut();
        let blocks = lasting.into_iter().filter(|(_, net, _)| protected.refusal(net).is_none());
        let blocks: Vec<_> = blocks.collect();
        if blocks.is_empty() {
            return Ok(None);
        }
        let restored = Firewall::restore(self, blocks).map_err(|error| error.to_string())?;
        Ok(Some(format!("{} blocks are in force", restored.entries)))
    }

    fn keep(&mut self) -> Result<Kept, String> {
        let ensured = self.ensure().map_err(|error| error.to_string())?;
        let healed = ensured.healed.map(|entries| {
            format!(
                "somebody had changed the table; it is as it was, with {entries} entries put back"
            )
        });
        let lifted = ensured.lifted.iter().map(|(block, why)| {
            format!("{} is blocked no more: {why}", wish::shown(&block.network))
        });
        Ok(Kept { told: healed.into_iter().collect(), lifted: lifted.collect() })
    }

    fn lasts(&self, request: &Request, since: Duration) -> bool {
        self.wished(request).is_ok_and(|wish| since < wish.duration)
    }

    fn guards(&self) -> bool {
        true
    }

    fn forbids_more(&mut self) -> bool {
        let protected = self.protected.get_mut();
        // Where the host can't be looked at, who keeps what is in force says so.
        if protected.look().is_err() || !protected.is_unjudged() {
            return false;
        }
        // Of most that comes, a session from somewhere, nothing is in force; unless somebody else, who saw it first, has
        // lifted it.
        let now = clock::uptime();
        let is_held = self.force.sets.iter().any(|set| {
            let mut held = set.entries.all(now);
            held.any(|(net, _)| protected.refusal(&net).is_some())
        });
        self.force.misses_some() || is_held || !self.force.is_built()
    }

    fn forbids(&self, request: &Request, since: Duration) -> Option<String> {
        let wish = self.wished(request).ok().filter(|wish| since < wish.duration)?;
        let protected = self.protected.borrow();
        let why = protected.refusal(&wish.wide)?;
        // An address whose network must not be blocked may be blocked alone, and then it stays.
        let is_held = || {
            let set = &self.force.sets[self.set(&request.target)?];
            set.entries.rest(&wish.exact, clock::uptime())
        };
        let stays = wish.exact != wish.wide
            && protected.refusal(&wish.exact).is_none()
            && is_held().is_some();
        (!stays).then_some(why)
    }

    fn needs(&self) -> Needs {
        // Connections and sessions, which are never blocked.
        let read = ["/proc", "/run/systemd/sessions"].map(PathBuf::from).into();
        Needs { read, ..Needs::default() }
    }

    /// All sets are one kernel's.
    fn endpoint(&self, _request: &Request) -> String {
        "firewall".into()
    }

    /// One network in one set of one table, whoever asks for it.
    fn key(&self, request: &Request) -> Option<String> {
        self.set(&request.target)?;
        let exact = wish::address(request).ok()?;
        let net = wish::widened(&self.granted, exact);
        Some(format!("{} {} {net}", self.granted.table, request.target))
    }
}

impl Firewall {
    /// What a request asks for, as far as that can be judged without looking at the host.
    fn wished(&self, request: &Request) -> Result<Wish, Refused> {
        self.knows(&request.target)?;
        wish::wish(&self.granted, request)
    }

    /// The network that is blocked: where an address stands for its network but that one must not be blocked, it
    /// stands for itself.
    fn place(&self, wish: &Wish) -> Result<IpNet, Refused> {
        let protected = self.protected.borrow();
        if protected.refusal(&wish.wide).is_none() {
            return Ok(wish.wide);
        }
        protected.refusal(&wish.exact).map_or(Ok(wish.exact), |why| Err(Refused::Denied(why)))
    }

    /// What a request puts in force, and for how long.
    fn aim(&self, request: &Request) -> Result<(Held, Duration), Refused> {
        let wish = self.wished(request)?;
        let net = self.place(&wish)?;
        Ok(((self.set(&request.target).unwrap_or_default(), net), wish.duration))
    }

    /// Lifts networks, but not what others stand for: that is in force as long as the longest of these says.
    fn release(&mut self, held: &[Held], others: &[(&str, Duration)]) -> Result<String, Error> {
        self.force.read_if_unbuilt()?;
        let _turn = force::turn();
        self.force.learn(held)?;
        let now = clock::uptime();
        let in_force = held.iter().filter_map(|(at, net)| {
            let rest = self.force.sets[*at].entries.rest(net, now)?;
            Some(((*at, *net), rest))
        });
        let protected = self.protected.borrow();
        let stands = |net: &IpNet| {
            // Of what must not be in force nothing stays, whoever stands for it.
            if protected.refusal(net).is_some() {
                return None;
            }
            let rests = others.iter().filter_map(|(said, since)| {
                let (_, span) = told(said).filter(|(other, _)| other == net)?;
                span.checked_sub(*since).filter(|rest| !rest.is_zero())
            });
            rests.max()
        };
        let in_force = in_force.map(|(held, rest)| (held, rest, stands(&held.1)));
        let in_force: Vec<(Held, Duration, Option<Duration>)> = in_force.collect();
        drop(protected);
        let lifted = in_force.iter().filter(|(_, _, stays)| stays.is_none());
        let lifted: Vec<Held> = lifted.map(|(held, ..)| *held).collect();
        self.force.take(&lifted)?;
        let staying = in_force.iter().filter_map(|(held, rest, stays)| {
            let stays = (*stays)?;
            Some((*held, stays.min(*rest), stays < *rest))
        });
        let staying: Vec<(Held, Duration, bool)> = staying.collect();
        let shorter = staying.iter().filter(|(_, _, is_shorter)| *is_shorter);
        let shorter = shorter.map(|(held, stays, _)| (*held, now.saturating_add(*stays)));
        self.force.put(&shorter.collect::<Vec<_>>())?;
        let lifted =
            lifted.iter().map(|(_, net)| format!("{} is blocked no more", wish::shown(net)));
        let stays = staying.iter().map(|((_, net), stays, _)| {
            let rest = seconds(*stays);
            format!(
                "{} stays blocked for {rest}, as it was asked for elsewhere too: `correlator blocks list` tells by whom",
                wish::shown(net)
            )
        });
        let said: Vec<String> = lifted.chain(stays).collect();
        Ok(if said.is_empty() { "it is not blocked any more".into() } else { said.join("; ") })
    }

    /// What a request comes to, in words, before the kernel is told.
    fn placed(&self, request: &Request, coming: &mut Coming) -> Result<String, String> {
        let (held, duration) = self.aim(request).map_err(|refused| refused.to_string())?;
        let (net, now, sets) = (wish::shown(&held.1), clock::uptime(), &self.force.sets);
        // How long it is itself, not how long what was there before is: that may be taken back.
        if coming.rest(sets, &held, now).is_some_and(|rest| rest >= duration) {
            return Ok(format!("{net} is blocked already, longer than for {}", Span(duration)));
        }
        coming.add(sets, held, now.saturating_add(duration))?;
        Ok(format!("{net} is blocked for {}", Span(duration)))
    }
}

/// What was blocked and for how long, by what was said of it: `192.0.2.1 is blocked for 10m`.
#[must_use]
pub fn told(said: &str) -> Option<(IpNet, Duration)> {
    let (net, rest) = said.split_once(" is blocked ")?;
    let (_, span) = rest.rsplit_once("for ")?;
    let Span(span) = Span::parse(span)?;
    Some((wish::network(net).ok()?, span))
}

/// A span for people: without its milliseconds.
fn seconds(span: Duration) -> Span {
    Span(Duration::from_secs(span.as_secs()))
}

fn later(error: &Error) -> Outcome {
    Outcome::later(error.to_string())
}
