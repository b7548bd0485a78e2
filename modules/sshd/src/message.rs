//! The grammar of sshd's messages: from how one begins and its bytes to what it says.
//!
//! It covers OpenSSH 3 to 10 and what PAM writes in sshd's name. It allocates nothing, looks only at the bytes that
//! matter, and trusts nothing that a client may have chosen. It must never know what was said before: that is the
//! machine's business.

use crate::bytes::{same, without_end};
use crate::literals::{Kind, SEPARATOR, STARTS};
use crate::peer::{Peer, Who, number};

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// An attempt to prove who one is failed.
    Failed { method: Method, who: Who<'a> },
    /// Somebody proved who they are.
    Accepted(Accepted<'a>),
    /// There is no such account. sshd tells this once for a connection.
    Invalid(Who<'a>),
    /// The account may not log in.
    Refused(Who<'a>),
    /// As [`Message::Refused`], and the connection ends.
    Denied { user: &'a [u8] },
    /// A PAM module reports a failure that sshd may report, too. The module is empty if the message does not tell.
    PamFailed { module: &'a [u8], who: Who<'a> },
    /// PAM sums up failures that it did not report one by one.
    PamMore { count: u32 },
    /// sshd reports that PAM refused: a failure.
    PamError(Who<'a>),
    /// PAM opened a session.
    Opened,
    /// PAM closed a session.
    Closed,
    /// As many failures as sshd allows; the connection ends.
    Exhausted(Who<'a>),
    /// The connection ends.
    Ended(End<'a>),
    /// A new connection.
    Connected(Peer<'a>),
    /// A connection that never came as far as a user's name.
    Probe,
}

/// With what somebody tried to prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A password, or whatever else is a guess.
    Guess,
    /// A dialogue, which PAM may lead.
    Dialogue,
    /// A public key; a client offers all that it has, one by one.
    PublicKey,
    /// Nothing: how a client asks which methods there are.
    Nothing,
}

/// Who got in, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// Who, and from where.
    pub who: Who<'a>,
    /// The method.
    pub method: &'a [u8],
    /// What sshd adds about it: a key, as a rule.
    pub detail: &'a [u8],
}

/// How far a connection had come when it ended, in the message's own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It does not tell.
    #[default]
    Untold,
    /// A user's name was known, but not proved.
    Authenticating,
    /// As before, and there is no such account.
    Invalid,
    /// Somebody was logged in.
    LoggedIn,
}

/// The end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End<'a> {
    /// How far it had come.
    pub stage: Stage,
    /// Whose it was, as far as the message tells.
    pub who: Who<'a>,
    /// Whether it was before any login.
    pub preauth: bool,
    /// Whether it ended because authentication failed.
    pub gave_up: bool,
    /// Whether it is the client's own farewell, which may be followed by sshd's word on the same end.
    pub farewell: bool,
    /// The process whose connection it was, if not the one that writes.
    pub process_id: Option<&'a [u8]>,
}

/// Finds what an unsearched message begins with.
pub fn recognise(message: &[u8]) -> Option<(Kind, usize)> {
    let start = STARTS.iter().find(|(text, _)| message.starts_with(text.as_bytes()))?;
    Some((start.1, start.0.len()))
}

/// Reads a message of which the beginning is known. `separator` is where in `rest` the first [`SEPARATOR`] stands.
pub fn read(kind: Kind, rest: &[u8], separator: Option<usize>) -> Option<Message<'_>> {
    let (rest, preauth) = stage(rest);
    Some(match kind {
        Kind::FailedPassword => {
            Message::Failed { method: Method::Guess, who: failed_password(rest, separator)? }
        }
        Kind::Failed => {
            let (method, who, _) = attempt(rest, separator)?;
            Message::Failed { method: method_of(method), who }
        }
        Kind::Accepted => {
            let (method, who, detail) = attempt(rest, separator)?;
            Message::Accepted(Accepted { who, method, detail })
        }
        Kind::Invalid => Message::Invalid(Who { invalid: true, ..Who::from(rest)? }),
        Kind::NotAllowed => Message::Refused(not_allowed(rest)?),
        Kind::RootRefused => {
            Message::Refused(Who { user: b"root", invalid: true, peer: Peer::whole(rest)? })
        }
        Kind::AccessDenied => Message::Denied { user: until(rest, b" by ").unwrap_or(rest) },
        Kind::PamFailure => pam_failed(b"", rest)?,
        Kind::PamMore => Message::PamMore { count: number(until(rest, b" more auth")?)? },
        Kind::PamError => Message::PamError(pam_error(rest)?),
        Kind::Opened => Message::Opened,
        Kind::Closed => Message::Closed,
        Kind::MaximumExceeded => Message::Exhausted(Who::from(without_protocol(rest))?),
        Kind::Disconnecting => Message::Ended(disconnecting(rest, preauth)?),
        Kind::DisconnectingNobody => Message::Ended(disconnecting_nobody(rest, preauth)),
        Kind::Received => Message::Ended(received(rest, preauth)?),
        Kind::Ended => Message::Ended(ended(rest, preauth)?),
        Kind::EndedBecause => Message::Ended(whose(until_reason(rest)?.0, preauth)?),
        Kind::Broken => Message::Ended(End { preauth, ..End::default() }),
        Kind::Timeout => Message::Ended(timeout(rest)?),
        Kind::Connected => Message::Connected(Peer::whole(until(rest, b" on ").unwrap_or(rest))?),
        Kind::Probe => Message::Probe,
        Kind::Repeated | Kind::Identified => return None,
    })
}

/// Reads `WHO from A port P ssh2` behind `Failed password for `.
#[inline]
pub fn failed_password(rest: &[u8], separator: Option<usize>) -> Option<Who<'_>> {
    let (rest, _) = stage(rest);
    let (head, _) = detailed(rest, separator)?;
    Who::from(head)
}

/// Reads `message repeated N times: [ MESSAGE]` without its beginning into N and the message.
pub fn repeated(rest: &[u8]) -> Option<(u32, &[u8])> {
    let count = number(until(rest, b" ")?)?;
    let inner = &rest[find(rest, b": [ ")? + 4..];
    Some((count, inner.strip_suffix(b"]").unwrap_or(inner)))
}

/// Reads `last message repeated N times` without its beginning.
pub fn last_repeated(rest: &[u8]) -> Option<u32> {
    number(until(rest, b" time")?)
}

/// Reads `[ID N FACILITY.SEVERITY] MESSAGE` without its beginning.
pub fn identified(rest: &[u8]) -> Option<&[u8]> {
    Some(&rest[find(rest, b"] ")? + 2..])
}

/// Reads a PAM module's failure, the beginning of which is `pam_MODULE(sshd:auth): authentication failure; `.
pub fn pam_failed<'a>(module: &'a [u8], rest: &'a [u8]) -> Option<Message<'a>> {
    // Nearly all of them; the rest of the fields is only searched where one of these differs.
    const COMMON: &[u8] = b"logname= uid=0 euid=0 tty=ssh ruser= rhost=";
    let (rest, _) = stage(rest);
    let (mut user, rest) = match rest.split_at_checked(COMMON.len()) {
        Some((head, rest)) if same(head, COMMON) => (&b""[..], rest),
        // The first `rhost=` is PAM's own: what the client chose comes after it.
        _ => (
            find(rest, b"ruser=").map_or(&b""[..], |place| first_word(&rest[place + 6..])),
            &rest[find(rest, b"rhost=")? + 6..],
        ),
    };
    let addr = first_word(rest);
    let tail = rest[addr.len()..].trim_ascii();
    if let Some(name) = tail.strip_prefix(b"user=") {
        user = name;
    }
    let peer = Peer::portless(addr);
    Some(Message::PamFailed { module, who: Who { user, invalid: false, peer } })
}

/// Splits off the mark of what sshd says before anybody is logged in.
#[inline]
fn stage(text: &[u8]) -> (&[u8], bool) {
    let text =
        if text.last().is_some_and(u8::is_ascii_whitespace) { text.trim_ascii_end() } else { text };
    match without_end(text, b"reauth]") {
        Some(head) if head.ends_with(b" [p") => (&head[..head.len() - 3], true),
        _ => (text, false),
    }
}

/// Reads `METHOD for WHO from A port P ssh2[: DETAIL]`.
#[inline]
fn attempt(rest: &[u8], separator: Option<usize>) -> Option<(&[u8], Who<'_>, &[u8])> {
    let (head, detail) = detailed(rest, separator)?;
    let place = head.iter().position(|&byte| byte == b' ')?;
    let who = Who::from(head[place..].strip_prefix(b" for ")?)?;
    Some((&head[..place], who, detail))
}

/// Splits `... port P ssh2[: DETAIL]`.
#[inline]
fn detailed(rest: &[u8], separator: Option<usize>) -> Option<(&[u8], &[u8])> {
    match separator {
        Some(place) => Some((rest.get(..place)?, rest.get(place + SEPARATOR.len()..)?)),
        None => Some((without_protocol(rest), b"")),
    }
}

/// Takes the protocol's version off the end, and what version 1 added after it.
#[inline]
fn without_protocol(text: &[u8]) -> &[u8] {
    if let Some(head) = without_end(text, b" ssh2").or_else(|| without_end(text, b" ssh1")) {
        return head;
    }
    until(text, b" ssh1: ").unwrap_or(text)
}

/// The method behind its name.
#[inline]
fn method_of(name: &[u8]) -> Method {
    match name {
        b"password" => Method::Guess,
        b"publickey" => Method::PublicKey,
        b"none" => Method::Nothing,
        _ if name.starts_with(b"keyboard-interactive") => Method::Dialogue,
        b"challenge-response" => Method::Dialogue,
        _ => Method::Guess,
    }
}

/// Reads `U[ from A] not allowed because REASON`. A reason holds no such words, but a name may.
fn not_allowed(rest: &[u8]) -> Option<Who<'_>> {
    const BECAUSE: &[u8] = b" not allowed because ";
    let head = &rest[..rest.windows(BECAUSE.len()).rposition(|window| window == BECAUSE)?];
    let who = Who::from(head).unwrap_or(Who { user: head, ..Who::default() });
    Some(Who { invalid: true, ..who })
}

/// Reads `REASON for U from A[ via B]`.
fn pam_error(rest: &[u8]) -> Option<Who<'_>> {
    let retries = &b"Have exhausted maximum number of retries for service"[..];
    let rest = rest.strip_prefix(retries).unwrap_or(rest);
    let rest = &rest[find(rest, b" for ")? + 5..];
    let via =
        rest.rsplitn(2, |&byte| byte == b' ').nth(1).and_then(|head| head.strip_suffix(b" via"));
    Who::from(via.unwrap_or(rest))
}

/// Reads `[from ][WHO] A port P: REASON`.
fn disconnecting(rest: &[u8], preauth: bool) -> Option<End<'_>> {
    let (who, reason) = until_reason(rest.strip_prefix(b"from ").unwrap_or(rest))?;
    Some(End { gave_up: is_failure(reason), ..whose(who, preauth)? })
}

/// Reads `REASON`, of old versions, which may tell for whom.
fn disconnecting_nobody(rest: &[u8], preauth: bool) -> End<'_> {
    let mut end = End { gave_up: is_failure(rest), preauth, ..End::default() };
    if let Some(user) = rest.strip_prefix(b"Too many authentication failures for ") {
        end.who.user = user;
        end.stage = Stage::Authenticating;
    }
    end
}

/// Reads `A port P:CODE: REASON` or `A: CODE: REASON`.
fn received(rest: &[u8], preauth: bool) -> Option<End<'_>> {
    let word = first_word(rest);
    // Up to the colon that ends the address or, if there is one, the port: an address may end in a colon itself.
    let head = match find(rest, b" port ") {
        Some(place) if place == word.len() => {
            place + rest[place..].iter().position(|&byte| byte == b':')?
        }
        _ => word.strip_suffix(b":")?.len(),
    };
    let (peer, rest) = (Peer::whole(&rest[..head])?, &rest[head + 1..]);
    let rest = rest.trim_ascii_start();
    let gave_up = rest.starts_with(b"3:") && rest.ends_with(b"Auth fail");
    let who = Who { peer, ..Who::default() };
    Some(End { who, preauth, gave_up, farewell: true, ..End::default() })
}

/// Reads `WHO A port P`, `from WHO A port P` or nothing at all.
fn ended(rest: &[u8], preauth: bool) -> Option<End<'_>> {
    let rest = rest.strip_prefix(b" from ").unwrap_or(rest);
    if rest.is_empty() || rest == b"." {
        return Some(End { preauth, ..End::default() });
    }
    whose(rest, preauth)
}

/// Reads `A port P`, or `connection from A to B, pid = N` of sshd 9.8 and newer, whose listener says it.
fn timeout(rest: &[u8]) -> Option<End<'_>> {
    let mut end = End { preauth: true, ..End::default() };
    if let Some(rest) = rest.strip_prefix(b"connection from ") {
        end.who.peer = Peer::whole(first_word(rest))?;
        end.process_id = find(rest, b", pid = ").map(|place| &rest[place + 8..]);
    } else {
        end.who.peer = Peer::whole(rest)?;
    }
    Some(end)
}

/// Reads `[authenticating user U |invalid user U |user U ]A[ port P]`.
fn whose(text: &[u8], preauth: bool) -> Option<End<'_>> {
    const STAGES: [(&[u8], Stage); 3] = [
        (b"authenticating user ", Stage::Authenticating),
        (b"invalid user ", Stage::Invalid),
        (b"user ", Stage::LoggedIn),
    ];
    for (mark, stage) in STAGES {
        if let Some(rest) = text.strip_prefix(mark) {
            let who = Who { invalid: stage == Stage::Invalid, ..Who::before_peer(rest)? };
            return Some(End { stage, who, preauth, ..End::default() });
        }
    }
    let who = Who { peer: Peer::whole(text)?, ..Who::default() };
    Some(End { who, preauth, ..End::default() })
}

/// Splits `... A port P: REASON` or `A: REASON`. An IPv6 address may end in a colon itself, and a reason may hold
/// anything: the first colon after a port is the one, because names hold none.
fn until_reason(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    while let Some(place) = find(&text[from..], b": ") {
        let place = from + place;
        let head = &text[..place];
        let alone = !head.contains(&b' ') && head.last() != Some(&b':');
        if alone || Peer::at_end(head).is_some_and(|(_, peer)| peer.port != 0) {
            return Some((head, &text[place + 2..]));
        }
        from = place + 1;
    }
    None
}

/// Whether a reason to disconnect is that authentication failed.
fn is_failure(reason: &[u8]) -> bool {
    reason.starts_with(b"Too many authentication failures")
        || reason.starts_with(b"Change of username or service not allowed")
}

/// All up to the first space.
fn first_word(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == b' ').next().unwrap_or_default()
}

/// All up to the first occurrence.
fn until<'a>(text: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    Some(&text[..find(text, needle)?])
}

/// Where something occurs first. Only off the hot path.
pub fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests;
