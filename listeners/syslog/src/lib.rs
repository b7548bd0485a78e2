//! Events as syslog messages to a server.
//!
//! It says what stands in a message. The host writes it in the form of the wire, RFC 5424 or CEF, and escapes it for that.

use correlator_dispatch::item::{id, summary};
use correlator_sdk::json;
use correlator_sdk::prelude::*;

const CAPABILITY: &str = "syslog";

/// Bytes of a message: what every receiver takes, with room for what stands before it.
const MESSAGE_BYTES_MAX: usize = 6_144;

/// What the stack may set.
#[derive(Options)]
pub struct Options {
    /// The server: a name that the grant defines.
    #[option(default = "default")]
    target: String,
}

/// Asks for messages.
#[derive(Default, Serialize, Deserialize)]
pub struct Syslog {
    messages: u64,
    #[serde(skip)]
    target: Option<Target>,
}

impl Listener for Syslog {
    type Options = Options;

    fn describe() -> ListenerDescription {
        ListenerDescription::new(
            "syslog",
            env!("CARGO_PKG_VERSION"),
            "Sends events as syslog messages to a server",
        )
        .wants(CAPABILITY, "sends a message for each event")
    }

    fn configure(&mut self, options: &Options, _: &[BoundSchema]) -> Result<(), Error> {
        let columns = vec![
            EffectColumn::new("severity", Kind::Integer, "0 to 7, on syslog's scale."),
            EffectColumn::new("message", Kind::Text, "The event in a line."),
            EffectColumn::new("event", Kind::Text, "The event's name."),
            EffectColumn::new("module", Kind::Text, "The module instance that it comes from."),
            EffectColumn::new("time", Kind::Time, "When it happened."),
            EffectColumn::new("id", Kind::Text, "What names the event for good."),
            EffectColumn::new("fields", Kind::Text, "The event's columns as an object of JSON."),
        ];
        self.target = Some(Target::new(CAPABILITY, options.target.as_str(), columns)?);
        Ok(())
    }

    fn handle(
        &mut self,
        _: &Options,
        events: Events<'_>,
        turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        let Some(target) = &self.target else { return Err(Error::NotConfigured) };
        for event in events {
            let schema = event.schema();
            turn.row(target, &event)
                .cell(Some(Value::Integer(i64::from(event.severity().number()))))
                .cell(Some(Value::Text(summary(&event, MESSAGE_BYTES_MAX).as_bytes())))
                .cell(Some(Value::Text(schema.name.as_bytes())))
                .cell(Some(Value::Text(schema.instance.as_bytes())))
                .cell(Some(Value::Time(event.time().nanoseconds())))
                .cell(Some(Value::Text(id(&event).as_bytes())))
                .text_with(|out| json::columns(&event, out))
                .finish()?;
            self.messages += 1;
        }
        Ok(())
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![Statistic::new("messages", self.messages)]
    }
}

correlator_sdk::export_listener!(Syslog);
