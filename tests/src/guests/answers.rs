//! Guests whose turns lie: rows, cells, masks and effects that are not as the contract says.
//!
//! Each is an honest guest whose every turn answers the same prepared thing. The layouts come from `correlator-frame`
//! where they are kept and from bare words where they are broken. It must never know what the engine does.

use anyhow::Result;
use correlator_frame::{effect, event};

use super::abi::{List, Text};
use super::contract::{
    Column, Effect, EventSchema, INTEGER, Listener, Module, ModuleTurn, TEXT, Want,
};
use super::draft::Draft;
use super::lies::{CONTROL, INVALID, numbered};

/// A module whose every turn is this.
#[derive(Clone, Copy, Debug)]
pub struct Answer(&'static str, fn() -> (Text, List<u32>));

/// A listener whose every turn asks for this.
#[derive(Clone, Copy, Debug)]
pub struct Asking(&'static str, fn() -> Vec<Effect>);

impl Answer {
    /// The guest's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The component.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn component(self) -> Result<Vec<u8>> {
        let mut description = Module::honest(self.0);
        // A boolean and a float, so that there is one column of each odd kind.
        let mut schema = EventSchema::honest();
        if let List::Of(columns) = &mut schema.columns {
            columns.push(Column { optional: 1, ..Column::required("yes", 3) });
            columns.push(Column { optional: 1, ..Column::required("ratio", 2) });
        }
        description.events = vec![schema].into();
        let mut draft = Draft::describing_module(&description);
        let (text, index) = (self.1)();
        draft.answer(&ModuleTurn { case: 0, text, index });
        draft.component()
    }
}

impl Asking {
    /// The guest's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The component.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn component(self) -> Result<Vec<u8>> {
        listener_asking(self.0, (self.1)())
    }
}

const COLUMNS: usize = 5;
/// `note`, `yes` and `ratio` are not there.
const ONLY_REQUIRED: u64 = 0b11100;

const fn header() -> event::TurnHeader {
    event::TurnHeader {
        schema: 0,
        record: 0,
        severity: event::SEVERITY_OF_SCHEMA,
        time: 1_700_000_000_000_000_000,
        absent: ONLY_REQUIRED,
    }
}

/// A row with a text of so many bytes from this offset, the number 7, and nothing else.
fn row(header: event::TurnHeader, offset: u32, length: u32) -> Vec<u32> {
    let mut row = Vec::new();
    header.write(COLUMNS, &mut row);
    row.extend([offset, length, 7, 0, 0, 0, 0, 0, 0, 0]);
    row
}

fn changed(change: fn(&mut Vec<u32>)) -> (Text, List<u32>) {
    let mut row = row(header(), 0, 4);
    change(&mut row);
    ("root".into(), row.into())
}

fn saying(text: &[u8]) -> (Text, List<u32>) {
    (text.to_vec().into(), row(header(), 0, text.len() as u32).into())
}

fn rows(rows: impl IntoIterator<Item = Vec<u32>>) -> List<u32> {
    rows.into_iter().flatten().collect::<Vec<_>>().into()
}

/// Modules whose rows lie.
pub const ROWS: &[Answer] = &[
    Answer("schema-undeclared", || changed(|row| row[1] = 1)),
    Answer("schema-far", || changed(|row| row[1] = u32::MAX)),
    Answer("row-zero", || changed(|row| row[0] = 0)),
    Answer("row-short", || changed(|row| row[0] = 8)),
    Answer("row-shorter-than-header", || changed(|row| row[0] = 7)),
    Answer("row-long", || changed(|row| row[0] = u32::MAX)),
    Answer("row-longer-than-schema", || {
        changed(|row| {
            row[0] += 2;
            row.extend([0, 0]);
        })
    }),
    Answer("row-cut", || changed(|row| row.truncate(9))),
    Answer("row-and-a-half", || changed(|row| row.extend_from_within(..5))),
    Answer("record-out-of-range", || changed(|row| row[2] = 1_000_000_000)),
    Answer("record-out-of-order", || {
        let of = |record| row(event::TurnHeader { record, ..header() }, 0, 4);
        ("root".into(), rows([of(1), of(0)]))
    }),
    Answer("row-severity", || changed(|row| row[3] = 9)),
    Answer("row-time-least", || changed(|row| row[4..6].copy_from_slice(&[0, 0x8000_0000]))),
    Answer("row-time-greatest", || {
        changed(|row| row[4..6].copy_from_slice(&[u32::MAX, 0x7fff_ffff]))
    }),
    Answer("absent-required", || changed(|row| row[6] |= 1)),
    Answer("absent-beyond", || changed(|row| row[7] = 0x8000_0000)),
];

/// Modules whose cells lie, and whose texts are poison.
pub const CELLS: &[Answer] = &[
    Answer("text-out-of-bounds", || changed(|row| row[8..10].copy_from_slice(&[0, 5]))),
    Answer("text-overflow", || changed(|row| row[8..10].copy_from_slice(&[u32::MAX - 1, 4]))),
    Answer("text-far", || changed(|row| row[8..10].copy_from_slice(&[1 << 31, u32::MAX]))),
    Answer("text-in-absent", || changed(|row| row[12..14].copy_from_slice(&[u32::MAX; 2]))),
    Answer("text-splits-character", || ("ä".into(), row(header(), 1, 1).into())),
    Answer("text-control", || saying(CONTROL.as_bytes())),
    Answer("text-invalid-utf8", || saying(INVALID)),
    Answer("text-formula", || saying(b"=cmd|' /C calc'!A0\",\r\n@SUM(1+1)")),
    Answer("text-formula-tab", || saying(b"\t=1+1")),
    Answer("text-empty", || saying(b"")),
    Answer("text-long", || saying(&[b'x'; 1 << 20])),
    Answer("text-amplified", || {
        let text = vec![b'x'; 1 << 20];
        let all = row(header(), 0, 1 << 20);
        (text.into(), rows(std::iter::repeat_n(all, 5_000)))
    }),
    Answer("boolean-odd", || {
        changed(|row| {
            row[6] = 0b10100;
            row[14..16].copy_from_slice(&[7, 9]);
        })
    }),
    Answer("float-odd", || {
        changed(|row| {
            row[6] = 0b01100;
            row[16..18].copy_from_slice(&[1, 0x7ff8_0000]);
        })
    }),
    Answer("turn-text-claim", || (List::Claim { pointer: 0, length: u32::MAX }, vec![].into())),
    Answer("turn-index-claim", || ("".into(), List::Claim { pointer: 4096, length: 0x4000_0001 })),
    Answer("turn-index-unaligned", || ("".into(), List::Claim { pointer: 4097, length: 14 })),
    Answer("turn-index-out-of-bounds", || {
        ("".into(), List::Claim { pointer: 0xffff_fff0, length: 14 })
    }),
];

/// A listener that wants tables, a log and commands, and asks for these effects in every turn.
fn listener_asking(name: &str, effects: Vec<Effect>) -> Result<Vec<u8>> {
    let want = |capability: &str| Want {
        capability: capability.into(),
        reason: "to keep what was noticed".into(),
    };
    let mut description = Listener::honest(name);
    description.wants = vec![want("table")].into();
    let mut draft = Draft::describing_listener(&description);
    draft.asking(effects);
    draft.component()
}

/// One row for the table `noticed.csv`, with one text.
fn table() -> Effect {
    let mut index = Vec::new();
    effect::Header { event: 0, absent: 0 }.write(1, &mut index);
    index.extend([0, 4]);
    Effect {
        capability: "table".into(),
        target: "noticed.csv".into(),
        columns: vec![Column::required("subject", TEXT)].into(),
        text: "root".into(),
        index: index.into(),
    }
}

fn columns(columns: Vec<Column>) -> Vec<Effect> {
    let mut index = Vec::new();
    effect::Header { event: 0, absent: 0 }.write(columns.len(), &mut index);
    index.resize(index.len() + 2 * columns.len(), 0);
    vec![Effect { columns: columns.into(), index: index.into(), ..table() }]
}

fn row_changed(change: fn(&mut Vec<u32>)) -> Vec<Effect> {
    let mut effect = table();
    if let List::Of(row) = &mut effect.index {
        change(row);
    }
    vec![effect]
}

fn text_of(text: &[u8]) -> Vec<Effect> {
    let index = vec![6, 0, 0, 0, 0, text.len() as u32].into();
    vec![Effect { text: text.to_vec().into(), index, ..table() }]
}

fn capability(name: &str) -> Vec<Effect> {
    vec![Effect { capability: name.into(), ..table() }]
}

/// Targets that lead out of where tables may be, or nowhere.
const TARGETS: &[(&str, &str)] = &[
    ("effect-target-parent", "../../escaped.csv"),
    ("effect-target-absolute", "/tmp/correlator-escaped.csv"),
    ("effect-target-inside-out", "a/../../escaped.csv"),
    ("effect-target-folder", "folder/escaped.csv"),
    ("effect-target-nul", "escaped\0.csv"),
    ("effect-target-empty", ""),
    ("effect-target-dot", "."),
    ("effect-target-dots", ".."),
    ("effect-target-suffix", ".csv"),
    ("effect-target-hidden", ".bashrc.csv"),
    ("effect-target-control", "before\x1b[2J\nforged: line\u{9b}31m\u{202e}after.csv"),
    ("effect-target-backslash", "..\\escaped.csv"),
    ("effect-target-home", "~root.csv"),
    ("effect-target-device", "con.csv"),
];

/// The names of the listeners that ask for odd targets.
pub fn target_names() -> impl Iterator<Item = &'static str> {
    TARGETS.iter().map(|(name, _)| *name).chain(["effect-target-long"])
}

/// A listener that asks for an odd target.
///
/// # Errors
/// If it can't be made.
#[must_use]
pub fn target(name: &str) -> Option<Result<Vec<u8>>> {
    let long = format!("{}.csv", "x".repeat(10_000));
    let known = TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target);
    let target = known.or((name == "effect-target-long").then_some(long.as_str()))?;
    Some(listener_asking(name, vec![Effect { target: target.into(), ..table() }]))
}

/// Listeners whose effects lie.
pub const EFFECTS: &[Asking] = &[
    Asking("effect-honest", || vec![table()]),
    Asking("effect-not-granted", || capability("command")),
    Asking("effect-capability-empty", || capability("")),
    Asking("effect-capability-control", || capability(CONTROL)),
    Asking("effect-capability-long", || capability(&"x".repeat(1_000_000))),
    Asking("effect-many-targets", || {
        let to = |place| Effect { target: format!("t{place}.csv").as_str().into(), ..table() };
        (0..20_000).map(to).collect()
    }),
    Asking("effect-no-rows", || vec![Effect { index: vec![].into(), ..table() }]),
    Asking("effect-no-columns", || columns(vec![])),
    Asking("effect-columns-65", || columns(numbered(65))),
    Asking("effect-columns-many", || columns(numbered(10_000))),
    Asking("effect-columns-duplicate", || {
        columns(vec![Column::required("a", INTEGER), Column::required("a", INTEGER)])
    }),
    Asking("effect-column-control", || columns(vec![Column::required(CONTROL, INTEGER)])),
    Asking("effect-column-formula", || columns(vec![Column::required("=1+1,\"x", INTEGER)])),
    Asking("effect-column-kind", || columns(vec![Column::required("a", 99)])),
    Asking("effect-columns-differ", || {
        let other = vec![Column::required("other", TEXT)].into();
        vec![table(), Effect { columns: other, ..table() }]
    }),
    Asking("effect-row-zero", || row_changed(|row| row[0] = 0)),
    Asking("effect-row-long", || row_changed(|row| row[0] = u32::MAX)),
    Asking("effect-row-short", || row_changed(|row| row[0] = 4)),
    Asking("effect-row-cut", || row_changed(|row| row.truncate(5))),
    Asking("effect-event-out-of-range", || row_changed(|row| row[1] = 1_000_000)),
    Asking("effect-absent-required", || row_changed(|row| row[2] = 1)),
    Asking("effect-absent-beyond", || row_changed(|row| row[3] = 0x8000_0000)),
    Asking("effect-text-out-of-bounds", || row_changed(|row| row[5] = 5)),
    Asking("effect-text-overflow", || row_changed(|row| row[4] = u32::MAX)),
    Asking("effect-text-control", || text_of(CONTROL.as_bytes())),
    Asking("effect-text-invalid-utf8", || text_of(INVALID)),
    Asking("effect-text-formula", || text_of(b"=cmd|' /C calc'!A0\",\r\n@SUM(1+1)")),
    Asking("effect-text-amplified", || {
        let row = [6, 0, 0, 0, 0, 1 << 20];
        let index = row.repeat(5_000).into();
        vec![Effect { text: vec![b'x'; 1 << 20].into(), index, ..table() }]
    }),
    Asking("effect-target-amplified", || {
        let row = [6, 0, 0, 0, 0, 1];
        let (target, index) = ("x".repeat(1 << 20), row.repeat(5_000).into());
        let (target, capability) = (target.as_str().into(), "command".into());
        vec![Effect { capability, target, index, ..table() }]
    }),
    Asking("effect-text-claim", || {
        vec![Effect { text: List::Claim { pointer: 0, length: u32::MAX }, ..table() }]
    }),
    Asking("effect-index-unaligned", || {
        vec![Effect { index: List::Claim { pointer: 4097, length: 6 }, ..table() }]
    }),
];
