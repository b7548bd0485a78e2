//! What templates can say of events.
//!
//! A message is about one event, or about many of a digest; then what is said of one event is said of the gravest. Values
//! are made when a template asks for them: most ask for few.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use correlator_sdk::prelude::{Kind, Time};
use minijinja::HtmlEscape;
use minijinja::value::{Enumerator, Object, Value};

use crate::digest::Digest;
use crate::item::{Cell, Item, severity_name};

/// What templates can say of an event.
const OF_EVENT: [&str; 9] =
    ["event", "module", "severity", "severity_number", "time", "id", "summary", "fields", "table"];
/// What they can say of a message besides.
const OF_MESSAGE: [&str; 7] =
    ["events", "count", "left_out", "held_back", "kinds", "first", "last"];

/// What a message is about.
#[derive(Clone, Debug)]
pub struct Message {
    is_digest: bool,
    lead: Arc<Item>,
    items: Vec<Arc<Item>>,
    kinds: Vec<(String, String, u64)>,
    count: u64,
    left_out: u64,
    held_back: u64,
    first: String,
    last: String,
}

/// How what a template makes is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Text,
    /// As HTML: values are escaped, and a table is one.
    Html,
    /// As JSON: values are written as it wants them.
    Json,
}

impl Message {
    /// About one event, and how many like it were held back before.
    #[must_use]
    pub fn one(item: Item, held_back: u64) -> Self {
        let time = item.time.to_string();
        let kinds = vec![(item.module.clone(), item.event.clone(), 1)];
        let lead = Arc::new(item);
        let items = vec![lead.clone()];
        let (first, last) = (time.clone(), time);
        let (is_digest, count, left_out) = (false, 1, 0);
        Self { is_digest, lead, items, kinds, count, left_out, held_back, first, last }
    }

    /// About all of a digest; nothing if it has no event. One that has a single event is about that.
    #[must_use]
    pub fn many(digest: &Digest) -> Option<Self> {
        if let ([item], 0) = (digest.items(), digest.left_out()) {
            return Some(Self::one(item.clone(), digest.held_back()));
        }
        let (first, last) = digest.span();
        let kinds = digest.kinds();
        let kinds = kinds.map(|(module, event, count)| (module.into(), event.into(), count));
        Some(Self {
            is_digest: true,
            lead: Arc::new(digest.gravest()?.clone()),
            kinds: kinds.collect(),
            items: digest.items().iter().cloned().map(Arc::new).collect(),
            count: digest.count(),
            left_out: digest.left_out(),
            held_back: digest.held_back(),
            first: first.to_string(),
            last: last.to_string(),
        })
    }

    /// Whether it is about a digest.
    #[must_use]
    pub fn is_digest(&self) -> bool {
        self.is_digest
    }

    /// The severity of the gravest event in it: 0 to 7.
    #[must_use]
    pub fn severity(&self) -> u32 {
        self.lead.severity
    }

    /// The variables of a template in this form.
    #[must_use]
    pub fn variables(self: &Arc<Self>, form: Form) -> Value {
        Value::from_object(MessageVariables { message: self.clone(), form })
    }
}

/// The names of all variables.
pub fn names() -> impl Iterator<Item = &'static str> {
    OF_EVENT.into_iter().chain(OF_MESSAGE)
}

/// Messages with all that a message can have, to try templates out. Their events have these columns; some of every kind, if
/// nobody knows which there are.
pub(crate) fn examples(columns: &BTreeMap<String, Kind>) -> [Message; 2] {
    let time = Time::default();
    let example = |kind: &Kind| match kind {
        Kind::Text => Cell::Text("text".to_owned()),
        Kind::Integer => Cell::Integer(1),
        Kind::Float => Cell::Float(0.5),
        Kind::Boolean => Cell::Boolean(true),
        Kind::Time => Cell::Text(time.to_string()),
        Kind::Duration => Cell::Text("0:01:00".to_owned()),
    };
    let mut fields: Vec<(String, Cell)> =
        columns.iter().map(|(name, kind)| (name.clone(), example(kind))).collect();
    if fields.is_empty() {
        let kinds = [Kind::Text, Kind::Integer, Kind::Float, Kind::Boolean];
        fields.extend(kinds.iter().map(|kind| (format!("column_{}", kind.name()), example(kind))));
    }
    let item = Item {
        module: "module".to_owned(),
        event: "event".to_owned(),
        severity: 4,
        time,
        id: "module:0:0:0".to_owned(),
        summary: "summary".to_owned(),
        fields,
    };
    let one = Message::one(item.clone(), 1);
    let items = vec![one.lead.clone(), Arc::new(item)];
    let many = Message { is_digest: true, items, count: 3, left_out: 1, ..one.clone() };
    [one, many]
}

#[derive(Debug)]
struct MessageVariables {
    message: Arc<Message>,
    form: Form,
}

impl Object for MessageVariables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let message = &self.message;
        Some(match key.as_str()? {
            "events" => message.items.iter().map(|item| event(item, self.form)).collect(),
            "count" => Value::from(message.count),
            "left_out" => Value::from(message.left_out),
            "held_back" => Value::from(message.held_back),
            "kinds" => message.kinds.iter().map(kind).collect(),
            "first" => Value::from(message.first.as_str()),
            "last" => Value::from(message.last.as_str()),
            name => return of_event(&message.lead, self.form, name),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(names().map(Value::from).collect())
    }
}

fn kind((module, event, count): &(String, String, u64)) -> Value {
    Value::from_pairs([
        ("module", Value::from(module.as_str())),
        ("event", Value::from(event.as_str())),
        ("count", Value::from(*count)),
    ])
}

fn event(item: &Arc<Item>, form: Form) -> Value {
    Value::from_object(EventVariables { item: item.clone(), form })
}

#[derive(Debug)]
struct EventVariables {
    item: Arc<Item>,
    form: Form,
}

impl Object for EventVariables {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        of_event(&self.item, self.form, key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&OF_EVENT)
    }
}

fn of_event(item: &Arc<Item>, form: Form, name: &str) -> Option<Value> {
    Some(match name {
        "event" => Value::from(item.event.as_str()),
        "module" => Value::from(item.module.as_str()),
        "severity" => Value::from(severity_name(item.severity)),
        "severity_number" => Value::from(item.severity),
        "time" => Value::from(item.time.to_string()),
        "id" => Value::from(item.id.as_str()),
        "summary" => Value::from(item.summary.as_str()),
        "fields" => Value::from_object(Fields(item.clone())),
        "table" if form == Form::Html => Value::from_safe_string(html_table(item)),
        "table" => Value::from(text_table(item)),
        _ => return None,
    })
}

/// An event's columns by name, in their order.
#[derive(Debug)]
struct Fields(Arc<Item>);

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let (_, cell) = self.0.fields.iter().find(|(known, _)| known == name)?;
        Some(match cell {
            Cell::Text(text) => Value::from(text.as_str()),
            Cell::Integer(number) => Value::from(*number),
            Cell::Float(number) => Value::from(*number),
            Cell::Boolean(yes) => Value::from(*yes),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.0.fields.iter().map(|(name, _)| Value::from(name.as_str()));
        Enumerator::Values(names.collect())
    }
}

/// The time and the columns, a line each, with the values one under the other.
fn text_table(item: &Item) -> String {
    let width = item.fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("time".len());
    let mut out = format!("{:width$}  {}", "time", item.time);
    for (name, cell) in &item.fields {
        let shown = cell.shown().replace('\n', &format!("\n{:width$}  ", ""));
        // Writing to a string can't fail.
        let _ = write!(out, "\n{name:width$}  {shown}");
    }
    out
}

/// The same as a table. Mail programs know no style sheets: each cell says how it looks.
fn html_table(item: &Item) -> String {
    const HEAD: &str = "text-align:left;vertical-align:top;padding:2px 12px 2px 0;color:#555";
    const CELL: &str = "vertical-align:top;padding:2px 0;white-space:pre-wrap";
    let mut out = "<table style=\"border-collapse:collapse\">".to_owned();
    let mut row = |name: &str, value: &str| {
        let (name, value) = (HtmlEscape(name), HtmlEscape(value));
        // Writing to a string can't fail.
        let _ = write!(
            out,
            "\n<tr><th style=\"{HEAD}\">{name}</th><td style=\"{CELL}\">{value}</td></tr>"
        );
    };
    row("time", &item.time.to_string());
    for (name, cell) in &item.fields {
        row(name, &cell.shown());
    }
    out.push_str("\n</table>");
    out
}
