//! Reading and writing with an end in bytes and in time, whatever the other side does.
//!
//! A timeout of each read alone would let a client that sends a byte now and then stay for ever: the deadline is that of
//! the whole request.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::clock;

/// A connection whose reads and writes can be given a time.
pub(super) trait Connection: Read + Write {
    fn set_read_time(&self, time: Duration) -> io::Result<()>;
    fn set_write_time(&self, time: Duration) -> io::Result<()>;
}

impl Connection for UnixStream {
    fn set_read_time(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))
    }
    fn set_write_time(&self, time: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(time))
    }
}

impl Connection for TcpStream {
    fn set_read_time(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))
    }
    fn set_write_time(&self, time: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(time))
    }
}

/// How much is read at once.
const PIECE_BYTES: usize = 4 << 10;

/// Bytes that come in parts that end somehow: lines, or the heads of requests.
pub(super) struct Parts {
    held: Vec<u8>,
    bytes_max: usize,
}

impl Parts {
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self { held: Vec::new(), bytes_max }
    }

    /// The next part with its end, or nothing if the other side has no more. `end` says where a part ends, if it does;
    /// a part that is longer than allowed is an error of the kind [`io::ErrorKind::FileTooLarge`].
    pub(super) fn next(
        &mut self,
        connection: &mut impl Connection,
        time: Duration,
        end: impl Fn(&[u8]) -> Option<usize>,
    ) -> io::Result<Option<Vec<u8>>> {
        let deadline = clock::instant() + time;
        loop {
            if let Some(length) = end(&self.held) {
                let rest = self.held.split_off(length);
                return Ok(Some(std::mem::replace(&mut self.held, rest)));
            }
            if self.held.len() >= self.bytes_max {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let mut piece = [0; PIECE_BYTES];
            let room = piece.len().min(self.bytes_max - self.held.len());
            connection.set_read_time(left(deadline)?)?;
            match retried(|| connection.read(&mut piece[..room]))? {
                0 if self.held.is_empty() => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.held.extend_from_slice(&piece[..count]),
            }
        }
    }
}

/// Where a line ends.
pub(super) fn line(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes).map(|place| place + 1)
}

/// Writes all of it in this time, or fails.
pub(super) fn write(
    connection: &mut impl Connection,
    bytes: &[u8],
    time: Duration,
) -> io::Result<()> {
    let deadline = clock::instant() + time;
    let mut rest = bytes;
    while !rest.is_empty() {
        connection.set_write_time(left(deadline)?)?;
        match retried(|| connection.write(rest))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => rest = &rest[count..],
        }
    }
    Ok(())
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(clock::instant());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// What a call says that no signal has cut short. The system says of a timeout that the call would block.
fn retried(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::{Parts, line, write};

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(30);

    #[test]
    fn lines_come_one_by_one_however_they_arrive() {
        let (mut here, mut there) = UnixStream::pair().expect("a pair");
        there.write_all(b"one\ntwo\nthr").expect("sent");
        let mut parts = Parts::new(16);
        assert_eq!(parts.next(&mut here, LONG, line).expect("read"), Some(b"one\n".to_vec()));
        assert_eq!(parts.next(&mut here, LONG, line).expect("read"), Some(b"two\n".to_vec()));
        there.write_all(b"ee\n").expect("sent");
        drop(there);
        assert_eq!(parts.next(&mut here, LONG, line).expect("read"), Some(b"three\n".to_vec()));
        assert_eq!(parts.next(&mut here, LONG, line).expect("read"), None);
    }

    #[test]
    fn what_is_too_long_too_slow_or_cut_off_is_an_error() {
        let check = |sent: &[u8], gone: bool, expected: ErrorKind| {
            let (mut here, mut there) = UnixStream::pair().expect("a pair");
            there.write_all(sent).expect("sent");
            let kept = (!gone).then_some(there);
            let error = Parts::new(16).next(&mut here, SHORT, line).expect_err("an error");
            assert_eq!(error.kind(), expected, "{sent:?}");
            drop(kept);
        };
        check(b"seventeen letters", false, ErrorKind::FileTooLarge);
        check(b"no end", false, ErrorKind::TimedOut);
        check(b"", false, ErrorKind::TimedOut);
        check(b"no end", true, ErrorKind::UnexpectedEof);
    }

    #[test]
    fn who_does_not_read_is_left() {
        let (mut here, there) = UnixStream::pair().expect("a pair");
        let much = vec![0; 16 << 20];
        let error = write(&mut here, &much, SHORT).expect_err("nobody reads");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(there);
    }
}
