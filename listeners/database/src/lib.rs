//! Events as rows of database tables: one table for each kind of event.
//!
//! It decides which table an event belongs to and what stands in which column. The host makes the tables, binds the values
//! and skips rows that are there already, by the event's id.

mod table;

use correlator_dispatch::rows;
use correlator_sdk::prelude::*;

const CAPABILITY: &str = "database";

/// What the stack may set.
#[derive(Options)]
pub struct Options {
    /// Which of the grant's databases. Empty: the only one.
    #[option(default = "")]
    database: String,
    /// The table's name, with {module} for the module instance and {event} for the event.
    #[option(default = "{module}_{event}")]
    table: String,
}

/// Copies events into tables.
#[derive(Default, Serialize, Deserialize)]
pub struct Database {
    rows: u64,
    /// The table of each schema.
    #[serde(skip)]
    tables: Vec<Target>,
}

impl Listener for Database {
    type Options = Options;

    fn describe() -> ListenerDescription {
        ListenerDescription::new(
            "database",
            env!("CARGO_PKG_VERSION"),
            "Writes events to database tables, one table for each kind of event",
        )
        .wants(CAPABILITY, "writes the rows to the granted tables")
    }

    fn configure(&mut self, options: &Options, schemas: &[BoundSchema]) -> Result<(), Error> {
        let names = table::names(&options.table, schemas)?;
        let tables = names.iter().zip(schemas);
        let tables = tables.map(|(name, schema)| {
            let name = match options.database.as_str() {
                "" => name.clone(),
                database => format!("{database}/{name}"),
            };
            rows::target(CAPABILITY, &name, schema)
        });
        self.tables = tables.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn handle(
        &mut self,
        _: &Options,
        events: Events<'_>,
        turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        for event in events {
            rows::write(turn, &self.tables[event.schema_place()], &event)?;
            self.rows += 1;
        }
        Ok(())
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![Statistic::new("rows_asked_for", self.rows)]
    }
}

correlator_sdk::export_listener!(Database);
