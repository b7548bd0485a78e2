//! The contract's records as a guest lays them out, and an honest description of each world to start lying from.
//!
//! Kinds and severities are bare numbers, flags are bytes and strings are bytes, so that a guest can say what the
//! contract does not allow. It must never know how the engine reads any of this.

use super::abi::{Arena, List, Lower, Text, record};

/// The number of a kind of value in the contract.
pub const TEXT: u8 = 0;
/// See [`TEXT`].
pub const INTEGER: u8 = 1;
/// See [`TEXT`].
pub const TIME: u8 = 4;
/// The number of a severity in the contract.
pub const WARNING: u8 = 4;

record! {
    /// `types.column`.
    Column {
        /// Its name.
        name: Text,
        /// The number of its kind.
        kind: u8,
        /// 1 if it may be absent.
        optional: u8,
        /// What it means.
        meaning: Text,
    }
}

record! {
    /// `types.event-schema`.
    EventSchema {
        /// Its name.
        name: Text,
        /// The number of its severity.
        severity: u8,
        /// A line with placeholders.
        summary: Text,
        /// What it means.
        meaning: Text,
        /// Its columns.
        columns: List<Column>,
    }
}

/// `types.value`: the number of a case, and a number or a text.
#[derive(Clone, Debug)]
pub enum Value {
    /// The case `text`.
    Text(Text),
    /// Any other case, by its number.
    Number(u8, i64),
}

impl Lower for Value {
    const SIZE: u32 = 16;
    const ALIGN: u32 = 8;

    fn lower(&self, at: u32, arena: &mut Arena) {
        match self {
            Self::Text(text) => text.lower(at + 8, arena),
            Self::Number(case, number) => {
                case.lower(at, arena);
                number.lower(at + 8, arena);
            }
        }
    }
}

record! {
    /// `types.option-schema`.
    OptionSchema {
        /// Its name.
        name: Text,
        /// The number of its kind.
        kind: u8,
        /// What it means.
        meaning: Text,
        /// Its default.
        default: Option<Value>,
        /// The least number.
        at_least: Option<i64>,
        /// The greatest number.
        at_most: Option<i64>,
        /// The texts allowed.
        choices: List<Text>,
    }
}

record! {
    /// `types.statistic`, and `types.setting` alike.
    Statistic {
        /// Its name.
        name: Text,
        /// Its value.
        value: Value,
    }
}

record! {
    /// `types.timer` with its schedule.
    Timer {
        /// Its name.
        name: Text,
        /// 0 for `every`, 1 for `daily`.
        schedule: u32,
        /// Seconds or minutes.
        count: u32,
    }
}

record! {
    /// `records.literal`.
    Literal {
        /// The bytes to look for.
        text: Text,
        /// The number of its anchor.
        anchor: u8,
    }
}

record! {
    /// `records.interest`.
    Interest {
        /// Programs.
        programs: List<Text>,
        /// Facilities.
        facilities: List<u8>,
        /// The least severe.
        severity: Option<u8>,
        /// Literals.
        literals: List<Literal>,
        /// Fields.
        fields: List<Text>,
    }
}

record! {
    /// `records.description`.
    Module {
        /// Its name.
        name: Text,
        /// Its version.
        version: Text,
        /// What it is for.
        meaning: Text,
        /// Which records it wants.
        interest: List<Interest>,
        /// Its events.
        events: List<EventSchema>,
        /// Its options.
        options: List<OptionSchema>,
        /// Its timers.
        timers: List<Timer>,
        /// The version of its state.
        state_version: u32,
    }
}

record! {
    /// `events.want`.
    Want {
        /// The capability.
        capability: Text,
        /// Why.
        reason: Text,
    }
}

record! {
    /// `events.description`.
    Listener {
        /// Its name.
        name: Text,
        /// Its version.
        version: Text,
        /// What it is for.
        meaning: Text,
        /// Which events it wants.
        criteria: Text,
        /// Its options.
        options: List<OptionSchema>,
        /// The capabilities that it will ask for.
        wants: List<Want>,
        /// The credentials that the host adds.
        credentials: List<Text>,
        /// Its timers.
        timers: List<Timer>,
        /// The version of its state.
        state_version: u32,
    }
}

record! {
    /// `records.turn` in its `result`.
    ModuleTurn {
        /// 0 for a turn, 1 for an error.
        case: u32,
        /// The bytes.
        text: Text,
        /// The rows.
        index: List<u32>,
    }
}

record! {
    /// `events.effect`.
    Effect {
        /// The capability.
        capability: Text,
        /// What of it.
        target: Text,
        /// The columns of its rows.
        columns: List<Column>,
        /// The bytes.
        text: Text,
        /// The rows.
        index: List<u32>,
    }
}

record! {
    /// `events.turn` in its `result`.
    ListenerTurn {
        /// 0 for a turn, 1 for an error.
        case: u32,
        /// The effects.
        effects: List<Effect>,
    }
}

impl Column {
    /// A column that is always there.
    #[must_use]
    pub fn required(name: &str, kind: u8) -> Self {
        Self { name: name.into(), kind, optional: 0, meaning: "something that was noticed".into() }
    }
}

impl EventSchema {
    /// The event that honest guests declare: a text, a number and an optional note.
    #[must_use]
    pub fn honest() -> Self {
        let note = Column { optional: 1, ..Column::required("note", TEXT) };
        Self {
            name: "noticed".into(),
            severity: WARNING,
            summary: "{subject} was noticed {count} times".into(),
            meaning: "something was noticed".into(),
            columns: vec![
                Column::required("subject", TEXT),
                Column::required("count", INTEGER),
                note,
            ]
            .into(),
        }
    }
}

impl OptionSchema {
    /// An integer from 1 to 100 with the default 10.
    #[must_use]
    pub fn honest() -> Self {
        Self {
            name: "threshold".into(),
            kind: INTEGER,
            meaning: "from how many on it matters".into(),
            default: Some(Value::Number(INTEGER, 10)),
            at_least: Some(1),
            at_most: Some(100),
            choices: vec![].into(),
        }
    }
}

impl Timer {
    /// Fires every minute.
    #[must_use]
    pub fn honest() -> Self {
        Self { name: "minute".into(), schedule: 0, count: 60 }
    }
}

impl Module {
    /// A description without a fault.
    #[must_use]
    pub fn honest(name: &str) -> Self {
        Self {
            name: name.into(),
            version: "1.0.0".into(),
            meaning: "a guest of the engine's tests".into(),
            interest: vec![].into(),
            events: vec![EventSchema::honest()].into(),
            options: vec![OptionSchema::honest()].into(),
            timers: vec![Timer::honest()].into(),
            state_version: 1,
        }
    }
}

impl Listener {
    /// A description without a fault.
    #[must_use]
    pub fn honest(name: &str) -> Self {
        let want = Want { capability: "table".into(), reason: "to keep what was noticed".into() };
        Self {
            name: name.into(),
            version: "1.0.0".into(),
            meaning: "a guest of the engine's tests".into(),
            criteria: "".into(),
            options: vec![OptionSchema::honest()].into(),
            wants: vec![want].into(),
            credentials: vec![].into(),
            timers: vec![].into(),
            state_version: 1,
        }
    }
}
