//! An HTTP server that does what a test wants, also what no server should.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What was asked of it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// What it does then.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A whole answer.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// These bytes, and the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes, and then those for ever.
    Endless(Vec<u8>, Vec<u8>),
    /// These bytes one by one, slowly, again and again.
    Drip(Vec<u8>),
    /// Nothing, and the connection stays.
    Silence,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), Vec::new())
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self::Answer(status, Vec::new(), body.into())
    }

    pub fn bytes(bytes: &str) -> Self {
        Self::Bytes(bytes.into())
    }

    pub fn endless(bytes: &str, again: &str) -> Self {
        Self::Endless(bytes.into(), again.into())
    }

    pub fn header(status: u16, name: &str, value: &str) -> Self {
        Self::Answer(status, vec![(name.into(), value.into())], Vec::new())
    }
}

/// A server on loopback until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    ends: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", answer)
    }

    pub fn at(address: &str, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let noted = Arc::clone(&seen);
        let serve = move |stream: &TcpStream, ends: &AtomicBool| {
            let Some(request) = read(stream) else { return };
            let reply = answer(&request);
            noted.lock().expect("no panic").push(request);
            tell(stream, reply, ends);
        };
        Self::listen(address, seen, serve)
    }

    /// One that says the same to everybody, without waiting to be asked.
    pub fn deaf(reply: Reply) -> Self {
        let serve = move |stream: &TcpStream, ends: &AtomicBool| tell(stream, reply.clone(), ends);
        Self::listen("127.0.0.1:0", Arc::default(), serve)
    }

    fn listen(
        address: &str,
        seen: Arc<Mutex<Vec<Seen>>>,
        serve: impl Fn(&TcpStream, &AtomicBool) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("bound");
        let ends = Arc::new(AtomicBool::new(false));
        let (serve, ended) = (Arc::new(serve), Arc::clone(&ends));
        let acceptor = thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (serve, ended) = (Arc::clone(&serve), Arc::clone(&ended));
                // Ends when its peer goes away, or with the server.
                thread::spawn(move || stream.map(|stream| serve(&stream, &ended)));
            }
        });
        Self { address, seen, ends, acceptor: Some(acceptor) }
    }

    /// One that always answers the same.
    pub fn with(reply: Reply) -> Self {
        Self::start(move |_| reply.clone())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }

    /// The only request that came.
    #[track_caller]
    pub fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Whoever waits for a connection gets one more, and sees that it is the last.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn tell(mut stream: &TcpStream, reply: Reply, ends: &AtomicBool) {
    match reply {
        Reply::Answer(status, headers, body) => {
            let mut head = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n",
                body.len()
            );
            for (name, value) in headers {
                head = format!("{head}{name}: {value}\r\n");
            }
            let _ = stream.write_all(&[head.as_bytes(), b"\r\n", &body].concat());
        }
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes);
        }
        Reply::Endless(bytes, again) => {
            let _ = stream.write_all(&bytes);
            let more = again.repeat(64 * 1024 / again.len());
            while !ends.load(Ordering::SeqCst) && stream.write_all(&more).is_ok() {}
        }
        Reply::Drip(bytes) => {
            for byte in bytes.iter().cycle() {
                if ends.load(Ordering::SeqCst) || stream.write_all(&[*byte]).is_err() {
                    break;
                }
                pause(Duration::from_millis(20));
            }
        }
        Reply::Silence => {
            // The peer hangs up, or says more: either way something comes.
            let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
            let _ = (&mut stream).read(&mut [0]);
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

/// Waits where there is nothing to wait for.
pub fn pause(time: Duration) {
    let (_sender, receiver) = mpsc::channel::<()>();
    let _ = receiver.recv_timeout(time);
}

pub fn read(stream: impl Read) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut seen = Seen { method, path, headers, body: Vec::new() };
    let length = seen.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    seen.body = vec![0; length];
    reader.read_exact(&mut seen.body).ok()?;
    Some(seen)
}
