//! Looking at the host: its addresses, its gateways, and from where somebody is logged in.
//!
//! To list the connections of a large machine takes the kernel longer than to block an address. So who blocks does
//! not wait for it: a thread looks, and what it saw last counts meanwhile. This room must never know what follows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ipnet::IpNet;

use crate::clock;
use crate::error::Error;
use crate::networks::Networks;
use crate::route::{self, Place};
use crate::session::Sessions;

/// How long it is left at what was seen...
const AGE_MAX: Duration = Duration::from_secs(1);
/// ...unless looking takes long, on a router with a million routes: it takes one part in so many of the time.
const LOOKING_SHARE: u32 = 20;

/// Nothing follows from what was seen longer ago.
const STALE: Duration = Duration::from_secs(5);

/// What was seen of the host.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) places: Vec<(IpNet, Place)>,
    /// All addresses of the host, its gateways, and those that somebody is logged in from.
    pub(crate) home: Networks,
    at: Duration,
    /// When it is to be looked at again.
    due: Duration,
}

/// Who looks at the host.
pub(crate) struct Lookout(Arc<Post>);

struct Post {
    sessions: Mutex<Sessions>,
    seen: Mutex<Option<Arc<Seen>>>,
    looks: AtomicBool,
}

impl Lookout {
    pub(crate) fn new(sessions: Sessions) -> Self {
        let (sessions, seen) = (Mutex::new(sessions), Mutex::default());
        Self(Arc::new(Post { sessions, seen, looks: AtomicBool::new(false) }))
    }

    /// What was seen last, which is no older than about a second if this is asked every second. The first to ask waits
    /// for it, and nobody else unless the host can't be looked at.
    pub(crate) fn seen(&self) -> Result<Arc<Seen>, Error> {
        let seen = held(&self.0.seen).clone();
        let Some(seen) = seen else { return self.0.look() };
        if clock::uptime() >= seen.due && !self.0.looks.swap(true, Ordering::AcqRel) {
            let post = Arc::clone(&self.0);
            let begun = thread::Builder::new().name("lookout".into()).spawn(move || {
                if post.look().is_err() {
                    // Whoever asks next is told why.
                    *held(&post.seen) = None;
                }
                post.looks.store(false, Ordering::Release);
            });
            if begun.is_err() {
                self.0.looks.store(false, Ordering::Release);
                return self.0.look();
            }
        }
        Ok(seen)
    }

    /// Looks now, and waits for it.
    pub(crate) fn look(&self) -> Result<Arc<Seen>, Error> {
        self.0.look()
    }
}

impl Post {
    fn look(&self) -> Result<Arc<Seen>, Error> {
        let mut sessions = held(&self.sessions);
        let at = clock::uptime();
        let places = route::places().map_err(Error::of("list its routes and addresses"))?;
        sessions.look(at);
        let peers = sessions.peers().iter().map(|peer| IpNet::from(*peer));
        let home = places.iter().map(|(place, _)| *place).chain(peers).collect();
        let end = clock::uptime();
        let due = end + AGE_MAX.max(end.saturating_sub(at) * LOOKING_SHARE);
        let seen = Arc::new(Seen { places, home, at, due });
        *held(&self.seen) = Some(Arc::clone(&seen));
        Ok(seen)
    }
}

impl Seen {
    /// Whether that was so long ago that it says nothing of now.
    pub(crate) fn is_stale(&self) -> bool {
        clock::uptime().saturating_sub(self.at) > STALE
    }
}

/// What a thread that panicked left behind is whole: it is replaced in one step.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
