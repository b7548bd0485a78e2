//! From an expression to steps for each schema. What a schema alone decides is worked out here, once.

use jiff::tz::TimeZone;

use super::matching::{Step, Subject};
use super::{Criteria, CriteriaError, Expression, Test, test};
use crate::declaration::BoundSchema;

/// Criteria that are ready to decide about events of certain schemas.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Steps for each schema.
    steps: Vec<Step>,
    always: bool,
}

impl Criteria {
    /// Makes the criteria ready for events of these schemas. Times without a zone are in this one.
    ///
    /// # Errors
    /// A test names a field or an event that none of the schemas has, or compares what can't be compared.
    pub fn compile(
        &self,
        schemas: &[BoundSchema],
        zone: &TimeZone,
    ) -> Result<Compiled, Vec<CriteriaError>> {
        let mut errors = Vec::new();
        validate(&self.expression, schemas, zone, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let lowered = schemas.iter().map(|schema| lower(&self.expression, schema, zone));
        Ok(Compiled::of(lowered.collect()))
    }
}

impl Compiled {
    fn of(steps: Vec<Step>) -> Self {
        let always = steps.iter().all(|step| matches!(step, Step::Constant(true)));
        Self { steps, always }
    }

    /// What every event of so many schemas meets.
    #[must_use]
    pub fn everything(schemas: usize) -> Self {
        Self::of(vec![Step::Constant(true); schemas])
    }

    /// Whether every event meets them: nobody need ask for each.
    #[inline]
    #[must_use]
    pub const fn always(&self) -> bool {
        self.always
    }

    /// Whether no event can meet them.
    #[must_use]
    pub fn never(&self) -> bool {
        (0..self.steps.len()).all(|schema| self.never_for(schema))
    }

    /// Whether no event of this schema can meet them.
    #[must_use]
    pub fn never_for(&self, schema: usize) -> bool {
        matches!(self.steps.get(schema), None | Some(Step::Constant(false)))
    }

    /// Whether an event meets them; never if its schema is not one of those that they were compiled against.
    #[inline]
    #[must_use]
    pub fn matches(&self, event: &Subject<'_>) -> bool {
        self.steps.get(event.schema).is_some_and(|step| step.matches(event))
    }
}

/// Collects what is wrong with each test: it is, if no schema can take it.
fn validate(
    expression: &Expression,
    schemas: &[BoundSchema],
    zone: &TimeZone,
    errors: &mut Vec<CriteriaError>,
) {
    match expression {
        Expression::Constant(_) => {}
        Expression::Not(part) => validate(part, schemas, zone, errors),
        Expression::All(parts) | Expression::Any(parts) => {
            for part in parts {
                validate(part, schemas, zone, errors);
            }
        }
        Expression::Test(test) => errors.extend(test::error(test, schemas, zone)),
    }
}

/// The steps for one schema.
fn lower(expression: &Expression, schema: &BoundSchema, zone: &TimeZone) -> Step {
    let all = |parts: &[Expression]| parts.iter().map(|part| lower(part, schema, zone)).collect();
    match expression {
        Expression::Constant(yes) => Step::Constant(*yes),
        Expression::Not(part) => match lower(part, schema, zone) {
            Step::Constant(yes) => Step::Constant(!yes),
            step => Step::Not(Box::new(step)),
        },
        Expression::All(parts) => fold(all(parts), false, Step::All),
        Expression::Any(parts) => fold(all(parts), true, Step::Any),
        Expression::Test(test) => lower_test(test, schema, zone),
    }
}

/// A test of what an event of this schema lacks, or holds in another kind, is false.
fn lower_test(test: &Test, schema: &BoundSchema, zone: &TimeZone) -> Step {
    test::step(test, schema, zone).ok().flatten().unwrap_or(Step::Constant(false))
}

/// Drops the steps that decide nothing; `decisive` is the outcome of one step that settles the matter.
fn fold(steps: Vec<Step>, decisive: bool, join: fn(Vec<Step>) -> Step) -> Step {
    let mut left = Vec::new();
    for step in steps {
        match step {
            Step::Constant(yes) if yes == decisive => return step,
            Step::Constant(_) => {}
            step => left.push(step),
        }
    }
    match left.len() {
        0 => Step::Constant(!decisive),
        1 => left.remove(0),
        _ => join(left),
    }
}
