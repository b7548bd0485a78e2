//! The server: a socket for people and an address for metrics, on behalf of one engine.
//!
//! One thread waits for connections and a thread of its own serves each, since a command may take as long as a component
//! takes to compile. There are few slots, those of metrics apart from those of control, so that nobody who floods one
//! keeps an operator from the other; who finds no slot is told so at once.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::bounded::{self, Parts};
use super::socket::{self, Socket};
use super::{ControlError, Engine, http, protocol};
use crate::limit;
use crate::stack::Control;

/// Doors that are open, though nobody is behind them before [`Server::run`].
pub struct Server {
    socket: Option<Socket>,
    metrics: Option<TcpListener>,
    stop: Arc<OwnedFd>,
}

/// Ends a server from another thread.
#[derive(Clone)]
pub struct Stopper(Arc<OwnedFd>);

impl Stopper {
    /// Ends it. What is being answered is answered first.
    pub fn stop(&self) {
        // The counter can't overflow by ones, so this can't fail.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

/// Opens what the stack wants. This is done early, so that what is wrong is known before anything runs.
///
/// # Errors
/// A door can't be opened, or another engine has it.
pub fn open(control: &Control) -> Result<Server, ControlError> {
    let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|error| ControlError::System(error.into()))?;
    let socket = control.socket.as_deref().map(socket::bind).transpose()?;
    let unblocked = |socket: &Socket| socket.listener.set_nonblocking(true);
    socket.as_ref().map(unblocked).transpose().map_err(ControlError::System)?;
    let metrics = control.metrics.map(listen).transpose()?;
    Ok(Server { socket, metrics, stop: Arc::new(stop) })
}

fn listen(address: SocketAddr) -> Result<TcpListener, ControlError> {
    let bound = TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    bound.map_err(|error| ControlError::Metrics { address, error })
}

impl Server {
    /// What ends it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    /// Where metrics are served.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// The system does not let it wait for clients.
    pub fn run(&self, engine: &dyn Engine) -> Result<(), ControlError> {
        let clients = Clients::default();
        thread::scope(|scope| {
            let waited = self.serve(engine, scope, &clients);
            // Who is being answered gets the answer; who says nothing is not waited for.
            clients.hang_up();
            waited.map_err(ControlError::System)
        })
    }

    fn serve<'scope, 'all: 'scope>(
        &'all self,
        engine: &'all dyn Engine,
        scope: &'scope thread::Scope<'scope, 'all>,
        clients: &'all Clients,
    ) -> io::Result<()> {
        loop {
            let ready = self.wait()?;
            if ready.stop {
                return Ok(());
            }
            if let Some(socket) = self.socket.as_ref().filter(|_| ready.control) {
                let accepted = socket.listener.accept().map(|(stream, _)| stream);
                if let Some(stream) = self.taken(accepted)? {
                    let work = move |stream: &mut UnixStream| talk(stream, engine);
                    begin(scope, clients, stream, work);
                }
            }
            if let Some(listener) = self.metrics.as_ref().filter(|_| ready.metrics) {
                let accepted = listener.accept().map(|(stream, _)| stream);
                if let Some(stream) = self.taken(accepted)? {
                    let work = move |stream: &mut TcpStream| http::talk(stream, engine);
                    begin(scope, clients, stream, work);
                }
            }
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) -> io::Result<Ready> {
        let mut fds = vec![PollFd::new(&*self.stop, PollFlags::IN)];
        let control = self.socket.as_ref().map(|socket| {
            fds.push(PollFd::from_borrowed_fd(socket.listener.as_fd(), PollFlags::IN));
            fds.len() - 1
        });
        let metrics = self.metrics.as_ref().map(|listener| {
            fds.push(PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN));
            fds.len() - 1
        });
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |place: usize| !fds[place].revents().is_empty();
        Ok(Ready {
            stop: is_ready(0),
            control: control.is_some_and(is_ready),
            metrics: metrics.is_some_and(is_ready),
        })
    }

    /// A connection, if there still is one.
    fn taken<S>(&self, accepted: io::Result<S>) -> io::Result<Option<S>> {
        match accepted {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if is_passing(&error) => Ok(None),
            Err(error) => {
                tracing::warn!("a client of the control server could not be accepted: {error}");
                // The connection is still there, so without a rest this would go round and round.
                let mut fds = [PollFd::new(&*self.stop, PollFlags::IN)];
                let rest = Timespec::try_from(limit::ACCEPT_REST).map_err(io::Error::other)?;
                match poll(&mut fds, Some(&rest)) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

/// Whether it says only that this client is gone, or that none was there.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
    )
}

struct Ready {
    stop: bool,
    control: bool,
    metrics: bool,
}

/// A connection that can have a slot.
trait Slotted: Send + Sized {
    const SLOTS_MAX: usize;
    fn prepare(&self) -> io::Result<()>;
    fn second(&self) -> io::Result<Open>;
    /// What is said where there is no slot.
    fn busy() -> Vec<u8>;
    fn write_once(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

impl Slotted for UnixStream {
    const SLOTS_MAX: usize = limit::CONTROL_CLIENTS_MAX;
    fn prepare(&self) -> io::Result<()> {
        self.set_nonblocking(false)
    }
    fn second(&self) -> io::Result<Open> {
        self.try_clone().map(Open::Control)
    }
    fn busy() -> Vec<u8> {
        let busy = format!("the engine has {} clients already; try again", Self::SLOTS_MAX);
        protocol::refusal(&busy).into_bytes()
    }
    fn write_once(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.set_nonblocking(true)?;
        self.write(bytes)
    }
}

impl Slotted for TcpStream {
    const SLOTS_MAX: usize = limit::METRICS_CLIENTS_MAX;
    fn prepare(&self) -> io::Result<()> {
        self.set_nonblocking(false)
    }
    fn second(&self) -> io::Result<Open> {
        self.try_clone().map(Open::Metrics)
    }
    fn busy() -> Vec<u8> {
        http::busy()
    }
    fn write_once(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.set_nonblocking(true)?;
        self.write(bytes)
    }
}

/// The same connection again, to end it from outside its thread.
enum Open {
    Control(UnixStream),
    Metrics(TcpStream),
}

/// Those who are being served.
#[derive(Default)]
struct Clients {
    open: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    streams: HashMap<u64, Open>,
    next: u64,
}

impl Clients {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        // The table is whole between any two of its calls.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter<S: Slotted>(&self, stream: &S) -> io::Result<Option<Slot<'_>>> {
        let second = stream.second()?;
        let mut slots = self.slots();
        let same = |open: &&Open| std::mem::discriminant(*open) == std::mem::discriminant(&second);
        if slots.streams.values().filter(same).count() >= S::SLOTS_MAX {
            return Ok(None);
        }
        let id = slots.next;
        slots.next += 1;
        slots.streams.insert(id, second);
        Ok(Some(Slot { clients: self, id }))
    }

    /// Ends what clients have to say. What they are told goes on.
    fn hang_up(&self) {
        for stream in self.slots().streams.values() {
            // A connection that is gone already needs no ending.
            let _ = match stream {
                Open::Control(stream) => stream.shutdown(Shutdown::Read),
                Open::Metrics(stream) => stream.shutdown(Shutdown::Read),
            };
        }
    }
}

/// A place among those who are served, left when this goes.
struct Slot<'a> {
    clients: &'a Clients,
    id: u64,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.clients.slots().streams.remove(&self.id);
    }
}

/// Serves a client in a thread of its own, if there is a slot.
fn begin<'scope, 'all: 'scope, S: Slotted + 'scope>(
    scope: &'scope thread::Scope<'scope, 'all>,
    clients: &'all Clients,
    mut stream: S,
    work: impl FnOnce(&mut S) -> io::Result<()> + Send + 'scope,
) {
    let slot = match stream.prepare().and_then(|()| clients.enter(&stream)) {
        Ok(Some(slot)) => slot,
        Ok(None) => {
            // A short answer to a new connection fits into its buffer; whoever has none to spare gets none.
            let _ = stream.write_once(&S::busy());
            return;
        }
        Err(error) => {
            tracing::warn!("a client of the control server could not be served: {error}");
            return;
        }
    };
    let serve = move || {
        let _slot = slot;
        if let Err(error) = work(&mut stream) {
            tracing::debug!("a client of the control server was left: {error}");
        }
    };
    let spawned = thread::Builder::new().name("control".to_owned()).spawn_scoped(scope, serve);
    if let Err(error) = spawned {
        tracing::warn!("a client of the control server could not be served: {error}");
    }
}

/// Answers requests, one after the other, until the client has no more.
fn talk(stream: &mut UnixStream, engine: &dyn Engine) -> io::Result<()> {
    let say = |stream: &mut UnixStream, line: &str| {
        bounded::write(stream, line.as_bytes(), limit::CLIENT_WRITE_TIME)
    };
    let Some(by) = socket::who_asks(stream) else {
        return say(stream, &protocol::refusal("only the engine's own user and root may ask it"));
    };
    let mut parts = Parts::new(limit::CONTROL_REQUEST_BYTES_MAX);
    loop {
        match parts.next(stream, limit::CLIENT_READ_TIME, bounded::line) {
            Ok(Some(line)) => say(stream, &protocol::answer(&line, engine, by))?,
            Ok(None) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                let max = limit::CONTROL_REQUEST_BYTES_MAX;
                return say(
                    stream,
                    &protocol::refusal(&format!("a request has at most {max} bytes")),
                );
            }
            Err(error) => return Err(error),
        }
    }
}
