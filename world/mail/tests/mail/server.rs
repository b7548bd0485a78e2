//! A mail server that does what a test wants.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a server does at one line.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// What any server would.
    Usual,
    /// It says this.
    Say(&'static str),
    /// It says this and hangs up.
    Last(&'static str),
    /// It says this a thousand times a second, for ever.
    Flood(&'static str),
    /// It says this one byte after the other, for ever.
    Drip(&'static str),
    /// It says nothing more.
    Hang,
}

/// Where a conversation stands.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The line; `greeting` at the beginning, `mail` at a mail's end.
    pub line: String,
    /// Conversations before this one.
    pub connection: usize,
}

type Script = dyn Fn(&Heard) -> Act + Send + Sync;

/// A running server.
pub struct Server {
    pub port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn new(script: impl Fn(&Heard) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (heard, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (list, end) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            for (connection, socket) in listener.incoming().enumerate() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let socket = socket.expect("a connection");
                let talk = Talk { heard: &list, script: &script, connection };
                // Whether the client or the server ends it, and how, is what tests are about.
                let _ = talk.run(socket);
            }
        });
        Self { port, heard, stop, thread: Some(thread) }
    }

    /// A server of which one line is answered in its own way, and the others as usual.
    pub fn at(beginning: &'static str, act: Act) -> Self {
        Self::new(move |heard| if heard.line.starts_with(beginning) { act } else { Act::Usual })
    }

    /// All lines that it heard, and the mails.
    pub fn heard(&self) -> Vec<String> {
        self.all().into_iter().map(|heard| heard.line).collect()
    }

    pub fn all(&self) -> Vec<Heard> {
        self.heard.lock().expect("the list").clone()
    }

    /// A grant of this server.
    pub fn grant(&self, more: &str) -> String {
        format!(
            "{{server: '127.0.0.1:{}', security: none, timeout: 1s, hello: tester, from: c@example.org, to: [a@example.org], recipients: ['*@example.org'], {more}}}",
            self.port
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Talk<'a> {
    heard: &'a Mutex<Vec<Heard>>,
    script: &'a Script,
    connection: usize,
}

impl Talk<'_> {
    fn run(&self, mut socket: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(socket.try_clone()?);
        if !self.act(&mut socket, "greeting")? {
            return Ok(());
        }
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            let text = line.trim_end_matches(['\r', '\n']).to_owned();
            line.clear();
            let is_data = text == "DATA";
            let goes_on = self.act(&mut socket, &text)?;
            if !goes_on || text == "QUIT" {
                return Ok(());
            }
            if is_data {
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    if lines.read_line(&mut mail)? == 0 {
                        return Ok(());
                    }
                }
                if !self.act(&mut socket, &format!("mail\n{mail}"))? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Answers one line. Whether the conversation goes on.
    fn act(&self, socket: &mut TcpStream, line: &str) -> std::io::Result<bool> {
        let heard = Heard { line: line.to_owned(), connection: self.connection };
        self.heard.lock().expect("the list").push(heard.clone());
        match (self.script)(&heard) {
            Act::Usual => socket.write_all(usual(line).as_bytes())?,
            Act::Say(text) => socket.write_all(text.as_bytes())?,
            Act::Last(text) => {
                socket.write_all(text.as_bytes())?;
                return Ok(false);
            }
            Act::Flood(text) => {
                let many = text.repeat(1000);
                while socket.write_all(many.as_bytes()).is_ok() {}
                return Ok(false);
            }
            Act::Drip(text) => {
                socket.set_read_timeout(Some(Duration::from_millis(20)))?;
                for byte in text.bytes().cycle() {
                    // The pause between two bytes is a look whether the client is still there.
                    match socket.peek(&mut [0]) {
                        Ok(0) => break,
                        Err(error) if error.kind() != ErrorKind::WouldBlock => break,
                        _ => socket.write_all(&[byte])?,
                    }
                }
                return Ok(false);
            }
            Act::Hang => {
                let mut rest = Vec::new();
                socket.read_to_end(&mut rest)?;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn usual(line: &str) -> &'static str {
    match line.split([' ', '\n']).next() {
        Some("greeting") => "220 tester ESMTP\r\n",
        Some("EHLO") => "250-tester\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n",
        Some("AUTH") => "235 welcome\r\n",
        Some("DATA") => "354 go on\r\n",
        Some("QUIT") => "221 bye\r\n",
        _ => "250 ok\r\n",
    }
}
