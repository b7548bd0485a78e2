//! A web server whose mood can change: it takes what comes, at once or slowly, is away, is busy, dislikes some, fails now and
//! then, says nothing, or breaks off half way.
//!
//! It remembers every request that it has read to its end. It must never know who asks.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::sender::Port;
use crate::wait;

const STEP: Duration = Duration::from_millis(5);
/// Where a request is named so that it is known when it comes again.
const KEY: &str = "idempotency-key";

/// How the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It takes what comes.
    Well,
    /// It takes what comes, but takes its time for each.
    Slow(Duration),
    /// It refuses connections.
    Away,
    /// It answers with this status.
    Status(u16),
    /// It fails on what has this in it, and takes the rest.
    Against(&'static str),
    /// It fails on each request of so many, and takes the rest.
    FailsEach(usize),
    /// It takes each request of so many, and fails on the rest.
    TakesEach(usize),
    /// It asks to be left alone for a second.
    Busy,
    /// It says nothing.
    Silent,
    /// It hangs up before it has read everything.
    HalfRead,
    /// It hangs up in the middle of its answer.
    HalfSaid,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What names it.
    pub key: String,
    /// Who it says it is from.
    pub authorization: String,
    /// What it says.
    pub body: String,
    /// Whether the answer was that it is taken.
    pub taken: bool,
    /// When it was read.
    pub at: Instant,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    seen: Mutex<Vec<Seen>>,
    ends: AtomicBool,
}

/// The server, until it is dropped.
#[derive(Debug)]
pub struct Web {
    port: Port,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Web {
    /// One that is well.
    ///
    /// # Panics
    /// If there is no port for it.
    #[must_use]
    pub fn start() -> Self {
        let port = Port::new().expect("a port");
        let (mood, seen) = (Mutex::new(Mood::Well), Mutex::default());
        let shared = Arc::new(Shared { mood, seen, ends: AtomicBool::new(false) });
        let (address, serving) = (port.address(), Arc::clone(&shared));
        let acceptor = thread::spawn(move || {
            let mut door = None;
            while !serving.ends.load(Ordering::Relaxed) {
                if serving.mood() == Mood::Away {
                    // Whoever was about to come in is thrown out.
                    door = None;
                    wait::pass(STEP);
                    continue;
                }
                // While it was away somebody else may have had the port for a moment.
                door = door.or_else(|| TcpListener::bind(address).ok());
                let taken = door.as_ref().and_then(|door| {
                    door.set_nonblocking(true).expect("a socket");
                    door.accept().ok()
                });
                let Some((stream, _)) = taken else {
                    wait::pass(STEP);
                    continue;
                };
                let serving = Arc::clone(&serving);
                thread::spawn(move || {
                    // A peer that is killed in the middle has nothing more to say.
                    let _ = serving.serve(&stream);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, shared, acceptor: Some(acceptor) }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.port.address())
    }

    /// Changes its mood.
    pub fn be(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// All requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The bodies of what was taken so far, by what names each.
    #[must_use]
    pub fn taken(&self) -> BTreeMap<String, Vec<String>> {
        let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for seen in self.seen().into_iter().filter(|seen| seen.taken) {
            taken.entry(seen.key).or_default().push(seen.body);
        }
        taken
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(acceptor) = self.acceptor.take() {
            // It panicked if the port was not ours, and said so.
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(wait::PATIENCE))?;
        if self.mood() == Mood::HalfRead {
            let mut some = stream;
            some.read_exact(&mut [0; 16])?;
            return Ok(());
        }
        let Some(mut seen) = read(stream)? else { return Ok(()) };
        let mood = self.mood();
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let number = all.len() + 1;
        let taken = match mood {
            Mood::Well | Mood::Slow(_) => true,
            Mood::Against(what) => !seen.body.contains(what),
            Mood::FailsEach(many) => !number.is_multiple_of(many),
            Mood::TakesEach(many) => number.is_multiple_of(many),
            _ => false,
        };
        seen.taken = taken;
        all.push(seen);
        drop(all);
        let answer = |status: u16, more: &str| {
            format!("HTTP/1.1 {status} X\r\nConnection: close\r\n{more}Content-Length: 0\r\n\r\n")
        };
        let text = match mood {
            Mood::Well => answer(200, ""),
            Mood::Slow(time) => {
                wait::pass(time);
                answer(200, "")
            }
            Mood::Against(_) => answer(if taken { 200 } else { 500 }, ""),
            Mood::FailsEach(_) | Mood::TakesEach(_) => answer(if taken { 200 } else { 503 }, ""),
            Mood::Status(status) => answer(status, ""),
            Mood::Busy => answer(429, "Retry-After: 1\r\n"),
            Mood::HalfSaid => "HTTP/1.1 20".to_owned(),
            Mood::Away | Mood::HalfRead => return Ok(()),
            Mood::Silent => {
                while self.mood() == Mood::Silent && !self.ends.load(Ordering::Relaxed) {
                    wait::pass(STEP);
                }
                return Ok(());
            }
        };
        let mut stream = stream;
        stream.write_all(text.as_bytes())
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "when another process asked is told by the clock alone"
)]
fn now() -> Instant {
    Instant::now()
}

/// A request that nobody has taken yet; nothing if it was not sent to its end.
fn read(stream: &TcpStream) -> std::io::Result<Option<Seen>> {
    let mut reader = BufReader::new(stream);
    let (mut key, mut authorization, mut line) = (String::new(), String::new(), String::new());
    let mut length = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim_end().is_empty() {
            break;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { continue };
        match name.to_ascii_lowercase().as_str() {
            KEY => value.trim().clone_into(&mut key),
            "authorization" => value.trim().clone_into(&mut authorization),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(Seen { key, authorization, body, taken: false, at: now() }))
}
