//! What a listener's turn refuses, and what it groups.

use correlator_sdk::prelude::*;
use correlator_sdk::testing;

/// What the stack may set.
#[derive(Options)]
struct Options {
    /// What to do wrong.
    #[option(default = "nothing", choices = ["nothing", "few", "kind", "drop"])]
    mistake: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Rows {
    #[serde(skip)]
    targets: Vec<Target>,
}

impl Listener for Rows {
    type Options = Options;

    fn describe() -> ListenerDescription {
        ListenerDescription::new("rows", "1", "Makes rows").wants("table", "to test")
    }

    fn configure(&mut self, _: &Options, schemas: &[BoundSchema]) -> Result<(), Error> {
        let column = |one: &BoundColumn| {
            EffectColumn::new(&one.name, one.kind, &one.meaning).optional(one.optional)
        };
        let target = |schema: &BoundSchema| {
            let mut columns = vec![EffectColumn::new("place", Kind::Integer, "Where.")];
            columns.extend(schema.columns.iter().map(column));
            Target::new("table", schema.name.as_str(), columns)
        };
        self.targets = schemas.iter().map(target).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn handle(
        &mut self,
        options: &Options,
        events: Events<'_>,
        turn: &mut EffectTurn,
    ) -> Result<(), Error> {
        for event in events {
            let mut row = turn.row(&self.targets[event.schema_place()], &event);
            let place = Value::Integer(event.time().nanoseconds() % 1000);
            match options.mistake.as_str() {
                "few" => row.cell(Some(place)).finish()?,
                "kind" => row.cell(Some(Value::Boolean(true))).copy(&event).finish()?,
                "drop" => drop(row.cell(Some(place)).cell(Some(Value::Text(b"lost")))),
                _ => row.cell(Some(place)).copy(&event).finish()?,
            }
        }
        Ok(())
    }
}

const EVENTS: &str = "\
schema m:a notice \"{x} {y}\" x:text y?:text z?:integer
schema m:b notice \"{x}\" x:text
1970-01-01T00:00:00.000000001Z notice m:a x=one y=two z=3
1970-01-01T00:00:00.000000002Z notice m:b x=four
1970-01-01T00:00:00.000000003Z notice m:a x=\"\"
1970-01-01T00:00:00.000000004Z notice m:a x=five z=-6
";

#[test]
fn cells_are_copied() {
    let lines = testing::effects::<Rows>(EVENTS, &[]);
    let expected = [
        "target table a place:integer x:text y?:text z?:integer",
        "0 table a place=1 x=one y=two z=3",
        "target table b place:integer x:text",
        "1 table b place=2 x=four",
        "2 table a place=3 x=\"\"",
        "3 table a place=4 x=five z=-6",
    ];
    assert_eq!(lines, Ok(expected.map(str::to_owned).to_vec()));
}

#[test]
fn wrong_rows_are_named_and_leave_nothing() {
    let run = |mistake: &str| {
        let settings = [correlator_sdk::options::Setting::new("mistake", mistake)];
        testing::effects::<Rows>(EVENTS, &settings)
    };
    let check = |mistake, expected: &str| {
        let error = run(mistake).err().unwrap_or_default();
        assert!(error.contains(expected), "{mistake}: {error}");
    };
    check("few", "a row for \"a\" has 1 cells, but 4 columns");
    check("kind", "column \"place\" of \"a\" holds integer, but its value is boolean");
    assert_eq!(run("drop"), Ok(Vec::new()));
}

#[test]
fn too_many_columns_are_refused() {
    let column = |place: usize| EffectColumn::new(&format!("c{place}"), Kind::Text, "");
    let target = |count: usize| Target::new("table", "t", (0..count).map(column).collect());
    assert!(target(64).is_ok());
    let error = target(65).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("65 columns") && error.contains("64 at most"), "{error}");
}
