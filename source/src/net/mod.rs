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

pub mod gauge;
mod quiet;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::net::SocketType;

use self::bind::{BindError, Bound};
use self::certificates::Certificates;
use self::datagrams::Datagrams;
use self::filling::Filling;
pub use self::gauge::NetGauge;
use self::serve::{Server, moment};
use self::stream::Manner;
use crate::capture::Capture;
use crate::clock;
use crate::intake::Intake;
use crate::settings::{Door, Source, StreamLimits};

/// A source that listens.
pub struct Net {
    name: String,
    place: usize,
    bound: Bound,
    kind: Kind,
    manner: Manner,
    capture: Option<Arc<Capture>>,
    gauge: Arc<NetGauge>,
}

/// What comes in.
enum Kind {
    Connections(StreamLimits, Option<Box<Certificates>>),
    Datagrams,
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
        let (bound, kind, bytes_max) = match &source.door {
            Door::Files { .. } => return Err(BindError::NoSocket { source_name: name.clone() }),
            Door::Stream { address, limits, tls } => {
                let load = |tls| Certificates::load(tls, clock::instant()).map(Box::new);
                let certificates = tls.as_ref().map(load).transpose().map_err(|error| {
                    BindError::Tls { source_name: name.clone(), error: Box::new(error) }
                })?;
                let bound = bind::open(name, address, SocketType::STREAM)?;
                (bound, Kind::Connections(*limits, certificates), limits.bytes_in_flight)
            }
            Door::Datagram { address, buffer_bytes } => {
                let bound = bind::open(name, address, SocketType::DGRAM)?;
                prepare(name, &bound, *buffer_bytes);
                (bound, Kind::Datagrams, usize::MAX)
            }
        };
        let (name, manner) = (name.clone(), Manner::new(source, bytes_max));
        Ok(Self { name, place, bound, kind, manner, capture, gauge: Arc::default() })
    }

    /// Where it listens, if that is an address and a port.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.bound.local
    }

    /// Where it listens, for people.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.bound.shown
    }

    /// What it shows of itself while it runs.
    #[must_use]
    pub fn gauge(&self) -> Arc<NetGauge> {
        Arc::clone(&self.gauge)
    }

    /// Reads all peers and hands their records to the intake, until `stop` is set or the intake has ended. What the
    /// peers had sent by then is still taken; those that have not ended in order are reset.
    pub fn run(self, intake: &dyn Intake, stop: &AtomicBool) {
        let filling = Filling::new(self.place, intake, self.capture.as_deref(), moment());
        let (manner, gauge, socket) = (&self.manner, &*self.gauge, &self.bound.socket);
        let ran = match self.kind {
            Kind::Connections(limits, certificates) => {
                let name = &self.name;
                let server = Server { name, listener: socket, limits, manner, certificates, gauge };
                server.run(filling, stop)
            }
            Kind::Datagrams => {
                let name = &self.name;
                Datagrams { name, socket, manner, gauge }.run(filling, stop);
                Ok(())
            }
        };
        if let Err(error) = ran {
            tracing::error!("source `{}`: {}: {error}; it is closed", self.name, self.bound.shown);
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
