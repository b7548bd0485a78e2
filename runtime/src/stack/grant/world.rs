//! The grants of capabilities that are crates of their own: what each may do is for its crate to say.
//!
//! What was typed is read and tried here, without touching the world, so that a stack that is checked can be run. Beside
//! what is its own, every such grant may have `dry_run`, so that what would be done is recorded and nothing is, `rate`, `total`
//! and `each`, `allow`, `retry`, and where each request is done by itself `order_by`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use correlator_world::allow::Allow;
use correlator_world::{Capability, Guarded, Needs};
use serde::de::DeserializeOwned;

use super::bounds::{self, Bounds};
use super::retry::{self, Retry};
use super::{Body, Explained, about, allow, secrets};
use crate::stack::node::{Key, Node, Value, get};
use crate::stack::problem::{Place, Problems, Wrong};
use crate::stack::{reading, value};

const DRY_RUN: &str = "dry_run";
const ORDER_BY: &str = "order_by";
/// What such a grant may have beside what is its own.
const COMMON: [&str; 7] =
    [DRY_RUN, bounds::RATE, bounds::TOTAL, bounds::EACH, allow::NAME, ORDER_BY, retry::NAME];
/// What may hold a secret although a credential is the place for one: it is not written down.
const VEILED: [&str; 3] = ["url", "headers", "environment"];
/// The capability whose work lies in the kernel.
pub const FIREWALL: &str = "firewall";
/// The capabilities that act against somebody: the allow-list of the whole stack is for them.
const AGAINST: [&str; 2] = [FIREWALL, "command"];

/// How effects of a capability are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// A turn at a time, together with the listener's place.
    Together,
    /// Each on its own: kept until it is done.
    Single,
}

/// A capability that is a crate of its own.
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// How its effects are carried out.
    pub manner: Manner,
    /// What to type.
    pub(super) example: &'static str,
    /// What holds a path, which is relative to the stack's file.
    paths: &'static [&'static str],
    read: fn(&Node, &mut Problems) -> Option<Tried>,
}

/// All of them.
pub const KNOWN: [Known; 8] = [
    Known {
        name: "mail",
        manner: Manner::Single,
        example: "mail: { server: mail.example.org, from: correlator@example.org, to: ops@example.org }",
        paths: &["ca"],
        read: mail,
    },
    Known {
        name: "sms",
        manner: Manner::Single,
        example: "sms: { account: AC0123456789, from: '+15005550006', credential: twilio, recipients: ['+15005550010'] }",
        paths: &["ca"],
        read: sms,
    },
    Known {
        name: "webhook",
        manner: Manner::Single,
        example: "webhook: { endpoints: { ops: { url: 'https://hooks.example.org/correlator' } } }",
        paths: &["ca"],
        read: webhook,
    },
    Known {
        name: FIREWALL,
        manner: Manner::Single,
        example: "firewall: { sets: { blocked: {} } }",
        paths: &[],
        read: firewall,
    },
    Known {
        name: "command",
        manner: Manner::Single,
        example: "command: { commands: { tell: { program: /usr/local/bin/tell } } }",
        paths: &["program", "directory"],
        read: command,
    },
    Known {
        name: "database",
        manner: Manner::Together,
        example: "database: { databases: { events: { kind: sqlite, path: events.db, tables: ['*'] } } }",
        paths: &["path", "ca"],
        read: database,
    },
    Known {
        name: "elastic",
        manner: Manner::Together,
        example: "elastic: { url: 'https://search.example.org:9200' }",
        paths: &["ca"],
        read: elastic,
    },
    Known {
        name: "syslog",
        manner: Manner::Together,
        example: "syslog: { targets: { central: { address: logs.example.org, transport: tls } } }",
        paths: &["ca", "certificate", "key"],
        read: syslog,
    },
];

impl Known {
    /// Whether its requests can be put in order by a column.
    fn orders(&self, column: String) -> Result<String, Wrong> {
        match (self.manner, self.name) {
            (Manner::Together, _) => Err(Wrong::new(format!("`{ORDER_BY}` has no place here"))
                .help("what is done with the turn is done in the order in which it is asked for")),
            (_, FIREWALL) => Err(Wrong::new(format!("`{ORDER_BY}` has no place here"))
                .help("what is asked for of one address is in order already")),
            _ => Ok(column),
        }
    }
}

/// The capability of this name.
pub(super) fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// Makes a capability as it was granted.
type Make = Arc<dyn Fn() -> Result<Box<dyn Capability>, String> + Send + Sync>;

/// A capability that was made once to see whether it can be, and what it said it needs.
struct Tried {
    make: Make,
    needs: Needs,
    credentials: Vec<String>,
}

/// A listener may ask for what such a capability does.
#[derive(Clone)]
pub struct WorldGrant {
    /// The capability's name.
    pub name: &'static str,
    /// How its effects are carried out.
    pub manner: Manner,
    /// Whether nothing is done, and only recorded what would be.
    pub dry_run: bool,
    /// How many requests there may be.
    pub bounds: Bounds,
    /// How many there may be for each target alone.
    pub each: Bounds,
    /// Who is never acted against.
    pub allow: Allow,
    /// How often what the world does not take now is tried again.
    pub retry: Retry,
    /// The column whose values say what is done in order.
    pub order_by: Option<String>,
    /// The settings, if it is the firewall: what is in force there can be looked at.
    pub firewall: Option<Box<correlator_firewall::Settings>>,
    /// The files that it names.
    pub files: Vec<PathBuf>,
    /// What it needs of the machine.
    pub needs: Needs,
    /// The credentials that it needs, by name.
    pub credentials: Vec<String>,
    /// What was typed.
    typed: String,
    /// The same, as far as it is written down.
    told: String,
    make: Make,
}

impl PartialEq for WorldGrant {
    fn eq(&self, other: &Self) -> bool {
        (self.name, &self.typed, &self.allow) == (other.name, &other.typed, &other.allow)
    }
}

impl Eq for WorldGrant {}

impl fmt::Debug for WorldGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {:?}", self.name, self.typed, self.allow)
    }
}

impl WorldGrant {
    /// The capability, ready to be asked.
    ///
    /// # Errors
    /// What was well when the stack was checked is not any more: a file that it names.
    pub fn make(&self) -> Result<Box<dyn Capability>, String> {
        let made = (self.make)()?;
        if !self.notes_users() {
            return Ok(made);
        }
        Ok(Box::new(Guarded::new(self.allow.clone(), made)))
    }

    /// Whether it is written down which users an event names that something is asked for: of what acts against somebody
    /// always, since an allow-list may come later.
    #[must_use]
    pub fn notes_users(&self) -> bool {
        AGAINST.contains(&self.name) || !self.allow.is_empty()
    }

    /// What was typed, for the audit trail.
    #[must_use]
    pub fn told(&self) -> &str {
        &self.told
    }

    pub(super) fn read(known: &Known, body: &Body<'_>, problems: &mut Problems) -> Option<Self> {
        let typed = flow(&Value::Map(body.entries.to_vec()), &[]);
        let mut told = flow(&Value::Map(body.entries.to_vec()), &VEILED);
        let mut own = body.entries.to_vec();
        own.retain(|(key, _)| !COMMON.contains(&key.text.as_str()));
        let dry_run = get(body.entries, DRY_RUN).is_some_and(|node| {
            let dry_run = node.scalar("`true` or `false`").and_then(value::boolean);
            problems.take(&node.place, dry_run).unwrap_or_default()
        });
        let bounds = Bounds::read(body.entries, body.zone, problems);
        let each = Bounds::each(body.entries, body.zone, problems);
        let allowed = get(body.entries, allow::NAME);
        let mut allow = allowed.map(|node| allow::read(node, problems)).unwrap_or_default();
        if AGAINST.contains(&known.name) && !body.allow.is_empty() {
            allow.add(body.allow);
            told = format!("{told}; of the whole stack: allow {}", allow::told(body.allow));
        }
        if known.name == FIREWALL {
            own.extend(networks(&allow, body));
        }
        let retry = get(body.entries, retry::NAME).map_or_else(
            || Retry::usual(known.manner),
            |node| Retry::read(node, known.manner, problems),
        );
        let order_by = get(body.entries, ORDER_BY).and_then(|node| {
            let column = node.scalar("the name of a column").map(str::to_owned);
            problems.take(&node.place, column.and_then(|column| known.orders(column)))
        });
        let node = Node { place: body.place.clone(), value: Value::Map(own) };
        secrets::warn(&node, problems);
        let mut files = Vec::new();
        let node = resolved(&node, known.paths, body.folder, &mut files);
        let Tried { make, needs, credentials } = (known.read)(&node, problems)?;
        for name in &credentials {
            if let Err(error) = correlator_credential::Name::parse(name) {
                let place = place_of(&node, name).unwrap_or(body.place);
                problems.error(place, Wrong::new(format!("`credential`: {error}")));
            }
        }
        let firewall = (known.name == FIREWALL)
            .then(|| reading::read(&node, &mut Problems::default()))
            .flatten()
            .map(Box::new);
        let (name, manner) = (known.name, known.manner);
        Some(Self {
            name,
            manner,
            dry_run,
            bounds,
            each,
            allow,
            retry,
            order_by,
            firewall,
            files,
            needs,
            credentials,
            typed,
            told,
            make,
        })
    }

    pub(super) fn explain(&self) -> Vec<Explained> {
        vec![Explained {
            name: self.name,
            kind: "mapping",
            value: self.typed.clone(),
            default: None,
            meaning: "What the listener may ask of this capability.",
        }]
    }
}

/// Where a text stands.
fn place_of<'a>(node: &'a Node, wanted: &str) -> Option<&'a Place> {
    match &node.value {
        Value::Scalar { text, .. } => (text == wanted).then_some(&node.place),
        Value::List(nodes) => nodes.iter().find_map(|node| place_of(node, wanted)),
        Value::Map(entries) => entries.iter().find_map(|(_, node)| place_of(node, wanted)),
        Value::Null => None,
    }
}

/// The same with relative paths taken as relative to the stack's file.
fn resolved(node: &Node, paths: &[&str], folder: &Path, found: &mut Vec<PathBuf>) -> Node {
    let mut entry = |(key, node): &(Key, Arc<Node>)| {
        let value = match &node.value {
            Value::Scalar { text, .. } if paths.contains(&key.text.as_str()) => {
                let path = folder.join(text);
                let text = path.display().to_string();
                found.push(path);
                let value = Value::Scalar { text, verbatim: None };
                Node { place: node.place.clone(), value }
            }
            _ => resolved(node, paths, folder, found),
        };
        (key.clone(), Arc::new(value))
    };
    let value = match &node.value {
        Value::Map(entries) => Value::Map(entries.iter().map(&mut entry).collect()),
        Value::List(nodes) => {
            let item = |node: &Arc<Node>| Arc::new(resolved(node, paths, folder, found));
            Value::List(nodes.iter().map(item).collect())
        }
        other => other.clone(),
    };
    Node { place: node.place.clone(), value }
}

/// The networks of an allow-list, as the firewall reads them: it knows what is in force against them.
fn networks(allow: &Allow, body: &Body<'_>) -> Option<(Key, Arc<Node>)> {
    let node = |value| Arc::new(Node { place: body.place.clone(), value });
    let one = |net: &ipnet::IpNet| node(Value::Scalar { text: net.to_string(), verbatim: None });
    let list: Vec<_> = allow.networks.iter().map(one).collect();
    let key = Key { text: allow::NAME.to_owned(), place: body.place.clone() };
    (!list.is_empty()).then(|| (key, node(Value::List(list))))
}

/// A value on one line, without what stands under the names that are veiled.
fn flow(value: &Value, veiled: &[&str]) -> String {
    let plain = |text: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/@".contains(c);
        !text.is_empty() && text.chars().all(is_plain)
    };
    match value {
        Value::Null => "~".to_owned(),
        Value::Scalar { text, .. } if plain(text) => text.clone(),
        Value::Scalar { text, .. } => format!("'{}'", text.replace('\'', "''")),
        Value::List(nodes) => {
            let items: Vec<_> = nodes.iter().map(|node| flow(&node.value, veiled)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entry = |(key, node): &(Key, Arc<Node>)| {
                let is_veiled = veiled.contains(&key.text.as_str());
                let value = if is_veiled { "***".into() } else { flow(&node.value, veiled) };
                format!("{}: {value}", key.text)
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Reads what was typed as a crate's settings, and tries to make the capability with them.
fn settings<S, C>(
    node: &Node,
    problems: &mut Problems,
    make: impl Fn(&S) -> Result<C, String> + Send + Sync + 'static,
) -> Option<Tried>
where
    S: DeserializeOwned + Send + Sync + 'static,
    C: Capability + 'static,
{
    let settings: S = reading::read(node, problems)?;
    let made = match make(&settings) {
        Ok(made) => made,
        Err(wrong) => {
            problems.error(about::place(node, &wrong), Wrong::new(wrong));
            return None;
        }
    };
    let (needs, credentials) = (made.needs(), made.credentials());
    let make = move || make(&settings).map(|made| Box::new(made) as Box<dyn Capability>);
    Some(Tried { make: Arc::new(make), needs, credentials })
}

fn mail(node: &Node, problems: &mut Problems) -> Option<Tried> {
    settings(node, problems, correlator_mail::Mail::new)
}

fn sms(node: &Node, problems: &mut Problems) -> Option<Tried> {
    settings(node, problems, correlator_web::sms::Sms::new)
}

fn webhook(node: &Node, problems: &mut Problems) -> Option<Tried> {
    settings(node, problems, correlator_web::webhook::Webhook::new)
}

fn elastic(node: &Node, problems: &mut Problems) -> Option<Tried> {
    settings(node, problems, correlator_web::elastic::Elastic::new)
}

fn firewall(node: &Node, problems: &mut Problems) -> Option<Tried> {
    let make = |settings: &correlator_firewall::Settings| {
        correlator_firewall::Firewall::new(settings.clone())
    };
    settings(node, problems, make)
}

fn command(node: &Node, problems: &mut Problems) -> Option<Tried> {
    settings(node, problems, correlator_command::Commands::new)
}

fn database(node: &Node, problems: &mut Problems) -> Option<Tried> {
    let make = |settings: &correlator_database::Settings| {
        correlator_database::Database::new(settings.clone())
    };
    settings(node, problems, make)
}

fn syslog(node: &Node, problems: &mut Problems) -> Option<Tried> {
    settings(node, problems, correlator_syslog::Syslog::new)
}
