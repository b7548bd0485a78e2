//! How messages begin: what the host searches for, natively, so that this module need not.
//!
//! Only messages that bear on a login are named here; everything else that sshd says never reaches the module. The
//! table serves twice: as the declared interest, whose hits say which row matched, and to read the message that a
//! `message repeated` line holds. It must never know what a message means beyond its kind.

/// What a message is about, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Failed password for ...`
    FailedPassword,
    /// `Failed METHOD for ...`
    Failed,
    /// `Accepted METHOD for ...`
    Accepted,
    /// `Invalid user U from A`
    Invalid,
    /// `User U [from A] not allowed because ...`
    NotAllowed,
    /// `ROOT LOGIN REFUSED FROM A`
    RootRefused,
    /// `fatal: Access denied for user U by PAM account configuration`
    AccessDenied,
    /// A PAM module's `authentication failure; ... rhost=A  user=U`
    PamFailure,
    /// `PAM N more authentication failures; ...`
    PamMore,
    /// `error: PAM: Authentication failure for U from A`
    PamError,
    /// `session opened for user U`
    Opened,
    /// `session closed for user U`
    Closed,
    /// `maximum authentication attempts exceeded for U from A port P ssh2`
    MaximumExceeded,
    /// `Disconnecting [WHO]: REASON`: this end closes.
    Disconnecting,
    /// `Disconnecting: REASON`, of old versions, without who.
    DisconnectingNobody,
    /// `Received disconnect from A port P:CODE: REASON`: the other end closes.
    Received,
    /// `Connection closed by WHO`, `Disconnected from WHO` and their like.
    Ended,
    /// `Read error from remote host WHO: REASON`: an end with a reason.
    EndedBecause,
    /// The connection broke; the line does not say whose it was.
    Broken,
    /// `Timeout before authentication for WHO`
    Timeout,
    /// `Connection from A port P on B port Q`
    Connected,
    /// A connection that never came as far as a user's name.
    Probe,
    /// `message repeated N times: [ MESSAGE]`
    Repeated,
    /// `[ID N FACILITY.SEVERITY] MESSAGE`, Solaris' message ids.
    Identified,
}

/// Names under which sshd writes. Since OpenSSH 9.8 each session is a program of its own; some old systems name the
/// PAM module in place of the process's rest, and metalog puts brackets around all names.
pub const PROGRAMS: [&str; 5] = ["sshd", "sshd-session", "sshd-auth", "sshd(pam_unix)", "[sshd]"];

/// Beginnings of messages. Where one is the beginning of another, the longer one comes first and counts.
pub const STARTS: [(&str, Kind); 51] = [
    ("Failed password for ", Kind::FailedPassword),
    ("Failed ", Kind::Failed),
    ("Invalid user ", Kind::Invalid),
    ("Illegal user ", Kind::Invalid),
    ("Received disconnect from ", Kind::Received),
    ("error: Received disconnect from ", Kind::Received),
    ("Disconnected from ", Kind::Ended),
    ("Connection closed by ", Kind::Ended),
    ("Connection reset by ", Kind::Ended),
    ("Closing connection to ", Kind::Ended),
    ("Timeout, client not responding", Kind::Ended),
    ("Read error from remote host ", Kind::EndedBecause),
    ("Accepted ", Kind::Accepted),
    ("pam_unix(sshd:session): session opened for user ", Kind::Opened),
    ("pam_unix(sshd:session): session closed for user ", Kind::Closed),
    ("(pam_unix) session opened for user ", Kind::Opened),
    ("(pam_unix) session closed for user ", Kind::Closed),
    ("session opened for user ", Kind::Opened),
    ("session closed for user ", Kind::Closed),
    ("(pam_unix) authentication failure; ", Kind::PamFailure),
    ("authentication failure; ", Kind::PamFailure),
    ("PAM ", Kind::PamMore),
    ("error: PAM: ", Kind::PamError),
    ("User ", Kind::NotAllowed),
    ("ROOT LOGIN REFUSED FROM ", Kind::RootRefused),
    ("fatal: Access denied for user ", Kind::AccessDenied),
    ("Access denied for user ", Kind::AccessDenied),
    ("error: maximum authentication attempts exceeded for ", Kind::MaximumExceeded),
    ("maximum authentication attempts exceeded for ", Kind::MaximumExceeded),
    ("Disconnecting: ", Kind::DisconnectingNobody),
    ("Disconnecting ", Kind::Disconnecting),
    ("fatal: Timeout before authentication for ", Kind::Timeout),
    ("Timeout before authentication for ", Kind::Timeout),
    ("fatal: Write failed: ", Kind::Broken),
    ("fatal: Read from socket failed: ", Kind::Broken),
    ("Connection from ", Kind::Connected),
    ("Did not receive identification string from ", Kind::Probe),
    ("Bad protocol version identification ", Kind::Probe),
    ("banner exchange: Connection from ", Kind::Probe),
    ("error: kex_exchange_identification: ", Kind::Probe),
    ("kex_exchange_identification: ", Kind::Probe),
    ("Unable to negotiate ", Kind::Probe),
    ("fatal: Unable to negotiate ", Kind::Probe),
    ("no matching ", Kind::Probe),
    ("fatal: no matching ", Kind::Probe),
    ("refused connect from ", Kind::Probe),
    ("error: Protocol major versions differ for ", Kind::Probe),
    ("Protocol major versions differ for ", Kind::Probe),
    ("scanned from ", Kind::Probe),
    ("message repeated ", Kind::Repeated),
    ("[ID ", Kind::Identified),
];

/// What an older syslog daemon writes in place of repetitions. It names no program, so any program may bring it.
pub const LAST_REPEATED: &str = "last message repeated ";

/// How metalog names the program where no colon follows: the record then has none, and this begins its message.
pub const BRACKETED: &str = "[sshd] ";

/// What the failure of any PAM module says after the module's name; those of `pam_unix` among them.
pub const PAM_FAILURE: &str = "(sshd:auth): authentication failure; ";

/// What a broken connection says after the name of the function that noticed.
pub const BROKEN_CONNECTION: &str = ": Connection from ";

/// What separates who tried from what they tried it with. A user's name holds no colon, because sshd cuts it there:
/// so the first of these is the true one, whatever a name or a certificate's id pretends.
pub const SEPARATOR: &str = " ssh2: ";
