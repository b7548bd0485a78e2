//! Guests whose descriptions lie.
//!
//! Each is an honest guest but for one thing that its `describe` says. The name of a guest says what that is; what the
//! engine must do stands in `tests/guests/README.md`. It must never know what the engine does.

use anyhow::Result;

use super::abi::{List, Text};
use super::contract::{
    Column, EventSchema, INTEGER, Interest, Listener, Literal, Module, OptionSchema, TEXT, Timer,
    Value, Want,
};
use super::draft::Draft;

/// What a terminal, a log and a reader must be protected from, in one string.
pub const CONTROL: &str =
    "before\x1b[2J\x1b]0;title\x07\r\nforged: line\0\u{9b}31m\u{202e}bidi\x7fafter";
/// Bytes that are not UTF-8: a stray start, an overlong NUL, a surrogate.
pub const INVALID: &[u8] = b"before\xff\xfe\xc0\x80\xed\xa0\x80after";
const MANY: usize = 100_000;

type ModuleLie = fn(&mut Module);
type ListenerLie = fn(&mut Listener);

/// A module that lies.
#[derive(Clone, Copy, Debug)]
pub struct Lie(&'static str, ModuleLie);

/// A listener that lies.
#[derive(Clone, Copy, Debug)]
pub struct ListenersLie(&'static str, ListenerLie);

impl Lie {
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
        (self.1)(&mut description);
        Draft::describing_module(&description).component()
    }
}

impl ListenersLie {
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
        let mut description = Listener::honest(self.0);
        (self.1)(&mut description);
        Draft::describing_listener(&description).component()
    }
}

fn invalid() -> Text {
    INVALID.to_vec().into()
}

fn long(length: usize) -> Text {
    "x".repeat(length).as_str().into()
}

fn event(change: fn(&mut EventSchema)) -> List<EventSchema> {
    let mut event = EventSchema::honest();
    change(&mut event);
    vec![event].into()
}

fn columns(columns: Vec<Column>) -> List<EventSchema> {
    vec![EventSchema { summary: "seen".into(), columns: columns.into(), ..EventSchema::honest() }]
        .into()
}

fn option(change: fn(&mut OptionSchema)) -> List<OptionSchema> {
    let mut option = OptionSchema::honest();
    change(&mut option);
    vec![option].into()
}

fn timer(schedule: u32, count: u32) -> List<Timer> {
    vec![Timer { schedule, count, ..Timer::honest() }].into()
}

fn interest(change: fn(&mut Interest)) -> List<Interest> {
    let mut interest = Interest {
        programs: vec!["sshd".into()].into(),
        facilities: vec![].into(),
        severity: None,
        literals: vec![].into(),
        fields: vec![].into(),
    };
    change(&mut interest);
    vec![interest].into()
}

fn literals(count: usize, text: impl Fn(usize) -> String) -> List<Literal> {
    let literal = |place| Literal { text: text(place).as_str().into(), anchor: 0 };
    (0..count).map(literal).collect::<Vec<_>>().into()
}

/// Many items with the same text, which is in the guest's memory once and in the host's once for each.
fn amplified<T>(count: usize, item: impl Fn(Text) -> T) -> List<T> {
    // Zeros that nothing writes to.
    let text = || List::Claim { pointer: 128, length: 3_968 };
    (0..count).map(|_| item(text())).collect::<Vec<_>>().into()
}

/// Modules whose names are no names.
pub const NAMES: &[Lie] = &[
    Lie("name-empty", |it| it.name = "".into()),
    Lie("name-slashes", |it| it.name = "../../etc/passwd".into()),
    Lie("name-upper-case", |it| it.name = "Sshd".into()),
    Lie("name-long", |it| it.name = long(65)),
    Lie("name-huge", |it| it.name = long(5_000_000)),
    Lie("name-control", |it| it.name = CONTROL.into()),
    Lie("name-invalid-utf8", |it| it.name = invalid()),
    Lie("name-out-of-bounds", |it| it.name = List::Claim { pointer: u32::MAX - 7, length: 64 }),
    Lie("version-control", |it| it.version = CONTROL.into()),
    Lie("version-huge", |it| it.version = long(5_000_000)),
    Lie("meaning-control", |it| it.meaning = CONTROL.into()),
    Lie("meaning-invalid-utf8", |it| it.meaning = invalid()),
];

/// Modules with events that can't be.
pub const EVENTS: &[Lie] = &[
    Lie("events-duplicate", |it| {
        it.events = vec![EventSchema::honest(), EventSchema::honest()].into();
    }),
    Lie("events-many", |it| {
        it.events = (0..MANY)
            .map(|place| EventSchema {
                name: format!("event-{place}").as_str().into(),
                columns: vec![].into(),
                summary: "seen".into(),
                ..EventSchema::honest()
            })
            .collect::<Vec<_>>()
            .into();
    }),
    Lie("events-claim", |it| it.events = List::Claim { pointer: 4096, length: u32::MAX }),
    Lie("events-unaligned", |it| it.events = List::Claim { pointer: 4097, length: 1 }),
    Lie("event-name-empty", |it| it.events = event(|it| it.name = "".into())),
    Lie("event-name-slashes", |it| it.events = event(|it| it.name = "../../etc/cron.d/x".into())),
    Lie("event-name-control", |it| it.events = event(|it| it.name = CONTROL.into())),
    Lie("event-severity", |it| it.events = event(|it| it.severity = 200)),
    Lie("event-meaning-control", |it| it.events = event(|it| it.meaning = CONTROL.into())),
    Lie("summary-unknown-column", |it| it.events = event(|it| it.summary = "{nobody}".into())),
    Lie("summary-open-brace", |it| it.events = event(|it| it.summary = "{subject".into())),
    Lie("summary-control", |it| it.events = event(|it| it.summary = CONTROL.into())),
    Lie("summary-huge", |it| it.events = event(|it| it.summary = long(1_000_000))),
    Lie("summary-amplifies", |it| {
        it.events = event(|it| it.summary = "{subject}".repeat(100_000).as_str().into());
    }),
    Lie("event-amplified", |it| {
        it.events =
            amplified(20_000, |text| EventSchema { meaning: text, ..EventSchema::honest() });
    }),
];

/// Modules with columns that can't be.
pub const COLUMNS: &[Lie] = &[
    Lie("column-reserved", |it| it.events = columns(vec![Column::required("time", TEXT)])),
    Lie("column-empty", |it| it.events = columns(vec![Column::required("", TEXT)])),
    Lie("column-control", |it| it.events = columns(vec![Column::required(CONTROL, TEXT)])),
    Lie("column-formula", |it| it.events = columns(vec![Column::required("=1+1,\"x", TEXT)])),
    Lie("column-kind", |it| it.events = columns(vec![Column::required("subject", 99)])),
    Lie("column-meaning-control", |it| {
        let meaning = CONTROL.into();
        it.events = columns(vec![Column { meaning, ..Column::required("subject", TEXT) }]);
    }),
    Lie("columns-duplicate", |it| {
        it.events = columns(vec![Column::required("a", TEXT), Column::required("a", TEXT)]);
    }),
    Lie("columns-65", |it| it.events = columns(numbered(65))),
    Lie("columns-many", |it| it.events = columns(numbered(MANY))),
];

/// So many columns of different names.
#[must_use]
pub fn numbered(count: usize) -> Vec<Column> {
    (0..count).map(|place| Column::required(&format!("c{place}"), INTEGER)).collect()
}

/// Modules with options and timers that can't be.
pub const OPTIONS: &[Lie] = &[
    Lie("option-default-beyond", |it| {
        it.options = option(|it| it.default = Some(Value::Number(INTEGER, 101)));
    }),
    Lie("option-default-kind", |it| {
        it.options = option(|it| it.default = Some(Value::Text("ten".into())));
    }),
    Lie("option-default-case", |it| {
        it.options = option(|it| it.default = Some(Value::Number(99, 1)));
    }),
    Lie("option-bounds-reversed", |it| {
        it.options = option(|it| (it.at_least, it.at_most) = (Some(100), Some(1)));
    }),
    Lie("option-choice-missing", |it| {
        it.options = option(|it| {
            it.kind = TEXT;
            it.default = Some(Value::Text("blue".into()));
            (it.at_least, it.at_most) = (None, None);
            it.choices = vec!["red".into(), "green".into()].into();
        });
    }),
    Lie("option-name-control", |it| it.options = option(|it| it.name = CONTROL.into())),
    Lie("option-name-dots", |it| it.options = option(|it| it.name = "a.b=c".into())),
    Lie("option-meaning-control", |it| it.options = option(|it| it.meaning = CONTROL.into())),
    Lie("options-duplicate", |it| {
        it.options = vec![OptionSchema::honest(), OptionSchema::honest()].into();
    }),
    Lie("options-many", |it| {
        let named = |place| {
            let name = format!("o{place}").as_str().into();
            OptionSchema { name, ..OptionSchema::honest() }
        };
        it.options = (0..MANY).map(named).collect::<Vec<_>>().into();
    }),
    Lie("timer-never", |it| it.timers = timer(0, 0)),
    Lie("timer-daily-late", |it| it.timers = timer(1, 1440)),
    Lie("timer-case", |it| it.timers = timer(9, 60)),
    Lie("timer-name-control", |it| {
        it.timers = vec![Timer { name: CONTROL.into(), ..Timer::honest() }].into();
    }),
    Lie("timers-many", |it| it.timers = vec![Timer { count: 1, ..Timer::honest() }; MANY].into()),
];

/// Modules with an interest that can't be, or that costs.
pub const INTERESTS: &[Lie] = &[
    Lie("interest-many", |it| {
        let List::Of(clause) = interest(|_| ()) else { return };
        it.interest = vec![clause[0].clone(); MANY].into();
    }),
    Lie("interest-facility", |it| it.interest = interest(|it| it.facilities = vec![255].into())),
    Lie("interest-severity", |it| it.interest = interest(|it| it.severity = Some(9))),
    Lie("interest-program-control", |it| {
        it.interest = interest(|it| it.programs = vec![CONTROL.into()].into());
    }),
    Lie("literal-empty", |it| {
        it.interest = interest(|it| it.literals = literals(1, |_| String::new()));
    }),
    Lie("literal-anchor", |it| {
        it.interest = interest(|it| {
            it.literals = vec![Literal { text: "x".into(), anchor: 9 }].into();
        });
    }),
    Lie("literals-many", |it| {
        it.interest = interest(|it| it.literals = literals(MANY, |place| format!("l{place}")));
    }),
    Lie("literals-heavy", |it| {
        it.interest = interest(|it| {
            it.literals = literals(500, |place| format!("{place:03}{}", "ab".repeat(4_000)));
        });
    }),
    Lie("literals-hit-everywhere", |it| {
        it.interest = interest(|it| {
            it.programs = vec![].into();
            it.literals = literals(1_000, |place| {
                // One byte each and every start of a long run: all of them overlap.
                if place < 95 { char::from(32 + place as u8).into() } else { " ".repeat(place) }
            });
        });
    }),
    Lie("interest-amplified", |it| {
        it.interest = interest(|it| it.programs = amplified(500_000, |text| text));
    }),
];

/// Listeners that lie.
pub const LISTENERS: &[ListenersLie] = &[
    ListenersLie("listener-name-slashes", |it| it.name = "../../etc/passwd".into()),
    ListenersLie("listener-meaning-control", |it| it.meaning = CONTROL.into()),
    ListenersLie("criteria-nonsense", |it| it.criteria = "severity is bad )(".into()),
    ListenersLie("criteria-control", |it| it.criteria = CONTROL.into()),
    ListenersLie("criteria-parentheses", |it| {
        it.criteria = format!("{}true{}", "(".repeat(MANY), ")".repeat(MANY)).as_str().into();
    }),
    ListenersLie("criteria-not", |it| {
        it.criteria = format!("{}true", "not ".repeat(MANY)).as_str().into();
    }),
    ListenersLie("criteria-bang", |it| {
        it.criteria = format!("{}true", "!".repeat(MANY)).as_str().into();
    }),
    ListenersLie("criteria-chain", |it| {
        it.criteria = vec!["severity <= warning"; MANY].join(" and ").as_str().into();
    }),
    ListenersLie("want-unknown", |it| {
        it.wants = vec![Want { capability: "shell".into(), reason: "why not".into() }].into();
    }),
    ListenersLie("want-control", |it| {
        it.wants = vec![Want { capability: CONTROL.into(), reason: CONTROL.into() }].into();
    }),
    ListenersLie("want-reason-control", |it| {
        it.wants = vec![Want { capability: "table".into(), reason: CONTROL.into() }].into();
    }),
    ListenersLie("wants-many", |it| {
        let want = Want { capability: "table".into(), reason: "more".into() };
        it.wants = vec![want; MANY].into();
    }),
    ListenersLie("credential-path", |it| {
        it.credentials = vec!["../../etc/shadow".into()].into();
    }),
    ListenersLie("credential-control", |it| it.credentials = vec![CONTROL.into()].into()),
];
