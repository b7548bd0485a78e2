//! Events as syslog messages to a server.
//!
//! It says what stands in a message. The host writes it in the form of the wire, RFC 5424 or CEF, and escapes it for that.

use correlator_dispatch::item::summary;
use correlator_dispatch::rows;
use correlator_sdk::prelude::*;

const CAPABILITY: &str = "syslog";

/// Bytes of a message: what every receiver takes, with room for what stands before it.
const MESSAGE_BYTES_MAX: usize = 6_144;

/// What the stack may set.
#[derive(Options)]
pub struct Options {
    /// The server: a name that the grant defines. Empty: its only one, or of several the one called "default".
    #[option(default = "")]
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
        let columns = rows::told("message");
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
            rows::tell(turn, target, &event, &summary(&event, MESSAGE_BYTES_MAX)).finish()?;
            self.messages += 1;
        }
        Ok(())
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![Statistic::new("messages_asked_for", self.messages)]
    }
}

correlator_sdk::export_listener!(Syslog);
