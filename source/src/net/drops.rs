//! How many datagrams the kernel dropped because nobody read them in time.
//!
//! The kernel sends its count along with each datagram that it keeps, so the drops at the end of a flood come to light
//! only with the next datagram. When it is quiet, the table of sockets is asked instead: the same count, as of now.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::fs::fstat;

use crate::limit;

/// Where the kernel lists the sockets for datagrams of both versions.
const TABLES: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];
/// The columns of these tables that name the socket, and tell its drops.
const INODE: usize = 9;
const DROPS: usize = 12;

/// The count of one socket.
#[derive(Debug)]
pub(crate) struct Drops {
    inode: Option<u64>,
    /// What the kernel said last. It counts in 32 bits and begins anew after them.
    last: u32,
    /// Whether something has come since the table was asked.
    stale: bool,
    asked: Instant,
}

impl Drops {
    /// Of a socket of whose drops so many were counted, by who read it before. One that systemd has handed over may have
    /// dropped some already: these count too.
    pub fn new(socket: &OwnedFd, counted: u32, now: Instant) -> Self {
        let inode = fstat(socket).ok().map(|facts| facts.st_ino);
        Self { inode, last: counted, stale: true, asked: now }
    }

    /// How many were counted of the socket in all.
    pub fn counted(&self) -> u32 {
        self.last
    }

    /// Something has come.
    pub fn hear(&mut self) {
        self.stale = true;
    }

    /// How many more there are than before, by this count. An older one, of a datagram that was kept for long, says
    /// nothing.
    pub fn note(&mut self, count: u32) -> u64 {
        let more = count.wrapping_sub(self.last);
        if more.cast_signed() <= 0 {
            return 0;
        }
        self.last = count;
        u64::from(more)
    }

    /// Asks the table, if that is worth it. How many more there are.
    pub fn ask(&mut self, now: Instant, at_end: bool) -> u64 {
        let due = now.saturating_duration_since(self.asked) >= limit::DROPS_ASK_EVERY;
        if !self.stale || !(due || at_end) {
            return 0;
        }
        (self.stale, self.asked) = (false, now);
        let Some(inode) = self.inode else { return 0 };
        let count = TABLES.iter().find_map(|path| {
            let mut table = String::new();
            File::open(path)
                .and_then(|file| {
                    file.take(limit::SOCKET_TABLE_BYTES_MAX).read_to_string(&mut table)
                })
                .ok()?;
            find(&table, inode)
        });
        count.map_or(0, |count| self.note(count))
    }
}

/// The drops of a socket in a table.
fn find(table: &str, inode: u64) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let found: u64 = columns.nth(INODE)?.parse().ok()?;
        if found != inode {
            return None;
        }
        // The kernel counts in 32 bits and prints them as it likes.
        columns
            .nth(DROPS - INODE - 1)?
            .parse::<i64>()
            .ok()
            .map(|drops| drops.cast_unsigned() as u32)
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::OwnedFd;

    use super::{Drops, find};
    use crate::clock;

    #[test]
    fn counts_go_round() {
        let socket: OwnedFd = UdpSocket::bind("127.0.0.1:0").expect("a socket").into();
        let mut drops = Drops::new(&socket, 0, clock::instant());
        let mut check = |count, expected| assert_eq!(drops.note(count), expected, "{count}");
        check(0, 0);
        check(5, 5);
        check(3, 0);
        check(5, 0);
        check(0x7fff_ffff, 0x7fff_fffa);
        check(0xffff_fff0, 0x7fff_fff1);
        check(4, 20);
    }

    #[test]
    fn the_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n  381: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 6871 2 000000009fd8be17 0\n  382: 0100007F:0203 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 6872 2 000000009fd8be17 4242\n";
        let check = |inode, expected| assert_eq!(find(table, inode), expected, "{inode}");
        check(6871, Some(0));
        check(6872, Some(4242));
        check(6873, None);
        assert_eq!(find("", 1), None);
    }
}
