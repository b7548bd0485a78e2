//! The turn of a listener: where it puts what it asks the host to do.
//!
//! Rows for one target of one capability are one effect, however many events they are for. Cells are copied as words
//! and their text as a block: a listener that passes events on costs next to nothing.

use std::cell::Cell;
use std::rc::Rc;

use correlator_frame::effect::{HEADER, Header, NO_EVENT};
use correlator_frame::value::{Kind, Value};
use correlator_frame::words;

use crate::error::Error;
use crate::event::Event;

/// Columns at the most: as many as the mask of absent cells has bits.
pub const COLUMNS_MAX: usize = 64;

/// Words of a row before the mask of absent cells.
const ABSENT: usize = 2;

/// A column of an effect's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be absent.
    pub optional: bool,
    /// What it means, for people.
    pub meaning: String,
}

impl EffectColumn {
    /// A column that is always there.
    #[must_use]
    pub fn new(name: &str, kind: Kind, meaning: &str) -> Self {
        Self { name: name.to_owned(), kind, optional: false, meaning: meaning.to_owned() }
    }

    /// Says that it may be absent.
    #[must_use]
    pub fn optional(mut self, optional: bool) -> Self {
        self.optional = optional;
        self
    }
}

/// Where rows go: a target of a capability and its columns. Made once at configuration; clones are the same target.
#[derive(Clone, Debug)]
pub struct Target(Rc<TargetParts>);

/// What a target is.
#[derive(Debug)]
pub struct TargetParts {
    /// The capability's name.
    pub capability: String,
    /// What of the capability.
    pub name: String,
    /// The columns of every row.
    pub columns: Vec<EffectColumn>,
    /// How much text and index the turn before had for it: growing step by step copies everything again and again.
    usual: Cell<(usize, usize)>,
}

impl Target {
    /// A target with its columns.
    ///
    /// # Errors
    /// If there are more than [`COLUMNS_MAX`] columns.
    pub fn new(
        capability: &str,
        name: impl Into<String>,
        columns: Vec<EffectColumn>,
    ) -> Result<Self, Error> {
        let name = name.into();
        if columns.len() > COLUMNS_MAX {
            let count = columns.len();
            return Err(Error::Said(format!(
                "{name:?} would have {count} columns, but a row has {COLUMNS_MAX} at most"
            )));
        }
        let (capability, usual) = (capability.to_owned(), Cell::default());
        Ok(Self(Rc::new(TargetParts { capability, name, columns, usual })))
    }

    /// What it is.
    #[must_use]
    pub fn parts(&self) -> &TargetParts {
        &self.0
    }
}

/// Rows for one target.
#[derive(Clone, Debug)]
pub struct Effect {
    /// Where they go.
    pub target: Target,
    /// The bytes of their text cells.
    pub text: Vec<u8>,
    /// The rows.
    pub index: Vec<u32>,
}

/// Collects the effects of one call.
#[derive(Default)]
pub struct EffectTurn {
    effects: Vec<Effect>,
    last: usize,
}

impl EffectTurn {
    /// Begins a row for an event. It is complete when all its cells are written and [`Row::finish`] is called.
    #[inline]
    pub fn row(&mut self, target: &Target, event: &Event<'_>) -> Row<'_> {
        self.row_for(target, event.place())
    }

    /// Begins a row that is for no event: in a tick, and only there. The host fails a turn of `handle` that has one.
    #[inline]
    pub fn row_in_tick(&mut self, target: &Target) -> Row<'_> {
        self.row_for(target, NO_EVENT)
    }

    pub(crate) fn take(&mut self) -> Vec<Effect> {
        self.last = 0;
        for effect in &self.effects {
            effect.target.0.usual.set((effect.text.len(), effect.index.len()));
        }
        core::mem::take(&mut self.effects)
    }

    #[inline]
    fn row_for(&mut self, target: &Target, event: u32) -> Row<'_> {
        let place = self.effect_place(target);
        let effect = &mut self.effects[place];
        let text_start = effect.text.len();
        let start = effect.index.len();
        let columns = target.0.columns.len();
        effect.index.reserve(HEADER + 2 * columns);
        Header { event, absent: 0 }.write(columns, &mut effect.index);
        Row { effect, start, text_start, absent: 0, cells: 0, wrong: None, finished: false }
    }

    /// Events of one kind tend to come together, so the last target is tried first.
    #[inline]
    fn effect_place(&mut self, target: &Target) -> usize {
        let same = |effect: &Effect| Rc::ptr_eq(&effect.target.0, &target.0);
        if self.effects.get(self.last).is_some_and(same) {
            return self.last;
        }
        self.last = self.effects.iter().position(same).unwrap_or_else(|| {
            let (text, index) = target.0.usual.get();
            self.effects.push(Effect {
                target: target.clone(),
                text: Vec::with_capacity(text),
                index: Vec::with_capacity(index),
            });
            self.effects.len() - 1
        });
        self.last
    }
}

/// A row in the making. Dropped before [`Row::finish`] it leaves nothing.
pub struct Row<'a> {
    effect: &'a mut Effect,
    start: usize,
    text_start: usize,
    absent: u64,
    cells: usize,
    wrong: Option<(usize, Kind)>,
    finished: bool,
}

impl Row<'_> {
    /// Writes the next cell, or leaves it absent.
    #[inline]
    pub fn cell(&mut self, value: Option<Value<'_>>) -> &mut Self {
        match value {
            Some(value) => {
                self.note_kind(value.kind());
                let cell = value.write(&mut self.effect.text);
                self.push(cell);
            }
            None => self.push_absent(),
        }
        self
    }

    /// Writes the next cell as text that is appended to the effect's own.
    #[inline]
    pub fn text_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.note_kind(Kind::Text);
        let start = self.effect.text.len();
        write(&mut self.effect.text);
        let length = self.effect.text.len().saturating_sub(start);
        self.push([words::word(start), words::word(length)]);
        self
    }

    /// Copies all of an event's cells, in order. The target's columns from here on must be of the event's kinds.
    #[inline]
    pub fn copy(&mut self, event: &Event<'_>) -> &mut Self {
        let (cells, absent, text) = event.raw();
        let schema = event.schema();
        for (place, column) in schema.columns.iter().enumerate() {
            self.note_kind_at(self.cells + place, column.kind);
        }
        let first = self.effect.index.len();
        self.effect.index.extend_from_slice(cells);
        let copied = &mut self.effect.index[first..];
        move_text(copied, absent, schema.text_columns(), text, &mut self.effect.text);
        self.absent |= absent.checked_shl(words::word(self.cells)).unwrap_or(0);
        self.cells += schema.columns.len();
        self
    }

    /// Completes the row.
    ///
    /// # Errors
    /// If it has too few or too many cells, or one of the wrong kind. Then it leaves nothing.
    #[inline]
    pub fn finish(&mut self) -> Result<(), Error> {
        let columns = self.effect.target.0.columns.len();
        if self.cells != columns || self.wrong.is_some() {
            return Err(self.error());
        }
        let [low, high] = words::split(self.absent.cast_signed());
        self.effect.index[self.start + ABSENT] = low;
        self.effect.index[self.start + ABSENT + 1] = high;
        self.finished = true;
        Ok(())
    }

    #[inline]
    fn push(&mut self, cell: [u32; 2]) {
        self.effect.index.extend_from_slice(&cell);
        self.cells += 1;
    }

    #[inline]
    fn push_absent(&mut self) {
        self.absent |= 1_u64.checked_shl(words::word(self.cells)).unwrap_or(0);
        self.push([0, 0]);
    }

    #[inline]
    fn note_kind(&mut self, kind: Kind) {
        self.note_kind_at(self.cells, kind);
    }

    /// Notes the first cell of the wrong kind: `finish` tells it, so that writing a row needs no `?` for each cell.
    #[inline]
    fn note_kind_at(&mut self, place: usize, kind: Kind) {
        let fits = self.effect.target.0.columns.get(place).is_none_or(|column| column.kind == kind);
        if !fits && self.wrong.is_none() {
            self.wrong = Some((place, kind));
        }
    }

    #[cold]
    fn error(&self) -> Error {
        let target = &self.effect.target.0;
        match self.wrong.and_then(|(place, found)| Some((target.columns.get(place)?, found))) {
            Some((column, found)) => Error::WrongKind {
                of: target.name.clone(),
                column: column.name.clone(),
                expected: column.kind,
                found,
            },
            None => Error::CellCount {
                target: target.name.clone(),
                expected: target.columns.len(),
                found: self.cells,
            },
        }
    }
}

/// Copies the text that cells point to, and points them to the copy. An event's texts usually stand together; then one
/// copy does for all of them, since many small ones are what is dear in a sandbox.
#[inline]
fn move_text(cells: &mut [u32], absent: u64, columns: &[usize], from: &[u8], to: &mut Vec<u8>) {
    let present = || columns.iter().filter(|place| absent >> **place & 1 == 0);
    let (mut low, mut high, mut sum) = (usize::MAX, 0, 0);
    for place in present() {
        let (offset, length) = (cells[2 * place] as usize, cells[2 * place + 1] as usize);
        low = low.min(offset);
        high = high.max(offset + length);
        sum += length;
    }
    if let Some(block) = from.get(low..high).filter(|block| block.len() <= 2 * sum) {
        let (old, new) = (words::word(low), words::word(to.len()));
        to.extend_from_slice(block);
        for place in present() {
            cells[2 * place] = cells[2 * place] - old + new;
        }
        return;
    }
    for place in present() {
        let cell = &mut cells[2 * place..2 * place + 2];
        let bytes = words::slice(from, cell[0], cell[1]);
        cell.copy_from_slice(&[words::word(to.len()), words::word(bytes.len())]);
        to.extend_from_slice(bytes);
    }
}

impl Drop for Row<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.effect.index.truncate(self.start);
            self.effect.text.truncate(self.text_start);
        }
    }
}
