//! The operator's templates and ours: minijinja, filled in from events.
//!
//! A mistake in a template is the operator's and told when the stack is checked: what can't be read, names that are no
//! variable or no event's column, JSON that is none. A template that fails on an event all the same must not cost the
//! message: then ours takes its place.

use core::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use correlator_sdk::prelude::{BoundSchema, Error, Kind, Severity};
use correlator_sdk::{log, text};
use minijinja::{Environment, ErrorKind};
use serde::de::IgnoredAny;

use crate::builtin;
use crate::variable::{self, Form, Message};

/// Bytes of a template.
const SOURCE_BYTES_MAX: usize = 64 << 10;
/// Bytes of what a template makes.
pub const OUTPUT_BYTES_MAX: usize = 256 << 10;
/// How deep a template may go. A guest's stack is small.
const RECURSION_MAX: usize = 32;
/// What a template sets to name its subject.
const SUBJECT: &str = "subject";
/// Bytes that are shown of what is no JSON.
const SHOWN_BYTES_MAX: usize = 120;
/// How templates begin to name an event's column.
const COLUMN: &str = "fields.";

/// A template: by its place in [`Templates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    place: usize,
    form: Form,
}

/// What a template made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// What the template itself says of a subject: `{% set subject %}...{% endset %}`, or the same as a block.
    pub subject: Option<String>,
}

/// Templates that were read and found right.
pub struct Templates {
    environment: Environment<'static>,
    sources: Vec<Source>,
    /// The columns of all events that may arrive. Without any, nobody knows which there are.
    columns: BTreeMap<String, Kind>,
}

/// Where a template is from.
struct Source {
    /// What the engine knows it by.
    name: String,
    option: String,
    /// Whether it was told that it failed: once is enough.
    told: Cell<bool>,
}

impl Default for Templates {
    fn default() -> Self {
        let mut environment = builtin::environment();
        environment.set_recursion_limit(RECURSION_MAX);
        Self { environment, sources: Vec::new(), columns: BTreeMap::new() }
    }
}

impl Templates {
    /// For templates that tell of these events.
    #[must_use]
    pub fn of_events(schemas: &[BoundSchema]) -> Self {
        let columns = schemas.iter().flat_map(|schema| &schema.columns);
        let columns = columns.map(|column| (column.name.clone(), column.kind)).collect();
        Self { columns, ..Self::default() }
    }

    /// Reads a template, which came from this option.
    ///
    /// # Errors
    /// If it is too long, can't be read, uses a name that is no variable or no event's column, or makes no JSON where it
    /// should. All of it is named.
    pub fn add(&mut self, option: &str, form: Form, source: &str) -> Result<Handle, Error> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(Error::Said(format!(
                "option `{option}` has {} bytes, but a template has {SOURCE_BYTES_MAX} at most",
                source.len()
            )));
        }
        // The engine escapes as the name ends.
        let ending = match form {
            Form::Text => "txt",
            Form::Html => "html",
            Form::Json => "json",
        };
        let place = self.sources.len();
        let name = format!("{place}.{ending}");
        let added = self.environment.add_template_owned(name.clone(), as_set(source));
        added.map_err(|error| sentence(option, &error))?;
        self.check_names(option, &name)?;
        self.sources.push(Source { name, option: option.to_owned(), told: Cell::new(false) });
        let handle = Handle { place, form };
        for message in variable::examples(&self.columns) {
            self.try_out(option, handle, message)?;
        }
        Ok(handle)
    }

    /// Fills a template in, to find what is known only then: filters, tests and functions that there are none of, and JSON
    /// that is none. What else fails may be the example's fault.
    fn try_out(&self, option: &str, template: Handle, message: Message) -> Result<(), Error> {
        // What is JSON for one event may be none for many, which are told as JSON nowhere.
        let is_json = template.form == Form::Json && !message.is_digest();
        let Err(error) = self.try_render(template, &Arc::new(message)) else { return Ok(()) };
        match error.kind() {
            ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => {
                Err(sentence(option, &error))
            }
            ErrorKind::BadSerialization if is_json => Err(sentence(option, &error)),
            _ => Ok(()),
        }
    }

    fn check_names(&self, option: &str, name: &str) -> Result<(), Error> {
        let template =
            self.environment.get_template(name).map_err(|error| sentence(option, &error))?;
        let mut used: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        used.sort_unstable();
        let first = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let is_known = |used: &str| {
            variable::names().any(|known| known == used)
                || self.environment.globals().any(|(global, _)| global == used)
        };
        let mut variables = used.iter().map(|used| first(used));
        if let Some(unknown) = variables.find(|used| !is_known(used)) {
            let known: Vec<&str> = variable::names().collect();
            return Err(Error::Said(format!(
                "option `{option}`: `{unknown}` is no variable; there are {}. A column of an event is \
                 `fields.{unknown}`",
                known.join(", ")
            )));
        }
        let mut columns = used.iter().filter_map(|used| used.strip_prefix(COLUMN)).map(first);
        match columns.find(|column| !self.columns.contains_key(column)) {
            Some(unknown) if !self.columns.is_empty() => {
                let known: Vec<&str> = self.columns.keys().map(String::as_str).collect();
                Err(Error::Said(format!(
                    "option `{option}`: no event that may arrive has a column `{unknown}`; there are {}. In a template \
                     for several stacks write `fields[\"{unknown}\"]`, which nobody checks",
                    known.join(", ")
                )))
            }
            _ => Ok(()),
        }
    }

    /// Fills a template in; if that fails, the other.
    #[must_use]
    pub fn render(&self, template: Handle, or_else: Handle, message: &Arc<Message>) -> Rendered {
        match self.try_render(template, message) {
            Ok(rendered) => rendered,
            Err(error) => {
                let source = self.sources.get(template.place);
                if let Some(source) = source.filter(|source| !source.told.replace(true)) {
                    let sentence = sentence(&source.option, &error);
                    let words = format!("{sentence}; the default takes its place (told once)");
                    log(Severity::Warning, &words);
                }
                self.try_render(or_else, message).unwrap_or_default()
            }
        }
    }

    fn try_render(
        &self,
        template: Handle,
        message: &Arc<Message>,
    ) -> Result<Rendered, minijinja::Error> {
        let name = self.sources.get(template.place).map_or("", |source| source.name.as_str());
        let found = self.environment.get_template(name)?;
        let captured = found.render_captured(message.variables(template.form))?;
        let subject = captured.state().lookup(SUBJECT).filter(|it| !it.is_undefined());
        let subject = subject.map(|subject| subject.to_string());
        let mut made = captured.into_output();
        if made.len() > OUTPUT_BYTES_MAX {
            match template.form {
                Form::Text => text::cut(&mut made, OUTPUT_BYTES_MAX),
                Form::Html => cut_html(&mut made),
                // Half a value is none.
                Form::Json => return Err(ErrorKind::WriteFailure.into()),
            }
        }
        if template.form == Form::Json {
            serde_json::from_str::<IgnoredAny>(&made).map_err(|error| no_json(&error, &made))?;
        }
        Ok(Rendered { text: made, subject })
    }
}

/// A template whose `{% block subject %}...{% endblock %}`, as other engines' templates have it, is what it is here: the
/// subject set, and nothing of the text. Lines stay where they are.
fn as_set(source: &str) -> String {
    let mut made = String::with_capacity(source.len());
    let (mut rest, mut is_open) = (source, false);
    while let Some(begin) = rest.find("{%") {
        let Some(length) = rest[begin..].find("%}") else { break };
        let (before, tag) = (&rest[..begin], &rest[begin + 2..begin + length]);
        rest = &rest[begin + length..];
        made.push_str(before);
        made.push_str("{%");
        let words: Vec<&str> = tag.trim_matches(['-', '+']).split_ascii_whitespace().collect();
        match words.as_slice() {
            ["block", SUBJECT] if !is_open => {
                is_open = true;
                made.push_str(&tag.replacen("block", "set", 1));
            }
            ["endblock"] | ["endblock", SUBJECT] if is_open => {
                is_open = false;
                made.push_str(&tag.replacen(SUBJECT, "", 1).replacen("endblock", "endset", 1));
            }
            _ => made.push_str(tag),
        }
    }
    made.push_str(rest);
    made
}

/// Cuts HTML where no tag and no character's name is open. Mail programs close by themselves what else is.
fn cut_html(made: &mut String) {
    text::cut(made, OUTPUT_BYTES_MAX);
    let open = |from: char, to: char| made.rfind(from).filter(|at| !made[*at..].contains(to));
    let ends = [open('<', '>'), open('&', ';')];
    if let Some(end) = ends.into_iter().flatten().min() {
        made.truncate(end);
    }
}

/// What was made is no JSON: mostly because of quotes that nobody needs.
fn no_json(error: &serde_json::Error, made: &str) -> minijinja::Error {
    let shown = text::tame_line(made.as_bytes(), SHOWN_BYTES_MAX);
    let words = format!(
        "what it makes is no JSON, {error}: {shown}; leave the quotes around {{{{ }}}} out, since values come quoted"
    );
    minijinja::Error::new(ErrorKind::BadSerialization, words)
}

/// What is wrong with a template, for the operator.
fn sentence(option: &str, error: &minijinja::Error) -> Error {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    Error::Said(format!("option `{option}`{line}: {what}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use correlator_sdk::prelude::{BoundColumn, BoundSchema, Kind, Severity, Time};

    use super::{OUTPUT_BYTES_MAX, Templates};
    use crate::digest::Digest;
    use crate::item::{Cell, Item};
    use crate::variable::{Form, Message};

    fn item(event: &str, severity: u32, user: &str) -> Item {
        Item {
            module: "sshd".to_owned(),
            event: event.to_owned(),
            severity,
            time: Time::from_seconds(1_676_924_049),
            id: "sshd:0:1f:0".to_owned(),
            summary: format!("{user} came"),
            fields: vec![
                ("user".to_owned(), Cell::Text(user.to_owned())),
                ("attempts".to_owned(), Cell::Integer(5)),
                ("ratio".to_owned(), Cell::Float(0.5)),
                ("known".to_owned(), Cell::Boolean(true)),
            ],
        }
    }

    fn rendered(form: Form, source: &str, message: Message) -> (String, Option<String>) {
        let mut templates = Templates::default();
        let default = templates.add("default", Form::Text, "the default").expect("a template");
        let template = templates.add("own", form, source).expect("a template");
        let made = templates.render(template, default, &Arc::new(message));
        (made.text, made.subject)
    }

    #[test]
    fn variables() {
        let check = |form, source: &str, expected: &str| {
            let message = Message::one(item("login", 4, "<b>\"root\""), 3);
            assert_eq!(rendered(form, source, message).0, expected, "{source}");
        };
        check(Form::Text, "{{ module }} {{ event }} {{ id }}", "sshd login sshd:0:1f:0");
        check(Form::Text, "{{ severity }} {{ severity_number }}", "warning 4");
        check(Form::Text, "{{ time }}", "2023-02-20T20:14:09.000000Z");
        check(Form::Text, "{{ summary }}", "<b>\"root\" came");
        check(Form::Html, "{{ summary }}", "&lt;b&gt;&quot;root&quot; came");
        check(Form::Json, "{\"text\": {{ summary }}}", r#"{"text": "<b>\"root\" came"}"#);
        check(Form::Json, "{{ fields.attempts }}", "5");
        check(Form::Text, "{{ fields.user }}|{{ fields.none }}|", "<b>\"root\"||");
        check(
            Form::Text,
            "{% for name in fields %}{{ name }} {% endfor %}",
            "user attempts ratio known ",
        );
        check(Form::Text, "{{ held_back }} {{ count }} {{ left_out }}", "3 1 0");
        check(Form::Text, "{{ events[0].fields.ratio }} {{ events|length }}", "0.5 1");
        check(Form::Text, "{{ severity|upper }}{% if fields.known %}!{% endif %}", "WARNING!");
        check(
            Form::Text,
            "{{ table }}",
            "time      2023-02-20T20:14:09.000000Z\nuser      <b>\"root\"\nattempts  5\nratio     0.5\n\
             known     true",
        );
        // What fails on an event does not cost the message.
        check(Form::Text, "{{ fields.user.x.y }}", "the default");
        check(Form::Text, "{{ summary|truncate(6) }}", "<b>…");
        check(Form::Text, "{{ fields|items|first|join('=') }}", "user=<b>\"root\"");
    }

    #[test]
    fn html_tables_are_escaped() {
        let message = Message::one(item("login", 4, "<script>"), 0);
        let (html, _) = rendered(Form::Html, "{{ table }}", message);
        assert!(html.starts_with("<table") && html.ends_with("</table>"), "{html}");
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script>"), "{html}");
    }

    #[test]
    fn digests() {
        let mut digest = Digest::default();
        assert!(Message::many(&digest).is_none());
        for (event, severity) in [("login", 6), ("attack", 3), ("login", 6)] {
            digest.push(item(event, severity, "root"), 1, 2);
        }
        let check = |source: &str, expected: &str| {
            let message = Message::many(&digest).expect("a message");
            assert_eq!(rendered(Form::Text, source, message).0, expected, "{source}");
        };
        check("{{ event }} {{ severity }}", "attack error");
        check("{{ count }} {{ left_out }} {{ held_back }} {{ events|length }}", "3 1 3 2");
        check(
            "{% for kind in kinds %}{{ kind.module }} {{ kind.event }} {{ kind.count }};{% endfor %}",
            "sshd attack 1;sshd login 2;",
        );
        check("{{ first == last }}", "True");
    }

    #[test]
    fn a_template_sets_its_subject() {
        let source = "{% set subject %}{{ severity }}: {{ summary }}{% endset %}the text";
        let made = rendered(Form::Text, source, Message::one(item("login", 4, "root"), 0));
        assert_eq!(made, ("the text".to_owned(), Some("warning: root came".to_owned())));
        let made = rendered(Form::Text, "the text", Message::one(item("login", 4, "root"), 0));
        assert_eq!(made.1, None);
        let check = |source: &str, expected: (&str, &str)| {
            let made = rendered(Form::Text, source, Message::one(item("login", 4, "root"), 0));
            assert_eq!(
                (made.0.as_str(), made.1.as_deref()),
                (expected.0, Some(expected.1)),
                "{source}"
            );
        };
        let expected = ("the text", "login of root");
        let subject = "{{ event }} of {{ fields.user }}";
        check(&format!("{{% block subject %}}{subject}{{% endblock %}}the text"), expected);
        check(
            &format!("{{%- block subject -%}} {subject} {{%- endblock subject -%}} the text"),
            expected,
        );
        check(&format!("the text{{%block subject%}}{subject}{{%endblock%}}"), expected);
    }

    #[test]
    fn mistakes_are_told() {
        let check = |source: &str, expected: &str| {
            let told = Templates::default().add("template_text", Form::Text, source).err();
            let told = told.map(|error| error.to_string()).unwrap_or_default();
            assert!(told.contains(expected), "{source:.40}: {told}");
        };
        check("{{ summary", "option `template_text`, line 1:");
        check("a\nb {% if %}", "line 2");
        check("{{ user }}", "`user` is no variable; there are event, module,");
        check("{{ user }}", "`fields.user`");
        check("{{ summary|nothing }}", "line 1: filter nothing is unknown");
        check("{% if held_back and left_out %}{{ nothing() }}{% endif %}", "no variable");
        check("{% if count > 1 and time is nothing %}{% endif %}", "test nothing is unknown");
        check("{% macro m() %}{% endmacro %}", "unknown statement macro");
        check("{% block body %}{% endblock %}", "unknown statement block");
        check("{% block subject %}never ended", "line 1");
        check(&"x".repeat(70_000), "has 70000 bytes, but a template has 65536 at most");
        let mut templates = Templates::default();
        assert!(templates.add("o", Form::Text, "{{ range(3) }}{% set x = 1 %}{{ x }}").is_ok());
    }

    #[test]
    fn what_is_made_has_an_end() {
        let source =
            "{% for a in range(1000) %}{% for b in range(1000) %}x{% endfor %}{% endfor %}";
        let made = rendered(Form::Text, source, Message::one(item("login", 4, "root"), 0));
        assert_eq!(made.0.len(), OUTPUT_BYTES_MAX);
        let source = source.replace('x', "<b>&lt;</b>");
        let made = rendered(Form::Html, &source, Message::one(item("login", 4, "root"), 0));
        let whole = made.0.len() / "<b>&lt;</b>".len();
        assert!(whole > 20_000 && made.0.starts_with("<b>&lt;</b><b>&lt;"), "{whole}");
        let rest = &made.0[whole * "<b>&lt;</b>".len()..];
        assert!(["", "<b>", "<b>&lt;"].contains(&rest.trim_end_matches('…')), "{rest}");
        let source = format!("\"{}\"", source.replace('"', "'"));
        let made = rendered(Form::Json, &source, Message::one(item("login", 4, "root"), 0));
        assert_eq!(made.0, "the default");
    }

    #[test]
    fn columns_are_those_of_events() {
        let column = |name: &str, kind| BoundColumn {
            name: name.to_owned(),
            kind,
            optional: false,
            meaning: String::new(),
        };
        let schema = |columns| {
            let (instance, event) = ("sshd".to_owned(), "login".to_owned());
            BoundSchema::new(instance, event, Severity::Notice, "", String::new(), columns)
        };
        let schemas = [
            schema(vec![column("user", Kind::Text), column("known", Kind::Boolean)]),
            schema(vec![column("window", Kind::Duration), column("at", Kind::Time)]),
        ];
        let check = |source: &str, expected: Option<&str>| {
            let told = Templates::of_events(&schemas).add("subject", Form::Text, source).err();
            let told = told.map(|error| error.to_string());
            match expected {
                None => assert_eq!(told, None, "{source}"),
                Some(words) => {
                    let told = told.unwrap_or_default();
                    assert!(told.contains(words), "{source}: {told}");
                }
            }
        };
        let nouser = "option `subject`: no event that may arrive has a column `nouser`; there are at, \
                      known, user, window";
        check("{{ fields.user }} {% if fields.known %}{{ fields.window }}{% endif %}", None);
        check("{{ fields.nouser }}", Some(nouser));
        check("{{ fields.user }}{% if fields.nouser.x %}{% endif %}", Some(nouser));
        check("{% set a = fields %}{{ fields[\"nouser\"] }}{{ a.nouser }}", None);
        check("{% for name in fields %}{{ fields[name] }}{% endfor %}{{ fields|items }}", None);
        check("{{ user.x }}", Some("`user` is no variable"));
        // Where no event is known, nobody knows better.
        assert!(Templates::default().add("o", Form::Text, "{{ fields.nouser }}").is_ok());
    }

    #[test]
    fn json_is_json() {
        let check = |source: &str, expected: &str| {
            let told = Templates::default().add("body", Form::Json, source).err();
            let told = told.map(|error| error.to_string()).unwrap_or_default();
            assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{told}");
        };
        check("{\"text\": {{ summary }}, \"all\": {{ fields }}, \"no\": {{ fields.none }}}", "");
        check("[{% for one in events %}{{ one.summary }}{% endfor %}]", "");
        check("{", "option `body`: what it makes is no JSON");
        check("{\"text\": \"{{ summary }}\"}", "leave the quotes around {{ }} out");
        check("{{ summary }}{{ summary }}", "trailing characters");
        // What is none for one event alone is told then, and the default takes its place.
        let source = "{\"a\": {% if fields.attempts == 5 %}oops{% else %}1{% endif %}}";
        let made = rendered(Form::Json, source, Message::one(item("login", 4, "root"), 0));
        assert_eq!(made.0, "the default");
    }

    #[test]
    fn each_that_fails_is_told_by_its_option() {
        let mut templates = Templates::default();
        let default = templates.add("default", Form::Text, "the default").expect("a template");
        let fails = "{{ fields.user.x.y }}";
        let [one, two] = ["subject", "template_text"]
            .map(|option| templates.add(option, Form::Text, fails).expect("a template"));
        let message = Arc::new(Message::one(item("login", 4, "root"), 0));
        let told = |templates: &Templates| -> Vec<String> {
            let told = templates.sources.iter().filter(|source| source.told.get());
            told.map(|source| source.option.clone()).collect()
        };
        assert!(told(&templates).is_empty());
        assert_eq!(templates.render(one, default, &message).text, "the default");
        assert_eq!(told(&templates), ["subject"]);
        assert_eq!(templates.render(two, default, &message).text, "the default");
        assert_eq!(told(&templates), ["subject", "template_text"]);
    }
}
