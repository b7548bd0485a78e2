//! The firewall as the host sees it: requests come in, entries in the kernel's sets come out.

use std::path::PathBuf;
use std::time::Duration;

use correlator_world::human::Span;
use correlator_world::{Capability, Kept, Needs, Outcome, Refused, Request, Secrets};

use crate::clock;
use crate::coming::Coming;
use crate::error::Error;
use crate::firewall::Firewall;
use crate::force::Held;
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

    fn plan(&self, request: &Request) -> String {
        wish::plan(&self.granted, request)
    }

    fn deliver(&mut self, requests: &[Request], _secrets: &dyn Secrets) -> Vec<Outcome> {
        if let Err(error) = self.ready() {
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

    fn undo(&mut self, request: &Request, _secrets: &dyn Secrets) -> Outcome {
        let (Some(at), Ok(exact)) = (self.set(&request.target), wish::address(request)) else {
            return Outcome::Refused("what was asked for could never have been blocked".into());
        };
        if let Err(error) = self.force.read_if_unbuilt() {
            return later(&error);
        }
        let entries = &self.force.sets[at].entries;
        let now = clock::uptime();
        let mut held: Vec<Held> = [wish::widened(&self.granted, exact), exact]
            .into_iter()
            .filter(|net| entries.rest(net, now).is_some())
            .map(|net| (at, net))
            .collect();
        held.dedup();
        match self.force.take(&held) {
            Err(error) => later(&error),
            Ok(()) if held.is_empty() => Outcome::Done("it is not blocked any more".into()),
            Ok(()) => Outcome::Done(format!("{} is blocked no more", wish::shown(&held[0].1))),
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

    fn key(&self, request: &Request) -> Option<String> {
        let exact = wish::address(request).ok()?;
        Some(wish::widened(&self.granted, exact).to_string())
    }
}

impl Firewall {
    /// What a request asks for, as far as that can be judged without looking at the host.
    fn wished(&self, request: &Request) -> Result<Wish, Refused> {
        if self.set(&request.target).is_none() {
            let sets: Vec<String> =
                self.force.sets.iter().map(|set| format!("`{}`", set.name)).collect();
            return Err(Refused::Denied(format!(
                "the grant has no set `{}`, only {}",
                wish::short(&request.target),
                sets.join(", ")
            )));
        }
        wish::wish(&self.granted, request)
    }

    /// The network that is blocked: where an address stands for its network but that one must not be blocked, it
    /// stands for itself.
    fn place(&self, wish: &Wish) -> Result<ipnet::IpNet, Refused> {
        let protected = self.protected.borrow();
        if protected.refusal(&wish.wide).is_none() {
            return Ok(wish.wide);
        }
        protected.refusal(&wish.exact).map_or(Ok(wish.exact), |why| Err(Refused::Denied(why)))
    }

    /// What a request comes to, in words, before the kernel is told.
    fn placed(&self, request: &Request, coming: &mut Coming) -> Result<String, String> {
        let wish = self.wished(request).map_err(|refused| refused.to_string())?;
        let net = self.place(&wish).map_err(|refused| refused.to_string())?;
        let at = self.set(&request.target).unwrap_or_default();
        let (held, now, sets) = ((at, net), clock::uptime(), &self.force.sets);
        let longer = coming.rest(sets, &held, now).filter(|rest| *rest >= wish.duration);
        if let Some(rest) = longer {
            return Ok(format!("{} is blocked already, for {}", wish::shown(&net), seconds(rest)));
        }
        coming.add(sets, held, now.saturating_add(wish.duration))?;
        Ok(format!("{} is blocked for {}", wish::shown(&net), Span(wish.duration)))
    }
}

/// A span for people: without its milliseconds.
fn seconds(span: Duration) -> Span {
    Span(Duration::from_secs(span.as_secs()))
}

fn later(error: &Error) -> Outcome {
    Outcome::later(error.to_string())
}
