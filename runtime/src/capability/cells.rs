//! The cells of an effect's rows, read without trust.

use correlator_frame::effect::{HEADER, Header};
use correlator_frame::event;
use correlator_frame::value::{Kind, Value};

use super::Refusal;
use crate::guest::Effect;

/// The rows of an effect. The sandbox has checked that each is as long as its columns say.
pub(super) fn rows(effect: &Effect) -> impl Iterator<Item = Row<'_>> {
    let words = HEADER + 2 * effect.columns.len();
    effect.rows.index.chunks_exact(words).map(move |row| Row {
        effect,
        absent: Header::read(row).absent,
        cells: &row[HEADER..],
    })
}

/// A row of an effect.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    effect: &'a Effect,
    absent: u64,
    cells: &'a [u32],
}

impl<'a> Row<'a> {
    /// The value in a column; a text that points nowhere is empty.
    pub(super) fn value(self, column: usize) -> Option<Value<'a>> {
        let kind = self.effect.columns.get(column)?.kind;
        event::cell(self.cells, column, kind, self.absent, &self.effect.rows.text)
    }
}

/// The place of a column that a capability needs.
pub(super) fn column(effect: &Effect, name: &str, kind: Kind) -> Result<usize, Refusal> {
    let place = effect.columns.iter().position(|column| column.name == name);
    match place {
        Some(place) if effect.columns[place].kind == kind => Ok(place),
        Some(place) => Err(Refusal::Malformed(format!(
            "column `{name}` of `{}` must be {kind}, not {}",
            effect.capability, effect.columns[place].kind
        ))),
        None => Err(Refusal::Malformed(format!(
            "`{}` needs a column `{name}` ({kind})",
            effect.capability
        ))),
    }
}
