//! Messages of OpenSSH 3 to 10 on many systems, and what they say.

use super::*;

/// Reads a message as the machine does, without the host's search.
fn parse(text: &str) -> Option<Message<'_>> {
    let message = text.as_bytes();
    if let Some(place) = find(message, crate::literals::PAM_FAILURE.as_bytes())
        && message.starts_with(b"pam_")
    {
        let rest = &message[place + crate::literals::PAM_FAILURE.len()..];
        return pam_failed(&message[..place], rest);
    }
    let (kind, length) = recognise(message)?;
    let rest = &message[length..];
    read(kind, rest, find(rest, SEPARATOR.as_bytes()))
}

fn who<'a>(user: &'a str, invalid: bool, addr: &'a str, port: u16) -> Who<'a> {
    let peer = Peer { addr: addr.as_bytes(), port };
    Who { user: user.as_bytes(), invalid, peer }
}

#[track_caller]
fn check(text: &str, expected: Option<Message<'_>>) {
    assert_eq!(parse(text), expected, "{text}");
}

#[track_caller]
fn failed(text: &str, method: Method, who: Who<'_>) {
    check(text, Some(Message::Failed { method, who }));
}

#[test]
fn failures() {
    let root = who("root", false, "192.0.2.7", 4711);
    failed("Failed password for root from 192.0.2.7 port 4711 ssh2", Method::Guess, root);
    failed("Failed password for root from 192.0.2.7 port 4711 ssh1", Method::Guess, root);
    failed("Failed password for root from 192.0.2.7 port 4711", Method::Guess, root);
    failed("Failed none for root from 192.0.2.7 port 4711 ssh2", Method::Nothing, root);
    failed("Failed hostbased for root from 192.0.2.7 port 4711 ssh2", Method::Guess, root);
    failed("Failed gssapi-with-mic for root from 192.0.2.7 port 4711 ssh2", Method::Guess, root);
    failed(
        "Failed publickey for root from 192.0.2.7 port 4711 ssh2: RSA SHA256:AbC+/9",
        Method::PublicKey,
        root,
    );
    failed(
        "Failed keyboard-interactive/pam for invalid user a b from 2001:db8:: port 1 ssh2 [preauth]",
        Method::Dialogue,
        who("a b", true, "2001:db8::", 1),
    );
    failed(
        "Failed password for illegal user test from ::ffff:192.0.2.7 port 9 ssh2",
        Method::Guess,
        who("test", true, "192.0.2.7", 9),
    );
    failed(
        "Failed password for root from 192.0.2.7",
        Method::Guess,
        who("root", false, "192.0.2.7", 0),
    );
    check("Failed to allocate memory", None);
    check("Failed password", None);
}

#[test]
fn a_name_fakes_no_address() {
    failed(
        "Failed password for root from 203.0.113.1 port 22 ssh2 from 192.0.2.7 port 4711 ssh2",
        Method::Guess,
        who("root from 203.0.113.1 port 22 ssh2", false, "192.0.2.7", 4711),
    );
    failed(
        "Failed password for invalid user  from 192.0.2.7 port 4711 ssh2",
        Method::Guess,
        who("", true, "192.0.2.7", 4711),
    );
    // No name holds a colon, so what comes after the first separator is not the name's.
    failed(
        "Failed hostbased for root from 192.0.2.7 port 4711 ssh2: RSA SHA256:x, client user \"a \
         from 203.0.113.1 port 22 ssh2: b\", client host \"from 203.0.113.1 port 22 ssh2\"",
        Method::Guess,
        who("root", false, "192.0.2.7", 4711),
    );
    failed(
        "Failed password for root from 192.0.2.7 port 4711 ssh1: ruser x from 203.0.113.1",
        Method::Guess,
        who("root", false, "192.0.2.7", 4711),
    );
    check(
        "Invalid user x from 203.0.113.1 port 22 from 192.0.2.7 port 4711",
        Some(Message::Invalid(who("x from 203.0.113.1 port 22", true, "192.0.2.7", 4711))),
    );
    check(
        "Connection closed by invalid user x 203.0.113.1 port 22 192.0.2.7 port 4711 [preauth]",
        Some(Message::Ended(End {
            stage: Stage::Invalid,
            who: who("x 203.0.113.1 port 22", true, "192.0.2.7", 4711),
            preauth: true,
            ..End::default()
        })),
    );
}

#[test]
fn accepted() {
    let check = |text: &str, method: &str, detail: &str| {
        let login = Accepted {
            who: who("kim", false, "192.0.2.7", 4711),
            method: method.as_bytes(),
            detail: detail.as_bytes(),
        };
        assert_eq!(parse(text), Some(Message::Accepted(login)), "{text}");
    };
    check("Accepted password for kim from 192.0.2.7 port 4711 ssh2", "password", "");
    check(
        "Accepted publickey for kim from 192.0.2.7 port 4711 ssh2: ED25519 SHA256:x",
        "publickey",
        "ED25519 SHA256:x",
    );
    check(
        "Accepted keyboard-interactive/pam for kim from 192.0.2.7 port 4711 ssh2",
        "keyboard-interactive/pam",
        "",
    );
}

#[test]
fn refusals() {
    let invalid = |text: &str, who: Who<'_>| check(text, Some(Message::Invalid(who)));
    invalid("Invalid user kim from 192.0.2.7 port 9", who("kim", true, "192.0.2.7", 9));
    invalid("Illegal user kim from 192.0.2.7", who("kim", true, "192.0.2.7", 0));
    invalid("Invalid user  from 192.0.2.7 port 9", who("", true, "192.0.2.7", 9));
    let refused = |text: &str, who: Who<'_>| check(text, Some(Message::Refused(who)));
    refused("ROOT LOGIN REFUSED FROM 192.0.2.7", who("root", true, "192.0.2.7", 0));
    refused("ROOT LOGIN REFUSED FROM ::ffff:192.0.2.7", who("root", true, "192.0.2.7", 0));
    refused(
        "ROOT LOGIN REFUSED FROM 192.0.2.7 port 9 [preauth]",
        who("root", true, "192.0.2.7", 9),
    );
    for reason in [
        "not listed in AllowUsers",
        "listed in DenyUsers",
        "not in any group",
        "a group is listed in DenyGroups",
        "none of user's groups are listed in AllowGroups",
    ] {
        let text = format!("User kim from host.example.net not allowed because {reason}");
        refused(&text, who("kim", true, "host.example.net", 0));
    }
    for reason in ["account is locked", "shell /bin/x does not exist"] {
        refused(&format!("User kim not allowed because {reason}"), who("kim", true, "", 0));
    }
    check(
        "fatal: Access denied for user kim by PAM account configuration [preauth]",
        Some(Message::Denied { user: b"kim" }),
    );
    refused(
        "User kim from 203.0.113.1 not allowed because x from 192.0.2.7 not allowed because not \
         listed in AllowUsers",
        who("kim from 203.0.113.1 not allowed because x", true, "192.0.2.7", 0),
    );
    check("User child is on pid 4711", None);
}

#[test]
fn pam() {
    let failed = |text: &str, module: &str, who: Who<'_>| {
        check(text, Some(Message::PamFailed { module: module.as_bytes(), who }));
    };
    failed(
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= \
         rhost=192.0.2.7  user=kim",
        "pam_unix",
        who("kim", false, "192.0.2.7", 0),
    );
    failed(
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= \
         rhost=192.0.2.7 ",
        "pam_unix",
        who("", false, "192.0.2.7", 0),
    );
    failed(
        "pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser=kim \
         rhost=192.0.2.7 [preauth]",
        "pam_sss",
        who("kim", false, "192.0.2.7", 0),
    );
    failed(
        "authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= \
         rhost=host.example.net  user=root rhost=203.0.113.1",
        "",
        who("root rhost=203.0.113.1", false, "host.example.net", 0),
    );
    let more = |text: &str, count| check(text, Some(Message::PamMore { count }));
    more("PAM 2 more authentication failures; logname= uid=0 euid=0 rhost=192.0.2.7", 2);
    more("PAM 1 more authentication failure; logname= uid=0 euid=0 rhost=192.0.2.7", 1);
    check("PAM service(sshd) ignoring max retries; 6 > 3", None);
    let error = |text: &str, who: Who<'_>| check(text, Some(Message::PamError(who)));
    let kim = who("kim", false, "192.0.2.7", 0);
    error("error: PAM: Authentication failure for kim from 192.0.2.7", kim);
    error("error: PAM: authentication error for kim from 192.0.2.7 via 198.51.100.1", kim);
    error(
        "error: PAM: User not known to the underlying authentication module for illegal user kim \
         from 192.0.2.7",
        Who { invalid: true, ..kim },
    );
    error(
        "error: PAM: Have exhausted maximum number of retries for service for kim from 192.0.2.7",
        kim,
    );
    check("error: PAM: pam_open_session(): Permission denied", None);
    check(
        "pam_unix(sshd:session): session opened for user kim(uid=5) by (uid=0)",
        Some(Message::Opened),
    );
    check("pam_unix(sshd:session): session closed for user kim", Some(Message::Closed));
    check("session opened for user kim by (uid=0)", Some(Message::Opened));
}

#[test]
fn ends() {
    let ended = |text: &str, end: End<'_>| check(text, Some(Message::Ended(end)));
    let nobody = who("", false, "192.0.2.7", 4711);
    let portless = who("", false, "192.0.2.7", 0);
    let plain = End { who: nobody, ..End::default() };
    ended("Connection closed by 192.0.2.7 port 4711", plain);
    ended("Connection closed by 192.0.2.7 port 4711 [preauth]", End { preauth: true, ..plain });
    ended("Connection reset by 192.0.2.7 port 4711", plain);
    ended("Connection closed by 192.0.2.7", End { who: portless, ..plain });
    ended(
        "Connection closed by UNKNOWN port 65535 [preauth]",
        End { who: who("", false, "", 65535), preauth: true, ..plain },
    );
    ended("Disconnected from 192.0.2.7 port 4711", plain);
    ended("Closing connection to 192.0.2.7 port 4711", plain);
    ended("Timeout, client not responding.", End::default());
    ended(
        "fatal: Read from socket failed: Connection reset by peer [preauth]",
        End { preauth: true, ..End::default() },
    );
    ended(
        "Read error from remote host 192.0.2.7: Connection timed out",
        End { who: portless, ..plain },
    );
    let kim = End { stage: Stage::LoggedIn, who: who("kim", false, "2001:db8::", 4711), ..plain };
    ended("Disconnected from user kim 2001:db8:: port 4711", kim);
    ended("Timeout, client not responding from user kim 2001:db8:: port 4711", kim);
    ended("Read error from remote host user kim 2001:db8:: port 4711: Connection reset", kim);
    let trying = End { stage: Stage::Authenticating, preauth: true, ..kim };
    ended("Connection closed by authenticating user kim 2001:db8:: port 4711 [preauth]", trying);
    let gave_up = End { gave_up: true, ..trying };
    ended(
        "Disconnecting authenticating user kim 2001:db8:: port 4711: Too many authentication failures [preauth]",
        gave_up,
    );
    ended(
        "Disconnecting invalid user kim 2001:db8:: port 4711: Change of username or service not \
         allowed: (kim,ssh-connection) -> (x 203.0.113.1 port 2: y,ssh-connection) [preauth]",
        End { stage: Stage::Invalid, who: Who { invalid: true, ..kim.who }, ..gave_up },
    );
    ended(
        "Disconnecting from authenticating user kim 2001:db8:: port 4711: Too many authentication failures [preauth]",
        gave_up,
    );
    ended(
        "Disconnecting: Too many authentication failures for kim [preauth]",
        End { who: who("kim", false, "", 0), ..gave_up },
    );
    ended(
        "Disconnecting: Too many authentication failures [preauth]",
        End { gave_up: true, preauth: true, ..End::default() },
    );
}

#[test]
fn farewells_and_timeouts() {
    let ended = |text: &str, end: End<'_>| check(text, Some(Message::Ended(end)));
    let nobody = who("", false, "192.0.2.7", 4711);
    let farewell = End { who: nobody, farewell: true, ..End::default() };
    let old = End { who: who("", false, "192.0.2.7", 0), ..farewell };
    ended("Received disconnect from 192.0.2.7 port 4711:11: disconnected by user", farewell);
    ended(
        "Received disconnect from 2001:db8:: port 4711:11: disconnected by user",
        End { who: who("", false, "2001:db8::", 4711), ..farewell },
    );
    ended(
        "Received disconnect from 192.0.2.7: 11: Bye Bye [preauth]",
        End { preauth: true, ..old },
    );
    ended(
        "Received disconnect from 2001:db8::: 11: bye",
        End { who: who("", false, "2001:db8::", 0), ..old },
    );
    ended(
        "error: Received disconnect from 192.0.2.7 port 4711:3: com.jcraft.jsch.JSchException: Auth fail [preauth]",
        End { gave_up: true, preauth: true, ..farewell },
    );
    ended(
        "error: Received disconnect from 192.0.2.7: 14: No supported authentication methods available [preauth]",
        End { preauth: true, ..old },
    );
    let late = End { who: nobody, preauth: true, ..End::default() };
    ended("fatal: Timeout before authentication for 192.0.2.7 port 4711", late);
    ended(
        "Timeout before authentication for connection from 192.0.2.7 to 198.51.100.1, pid = 815",
        End { who: old.who, process_id: Some(b"815"), ..late },
    );
}

#[test]
fn the_rest() {
    check(
        "error: maximum authentication attempts exceeded for invalid user kim from 192.0.2.7 port \
         9 ssh2 [preauth]",
        Some(Message::Exhausted(who("kim", true, "192.0.2.7", 9))),
    );
    let peer = Peer { addr: b"192.0.2.7", port: 9 };
    let connected = Some(Message::Connected(peer));
    check("Connection from 192.0.2.7 port 9 on 198.51.100.1 port 22", connected);
    check("Connection from 192.0.2.7 port 9", connected);
    for text in [
        "Did not receive identification string from 192.0.2.7 port 9",
        "Unable to negotiate with 192.0.2.7 port 9: no matching cipher found. Their offer: x",
        "fatal: Unable to negotiate a key exchange method [preauth]",
        "fatal: no matching mac found: client x server y [preauth]",
        "refused connect from host.example.net (192.0.2.7)",
    ] {
        check(text, Some(Message::Probe));
    }
    check("Server listening on 0.0.0.0 port 22.", None);
    assert_eq!(repeated(b"5 times: [ Failed x]"), Some((5, &b"Failed x"[..])));
    assert_eq!(repeated(b"5 times"), None);
    assert_eq!(last_repeated(b"2 times"), Some(2));
    assert_eq!(identified(b"800047 auth.info] Failed x"), Some(&b"Failed x"[..]));
}

/// The first row that matches counts.
#[test]
fn longer_beginnings_come_first() {
    for (place, (text, _)) in STARTS.iter().enumerate() {
        for (longer, _) in &STARTS[place + 1..] {
            assert!(!longer.starts_with(text), "{text:?} begins {longer:?}");
        }
    }
}
