//! Listeners that ask for what they must not get: each asks for one and the same thing in every turn.
//!
//! Unlike the other guests they need a grant beside them, which is to hold. So they are made for the case that has it. It
//! must never know what the engine says to them.

use anyhow::Result;
use correlator_frame::effect;

use super::abi::{List, Text};
use super::contract::{Column, Effect, Listener, TEXT, Want};
use super::draft::Draft;

/// Where a text lies that is made while the guest runs.
const HUGE_AT: u32 = 16 << 20;
/// How long it is.
const HUGE_BYTES: u32 = 8 << 20;
/// What it consists of: an address and what stands between two.
const HUGE_PIECE: &[u8; 8] = b"a@b.co, ";

/// What a listener asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The guest's name.
    pub name: &'static str,
    /// The capability.
    pub capability: &'static str,
    /// What of it.
    pub target: &'static str,
    /// Its columns, which are texts, with their values.
    pub cells: &'static [(&'static str, &'static str)],
    /// How often it asks for it in one turn.
    pub rows: usize,
    /// The capability that it says it wants, if that is another one.
    pub says: Option<&'static str>,
}

impl Wish {
    /// One that asks once.
    #[must_use]
    pub const fn new(
        name: &'static str,
        capability: &'static str,
        target: &'static str,
        cells: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { name, capability, target, cells, rows: 1, says: None }
    }

    /// The component.
    ///
    /// # Panics
    /// If it can't be made, which is a mistake of the tests.
    #[must_use]
    pub fn component(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut places = Vec::new();
        for (_, value) in self.cells {
            places.extend([text.len() as u32, value.len() as u32]);
            text.extend_from_slice(value.as_bytes());
        }
        let made = self.made(text.into(), &places, None);
        made.unwrap_or_else(|error| panic!("guest `{}`: {error:#}", self.name))
    }

    /// The component, whose first value is eight million bytes: a million addresses. The others are one of them.
    ///
    /// # Panics
    /// If it can't be made, which is a mistake of the tests.
    #[must_use]
    pub fn huge_component(&self) -> Vec<u8> {
        let text = List::Claim { pointer: HUGE_AT, length: HUGE_BYTES };
        let mut places = [0, HUGE_PIECE.len() as u32].repeat(self.cells.len());
        places[1] = HUGE_BYTES;
        let made = self.made(text, &places, Some(&huge()));
        made.unwrap_or_else(|error| panic!("guest `{}`: {error:#}", self.name))
    }

    fn made(&self, text: Text, places: &[u32], process: Option<&str>) -> Result<Vec<u8>> {
        let mut row = Vec::new();
        effect::Header { event: 0, absent: 0 }.write(self.cells.len(), &mut row);
        row.extend(places);
        let columns: Vec<Column> =
            self.cells.iter().map(|(name, _)| Column::required(name, TEXT)).collect();
        let capability = self.says.unwrap_or(self.capability);
        let want = Want { capability: capability.into(), reason: "to do harm".into() };
        let mut description = Listener::honest(self.name);
        description.wants = vec![want].into();
        let mut draft = Draft::describing_listener(&description);
        draft.asking(vec![Effect {
            capability: self.capability.into(),
            target: self.target.into(),
            columns: columns.into(),
            text,
            index: row.repeat(self.rows).into(),
        }]);
        if let Some(process) = process {
            draft.section("process", process);
        }
        draft.component()
    }
}

/// Makes the huge text by doubling, and answers as always.
fn huge() -> String {
    let piece = u64::from_le_bytes(*HUGE_PIECE);
    let pages = (HUGE_AT + HUGE_BYTES) >> 16;
    format!(
        "(local $bytes i32)
(call $count)
(if (i32.lt_u (memory.size) (i32.const {pages}))
  (then (drop (memory.grow (i32.sub (i32.const {pages}) (memory.size))))))
(i64.store (i32.const {HUGE_AT}) (i64.const {piece}))
(local.set $bytes (i32.const 8))
(loop $double
  (memory.copy
    (i32.add (i32.const {HUGE_AT}) (local.get $bytes)) (i32.const {HUGE_AT}) (local.get $bytes))
  (local.set $bytes (i32.shl (local.get $bytes) (i32.const 1)))
  (br_if $double (i32.lt_u (local.get $bytes) (i32.const {HUGE_BYTES}))))
(i32.const {{{{answer}}}})
"
    )
}

#[cfg(test)]
mod tests {
    use super::Wish;

    #[test]
    fn wishes_can_be_made() {
        let wish = Wish::new("wish", "mail", "default", &[("to", "a"), ("subject", "b")]);
        assert!(!Wish { rows: 3, ..wish }.component().is_empty());
        let huge = Wish::new("wish", "mail", "default", &[("to", "")]);
        assert!(!huge.huge_component().is_empty());
    }
}
