//! Events as lines in the engine's log: for people as text, for machines as JSON.
//!
//! It decides what stands in a line; the host colours it by severity and shows it. What is in an event comes from
//! whoever writes logs, so nothing of it may steer a terminal or break JSON.

mod json;

mod line;

use correlator_sdk::prelude::*;

const CAPABILITY: &str = "log";

/// What the stack may set.
#[derive(Options)]
pub struct Options {
    /// How lines are written: text for people, json for machines.
    #[option(default = "text", choices = ["text", "json"])]
    format: String,
}

/// Writes a line for each event.
#[derive(Default, Serialize, Deserialize)]
pub struct Log {
    lines: u64,
    #[serde(skip)]
    form: Option<Form>,
}

/// How lines are written, and where they go.
struct Form {
    target: Target,
    write: fn(&Event<'_>, &mut Vec<u8>),
}

impl Listener for Log {
    type Options = Options;

    fn describe() -> ListenerDescription {
        ListenerDescription::new(
            "log",
            env!("CARGO_PKG_VERSION"),
            "Shows events as lines of text or JSON",
        )
        .wants(CAPABILITY, "shows a line for each event")
    }

    fn configure(&mut self, options: &Options, _: &[BoundSchema]) -> Result<(), Error> {
        let columns = vec![
            EffectColumn::new("severity", Kind::Integer, "0 to 7, on syslog's scale."),
            EffectColumn::new("line", Kind::Text, "The line."),
        ];
        let (name, write): (_, fn(&Event<'_>, &mut Vec<u8>)) =
            if options.format == "json" { ("json", json::write) } else { ("lines", line::write) };
        self.form = Some(Form { target: Target::new(CAPABILITY, name, columns)?, write });
        Ok(())
    }

    fn handle(
        &mut self,
        _: &Options,
        events: Events<'_>,
        turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        let Some(Form { target, write }) = &self.form else { return Err(Error::NotConfigured) };
        for event in events {
            turn.row(target, &event)
                .cell(Some(Value::Integer(i64::from(event.severity().number()))))
                .text_with(|out| write(&event, out))
                .finish()?;
            self.lines += 1;
        }
        Ok(())
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![Statistic::new("lines", self.lines)]
    }
}

correlator_sdk::export_listener!(Log);
