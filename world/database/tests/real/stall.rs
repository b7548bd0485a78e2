//! A relay between a client and a server that can stop passing anything on.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// A relay. Bytes of the server's that it still passes on are counted down; then the connection hangs.
pub struct Relay {
    pub port: u16,
    left: Arc<AtomicUsize>,
}

impl Relay {
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let shared = Arc::clone(&left);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], server)))
                else {
                    continue;
                };
                let up = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || pass(up.0, up.1, &AtomicUsize::new(usize::MAX)));
                let left = Arc::clone(&shared);
                thread::spawn(move || pass(server, client, &left));
            }
        });
        Self { port, left }
    }

    /// How many bytes of the server's are still passed on, of all connections together.
    pub fn pass(&self, bytes: usize) {
        self.left.store(bytes, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, left: &AtomicUsize) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            Some(left.saturating_sub(count))
        });
        let passed = count.min(before.unwrap_or(0));
        if to.write_all(&bytes[..passed]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
