//! From a name to addresses, each of which the guard has seen.
//!
//! What is connected to is exactly what was checked: the name is not resolved again in between, so a name whose
//! addresses change from answer to answer gains nothing.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use ureq::Timeout;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::guard::Guard;
use crate::limit;

/// Finds the addresses of a name.
pub trait Lookup: Send + Sync {
    /// The addresses of a host, which may be a name or an address, with this port.
    ///
    /// # Errors
    /// There are none, or nobody could be asked.
    fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// What the machine is set up to ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Lookup for System {
    fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        (host, port).to_socket_addrs().map(Iterator::collect)
    }
}

/// An address that the grant does not cover.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Forbidden(pub String);

/// Looks up, and lets nothing through that the grant does not cover.
pub(super) struct Guarded {
    pub lookup: Arc<dyn Lookup>,
    pub guard: Guard,
    /// The operator's own proxy may be anywhere.
    pub proxy: Option<(String, u16)>,
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = bare(uri.host().ok_or(ureq::Error::HostNotFound)?).to_owned();
        let port = uri.port_u16().unwrap_or(default_port(uri));
        let is_proxy = self.proxy.as_ref().is_some_and(|proxy| *proxy == (host.clone(), port));
        let found = within(Arc::clone(&self.lookup), host, port, *timeout.after)?;
        let mut addresses = self.empty();
        for address in found.into_iter().take(limit::ADDRESSES_MAX) {
            if !is_proxy {
                let checked = self.guard.check(address.ip());
                checked.map_err(|why| ureq::Error::Other(Box::new(Forbidden(why))))?;
            }
            addresses.push(address);
        }
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// A host without the brackets of IPv6.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

pub(super) fn default_port(uri: &Uri) -> u16 {
    if uri.scheme_str() == Some("https") { 443 } else { 80 }
}

/// Looks up in a thread of its own: the system's lookup knows no limit. One that is late ends by itself, unheard.
fn within(
    lookup: Arc<dyn Lookup>,
    host: String,
    port: u16,
    wait: Duration,
) -> Result<Vec<SocketAddr>, ureq::Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new().name("lookup".into()).spawn(move || {
        let _ = sender.send(lookup.lookup(&host, port));
    })?;
    match receiver.recv_timeout(wait) {
        Ok(found) => Ok(found?),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(ureq::Error::Timeout(Timeout::Resolve)),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(ureq::Error::HostNotFound),
    }
}
