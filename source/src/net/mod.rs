//! Doors to the network: syslog over TCP, TLS, UDP, and Unix sockets of both kinds.
//!
//! Each source has one thread, which serves all its connections in turns and fills one frame from all of them. One
//! thread parses more records in a second than a module works off, and records that are parsed in one place need no
//! locks. Whoever is slow, stuck or floods is served like everybody else: once a round.
//!
//! A sender learns that its records are safe by the end of the stream: see `connection`.
//!
//! # Layout
//! - [`bind`], [`inherited`], `socket_file`: sockets are opened, or taken over from systemd
//! - `filling`: the lot that is filled from all connections
//! - `discovery`, `stream`: one connection's bytes, and how its records are told apart
//! - [`certificates`], `names`, `session`: TLS
//! - `peer`, `connection`, `shares`, `slots`, `serve`: connections and the loop that serves them
//! - `drops`, `datagrams`: the same for datagrams, and what the kernel dropped of them
//! - [`handle`]: other settings while a source is read, and its socket for another one
//! - [`gauge`], `quiet`, `setbacks`: what is shown and told, and what passes

pub mod bind;
pub mod inherited;
mod socket_file;

mod filling;

mod discovery;
mod stream;

pub mod certificates;
mod names;
mod session;

mod connection;
mod peer;
mod serve;
mod setbacks;
mod shares;
mod slots;

mod datagrams;
mod drops;

pub mod handle;

pub mod gauge;
mod quiet;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::net::SocketType;

use self::bind::{BindError, Bound};
use self::datagrams::Datagrams;
use self::filling::Filling;
pub use self::gauge::NetGauge;
use self::handle::{Handle, Kind, Settings, Shared};
use self::serve::{Server, moment};
use crate::capture::Capture;
use crate::intake::Intake;
use crate::settings::{Door, Source};

/// A source that listens.
pub struct Net {
    name: String,
    place: usize,
    shared: Arc<Shared>,
    settings: Settings,
    capture: Option<Arc<Capture>>,
    gauge: Arc<NetGauge>,
}

impl Net {
    /// Opens the door: from now on peers can connect and send, though nobody reads them yet. `place` is that of the
    /// source in the stack.
    ///
    /// # Errors
    /// The address can't be had, or the certificates are no good.
    pub fn bind(
        place: usize,
        source: &Source,
        capture: Option<Arc<Capture>>,
    ) -> Result<Self, BindError> {
        let name = &source.name;
        let settings = Settings::of(source)?;
        let bound = match &source.door {
            Door::Files { .. } => return Err(BindError::NoSocket { source_name: name.clone() }),
            Door::Stream { address, .. } => bind::open(name, address, SocketType::STREAM)?,
            Door::Datagram { address, buffer_bytes } => {
                let bound = bind::open(name, address, SocketType::DGRAM)?;
                prepare(name, &bound, *buffer_bytes);
                bound
            }
        };
        Ok(Self::around(Arc::new(bound), name, place, settings, capture))
    }

    /// A source with a socket that is bound already.
    fn around(
        bound: Arc<Bound>,
        name: &str,
        place: usize,
        settings: Settings,
        capture: Option<Arc<Capture>>,
    ) -> Self {
        let (name, shared) = (name.to_owned(), Shared::new(bound));
        Self { name, place, shared, settings, capture, gauge: Arc::default() }
    }

    /// Where it listens, if that is an address and a port.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.shared.bound.local
    }

    /// Where it listens, for people.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.shared.bound.shown
    }

    /// What it shows of itself while it runs.
    #[must_use]
    pub fn gauge(&self) -> Arc<NetGauge> {
        Arc::clone(&self.gauge)
    }

    /// By what it can be changed while it runs.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::downgrade(&self.shared))
    }

    /// Reads all peers and hands their records to the intake, until `stop` is set or the intake has ended. What the
    /// peers had sent by then is still taken; those that have not ended in order are reset.
    pub fn run(self, intake: &dyn Intake, stop: &AtomicBool) {
        let filling = Filling::new(self.place, intake, self.capture.as_deref(), moment());
        let (name, gauge, shared) = (&self.name, &*self.gauge, &*self.shared);
        let manner = self.settings.manner;
        let ran = match self.settings.kind {
            Kind::Connections(limits, certificates) => {
                let server = Server { name, shared, limits, manner, certificates, gauge };
                server.run(filling, stop)
            }
            Kind::Datagrams => {
                Datagrams { name, shared, manner, gauge }.run(filling, stop);
                Ok(())
            }
        };
        if let Err(error) = ran {
            tracing::error!(
                "source `{}`: {}: {error}; it is closed",
                self.name,
                shared.bound.shown
            );
        }
    }
}

/// Gives a socket for datagrams its buffer, and has the kernel tell what it drops.
fn prepare(name: &str, bound: &Bound, bytes: usize) {
    match bind::enlarge(&bound.socket, bytes) {
        Ok(granted) if granted < bytes => tracing::warn!(
            "source `{name}`: the kernel buffers {granted} bytes instead of {bytes}; raise net.core.rmem_max, or give this program CAP_NET_ADMIN"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!("source `{name}`: its buffer stays as it was: {error}"),
    }
    if let Err(error) =
        nix::sys::socket::setsockopt(&bound.socket, nix::sys::socket::sockopt::RxqOvfl, &1)
    {
        tracing::warn!("source `{name}`: the kernel does not tell what it drops: {error}");
    }
}
