//! Subject and text of a mail, by templates.

use std::sync::Arc;

use correlator_dispatch::template::{Handle, Rendered, Templates};
use correlator_dispatch::variable::{Form, Message};
use correlator_sdk::prelude::{BoundSchema, Error, Severity};
use correlator_sdk::text::tame_line;

use crate::options::Options;

/// Bytes of a subject: what mail programs show, and some more.
const SUBJECT_BYTES_MAX: usize = 200;

const SUBJECT: &str = "{{ summary or event ~ ' of ' ~ module }}";
const SUBJECT_DIGEST: &str =
    "{{ count }} events, most severe: {{ summary or event ~ ' of ' ~ module }}";
const TEXT: &str = include_str!("default/event.txt");
const HTML: &str = include_str!("default/event.html");
const TEXT_DIGEST: &str = include_str!("default/digest.txt");
const HTML_DIGEST: &str = include_str!("default/digest.html");

/// What a mail says.
pub struct Mail {
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
}

/// All templates, read and found right.
pub struct Words {
    templates: Templates,
    event: Kind,
    digest: Kind,
}

/// The templates of one kind of mail: what is used, and what takes its place if that fails.
struct Kind {
    /// The operator's own, if there is one: what the text's template sets is weaker.
    subject: Option<Handle>,
    subject_default: Handle,
    text: Handle,
    text_default: Handle,
    html: Option<Handle>,
    html_default: Handle,
}

/// The options and defaults of one kind of mail.
struct Sources<'a> {
    /// The options' names and the operator's templates; empty for none.
    subject: (&'a str, &'a str),
    text: (&'a str, &'a str),
    html: (&'a str, &'a str),
    /// Ours.
    defaults: [&'a str; 3],
}

impl Words {
    /// The operator's templates, and ours where there is none.
    pub fn new(options: &Options, schemas: &[BoundSchema]) -> Result<Self, Error> {
        let mut templates = Templates::of_events(schemas);
        let event = Sources {
            subject: ("subject", &options.subject),
            text: ("template_text", &options.template_text),
            html: ("template_html", &options.template_html),
            defaults: [SUBJECT, TEXT, HTML],
        };
        let digest = Sources {
            subject: ("subject_digest", &options.subject_digest),
            text: ("template_digest_text", &options.template_digest_text),
            html: ("template_digest_html", &options.template_digest_html),
            defaults: [SUBJECT_DIGEST, TEXT_DIGEST, HTML_DIGEST],
        };
        let event = Kind::new(&mut templates, &event, options.html)?;
        let digest = Kind::new(&mut templates, &digest, options.html)?;
        Ok(Self { templates, event, digest })
    }

    /// The mail that tells of this.
    pub fn mail(&self, options: &Options, message: Message) -> Mail {
        let kind = if message.is_digest() { &self.digest } else { &self.event };
        let prefix = prefix(options, message.severity());
        let message = Arc::new(message);
        let Rendered { text, subject } =
            self.templates.render(kind.text, kind.text_default, &message);
        let subject = match (kind.subject, subject) {
            (None, Some(subject)) => subject,
            (own, _) => {
                let own = own.unwrap_or(kind.subject_default);
                self.templates.render(own, kind.subject_default, &message).text
            }
        };
        let html =
            kind.html.map(|html| self.templates.render(html, kind.html_default, &message).text);
        Mail { subject: subject_line(&prefix, &subject), text, html }
    }

    /// The mail that tells of this in a line, where there are too many for more.
    pub fn brief_mail(&self, options: &Options, message: Message) -> Mail {
        let prefix = prefix(options, message.severity());
        let kind = if message.is_digest() { &self.digest } else { &self.event };
        let default = kind.subject_default;
        let text = self.templates.render(default, default, &Arc::new(message)).text;
        Mail { subject: subject_line(&prefix, &text), text, html: None }
    }
}

impl Kind {
    fn new(templates: &mut Templates, sources: &Sources<'_>, html: bool) -> Result<Self, Error> {
        let [subject, text, markup] = sources.defaults;
        let subject_default = templates.add("default", Form::Text, subject)?;
        let text_default = templates.add("default", Form::Text, text)?;
        let html_default = templates.add("default", Form::Html, markup)?;
        let mut own = |(option, source): (&str, &str), form| {
            if source.is_empty() { Ok(None) } else { templates.add(option, form, source).map(Some) }
        };
        let own_subject = own(sources.subject, Form::Text)?;
        let own_text = own(sources.text, Form::Text)?;
        let own_html = own(sources.html, Form::Html)?;
        // Whoever words the text anew does not want our words beside it.
        let our_html = own_text.is_none().then_some(html_default);
        Ok(Self {
            subject: own_subject,
            subject_default,
            text: own_text.unwrap_or(text_default),
            text_default,
            html: own_html.or(our_html).filter(|_| html),
            html_default,
        })
    }
}

fn subject_line(prefix: &str, subject: &str) -> String {
    tame_line(format!("{prefix}{}", subject.trim()).as_bytes(), SUBJECT_BYTES_MAX)
}

/// How a subject begins.
fn prefix(options: &Options, severity: u32) -> String {
    let own = options.subject_prefix.as_str();
    if options.severity_prefix && severity <= Severity::Error.number() {
        format!("{own}Error: ")
    } else if options.severity_prefix && severity == Severity::Warning.number() {
        format!("{own}Warning: ")
    } else {
        own.to_owned()
    }
}
