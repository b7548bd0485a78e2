//! One test against one schema: which field it means, and whether there is such a field at all.

use correlator_frame::severity::Severity;
use correlator_frame::value::{Kind, Value};
use jiff::tz::TimeZone;

use super::cell::{cell, textual, unfit};
use super::matching::{CellTest, Step};
use super::{Compare, CriteriaError, Order, Test, Word};
use crate::declaration::BoundSchema;
use crate::limit;
use crate::stack::problem::Wrong;
use crate::stack::suggest;
use crate::text::clean;

/// Fields that every event has.
const GENERAL: [&str; 4] = ["event", "module", "severity", "time"];

/// What is wrong with a test: what is wrong for every schema that has its field, or that none has it.
pub(super) fn error(
    test: &Test,
    schemas: &[BoundSchema],
    zone: &TimeZone,
) -> Option<CriteriaError> {
    let mut first = None;
    let mut known = false;
    for schema in schemas {
        match step(test, schema, zone) {
            Ok(None) => {}
            Ok(Some(_)) => known = true,
            Err(error) => first = first.or(Some(error)),
        }
    }
    if known {
        return unknown_name(test, schemas);
    }
    first.or_else(|| Some(unknown_field(&test.field, schemas)))
}

fn unknown_field(field: &Word, schemas: &[BoundSchema]) -> CriteriaError {
    let name = clean(&field.text, limit::NAME_BYTES_MAX);
    if matches!(name.as_str(), "id" | "summary") {
        let wrong =
            Wrong::new(format!("`{name}` can't be tested, it is made of the rest of the event"));
        return field.error(wrong.help("test the event's columns"));
    }
    let columns = schemas.iter().flat_map(|schema| &schema.schema.columns);
    let mut names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut all = GENERAL.to_vec();
    all.extend(names);
    let wrong = Wrong::new(format!("no event has a field `{name}`"));
    field.error(wrong.maybe(suggest::known(&field.text, &all)))
}

/// The name of an event or a module that does not exist.
fn unknown_name(test: &Test, schemas: &[BoundSchema]) -> Option<CriteriaError> {
    let name_of: fn(&BoundSchema) -> &str = match test.field.text.as_str() {
        "event" => |schema| &schema.schema.name,
        "module" => |schema| &schema.instance,
        _ => return None,
    };
    let words = match &test.compare {
        Compare::Order(_, word) => std::slice::from_ref(word),
        Compare::In { words, .. } => words,
        _ => return None,
    };
    let mut names: Vec<&str> = schemas.iter().map(name_of).collect();
    names.sort_unstable();
    names.dedup();
    let word = words.iter().find(|word| !names.contains(&word.text.as_str()))?;
    let what =
        if test.field.text == "event" { "no module has an event" } else { "there is no module" };
    let wrong = Wrong::new(format!("{what} `{}`", clean(&word.text, limit::NAME_BYTES_MAX)));
    Some(word.error(wrong.maybe(suggest::known(&word.text, &names))))
}

/// The step for one schema; nothing if its events have no such field.
pub(super) fn step(
    test: &Test,
    schema: &BoundSchema,
    zone: &TimeZone,
) -> Result<Option<Step>, CriteriaError> {
    match test.field.text.as_str() {
        "event" => named(test, &schema.schema.name),
        "module" => named(test, &schema.instance),
        "severity" => severity(test).map(Some),
        "time" | "timestamp" => {
            if test.compare == Compare::Exists {
                return Ok(Some(Step::Constant(true)));
            }
            match cell(test, Kind::Time, zone)? {
                CellTest::Numbers(numbers) => Ok(Some(Step::Time(numbers))),
                _ => Ok(None),
            }
        }
        name => {
            let columns = &schema.schema.columns;
            let Some(column) = columns.iter().position(|column| column.name == name) else {
                return Ok(None);
            };
            if test.compare == Compare::Exists {
                let step = Step::Exists(column);
                return Ok(Some(if columns[column].optional {
                    step
                } else {
                    Step::Constant(true)
                }));
            }
            let kind = columns[column].kind;
            Ok(Some(Step::Cell { column, kind, test: cell(test, kind, zone)? }))
        }
    }
}

/// A test of a text that the schema knows.
fn named(test: &Test, name: &str) -> Result<Option<Step>, CriteriaError> {
    if test.compare == Compare::Exists {
        return Ok(Some(Step::Constant(true)));
    }
    let test = textual(test)?;
    Ok(Some(Step::Constant(test.holds(Value::Text(name.as_bytes())))))
}

fn severity(test: &Test) -> Result<Step, CriteriaError> {
    let level = |word: &Word| {
        Severity::from_name(&word.text.to_ascii_lowercase()).ok_or_else(|| {
            let names = Severity::ALL.map(Severity::name);
            let wrong = format!("`{}` is no severity", clean(&word.text, limit::NAME_BYTES_MAX));
            word.error(Wrong::new(wrong).maybe(suggest::known(&word.text, &names)))
        })
    };
    let bit = |severity: Severity| 1_u8 << severity.number();
    let mask = match &test.compare {
        Compare::Exists => return Ok(Step::Constant(true)),
        Compare::Order(order, word) => {
            let level = level(word)?;
            // The most severe has the least number.
            let more = bit(level) - 1;
            match order {
                Order::Equal => bit(level),
                Order::Unequal => !bit(level),
                Order::Greater => more,
                Order::GreaterOrEqual => more | bit(level),
                Order::Less => !(more | bit(level)),
                Order::LessOrEqual => !more,
            }
        }
        Compare::In { words, negated, .. } => {
            let mut mask = 0;
            for word in words {
                mask |= bit(level(word)?);
            }
            if *negated { !mask } else { mask }
        }
        Compare::True | Compare::Text(..) => {
            return Err(unfit(test, "a severity", "`severity >= warning`"));
        }
    };
    Ok(match mask {
        0 => Step::Constant(false),
        u8::MAX => Step::Constant(true),
        mask => Step::Severity(mask),
    })
}
