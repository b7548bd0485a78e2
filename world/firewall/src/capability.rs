//! The firewall as the host sees it: requests come in, entries in the kernel's sets come out.

use std::path::PathBuf;
use std::time::Duration;

use correlator_world::human::Span;
use correlator_world::{Capability, Needs, Outcome, Refused, Request, Secrets};

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
        let mut blocks = Vec::new();
        for (request, since) in done {
            // What the grant does not cover any more is not put back.
            let Ok(wish) = self.wished(request) else { continue };
            let Ok(net) = self.place(&wish) else { continue };
            let rest = wish.duration.saturating_sub(*since);
            if !rest.is_zero() {
                blocks.push((request.target.clone(), net, rest));
            }
        }
        if blocks.is_empty() {
            return Ok(None);
        }
        let restored = Firewall::restore(self, blocks).map_err(|error| error.to_string())?;
        Ok(Some(format!("{} blocks are in force", restored.entries)))
    }

    fn keep(&mut self) -> Result<Vec<String>, String> {
        let ensured = self.ensure().map_err(|error| error.to_string())?;
        let healed = ensured.healed.map(|entries| {
            format!(
                "somebody had changed the table; it is as it was, with {entries} entries put back"
            )
        });
        let lifted = ensured.lifted.iter().map(|(block, why)| {
            format!("{} is blocked no more: {why}", wish::shown(&block.network))
        });
        Ok(healed.into_iter().chain(lifted).collect())
    }

    fn lasts(&self, request: &Request, since: Duration) -> bool {
        self.wished(request).is_ok_and(|wish| since < wish.duration)
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
