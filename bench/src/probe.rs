//! Records that are told apart, sent at a steady rate, and how long each takes to become a row of a CSV file.
//!
//! The clock of a probe runs from just before its last record is handed to the kernel until its row is read from the
//! file. It must never know what makes the row.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use memchr::memmem::Finder;

use crate::measure::{now, pause};

/// What stands before a probe's number, in its records and in its row.
pub const MARK: &str = "probe-";

/// How often records are sent, and how often the file is looked at.
const SEND_STEP: Duration = Duration::from_millis(1);
const LOOK: Duration = Duration::from_micros(200);
/// Probes before this do not count: memory and caches fill.
const WARM: Duration = Duration::from_secs(1);
/// How long a row may take.
const ROW_MAX: Duration = Duration::from_secs(30);

/// Says the messages of `sshd` that a probe with this number is made of.
pub type Messages = fn(number: u64, say: &mut dyn FnMut(&str));

/// Probes to send.
pub struct Probe<'a> {
    /// Where to, octet-counted over one connection.
    pub to: SocketAddr,
    /// The file in which each probe gets a row.
    pub table: &'a Path,
    /// Probes a second.
    pub rate: u64,
    /// For how long.
    pub time: Duration,
    /// What its records say.
    pub messages: Messages,
}

/// How long probes took, in order of that.
pub struct Delays(Vec<Duration>);

impl Delays {
    /// What so many in a hundred took at the most, in milliseconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let place = (self.0.len() * percent / 100).min(self.0.len() - 1);
        self.0[place].as_secs_f64() * 1e3
    }

    /// The longest, in milliseconds.
    pub fn longest(&self) -> f64 {
        self.0.last().map_or(f64::NAN, Duration::as_secs_f64) * 1e3
    }
}

impl Probe<'_> {
    /// Sends all and waits for all rows.
    pub fn run(&self) -> Result<Delays> {
        let count = self.rate * self.time.as_secs();
        let (sent, seen) = thread::scope(|scope| {
            let watch = scope.spawn(|| self.watch(count));
            let sent = self.send(count);
            (sent, watch.join())
        });
        let sent = sent?;
        let seen = seen.map_err(|_| anyhow::anyhow!("the watcher panicked"))??;
        let first = sent.first().copied().context("no probe was sent")?;
        let pairs = sent.iter().zip(seen).filter(|(sent, _)| **sent - first >= WARM);
        let mut delays: Vec<_> =
            pairs.map(|(sent, seen)| seen.saturating_duration_since(*sent)).collect();
        ensure!(!delays.is_empty(), "no probe counts");
        delays.sort_unstable();
        Ok(Delays(delays))
    }

    /// Sends what is due, step by step, and says when each was sent.
    fn send(&self, count: u64) -> Result<Vec<Instant>> {
        let mut stream = TcpStream::connect(self.to)?;
        stream.set_nodelay(true)?;
        let mut times = Vec::with_capacity(count as usize);
        let mut bytes = Vec::new();
        let start = now();
        while (times.len() as u64) < count {
            let due = start.elapsed().as_nanos() * u128::from(self.rate) / 1_000_000_000;
            let due = u64::try_from(due)?.min(count);
            bytes.clear();
            let time = Timestamp::from_nanosecond(correlator::clock::now().into())?;
            for number in times.len() as u64..due {
                (self.messages)(number, &mut |text| frame(&mut bytes, time, number, text));
            }
            times.resize(due as usize, now());
            stream.write_all(&bytes)?;
            pause(SEND_STEP);
        }
        stream.shutdown(Shutdown::Write)?;
        // The engine closes when all is safe; a receiver that just goes away would be an error.
        stream.set_read_timeout(Some(ROW_MAX))?;
        let mut end = [0];
        ensure!(stream.read(&mut end)? == 0, "the engine says something");
        Ok(times)
    }

    /// Says when the row of each probe was there.
    fn watch(&self, count: u64) -> Result<Vec<Instant>> {
        let finder = Finder::new(MARK);
        let mut seen: Vec<Option<Instant>> = vec![None; count as usize];
        let (mut file, mut bytes, mut left) = (None, Vec::new(), count);
        let mut moved = now();
        while left > 0 {
            ensure!(moved.elapsed() < ROW_MAX, "{left} of {count} probes got no row");
            if file.is_none() {
                file = File::open(self.table).ok();
            }
            let read = file.as_mut().map_or(Ok(0), |file| file.read_to_end(&mut bytes))?;
            if read == 0 {
                pause(LOOK);
                continue;
            }
            moved = now();
            let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |end| end + 1);
            for place in finder.find_iter(&bytes[..whole]) {
                let digits =
                    bytes[place + MARK.len()..].iter().take_while(|it| it.is_ascii_digit());
                let number = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
                let probe = seen.get_mut(number).context("a row of a probe that was not sent")?;
                if probe.replace(moved).is_none() {
                    left -= 1;
                }
            }
            bytes.drain(..whole);
        }
        Ok(seen.into_iter().flatten().collect())
    }
}

/// Four records of a connection, the last of which makes `sshd` tell of a failed login.
pub fn failed_login(number: u64, say: &mut dyn FnMut(&str)) {
    let (a, b, port) = (number / 250 % 250, number % 250, 1024 + number % 60_000);
    let from = format!("198.18.{a}.{b} port {port}");
    say(&format!("Invalid user {MARK}{number} from {from}"));
    say(&format!(
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= \
         rhost=198.18.{a}.{b} "
    ));
    say(&format!("Failed password for invalid user {MARK}{number} from {from} ssh2"));
    say(&format!("Connection closed by invalid user {MARK}{number} {from} [preauth]"));
}

/// One record that is nothing but its number.
pub fn bare(number: u64, say: &mut dyn FnMut(&str)) {
    say(&format!("{MARK}{number}"));
}

/// A record behind its count.
fn frame(out: &mut Vec<u8>, time: Timestamp, number: u64, message: &str) {
    let process = 1_000 + number % 4_000_000;
    let record = format!("<86>1 {time:.6} gate.example.net sshd {process} - - {message}");
    out.extend_from_slice(format!("{} {record}", record.len()).as_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{Delays, frame};

    #[test]
    fn delays_have_percentiles() {
        let check = |millis: &[u64], percent: usize, expected: f64| {
            let delays = Delays(millis.iter().copied().map(Duration::from_millis).collect());
            let found = delays.percentile(percent);
            assert!((found - expected).abs() < 1e-9, "{percent} of {millis:?}: {found}");
        };
        check(&[7], 50, 7.0);
        check(&[1, 2, 3, 4], 50, 3.0);
        check(&[1, 2, 3, 4], 99, 4.0);
        check(&[1, 2, 3, 4], 100, 4.0);
    }

    #[test]
    fn a_record_stands_behind_its_count() {
        let mut bytes = Vec::new();
        frame(&mut bytes, Timestamp::UNIX_EPOCH, 7, "probe-7");
        let expected =
            "72 <86>1 1970-01-01T00:00:00.000000Z gate.example.net sshd 1007 - - probe-7";
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }
}
