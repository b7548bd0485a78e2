//! A server's log that is made up: logins, failures and attacks on OpenSSH over some days, each line unlike all others.
//!
//! It must never know what the engine makes of it.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::seed::Seed;

/// 2024-12-10T06:00:00Z.
const BEGIN_US: i64 = 1_733_810_400_000_000;
const SECOND_US: usize = 1_000_000;
const USERS: [&str; 6] = ["root", "anna", "ben", "admin", "test", "carla"];
const HOSTS: [&str; 3] = ["alpha", "beta", "gamma"];
/// Sessions that are open at once, at the most.
const OPEN_MAX: usize = 40;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, in microseconds.
    at: i64,
    host: &'static str,
    process: u32,
    message: String,
}

impl Line {
    /// As it is sent or stands in a file, without its end.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { at, host, process, message } = self;
        format!("<38>1 {} {host} sshd {process} - - {message}", stamp(*at))
    }

    /// The row that the module `report` makes of it.
    #[must_use]
    pub fn row(&self) -> String {
        let Self { at, host, process, message } = self;
        let second = moment(*at).to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string();
        format!("{},{second}: {host} sshd {process} {message}", stamp(*at))
    }
}

fn moment(at: i64) -> Timestamp {
    Timestamp::from_microsecond(at).unwrap_or_default()
}

fn stamp(at: i64) -> String {
    moment(at).strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

struct Session {
    host: &'static str,
    process: u32,
    user: &'static str,
    address: String,
    port: usize,
}

/// Makes lines without end.
pub struct Log {
    seed: Seed,
    at: i64,
    process: u32,
    /// The longest pause between two lines.
    pause_us: usize,
    open: Vec<Session>,
}

impl Log {
    /// A log in which a line comes every few seconds.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let seed = Seed::new(seed);
        Self { seed, at: BEGIN_US, process: 1_000, pause_us: 12 * SECOND_US, open: Vec::new() }
    }

    /// The next lines.
    pub fn lines(&mut self, count: usize) -> Vec<Line> {
        (0..count).map(|_| self.line()).collect()
    }

    fn line(&mut self) -> Line {
        self.at += 1_000 + i64::try_from(self.seed.below(self.pause_us)).unwrap_or(0);
        let full = self.open.len() >= OPEN_MAX;
        match self.seed.below(10) {
            0..3 if !full => self.login(),
            3..6 if !self.open.is_empty() => self.logout(),
            6 => {
                let port = 1_024 + self.seed.below(60_000);
                let address = self.address();
                self.say(&format!("Connection closed by {address} port {port} [preauth]"))
            }
            _ => self.failure(),
        }
    }

    /// A few addresses, some of them busy.
    fn address(&mut self) -> String {
        let most = *self.seed.pick(&[4, 40, 200]);
        format!("192.0.2.{}", self.seed.below(most))
    }

    fn failure(&mut self) -> Line {
        let (user, port) = (*self.seed.pick(&USERS), 1_024 + self.seed.below(60_000));
        let address = self.address();
        let unknown = *self.seed.pick(&["", "", "invalid user "]);
        self.say(&format!("Failed password for {unknown}{user} from {address} port {port} ssh2"))
    }

    fn login(&mut self) -> Line {
        let (user, port) = (*self.seed.pick(&USERS), 1_024 + self.seed.below(60_000));
        let address = self.address();
        let line =
            self.say(&format!("Accepted password for {user} from {address} port {port} ssh2"));
        let (host, process) = (line.host, line.process);
        self.open.push(Session { host, process, user, address, port });
        line
    }

    fn logout(&mut self) -> Line {
        let place = self.seed.below(self.open.len());
        let Session { host, process, user, address, port } = self.open.swap_remove(place);
        let message = format!("Disconnected from user {user} {address} port {port}");
        Line { at: self.at, host, process, message }
    }

    fn say(&mut self, message: &str) -> Line {
        self.process += 1;
        let host = *self.seed.pick(&HOSTS);
        Line { at: self.at, host, process: self.process, message: message.to_owned() }
    }
}

/// Lines as a file.
#[must_use]
pub fn file<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Vec<u8> {
    let mut file = String::new();
    for line in lines {
        // Writing to a text can't fail.
        let _ = writeln!(file, "{}", line.text());
    }
    file.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Log, file};

    #[test]
    fn a_line_and_the_row_of_it() {
        let lines = Log::new(7).lines(2_000);
        let (text, row) = (lines[0].text(), lines[0].row());
        assert!(text.starts_with("<38>1 2024-12-10T06:00:"), "{text}");
        assert!(
            row.starts_with("2024-12-10T06:00:") && row.contains("Z,2024-12-10 06:00:"),
            "{row}"
        );
        let mut rows: Vec<String> = lines.iter().map(super::Line::row).collect();
        rows.sort();
        rows.dedup();
        assert_eq!(rows.len(), 2_000, "each line is unlike all others");
        assert_eq!(Log::new(7).lines(2_000), lines);
        assert_eq!(String::from_utf8_lossy(&file(&lines)).lines().count(), 2_000);
    }
}
