//! Events as short messages to telephones.
//!
//! A message is the operator's template, or ours, filled in and cut to what a provider takes. Who gets it, by which
//! provider and from which number, is in the grant.

use std::sync::Arc;

use correlator_dispatch::item::Item;
use correlator_dispatch::names;
use correlator_dispatch::template::{Handle, Templates};
use correlator_dispatch::throttle::{Keys, Throttle};
use correlator_dispatch::variable::{Form, Message};
use correlator_sdk::prelude::*;

const CAPABILITY: &str = "sms";

/// Characters of a message: what providers take at once.
const TEXT_CHARACTERS_MAX: usize = 1_600;

/// What is said if the operator says nothing.
const TEXT: &str = "On {{ time }} the event {{ event }} occurred. The message is: {{ summary }}\
    {% if held_back %} ({{ held_back }} more were held back before){% endif %}";

/// What the stack may set.
#[derive(Options)]
pub struct Options {
    /// The numbers that it is sent to, such as "+15005550006", with commas between them.
    to: String,
    /// A template of the text. Empty: time, event and summary in a sentence.
    #[option(default = "")]
    template: String,
    /// The same event is told once in this time; 0s for always.
    #[option(default = "0s", at_least = "0s", at_most = "30d")]
    throttle: Duration,
    /// The columns, with commas between them, that make two events of a kind different ones for the throttle.
    #[option(default = "")]
    throttle_by: String,
}

/// Asks for messages.
#[derive(Default, Serialize, Deserialize)]
pub struct Sms {
    throttle: Throttle,
    messages: u64,
    #[serde(skip)]
    plan: Option<Plan>,
}

/// What follows from options and schemas.
struct Plan {
    target: Target,
    to: Vec<String>,
    keys: Keys,
    templates: Templates,
    text: Handle,
    default: Handle,
}

impl Listener for Sms {
    type Options = Options;

    fn describe() -> ListenerDescription {
        ListenerDescription::new(
            "sms",
            env!("CARGO_PKG_VERSION"),
            "Sends events as short messages to telephones",
        )
        .wants(CAPABILITY, "sends a message for each event")
    }

    fn configure(&mut self, options: &Options, schemas: &[BoundSchema]) -> Result<(), Error> {
        let mut templates = Templates::of_events(schemas);
        let default = templates.add("template", Form::Text, TEXT)?;
        let text = if options.template.is_empty() {
            default
        } else {
            templates.add("template", Form::Text, &options.template)?
        };
        let to: Vec<String> = names::list(&options.to).into_iter().map(str::to_owned).collect();
        if to.is_empty() {
            return Err("option `to` names no number: write it like \"+15005550006\"".into());
        }
        let columns = vec![
            EffectColumn::new("to", Kind::Text, "The number."),
            EffectColumn::new("text", Kind::Text, "What it says."),
        ];
        self.plan = Some(Plan {
            target: Target::new(CAPABILITY, "default", columns)?,
            to,
            keys: Keys::new("throttle_by", &options.throttle_by, schemas)?,
            templates,
            text,
            default,
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
                let text = plan.text(Message::one(Item::of(&event), held_back));
                for to in &plan.to {
                    turn.row(&plan.target, &event)
                        .cell(Some(Value::Text(to.as_bytes())))
                        .cell(Some(Value::Text(text.as_bytes())))
                        .finish()?;
                    self.messages += 1;
                }
            }
        }
        Ok(())
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![
            Statistic::new("messages_asked_for", self.messages),
            Statistic::new("held_back", self.throttle.held_back()),
        ]
    }
}

impl Plan {
    fn text(&self, message: Message) -> String {
        let mut text = self.templates.render(self.text, self.default, &Arc::new(message)).text;
        if let Some((end, _)) = text.char_indices().nth(TEXT_CHARACTERS_MAX) {
            text.truncate(end);
        }
        text
    }
}

correlator_sdk::export_listener!(Sms);
