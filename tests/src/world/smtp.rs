//! A mail server that takes everything and shows what it got, to the byte.
//!
//! It must never know what a mail may have in it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

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
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl Smtp {
    /// Starts it.
    ///
    /// # Panics
    /// If there is no port.
    #[must_use]
    pub fn start() -> Self {
        let door = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = door.local_addr().expect("an address");
        let mails: Arc<Mutex<Vec<Mail>>> = Arc::default();
        let taken = Arc::clone(&mails);
        thread::spawn(move || {
            for stream in door.incoming().flatten() {
                // A peer that hangs up has nothing more to say.
                let _ = converse(&stream, &taken);
            }
        });
        Self { address, mails }
    }

    /// What came so far.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn converse(stream: &TcpStream, mails: &Mutex<Vec<Mail>>) -> std::io::Result<()> {
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
                mails.lock().unwrap_or_else(PoisonError::into_inner).push(whole);
                say("250 taken")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 yes")?,
        }
    }
    Ok(())
}
