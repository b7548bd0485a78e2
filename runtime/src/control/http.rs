//! As much of HTTP/1.1 as someone needs who asks for metrics: one request, one answer, and the connection ends.

use std::fmt::Write as _;
use std::io;
use std::net::{Shutdown, TcpStream};

use super::bounded::{self, Parts};
use super::{Engine, metrics};
use crate::limit;
use crate::status::{GuestState, SourceState, Status};

const TEXT: &str = "text/plain; charset=utf-8";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request<'a> {
    path: &'a str,
    /// Whether the answer's head is enough.
    head_only: bool,
}

/// What is answered.
struct Answer {
    code: u16,
    kind: &'static str,
    body: String,
}

impl Answer {
    fn text(code: u16, body: &str) -> Self {
        Self { code, kind: TEXT, body: body.to_owned() }
    }

    fn render(&self, head_only: bool) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {} {}\r\n", self.code, reason(self.code));
        let _ = write!(out, "Content-Type: {}\r\n", self.kind);
        let _ = write!(out, "Content-Length: {}\r\n", self.body.len());
        if self.code == 405 {
            out.push_str("Allow: GET, HEAD\r\n");
        }
        out.push_str("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
        out.push_str("Connection: close\r\n\r\n");
        if !head_only {
            out.push_str(&self.body);
        }
        out.into_bytes()
    }
}

const fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Bad Request",
    }
}

/// What is said to a client for whom there is no slot.
pub(super) fn busy() -> Vec<u8> {
    Answer::text(503, "too many clients; try again\n").render(false)
}

/// Reads one request and answers it.
pub(super) fn talk(stream: &mut TcpStream, engine: &dyn Engine) -> io::Result<()> {
    let mut parts = Parts::new(limit::HTTP_HEAD_BYTES_MAX);
    let bytes = match parts.next(stream, limit::CLIENT_READ_TIME, head) {
        Ok(Some(head)) => respond(&head, engine),
        Ok(None) => return Ok(()),
        Err(error) => match error.kind() {
            io::ErrorKind::FileTooLarge => Answer::text(431, "too long\n").render(false),
            io::ErrorKind::TimedOut => Answer::text(408, "too slow\n").render(false),
            _ => return Err(error),
        },
    };
    bounded::write(stream, &bytes, limit::CLIENT_WRITE_TIME)?;
    stream.shutdown(Shutdown::Write)?;
    // To close with something unread would tear the connection down before the client has read the answer.
    let nowhere = |_: &[u8]| None;
    match Parts::new(limit::HTTP_HEAD_BYTES_MAX).next(stream, limit::CLIENT_WRITE_TIME, nowhere) {
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Where a request's head ends: at the first empty line.
fn head(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|place| place + 4)
}

fn respond(head: &[u8], engine: &dyn Engine) -> Vec<u8> {
    let request = match parse(head) {
        Ok(request) => request,
        Err(answer) => return answer.render(false),
    };
    let answer = match request.path {
        "/metrics" => {
            let body = metrics::render(&engine.status());
            Answer { code: 200, kind: metrics::CONTENT_TYPE, body }
        }
        "/health" => health(&engine.status()),
        _ => Answer::text(404, "there are /metrics and /health\n"),
    };
    answer.render(request.head_only)
}

fn parse(head: &[u8]) -> Result<Request<'_>, Answer> {
    let bad = || Answer::text(400, "this is no HTTP request\n");
    let text = std::str::from_utf8(head).map_err(|_| bad())?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad());
    };
    let Some(minor) = version.strip_prefix("HTTP/") else { return Err(bad()) };
    if minor != "1.1" && minor != "1.0" {
        return Err(Answer::text(505, "this is HTTP/1.1\n"));
    }
    let is_token =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    let is_field = |line: &&str| line.split_once(':').is_some_and(|(name, _)| is_token(name));
    if !is_token(method) || !target.starts_with('/') || !is_token(target) {
        return Err(bad());
    }
    if !lines.take_while(|line| !line.is_empty()).all(|line| is_field(&line)) {
        return Err(bad());
    }
    let head_only = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Answer::text(405, "there are GET and HEAD\n")),
    };
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    Ok(Request { path, head_only })
}

/// Whether all is well; if not, what is not.
fn health(status: &Status) -> Answer {
    let mut wrong = String::new();
    let sources = status.sources.iter().filter(|source| source.state == SourceState::Failed);
    for source in sources {
        let _ = writeln!(wrong, "source {} failed", metrics::escaped(&source.name));
    }
    let guests = status.modules.iter().map(|module| &module.guest);
    let guests = guests.chain(status.listeners.iter().map(|listener| &listener.guest));
    for guest in guests.filter(|guest| guest.state == GuestState::Suspended) {
        let _ = writeln!(wrong, "{} is suspended", metrics::escaped(&guest.name));
    }
    if wrong.is_empty() { Answer::text(200, "ok\n") } else { Answer::text(503, &wrong) }
}

#[cfg(test)]
mod tests {
    use super::{Request, health, parse};
    use crate::status::{GuestState, ModuleStatus, SourceState, SourceStatus, Status};

    #[test]
    fn requests_are_understood_or_refused() {
        let check = |head: &str, expected: Result<(&str, bool), u16>| {
            let expected = expected.map(|(path, head_only)| Request { path, head_only });
            assert_eq!(parse(head.as_bytes()).map_err(|answer| answer.code), expected, "{head:?}");
        };
        check("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", Ok(("/metrics", false)));
        check("HEAD /metrics?a=b HTTP/1.0\r\n\r\n", Ok(("/metrics", true)));
        check("GET / HTTP/1.1\r\n\r\n", Ok(("/", false)));
        check("POST /metrics HTTP/1.1\r\n\r\n", Err(405));
        check("GET /metrics HTTP/2.0\r\n\r\n", Err(505));
        check("GET /metrics\r\n\r\n", Err(400));
        check("GET  /metrics HTTP/1.1\r\n\r\n", Err(400));
        check("GET metrics HTTP/1.1\r\n\r\n", Err(400));
        check("GET /metrics HTTP/1.1\r\nno field\r\n\r\n", Err(400));
        check("GET /metrics HTTP/1.1\r\n: x\r\n\r\n", Err(400));
        check("\r\n\r\n", Err(400));
        check("\x16\x03\x01\r\n\r\n", Err(400));
    }

    #[test]
    fn health_says_what_is_wrong() {
        let mut status = Status::default();
        assert_eq!(health(&status).code, 200);
        let source = SourceStatus { name: "net".to_owned(), ..SourceStatus::default() };
        status.sources.push(SourceStatus { state: SourceState::Failed, ..source });
        let mut module = ModuleStatus::default();
        module.guest.name = "sshd".to_owned();
        module.guest.state = GuestState::Suspended;
        status.modules.push(module);
        let answer = health(&status);
        assert_eq!(
            (answer.code, answer.body.as_str()),
            (503, "source net failed\nsshd is suspended\n")
        );
    }
}
