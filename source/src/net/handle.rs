//! Other settings for a source that is being read, and its socket for another source: peers notice neither.
//!
//! A source that is closed and opened again refuses those who connect meanwhile, and resets those who are connected;
//! what the kernel has of them and nobody has read is gone then. So whatever can change around an open socket changes
//! there, and a socket that another source of the stack wants goes on to it. It must never know what a source is asked
//! to change for.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::bind::{self, BindError, Bound};
use super::certificates::Certificates;
use super::stream::Manner;
use super::{Net, prepare};
use crate::capture::Capture;
use crate::clock;
use crate::settings::{Address, Door, Source, StreamLimits, Tls};

/// How a source is read, as long as nobody says otherwise.
pub(crate) struct Settings {
    /// How bytes become records.
    pub manner: Manner,
    /// What comes in.
    pub kind: Kind,
}

/// What comes in.
pub(crate) enum Kind {
    Connections(StreamLimits, Option<Box<Certificates>>),
    Datagrams,
}

impl Settings {
    /// Those of a source. Certificates are read.
    pub fn of(source: &Source) -> Result<Self, BindError> {
        let (kind, bytes_max) = match &source.door {
            Door::Files { .. } => {
                return Err(BindError::NoSocket { source_name: source.name.clone() });
            }
            Door::Stream { limits, tls, .. } => {
                let load = |tls| Certificates::load(tls, clock::instant()).map(Box::new);
                let certificates = tls.as_ref().map(load).transpose();
                let certificates = certificates.map_err(|error| BindError::Tls {
                    source_name: source.name.clone(),
                    error: Box::new(error),
                })?;
                (Kind::Connections(*limits, certificates), limits.bytes_in_flight)
            }
            Door::Datagram { .. } => (Kind::Datagrams, usize::MAX),
        };
        Ok(Self { manner: Manner::new(source, bytes_max), kind })
    }
}

/// What whoever reads a source shares with whoever has something to say to it.
pub(crate) struct Shared {
    /// The socket, as long as somebody reads it.
    pub bound: Arc<Bound>,
    next: Mutex<Option<Settings>>,
    changed: AtomicBool,
}

impl Shared {
    /// Nothing has been said.
    pub fn new(bound: Arc<Bound>) -> Arc<Self> {
        Arc::new(Self { bound, next: Mutex::default(), changed: AtomicBool::new(false) })
    }

    /// Other settings, if there are some: asked before anything is read, so that who connects, or sends, after a change
    /// is read by it.
    pub fn next(&self) -> Option<Settings> {
        if !self.changed.swap(false, Ordering::Acquire) {
            return None;
        }
        self.locked().take()
    }

    /// Whether another source has the socket too, and those who connect from now on are its peers.
    pub fn is_lent(&self) -> bool {
        Arc::strong_count(&self.bound) > 1
    }

    fn locked(&self) -> MutexGuard<'_, Option<Settings>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A hold on a source that is being read. It keeps nothing open.
#[derive(Clone)]
pub struct Handle(pub(crate) Weak<Shared>);

/// Settings that can be taken up without another socket.
pub struct Change {
    shared: Arc<Shared>,
    name: String,
    settings: Settings,
    /// The file's mode, and the kernel's buffer, if they are others now.
    mode: Option<u32>,
    buffer_bytes: Option<usize>,
}

impl Handle {
    /// What it takes to read this source as `to` instead of `from`; none if that takes another socket, or if nobody reads
    /// it any more. Nothing has changed yet.
    ///
    /// # Errors
    /// The new certificates are no good.
    pub fn change(&self, from: &Source, to: &Source) -> Result<Option<Change>, BindError> {
        let Some(shared) = self.0.upgrade().filter(|_| have_one_socket(&from.door, &to.door))
        else {
            return Ok(None);
        };
        let mode = mode(&to.door).filter(|new| mode(&from.door) != Some(*new));
        let buffer = buffer(&to.door).filter(|new| buffer(&from.door) != Some(*new));
        let (name, settings) = (to.name.clone(), Settings::of(to)?);
        Ok(Some(Change { shared, name, settings, mode, buffer_bytes: buffer }))
    }

    /// Another source in the place of this one, with the socket that this one has; none if it wants another. Stop this one
    /// then, before the other is read.
    ///
    /// # Errors
    /// The new certificates are no good.
    pub fn lend(
        &self,
        (from, to): (&Source, &Source),
        place: usize,
        capture: Option<Arc<Capture>>,
    ) -> Result<Option<Net>, BindError> {
        let Some(change) = self.change(from, to)? else { return Ok(None) };
        change.adjust();
        let bound = Arc::clone(&change.shared.bound);
        Ok(Some(Net::around(bound, &change.name, place, change.settings, capture)))
    }
}

impl Change {
    /// Has it taken up by whoever reads the source, before the next byte.
    pub fn take_up(self) {
        self.adjust();
        *self.shared.locked() = Some(self.settings);
        self.shared.changed.store(true, Ordering::Release);
    }

    /// Does to the socket what is to be done.
    fn adjust(&self) {
        let bound = &self.shared.bound;
        if let Some(bytes) = self.buffer_bytes {
            prepare(&self.name, bound, bytes);
        }
        if let Some(mode) = self.mode
            && let Err(error) = fs::set_permissions(&bound.shown, Permissions::from_mode(mode))
        {
            let name = &self.name;
            tracing::warn!("source `{name}`: {}: its mode stays as it was: {error}", bound.shown);
        }
    }
}

/// Whether both listen at the same address in the same way.
fn have_one_socket(one: &Door, other: &Door) -> bool {
    match (one, other) {
        (Door::Stream { address: one, .. }, Door::Stream { address: other, .. })
        | (Door::Datagram { address: one, .. }, Door::Datagram { address: other, .. }) => {
            match (one, other) {
                (Address::Path(one, _), Address::Path(other, _)) => one == other,
                _ => one == other,
            }
        }
        _ => false,
    }
}

fn mode(door: &Door) -> Option<u32> {
    match bind::address(door)? {
        Address::Path(_, mode) => Some(*mode),
        Address::Internet(_) | Address::Inherited(_) => None,
    }
}

fn buffer(door: &Door) -> Option<usize> {
    match door {
        Door::Datagram { buffer_bytes, .. } => Some(*buffer_bytes),
        Door::Stream { .. } | Door::Files { .. } => None,
    }
}

/// Whether a peer that was let in by one of these may not be let in by the other, or speaks otherwise.
pub(crate) fn lets_in_others(one: Option<&Tls>, other: Option<&Tls>) -> bool {
    match (one, other) {
        (None, None) => false,
        (Some(one), Some(other)) => {
            one.client_authority != other.client_authority || one.client_names != other.client_names
        }
        _ => true,
    }
}
