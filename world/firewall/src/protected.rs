//! What is never blocked, added up: the allow-list, what the host is on its networks, and from where somebody is
//! logged in. It is asked before a block and about what is in force.

use std::sync::Arc;

use correlator_world::allow::at_heart;
use ipnet::IpNet;

use crate::error::Error;
use crate::lookout::{Lookout, Seen};
use crate::networks::Networks;
use crate::route::Place;
use crate::session::Sessions;
use crate::wish;

/// What is never blocked.
pub(crate) struct Protected {
    /// What the grant says.
    allow: Networks,
    lookout: Lookout,
    seen: Option<Arc<Seen>>,
    /// Whether something is protected since what was done was last looked through for it, ...
    unjudged: bool,
    /// ...and since what is in force was.
    unswept: bool,
}

impl Protected {
    pub(crate) fn new(allow: &[IpNet], sessions: Sessions) -> Self {
        let allow = allow.iter().copied().collect();
        let lookout = Lookout::new(sessions);
        Self { allow, lookout, seen: None, unjudged: true, unswept: true }
    }

    /// Looks at the host, if that was not just done: before anything is blocked.
    pub(crate) fn look(&mut self) -> Result<(), Error> {
        let seen = self.lookout.seen()?;
        let seen = if seen.is_stale() { self.lookout.look()? } else { seen };
        self.know(seen);
        Ok(())
    }

    /// Looks, but waits for nothing but the first time: for who only judges before it is looked at more closely.
    pub(crate) fn glance(&mut self) -> Result<(), Error> {
        let seen = self.lookout.seen()?;
        self.know(seen);
        Ok(())
    }

    fn know(&mut self, seen: Arc<Seen>) {
        if self.seen.as_ref().is_none_or(|before| seen.home.exceeds(&before.home)) {
            (self.unjudged, self.unswept) = (true, true);
        }
        self.seen = Some(seen);
    }

    /// Whether something is protected since this was last asked, for which what was done is to be looked through.
    pub(crate) fn is_unjudged(&mut self) -> bool {
        std::mem::take(&mut self.unjudged)
    }

    /// Whether something is protected that may be among what is in force.
    pub(crate) fn is_unswept(&self) -> bool {
        self.unswept
    }

    /// Nothing that is protected is among what is in force.
    pub(crate) fn swept(&mut self) {
        self.unswept = false;
    }

    /// Why a network is not to be blocked, if so.
    pub(crate) fn refusal(&self, net: &IpNet) -> Option<String> {
        let against = |net: &IpNet| self.allowed(net).or_else(|| self.at_home(net));
        wish::never(net).or_else(|| at_heart(net, against))
    }

    fn allowed(&self, net: &IpNet) -> Option<String> {
        let allowed = self.allow.overlapping(net)?;
        if net == allowed {
            return Some(format!("{} is on the allow-list", wish::shown(net)));
        }
        let (net, allowed) = (wish::shown(net), wish::shown(allowed));
        Some(format!("{net} overlaps {allowed}, which is on the allow-list"))
    }

    fn at_home(&self, net: &IpNet) -> Option<String> {
        let seen = self.seen.as_ref().filter(|seen| !seen.is_stale())?;
        let known = seen.home.overlapping(net)?;
        let place = seen.places.iter().find(|(of, _)| of == known).map(|(_, place)| place);
        let what = match place {
            Some(Place::Own) => "an address of this host",
            Some(Place::Broadcast) => "a broadcast address of this host's networks",
            Some(Place::Gateway) => "a gateway of this host",
            None => "where an SSH session comes from",
        };
        if net.prefix_len() == net.max_prefix_len() {
            return Some(format!("{} is {what} and never blocked", wish::shown(net)));
        }
        let overlaps = if net.contains(known) { "contains" } else { "lies in" };
        Some(format!("{net} {overlaps} {}, which is {what} and never blocked", wish::shown(known)))
    }
}
