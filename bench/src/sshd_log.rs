//! Makes the log that is measured on: an SSH server under attack.
//!
//! The same seed gives the same bytes on every machine. The lines are those that OpenSSH and PAM
//! write on a Debian server, in the order in which a connection writes them, with many connections
//! interleaved: one line in four is a failed password, as in a real attack. It must never know
//! what reads it.

use std::io::{Result, Write};

/// Connections that are open at once.
const OPEN_MAX: usize = 48;

/// Attackers that try again and again, and how many connections in a hundred are theirs.
const HAMMERING: u64 = 16;
const HAMMERING_PERCENT: u64 = 20;

/// Attackers that come back rarely enough to stay below any limit.
const PATIENT: u64 = 20_000;

/// Connections in a thousand that are honest logins.
const HONEST_PER_MILLE: u64 = 10;

/// Lines in a hundred that other programs write.
const OTHERS_PERCENT: u64 = 3;

/// The number of the first process, and from where the kernel begins anew.
const FIRST_PROCESS: u64 = 1_000;
const PROCESSES_MAX: u64 = 4_194_304;

/// Lines a second, in the log's own time.
const LINES_PER_SECOND: u64 = 100;

/// The names that attackers try.
const TRIED: [&str; 16] = [
    "admin",
    "oracle",
    "test",
    "ubuntu",
    "postgres",
    "user",
    "git",
    "ftpuser",
    "hadoop",
    "pi",
    "minecraft",
    "www-data",
    "deploy",
    "jenkins",
    "tomcat",
    "administrator",
];

/// The names that there are.
const KNOWN: [&str; 4] = ["root", "alice", "bob", "backup"];

/// How a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// `Jan 10 06:00:00 gate sshd[4242]: …`, as in `/var/log/auth.log`.
    Traditional,
    /// `<86>1 2026-01-10T06:00:00.123456+01:00 gate.example.net sshd 4242 - - …`.
    Rfc5424,
}

impl Form {
    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Traditional => "traditional",
            Self::Rfc5424 => "rfc5424",
        }
    }
}

/// Writes so many lines.
pub fn write(out: &mut impl Write, form: Form, lines: u64, seed: u64) -> Result<()> {
    let mut chance = Chance(seed);
    // Process numbers count up, as the kernel gives them.
    let mut process = FIRST_PROCESS;
    let mut next = |chance: &mut Chance| {
        process += 1 + chance.below(3);
        Connection::new(process % PROCESSES_MAX, chance)
    };
    let mut open: Vec<Connection> = (0..OPEN_MAX).map(|_| next(&mut chance)).collect();
    let mut message = Vec::new();
    for number in 0..lines {
        message.clear();
        let (program, process) = if chance.percent(OTHERS_PERCENT) {
            write!(message, "pam_unix(cron:session): session closed for user root")?;
            ("CRON", 300 + number % 30_000)
        } else {
            let at = chance.below(OPEN_MAX as u64) as usize;
            let process = open[at].process;
            if !open[at].write_next(&mut message)? {
                open[at] = next(&mut chance);
            }
            ("sshd", process)
        };
        write_header(out, form, number, program, process)?;
        out.write_all(&message)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn write_header(
    out: &mut impl Write,
    form: Form,
    number: u64,
    program: &str,
    process: u64,
) -> Result<()> {
    let second = number / LINES_PER_SECOND;
    let micros = number % LINES_PER_SECOND * (1_000_000 / LINES_PER_SECOND);
    // January has days enough for the largest log, and no clock changes in it.
    let (day, second) = (10 + second / 86_400, second % 86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    match form {
        Form::Traditional => {
            write!(out, "Jan {day:2} {hour:02}:{minute:02}:{second:02} gate ")?;
            write!(out, "{program}[{process}]: ")
        }
        Form::Rfc5424 => {
            write!(out, "<86>1 2026-01-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}")?;
            write!(out, "+01:00 gate.example.net {program} {process} - - ")
        }
    }
}

/// A connection that is going on.
struct Connection {
    process: u64,
    address: String,
    port: u64,
    user: &'static str,
    story: Story,
    line: usize,
}

/// What becomes of a connection.
#[derive(Clone, Copy)]
enum Story {
    /// A name that there is not.
    Stranger,
    /// A name that there is, with a wrong password.
    Guess,
    /// Somebody logs in with a key and leaves.
    Login,
}

impl Connection {
    fn new(process: u64, chance: &mut Chance) -> Self {
        let story = match chance.below(1000) {
            roll if roll < HONEST_PER_MILLE => Story::Login,
            roll if roll < 400 => Story::Guess,
            _ => Story::Stranger,
        };
        let names: &[&'static str] = if matches!(story, Story::Stranger) { &TRIED } else { &KNOWN };
        Self {
            process,
            address: address(story, chance),
            port: 1024 + chance.below(64_000),
            user: names[chance.below(names.len() as u64) as usize],
            story,
            line: 0,
        }
    }

    /// Writes the next line, and says whether another follows.
    fn write_next(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        let Self { address, port, user, line, .. } = self;
        let pam =
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser=";
        match (self.story, *line) {
            (Story::Stranger, 0) => write!(out, "Invalid user {user} from {address} port {port}"),
            (Story::Stranger, 1) => write!(out, "{pam} rhost={address} "),
            (Story::Stranger, 2) => {
                write!(
                    out,
                    "Failed password for invalid user {user} from {address} port {port} ssh2"
                )
            }
            (Story::Stranger, _) => {
                write!(
                    out,
                    "Connection closed by invalid user {user} {address} port {port} [preauth]"
                )
            }
            (Story::Guess, 0) => write!(out, "{pam} rhost={address}  user={user}"),
            (Story::Guess, 1) => {
                write!(out, "Failed password for {user} from {address} port {port} ssh2")
            }
            (Story::Guess, 2) => {
                write!(out, "Received disconnect from {address} port {port}:11: Bye Bye [preauth]")
            }
            (Story::Guess, _) => write!(
                out,
                "Disconnected from authenticating user {user} {address} port {port} [preauth]"
            ),
            (Story::Login, 0) => write!(
                out,
                "Accepted publickey for {user} from {address} port {port} ssh2: ED25519 \
                 SHA256:Yk0cVqUOVgjmbYfMlPsqrZcjQJ4v6QAUVgRmBqyQdzs"
            ),
            (Story::Login, 1) => write!(
                out,
                "pam_unix(sshd:session): session opened for user {user}(uid=1000) by (uid=0)"
            ),
            (Story::Login, 2) => {
                write!(out, "Disconnected from user {user} {address} port {port}")
            }
            (Story::Login, _) => {
                write!(out, "pam_unix(sshd:session): session closed for user {user}")
            }
        }?;
        *line += 1;
        Ok(*line < 4)
    }
}

/// An address of the networks that are kept for examples and for measurements.
fn address(story: Story, chance: &mut Chance) -> String {
    if matches!(story, Story::Login) {
        return format!("192.0.2.{}", 1 + chance.below(200));
    }
    if chance.percent(HAMMERING_PERCENT) {
        return format!("203.0.113.{}", 1 + chance.below(HAMMERING));
    }
    let number = chance.below(PATIENT);
    format!("198.18.{}.{}", number / 250, 1 + number % 250)
}

/// `SplitMix64`: chance that comes out the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, write};

    fn log(form: Form, seed: u64) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes, form, 20_000, seed).expect("memory takes every line");
        String::from_utf8(bytes).expect("the log is ASCII")
    }

    #[test]
    fn the_same_seed_gives_the_same_log() {
        assert_eq!(log(Form::Traditional, 1), log(Form::Traditional, 1));
        assert_ne!(log(Form::Traditional, 1), log(Form::Traditional, 2));
    }

    #[test]
    fn one_line_in_four_is_a_failed_password() {
        for form in [Form::Traditional, Form::Rfc5424] {
            let log = log(form, 1);
            assert_eq!(log.lines().count(), 20_000);
            let failed = log.lines().filter(|line| line.contains(": Failed password for "));
            let failed = failed.count() + log.matches(" - - Failed password for ").count();
            assert!((4_500..=5_500).contains(&failed), "{failed} of 20,000");
        }
    }
}
