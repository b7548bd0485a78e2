//! Events of a form that their module had before, read by the columns that it has now: by name, whatever their order.
//!
//! A column that is new is absent if it may be, and one that is gone is left out. What became something else can't be read.

use std::collections::HashMap;

use correlator_frame::event::{BATCH_HEADER, BatchHeader};

use crate::declaration::EventSchema;
use crate::pipeline::crew::shape;
use crate::pipeline::listening::view::Shapes;
use crate::pipeline::state::forms::Forms;

/// By module, and by the form that its events had.
pub(crate) type Formers = HashMap<(String, u64), Former>;

/// How events of a form are read.
#[derive(Debug)]
pub(crate) struct Former {
    /// The form that is read today, and where its schemas begin among those that a listener was configured with.
    pub(crate) shape: u64,
    pub(crate) base: u32,
    /// By schema; or why not.
    ways: Vec<Result<Way, String>>,
}

/// How the rows of one schema become rows of another.
#[derive(Debug)]
struct Way {
    schema: u32,
    /// For each column where it was before, if it was.
    columns: Vec<Option<usize>>,
    /// A bit for each that can't be absent.
    needed: u64,
}

impl Way {
    fn between(before: &EventSchema, now: &[EventSchema]) -> Result<Self, String> {
        let name = &before.name;
        let schema = now.iter().position(|it| it.name == *name);
        let schema = schema.ok_or_else(|| format!("there is no event `{name}` any more"))?;
        let (mut columns, mut needed) = (Vec::new(), 0);
        for (number, column) in now[schema].columns.iter().enumerate() {
            let place = before.columns.iter().position(|it| it.name == column.name);
            let is_same = place.is_some_and(|place| before.columns[place].kind == column.kind);
            let is_absent = place.is_none() && column.optional;
            if !(is_same || is_absent) {
                return Err(format!("`{}` of `{name}` is new, or of another kind", column.name));
            }
            needed |= u64::from(!column.optional) << number;
            columns.push(place);
        }
        Ok(Self { schema: schema as u32, columns, needed })
    }

    /// Writes the row as it is read today. Nothing is written if it lacks what it must have.
    fn follow(&self, row: &[u32], into: &mut Vec<u32>) -> bool {
        let (mut header, cells) = (BatchHeader::read(row), &row[BATCH_HEADER..]);
        let is_there = |place: &usize| header.absent >> place & 1 == 0;
        let from = |place: &Option<usize>| {
            let place = place.filter(is_there)?;
            cells.get(2 * place..2 * place + 2)
        };
        let found: Vec<_> = self.columns.iter().map(from).collect();
        let absent = found.iter().enumerate().filter(|(_, cell)| cell.is_none());
        let absent = absent.fold(0, |mask, (number, _)| mask | 1_u64 << number);
        if absent & self.needed != 0 {
            return false;
        }
        (header.schema, header.absent) = (self.schema, absent);
        header.write(found.len(), into);
        for cell in found {
            into.extend_from_slice(cell.unwrap_or(&[0, 0]));
        }
        true
    }
}

impl Former {
    /// Writes a row as it is read today, if it can be.
    pub(crate) fn read(&self, row: &[u32], into: &mut Vec<u32>) -> bool {
        let schema = BatchHeader::read(row).schema as usize;
        matches!(self.ways.get(schema), Some(Ok(way)) if way.follow(row, into))
    }

    /// Why some of them can't be.
    pub(crate) fn why_not(&self) -> impl Iterator<Item = &str> {
        self.ways.iter().filter_map(|way| way.as_ref().err()).map(String::as_str)
    }
}

/// How who is configured with these shapes reads what modules told before they had them.
pub(crate) fn formers(forms: &Forms, shapes: &Shapes) -> Formers {
    let mut found = Formers::new();
    for ((module, today), base) in shapes {
        let Some(now) = forms.of(module).find(|it| shape(it) == *today) else { continue };
        for before in forms.of(module) {
            let form = shape(&before);
            if form == *today {
                continue;
            }
            let ways = before.iter().map(|before| Way::between(before, &now)).collect();
            let former = Former { shape: *today, base: *base, ways };
            found.insert((module.clone(), form), former);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use correlator_frame::event::{BATCH_HEADER, BatchHeader, Id};
    use correlator_frame::severity::Severity;
    use correlator_frame::value::Kind;

    use super::formers;
    use crate::declaration::{Column, EventSchema};
    use crate::pipeline::crew::shape;
    use crate::pipeline::listening::view::Shapes;
    use crate::pipeline::state::forms::Forms;

    /// `EVENT COLUMN...`: what ends with `?` may be absent, what begins with `#` is a number.
    fn events(all: &[&str]) -> Vec<EventSchema> {
        let column = |word: &str| Column {
            name: word.trim_matches(['?', '#']).to_owned(),
            kind: if word.starts_with('#') { Kind::Integer } else { Kind::Text },
            optional: word.ends_with('?'),
            meaning: String::new(),
        };
        let event = |text: &&str| EventSchema {
            name: text.split(' ').next().unwrap_or_default().to_owned(),
            severity: Severity::Notice,
            summary: String::new(),
            meaning: String::new(),
            columns: text.split(' ').skip(1).map(column).collect(),
        };
        all.iter().map(event).collect()
    }

    /// An event of the first of the schemas that were, whose cells are 1, 2, 3: as it is read by those that are.
    fn check(before: &[&str], absent: u64, now: &[&str], expected: Option<(u32, u64, &[u32])>) {
        let (before, now) = (events(before), events(now));
        let mut forms = Forms::default();
        forms.note("m", &before);
        forms.note("m", &now);
        let shapes = Shapes::from([(("m".to_owned(), shape(&now)), 7)]);
        let all = formers(&forms, &shapes);
        let former = &all[&("m".to_owned(), shape(&before))];
        assert_eq!((former.shape, former.base, all.len()), (shape(&now), 7, 1));
        let id = Id { source: 1, position: 2, count: 3 };
        let header = BatchHeader { schema: 0, severity: 5, time: 9, absent, id };
        let columns = before[0].columns.len();
        let (mut row, mut read) = (Vec::new(), Vec::new());
        header.write(columns, &mut row);
        (0..columns as u32).for_each(|cell| row.extend([cell + 1, cell + 1]));
        let is_read = former.read(&row, &mut read);
        assert_eq!(is_read, !read.is_empty(), "all or nothing");
        let found = is_read.then(|| {
            let header = BatchHeader::read(&read);
            assert_eq!((header.id, header.time, header.severity), (id, 9, 5));
            assert_eq!(read.len(), read[0] as usize);
            let cells: Vec<_> = read[BATCH_HEADER..].chunks(2).map(|cell| cell[0]).collect();
            (header.schema, header.absent, cells)
        });
        let expected = expected.map(|(schema, absent, cells)| (schema, absent, cells.to_vec()));
        assert_eq!(found, expected, "{before:?} {now:?}");
    }

    #[test]
    fn columns_are_found_by_name() {
        check(&["e a b c"], 0, &["e c b a"], Some((0, 0, &[3, 2, 1])));
        check(&["e a b c"], 0, &["f x", "e b"], Some((1, 0, &[2])));
        check(&["e a b"], 0, &["e new? b a"], Some((0, 1, &[0, 2, 1])));
        check(&["e a b?"], 2, &["e b? a"], Some((0, 1, &[0, 1])));
        check(&["e a b?"], 0, &["e b? a"], Some((0, 0, &[2, 1])));
    }

    #[test]
    fn what_became_something_else_is_not_read() {
        check(&["e a"], 0, &["f a"], None);
        check(&["e a"], 0, &["e a new"], None);
        check(&["e a"], 0, &["e #a"], None);
        check(&["e a"], 0, &["e #a?"], None);
        // What may be absent no more is read where it was not.
        check(&["e a b?"], 2, &["e a b"], None);
        check(&["e a b?"], 0, &["e a b"], Some((0, 0, &[1, 2])));
    }
}
