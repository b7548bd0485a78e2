//! What is never blocked, added up: the allow-lists, what the host is on its networks, and from where somebody is
//! logged in. It is asked before a block and about what is in force.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::clock;
use crate::error::Error;
use crate::networks::Networks;
use crate::route::{self, Place};
use crate::session::Sessions;
use crate::wish;

/// What is known of the host is as old as this at most...
const AGE_MAX: Duration = Duration::from_secs(1);
/// ...unless looking takes long, on a router with a million routes: it takes one part in so many of the time.
const LOOKING_SHARE: u32 = 20;

/// What is never blocked.
pub(crate) struct Protected {
    /// What the grant says, and what was said since.
    allow: [Networks; 2],
    places: Vec<(IpAddr, Place)>,
    sessions: Sessions,
    /// All addresses of both.
    home: Networks,
    /// When it is to be looked at again.
    due: Option<Duration>,
    /// Whether something is protected that was not when this was last asked.
    changed: bool,
}

impl Protected {
    pub(crate) fn new(allow: &[IpNet], sessions: Sessions) -> Self {
        let allow = [allow.iter().copied().collect(), Networks::default()];
        let home = Networks::default();
        Self { allow, places: Vec::new(), sessions, home, due: None, changed: true }
    }

    /// Another list beside the grant's own, instead of the last one.
    pub(crate) fn allow(&mut self, list: Vec<IpNet>) {
        self.allow[1] = list.into_iter().collect();
    }

    /// Looks at the host, if that was not just done.
    pub(crate) fn look(&mut self) -> Result<(), Error> {
        let now = clock::uptime();
        if self.due.is_some_and(|due| now < due) {
            return Ok(());
        }
        self.places = route::places().map_err(Error::of("list its routes and addresses"))?;
        self.sessions.look(now);
        let addresses = self.places.iter().map(|(address, _)| address).chain(self.sessions.peers());
        let home: Networks = addresses.map(|address| IpNet::from(*address)).collect();
        self.changed |= home != self.home;
        self.home = home;
        let end = clock::uptime();
        self.due = Some(end + AGE_MAX.max(end.saturating_sub(now) * LOOKING_SHARE));
        Ok(())
    }

    /// Whether something is protected since this was last asked; it is asked for what is in force.
    pub(crate) fn has_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Why a network is not to be blocked, if so.
    pub(crate) fn refusal(&self, net: &IpNet) -> Option<String> {
        wish::never(net).or_else(|| self.allowed(net)).or_else(|| self.at_home(net))
    }

    fn allowed(&self, net: &IpNet) -> Option<String> {
        let allowed = self.allow.iter().find_map(|list| list.overlapping(net))?;
        if net == allowed {
            return Some(format!("{} is on the allow-list", wish::shown(net)));
        }
        let (net, allowed) = (wish::shown(net), wish::shown(allowed));
        Some(format!("{net} overlaps {allowed}, which is on the allow-list"))
    }

    fn at_home(&self, net: &IpNet) -> Option<String> {
        let address = self.home.overlapping(net)?.addr();
        let place = self.places.iter().find(|(of, _)| *of == address).map(|(_, place)| place);
        let what = match place {
            Some(Place::Own) => "an address of this host",
            Some(Place::Broadcast) => "a broadcast address of this host's networks",
            Some(Place::Gateway) => "a gateway of this host",
            None => "where an SSH session comes from",
        };
        if net.prefix_len() == net.max_prefix_len() {
            return Some(format!("{address} is {what} and never blocked"));
        }
        Some(format!("{net} contains {address}, which is {what} and never blocked"))
    }
}
