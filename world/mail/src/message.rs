//! The mail itself, made from a request.
//!
//! A guest's text can't leave the place that it is given: what would end a header or a line of the conversation is made
//! visible or harmless here, and encoded by lettre. It must never know how mail is sent.

use std::time::SystemTime;

use correlator_world::{Cell, Refused, Request};
use lettre::Address;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue, MessageId};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};

use crate::limit;
use crate::recipient;
use crate::settings::{Rules, shown};

/// The columns that a request may have.
const COLUMNS: [&str; 5] = ["to", "subject", "text", "html", "reply_to"];

/// What a request asks for, understood and granted.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub to: Vec<Address>,
    pub subject: String,
    text: &'a str,
    html: Option<&'a str>,
    reply_to: Option<Address>,
}

impl<'a> Draft<'a> {
    /// What a request asks for, if the grant covers it.
    pub fn new(request: &'a Request, rules: &Rules) -> Result<Self, Refused> {
        if let Some((name, _)) = request.cells.iter().find(|(name, _)| !COLUMNS.contains(&&**name))
        {
            let (name, known) = (shown(name), COLUMNS.join(", "));
            return Err(Refused::Malformed(format!("a mail has no `{name}`; it has {known}")));
        }
        let subject = column(request, "subject")?.ok_or_else(|| missing("subject"))?;
        let text = column(request, "text")?.ok_or_else(|| missing("text"))?;
        // The grant wins: a mail says as much without it.
        let html = column(request, "html")?.filter(|_| rules.html);
        let reply_to = column(request, "reply_to")?;
        if reply_to.is_some() && !rules.reply_to {
            let text =
                "`reply_to` is not granted; leave it out, or write `reply_to: true` in the stack";
            return Err(Refused::Denied(text.into()));
        }
        let size = (subject.len() + text.len() + html.map_or(0, str::len)) as u64;
        if size > rules.size_max {
            let most = rules.size_max;
            return Err(Refused::Denied(format!(
                "a mail of {size} bytes is larger than {most}; raise `size_max` in the stack"
            )));
        }
        Ok(Self {
            to: rules.recipients.of(column(request, "to")?)?,
            subject: one_line(subject),
            text,
            html,
            reply_to: reply_to.map(|text| recipient::plain(text.trim())).transpose()?,
        })
    }

    /// What would be sent, in one line.
    pub fn plan(&self) -> String {
        let to: Vec<String> = self.to.iter().map(ToString::to_string).collect();
        let html = if self.html.is_some() { ", with HTML" } else { "" };
        let subject = self.subject.escape_debug();
        format!("mail to {}: \"{subject}\", {} bytes of text{html}", to.join(", "), self.text.len())
    }

    /// The mail as it goes over the wire.
    pub fn mail(&self, id: &str, rules: &Rules, now: SystemTime) -> Result<Vec<u8>, String> {
        let mut builder = Message::builder()
            .date(now)
            .from(rules.from.clone())
            .subject(self.subject.clone())
            .header(MessageId::from(message_id(id, rules.domain())))
            .header(Automatic)
            .header(CorrelatorId(id.to_owned()));
        for address in &self.to {
            builder = builder.to(Mailbox::from(address.clone()));
        }
        if let Some(address) = &self.reply_to {
            builder = builder.reply_to(Mailbox::from(address.clone()));
        }
        let text = SinglePart::builder().header(ContentType::TEXT_PLAIN).body(lines(self.text));
        let made = match self.html {
            None => builder.singlepart(text),
            Some(html) => {
                let html = SinglePart::builder().header(ContentType::TEXT_HTML).body(lines(html));
                builder.multipart(MultiPart::alternative().singlepart(text).singlepart(html))
            }
        };
        made.map(|mail| mail.formatted())
            .map_err(|error| format!("the mail can't be made: {error}"))
    }
}

/// The text of a column; nothing if it is absent.
fn column<'a>(request: &'a Request, name: &str) -> Result<Option<&'a str>, Refused> {
    match request.cell(name) {
        None => Ok(None),
        Some(Cell::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Refused::Malformed(format!("`{name}` is no text"))),
    }
}

fn missing(name: &str) -> Refused {
    Refused::Malformed(format!("a mail needs `{name}`"))
}

/// A mail is the same if its request is: whoever gets it twice can tell.
pub(crate) fn message_id(id: &str, domain: &str) -> String {
    let word: String = id
        .chars()
        .map(|c| match c {
            // These may not stand in such a word anywhere, and two different words stay two.
            ':' => '=',
            '.' => '+',
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '#' => c,
            _ => '?',
        })
        .collect();
    format!("<{word}@{domain}>")
}

/// A subject: one line, not too long, and nothing in it that a reader would take for an encoding.
fn one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let line = text.replace(breaks, " ").replace("=?", "= ?").trim().to_owned();
    if line.chars().count() <= limit::SUBJECT_CHARS_MAX {
        return line;
    }
    let mut cut: String = line.chars().take(limit::SUBJECT_CHARS_MAX - 1).collect();
    cut.push('…');
    cut
}

/// A body: every line ends as mail's do, and control characters are pictures of themselves.
fn lines(text: &str) -> String {
    let mut made = String::with_capacity(text.len() + text.len() / 16 + 2);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\r' => {
                characters.next_if_eq(&'\n');
                made.push_str("\r\n");
            }
            '\n' => made.push_str("\r\n"),
            '\t' => made.push(c),
            '\0'..='\u{1f}' => made.extend(char::from_u32(0x2400 + u32::from(c))),
            '\u{7f}' => made.push('\u{2421}'),
            '\u{80}'..='\u{9f}' => made.push('\u{fffd}'),
            _ => made.push(c),
        }
    }
    // lettre ends the last line.
    if made.ends_with("\r\n") {
        made.truncate(made.len() - 2);
    }
    made
}

/// Tells machines that they need not answer (RFC 3834).
#[derive(Clone)]
struct Automatic;

/// The request that the mail comes from.
#[derive(Clone)]
struct CorrelatorId(String);

impl Header for Automatic {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

impl Header for CorrelatorId {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("X-Correlator-Id")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), one_line(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use correlator_world::{Capability, Cell, Kind, Request};

    use super::{Draft, lines, message_id, one_line};
    use crate::delivery::Mail;
    use crate::settings::{Rules, Settings};

    fn rules(more: &str) -> Rules {
        let text = format!(
            "{{server: localhost, security: none, from: 'Correlator <c@example.org>', to: [ops@example.org], {more}}}"
        );
        let settings: Settings = serde_yaml::from_str(&text).expect("settings");
        Rules::new(&settings).expect("rules")
    }

    fn request(cells: &[(&str, &str)]) -> Request {
        let cells = cells.iter().map(|(name, text)| ((*name).into(), Cell::Text((*text).into())));
        Request { id: "csv:1:7#0".into(), target: "mail".into(), cells: cells.collect() }
    }

    fn made(cells: &[(&str, &str)]) -> String {
        let (rules, request) = (rules("reply_to: true"), request(cells));
        let draft = Draft::new(&request, &rules).expect("granted");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let mail = draft.mail(&request.id, &rules, time).expect("made");
        String::from_utf8(mail).expect("text")
    }

    #[test]
    fn whom_a_mail_is_for() {
        let settings = "{server: localhost, security: none, from: c@example.org, to: [ops@example.org], \
                        recipients: ['*@example.net']}";
        let settings: Settings = serde_yaml::from_str(settings).expect("settings");
        let mail = Mail::new(&settings).expect("a grant");
        let check = |cells: &[(&str, &str)], expected: &[&str]| {
            assert_eq!(mail.parties(&request(cells)), expected, "{cells:?}");
        };
        let words = [("subject", "s"), ("text", "t")];
        check(&words, &["ops@example.org"]);
        let to = [("to", "A@Example.net, b@example.net,A@Example.net"), words[0], words[1]];
        check(&to, &["a@example.net", "b@example.net"]);
    }

    #[test]
    fn a_mail() {
        let mail = made(&[("subject", "Warning: hello"), ("text", "one\ntwo\n")]);
        let expected = "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
            From: Correlator <c@example.org>\r\n\
            Subject: Warning: hello\r\n\
            Message-ID: <csv=1=7#0@example.org>\r\n\
            Auto-Submitted: auto-generated\r\n\
            X-Correlator-Id: csv:1:7#0\r\n\
            To: ops@example.org\r\n\
            MIME-Version: 1.0\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: 7bit\r\n\
            \r\n\
            one\r\ntwo\r\n";
        assert_eq!(mail, expected);
    }

    #[test]
    fn both_forms() {
        let mail = made(&[("subject", "s"), ("text", "plain"), ("html", "<b>häml</b>")]);
        assert!(mail.contains("multipart/alternative") && mail.contains("text/html"));
        assert!(mail.is_ascii() && mail.contains("<b>h=C3=A4ml</b>"), "{mail}");
    }

    #[test]
    fn nothing_leaves_its_header() {
        let mail = made(&[
            ("subject", "a\r\nBcc: evil@evil.org\r\n\r\nbody\u{2028}x\0"),
            ("text", "t"),
            ("reply_to", "r@example.org"),
        ]);
        let (head, body) = mail.split_once("\r\n\r\n").expect("a head");
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(head.contains("Reply-To: r@example.org") && body == "t\r\n", "{mail}");
        let long = made(&[("subject", &"ü".repeat(5000)), ("text", &"x".repeat(200_000))]);
        assert!(long.is_ascii() && long.lines().all(|line| line.len() < 998));
        let dots = made(&[("subject", "s"), ("text", "\n.\nMAIL FROM:<>\r.\r")]);
        assert!(dots.ends_with("\r\n.\r\nMAIL FROM:<>\r\n.\r\n"), "{dots}");
    }

    #[test]
    fn subjects() {
        let check = |text: &str, expected: &str| assert_eq!(one_line(text), expected);
        check("  plain ", "plain");
        check("a\r\n b\tc\u{1b}[31m", "a   b c [31m");
        check("=?utf-8?B?AA==?=", "= ?utf-8?B?AA== ?=");
        assert_eq!(one_line(&"ä".repeat(201)).chars().count(), 200);
        assert_eq!(one_line(&"ä".repeat(200)), "ä".repeat(200));
    }

    #[test]
    fn bodies() {
        let check = |text: &str, expected: &str| assert_eq!(lines(text), expected, "{text:?}");
        check("a", "a");
        check("a\nb\r\nc\rd\n", "a\r\nb\r\nc\r\nd");
        check("\0\u{1b}[2J\t\u{7f}\u{85}", "␀␛[2J\t␡\u{fffd}");
        check("", "");
    }

    #[test]
    fn ids() {
        assert_eq!(message_id("a:b.c#1", "d.org"), "<a=b+c#1@d.org>");
        assert_eq!(message_id("a>\r\nX", "d.org"), "<a???X@d.org>");
    }

    #[test]
    fn what_is_refused() {
        let check = |more: &str, request: &Request, expected: &str| {
            let rules = rules(more);
            let error = Draft::new(request, &rules).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("", &request(&[("text", "t")]), "a mail needs `subject`");
        check("", &request(&[("subject", "s")]), "a mail needs `text`");
        check("", &request(&[("subject", "s"), ("text", "t"), ("bcc", "x")]), "has no `bcc`");
        check("", &request(&[("subject", "s"), ("text", "t"), ("reply_to", "x@y.org")]), "denied");
        let large = "x".repeat(2 << 20);
        check("", &request(&[("subject", "s"), ("text", &large)]), "raise `size_max`");
        let mut number = request(&[("subject", "s")]);
        number.cells.push(("text".into(), Cell::Integer(1)));
        check("", &number, "`text` is no text");
        let mut absent = request(&[("subject", "s"), ("text", "t")]);
        absent.cells.push(("html".into(), Cell::Absent(Kind::Text)));
        assert!(Draft::new(&absent, &rules("html: false")).is_ok());
    }

    #[test]
    fn without_html_in_the_grant_a_mail_goes_as_text() {
        let both = request(&[("subject", "s"), ("text", "plain"), ("html", "<b>h</b>")]);
        let rules = rules("html: false");
        let draft = Draft::new(&both, &rules).expect("a mail");
        assert!(!draft.plan().contains("HTML"), "{}", draft.plan());
        let mail = draft.mail("csv:1:7#0", &rules, SystemTime::UNIX_EPOCH).expect("a mail");
        let mail = String::from_utf8_lossy(&mail);
        assert!(mail.contains("plain") && !mail.contains("html"), "{mail}");
    }
}
