//! A mail server that takes everything, each mail as fast as it is told, and shows what it got, to the byte.
//!
//! It must never know what a mail may have in it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::wait;

/// A mail as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// To whom it was handed over.
    pub recipients: Vec<String>,
    /// Its head, a line each.
    pub head: Vec<String>,
}

/// The server. Its thread waits for connections until the test ends.
#[derive(Debug)]
pub struct Smtp {
    /// Where it is.
    pub address: SocketAddr,
    taken: Arc<Taken>,
}

/// What it took, and how.
#[derive(Debug, Default)]
struct Taken {
    mails: Mutex<Vec<Mail>>,
    conversations: AtomicUsize,
    /// How long each mail takes, once it is there.
    pace: Duration,
}

impl Smtp {
    /// Starts it.
    ///
    /// # Panics
    /// If there is no port.
    #[must_use]
    pub fn start() -> Self {
        Self::slow(Duration::ZERO)
    }

    /// Starts one that takes so long for each mail.
    ///
    /// # Panics
    /// If there is no port.
    #[must_use]
    pub fn slow(pace: Duration) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = door.local_addr().expect("an address");
        let taken = Arc::new(Taken { pace, ..Taken::default() });
        let taking = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in door.incoming().flatten() {
                taking.conversations.fetch_add(1, Ordering::Relaxed);
                // A peer that hangs up has nothing more to say.
                let _ = converse(&stream, &taking);
            }
        });
        Self { address, taken }
    }

    /// What came so far.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.taken.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many conversations there were.
    #[must_use]
    pub fn conversations(&self) -> usize {
        self.taken.conversations.load(Ordering::Relaxed)
    }
}

fn converse(stream: &TcpStream, taken: &Taken) -> std::io::Result<()> {
    let mut answering = stream;
    let mut say = |text: &str| answering.write_all(format!("{text}\r\n").as_bytes());
    let mut lines = BufReader::new(stream).lines();
    let mut mail = Mail::default();
    say("220 localhost")?;
    while let Some(line) = lines.next() {
        let line = line?;
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "RCPT" => {
                mail.recipients.push(line);
                say("250 yes")?;
            }
            "DATA" => {
                say("354 go on")?;
                let text: Vec<String> =
                    lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
                mail.head = text.into_iter().take_while(|line| !line.is_empty()).collect();
                let whole = std::mem::take(&mut mail);
                taken.mails.lock().unwrap_or_else(PoisonError::into_inner).push(whole);
                wait::pass(taken.pace);
                say("250 taken")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 yes")?,
        }
    }
    Ok(())
}
