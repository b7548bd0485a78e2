//! Events as requests to an endpoint on the web: a chat, an incident, an alert manager.
//!
//! It hands over what an event says, and if the operator has a template, the body that it makes. Where that goes, and what
//! a body looks like otherwise, is the endpoint's to say, which the operator defined in the grant.

use std::sync::Arc;

use correlator_dispatch::item::{Item, summary};
use correlator_dispatch::rows;
use correlator_dispatch::template::{Handle, Templates};
use correlator_dispatch::throttle::{Keys, Throttle};
use correlator_dispatch::variable::{Form, Message};
use correlator_sdk::prelude::*;

const CAPABILITY: &str = "webhook";

/// Bytes of a summary.
const SUMMARY_BYTES_MAX: usize = 4_096;

/// The body if the operator's own template fails on an event.
const BODY: &str = r#"{"text": {{ summary }}, "severity": {{ severity }}, "module": {{ module }}, "event": {{ event }}, "time": {{ time }}, "id": {{ id }}, "fields": {{ fields }}}"#;

/// What the stack may set.
#[derive(Options)]
pub struct Options {
    /// The endpoint: a name that the grant defines. Empty: its only one, or of several the one called "default".
    #[option(default = "")]
    endpoint: String,
    /// A template of the body as JSON, for an endpoint that takes it as it is. Empty: the endpoint makes the body.
    #[option(default = "")]
    body: String,
    /// The same event is told once in this time; 0s for always.
    #[option(default = "0s", at_least = "0s", at_most = "30d")]
    throttle: Duration,
    /// The columns, with commas between them, that make two events of a kind different ones for the throttle.
    #[option(default = "")]
    throttle_by: String,
}

/// Asks for requests.
#[derive(Default, Serialize, Deserialize)]
pub struct Webhook {
    throttle: Throttle,
    requests: u64,
    #[serde(skip)]
    plan: Option<Plan>,
}

/// What follows from options and schemas.
struct Plan {
    target: Target,
    keys: Keys,
    templates: Templates,
    /// The operator's body, and ours in its place.
    body: Option<(Handle, Handle)>,
}

impl Listener for Webhook {
    type Options = Options;

    fn describe() -> ListenerDescription {
        ListenerDescription::new(
            "webhook",
            env!("CARGO_PKG_VERSION"),
            "Sends events to an endpoint on the web",
        )
        .wants(CAPABILITY, "sends a request for each event")
    }

    fn configure(&mut self, options: &Options, schemas: &[BoundSchema]) -> Result<(), Error> {
        let mut templates = Templates::of_events(schemas);
        let body = if options.body.is_empty() {
            None
        } else {
            let own = templates.add("body", Form::Json, &options.body)?;
            Some((own, templates.add("body", Form::Json, BODY)?))
        };
        self.plan = Some(Plan {
            target: target(&options.endpoint)?,
            keys: Keys::new("throttle_by", &options.throttle_by, schemas)?,
            templates,
            body,
        });
        Ok(())
    }

    fn handle(
        &mut self,
        options: &Options,
        events: Events<'_>,
        turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        let Some(plan) = &self.plan else { return Err(Error::NotConfigured) };
        for event in events {
            let key = plan.keys.of(&event);
            let passed = self.throttle.pass(&key, event.time(), options.throttle);
            if let Some(held_back) = passed {
                plan.request(&event, held_back, turn)?;
                self.requests += 1;
            }
        }
        Ok(())
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![
            Statistic::new("requests_asked_for", self.requests),
            Statistic::new("held_back", self.throttle.held_back()),
        ]
    }
}

impl Plan {
    fn request(
        &self,
        event: &Event<'_>,
        held_back: u64,
        turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        let body = self.body.map(|(own, default)| {
            let message = Arc::new(Message::one(Item::of(event), held_back));
            self.templates.render(own, default, &message).text
        });
        let mut summary = summary(event, SUMMARY_BYTES_MAX);
        if held_back > 0 {
            summary.extend([" (", &held_back.to_string(), " more were held back before)"]);
        }
        rows::tell(turn, &self.target, event, &summary)
            .cell(body.as_ref().map(|body| Value::Text(body.as_bytes())))
            .finish()
    }
}

fn target(endpoint: &str) -> Result<Target, Error> {
    let mut columns = rows::told("summary");
    let body = EffectColumn::new("body", Kind::Text, "The body, if not the endpoint's own.");
    columns.push(body.optional(true));
    Target::new(CAPABILITY, endpoint, columns)
}

correlator_sdk::export_listener!(Webhook);
