//! Events as documents of an index, in Elasticsearch or `OpenSearch`.
//!
//! It decides what stands in which field. Where documents go, and how the index treats each field, is the target's to
//! say, which the operator defined in the grant; the event's id is the document's.

mod target;

use correlator_dispatch::rows;
use correlator_sdk::prelude::*;

const CAPABILITY: &str = "elastic";

/// What the stack may set.
#[derive(Options)]
pub struct Options {
    /// The target, of which the grant makes an index; {module} stands for the module instance, {event} for the event.
    #[option(default = "{module}")]
    target: String,
}

/// Copies events into documents.
#[derive(Default, Serialize, Deserialize)]
pub struct Elastic {
    documents: u64,
    /// The target of each schema.
    #[serde(skip)]
    targets: Vec<Target>,
}

impl Listener for Elastic {
    type Options = Options;

    fn describe() -> ListenerDescription {
        ListenerDescription::new(
            "elastic",
            env!("CARGO_PKG_VERSION"),
            "Writes events to Elasticsearch or OpenSearch",
        )
        .wants(CAPABILITY, "writes a document for each event")
    }

    fn configure(&mut self, options: &Options, schemas: &[BoundSchema]) -> Result<(), Error> {
        let names = target::names(&options.target, schemas)?;
        let targets = names.iter().zip(schemas);
        let targets = targets.map(|(name, schema)| rows::target(CAPABILITY, name, schema));
        self.targets = targets.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn handle(
        &mut self,
        _: &Options,
        events: Events<'_>,
        turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        for event in events {
            rows::write(turn, &self.targets[event.schema_place()], &event)?;
            self.documents += 1;
        }
        Ok(())
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![Statistic::new("documents_asked_for", self.documents)]
    }
}

correlator_sdk::export_listener!(Elastic);
