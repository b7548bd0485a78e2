//! Events as rows of table files: one file for each kind of event.
//!
//! It decides what stands in which column and nothing else. Values are passed on as they are; the host writes headers,
//! quotes, defuses formulas, rotates files and keeps inside the granted folder.

use correlator_sdk::prelude::*;

const CAPABILITY: &str = "table";

/// What the stack may set.
#[derive(Options)]
pub struct Options {
    /// How files are written: csv, or jsonl for one JSON object a line.
    #[option(default = "csv", choices = ["csv", "jsonl"])]
    format: String,
    /// Whether each row begins, after the timestamp, with the event's id.
    #[option(default = false)]
    id: bool,
    /// Whether each row has a column with the event's severity.
    #[option(default = false)]
    severity: bool,
}

/// Copies events into tables.
#[derive(Default, Serialize, Deserialize)]
pub struct Csv {
    rows: u64,
    /// The table of each schema.
    #[serde(skip)]
    tables: Vec<Target>,
}

impl Listener for Csv {
    type Options = Options;

    fn describe() -> ListenerDescription {
        ListenerDescription::new(
            "csv",
            env!("CARGO_PKG_VERSION"),
            "Writes events to table files, one file for each kind of event",
        )
        .wants(CAPABILITY, "writes the rows to files in the granted folder")
    }

    fn configure(&mut self, options: &Options, schemas: &[BoundSchema]) -> Result<(), Error> {
        let tables = schemas.iter().map(|schema| table(options, schema));
        self.tables = tables.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn handle(
        &mut self,
        options: &Options,
        events: Events<'_>,
        turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        for event in events {
            let mut row = turn.row(&self.tables[event.schema_place()], &event);
            row.cell(Some(Value::Time(event.time().nanoseconds())));
            if options.id {
                row.text_with(|out| event.write_id(out));
            }
            if options.severity {
                row.cell(Some(Value::Text(event.severity().name().as_bytes())));
            }
            row.copy(&event).finish()?;
            self.rows += 1;
        }
        Ok(())
    }

    fn statistics(&self) -> Vec<Statistic> {
        vec![Statistic::new("rows", self.rows)]
    }
}

/// The table of a schema: the timestamp, what the options add, and the event's own columns in their order.
fn table(options: &Options, schema: &BoundSchema) -> Result<Target, Error> {
    let mut columns = vec![EffectColumn::new("timestamp", Kind::Time, "When it happened.")];
    if options.id {
        columns.push(EffectColumn::new("id", Kind::Text, "What names the event for good."));
    }
    if options.severity {
        columns.push(EffectColumn::new("severity", Kind::Text, "How severe it is."));
    }
    columns.extend(schema.columns.iter().map(|column| {
        EffectColumn::new(&column.name, column.kind, &column.meaning).optional(column.optional)
    }));
    let name = format!("{}-{}.{}", schema.instance, schema.name, options.format);
    Target::new(CAPABILITY, name, columns)
}

correlator_sdk::export_listener!(Csv);
