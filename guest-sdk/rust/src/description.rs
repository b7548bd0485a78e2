//! What a guest says of itself: the same words for modules and listeners where they mean the same.

use correlator_frame::severity::Severity;

use crate::schema::{EventSchema, EventType};
use crate::time::Duration;
use crate::value::OwnedValue;

/// What a module says of itself.
#[derive(Clone, Debug)]
pub struct Description {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it is for, in one line.
    pub meaning: &'static str,
    /// A record is handed over if any clause matches; no clause means every record.
    pub interest: Vec<Interest>,
    /// The events that it may emit.
    pub events: Vec<&'static EventSchema>,
    /// Its timers.
    pub timers: Vec<Timer>,
}

impl Description {
    /// A module of this name and version, and what it is for in one line.
    #[must_use]
    pub fn new(name: &'static str, version: &'static str, meaning: &'static str) -> Self {
        Self {
            name,
            version,
            meaning,
            interest: Vec::new(),
            events: Vec::new(),
            timers: Vec::new(),
        }
    }

    /// Adds a clause: a record is handed over if any clause matches. Without a clause every record is.
    #[must_use]
    pub fn interest(mut self, interest: Interest) -> Self {
        self.interest.push(interest);
        self
    }

    /// Adds an event that the module may emit.
    #[must_use]
    pub fn event<E: EventType>(self) -> Self {
        self.event_schema(E::schema())
    }

    /// Adds an event by its schema, for rows that are built at run time.
    #[must_use]
    pub fn event_schema(mut self, schema: &'static EventSchema) -> Self {
        self.events.push(schema);
        self
    }

    /// Adds a timer.
    #[must_use]
    pub fn timer(mut self, timer: Timer) -> Self {
        self.timers.push(timer);
        self
    }

    /// The lengths of all literals, in order: what turns a hit into the message behind it.
    pub(crate) fn literal_lengths(&self) -> Vec<u32> {
        let literals = self.interest.iter().flat_map(|interest| &interest.literals);
        literals.map(|literal| correlator_frame::words::word(literal.text.len())).collect()
    }
}

/// Bytes that the host looks for in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// The bytes.
    pub text: String,
    /// Whether they must stand at the message's first byte.
    pub at_start: bool,
}

/// A clause of a module's interest: a record matches if every part that is not empty matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Any of these programs, whatever the case of their letters.
    pub programs: Vec<String>,
    /// Any of these facilities.
    pub facilities: Vec<u8>,
    /// At least so severe.
    pub severity: Option<Severity>,
    /// Any of these is in the message.
    pub literals: Vec<Literal>,
    /// Each of these fields is there.
    pub fields: Vec<String>,
}

impl Interest {
    /// Every record; the other parts narrow it.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Records of this program; letters' case does not count.
    #[must_use]
    pub fn program(program: &str) -> Self {
        Self::any().programs([program])
    }

    /// Or of any of these programs.
    #[must_use]
    pub fn programs<'a>(mut self, programs: impl IntoIterator<Item = &'a str>) -> Self {
        self.programs.extend(programs.into_iter().map(str::to_owned));
        self
    }

    /// With this facility (0 to 23), or another that is named so.
    #[must_use]
    pub fn facility(mut self, facility: u8) -> Self {
        self.facilities.push(facility);
        self
    }

    /// At least so severe.
    #[must_use]
    pub fn at_least(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// Whose message starts with this, or has another of the literals.
    #[must_use]
    pub fn starts_with(self, literal: &str) -> Self {
        self.starts_with_any(&[literal])
    }

    /// Whose message starts with any of these, or has another of the literals. A hit's number is the place in the
    /// list if this is the first call in the first clause.
    #[must_use]
    pub fn starts_with_any(mut self, literals: &[&str]) -> Self {
        self.add(literals, true);
        self
    }

    /// Whose message contains this, or another of the literals.
    #[must_use]
    pub fn contains(self, literal: &str) -> Self {
        self.contains_any(&[literal])
    }

    /// Whose message contains any of these, or another of the literals.
    #[must_use]
    pub fn contains_any(mut self, literals: &[&str]) -> Self {
        self.add(literals, false);
        self
    }

    /// That have this field (structured data as `ELEMENT.PARAMETER`), and every other that is named so.
    #[must_use]
    pub fn field(mut self, name: &str) -> Self {
        self.fields.push(name.to_owned());
        self
    }

    fn add(&mut self, literals: &[&str], at_start: bool) {
        let literals = literals.iter().map(|text| Literal { text: (*text).to_owned(), at_start });
        self.literals.extend(literals);
    }
}

/// When a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Every so many seconds, at multiples of that since 1970-01-01T00:00:00Z.
    EverySeconds(u32),
    /// Every day, so many minutes after midnight in the stack's time zone.
    DailyMinute(u32),
}

/// A timer of a guest. Timers follow event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Its name.
    pub name: &'static str,
    /// When it fires.
    pub schedule: Schedule,
}

impl Timer {
    /// Fires every so often, to the second: at least every second.
    #[must_use]
    pub fn every(name: &'static str, period: Duration) -> Self {
        let seconds = u32::try_from(period.seconds().max(1)).unwrap_or(u32::MAX);
        Self { name, schedule: Schedule::EverySeconds(seconds) }
    }

    /// Fires every day at this hour and minute in the stack's time zone.
    #[must_use]
    pub const fn daily(name: &'static str, hour: u32, minute: u32) -> Self {
        Self { name, schedule: Schedule::DailyMinute(hour * 60 + minute) }
    }
}

/// Why [`Module::tick`](crate::Module::tick) is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The timer of this name is due.
    Timer(&'static str),
    /// The input has ended for good.
    End,
}

/// A tick: a timer is due, or the input has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Why.
    pub cause: Cause,
    /// When the timer was due, or the time of the newest record at the end.
    pub time: crate::Time,
}

impl Tick {
    /// Whether the input has ended.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.cause == Cause::End
    }

    /// Whether the timer of this name is due.
    #[must_use]
    pub fn is_timer(&self, name: &str) -> bool {
        matches!(self.cause, Cause::Timer(timer) if timer == name)
    }

    /// What the host's words mean: `timer` is a place in the description, or nothing at the end.
    pub(crate) fn read(
        timers: &[Timer],
        timer: Option<u32>,
        time: i64,
    ) -> Result<Self, crate::Error> {
        let cause = match timer {
            None => Cause::End,
            Some(index) => match timers.get(index as usize) {
                Some(timer) => Cause::Timer(timer.name),
                None => return Err(crate::Error::UnknownTimer { index, count: timers.len() }),
            },
        };
        Ok(Self { cause, time: crate::Time::from_nanoseconds(time) })
    }
}

/// A number or text about a guest's work since it began, for the summary of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: OwnedValue,
}

impl Statistic {
    /// A statistic of this name and value.
    #[must_use]
    pub fn new(name: &str, value: impl Into<OwnedValue>) -> Self {
        Self { name: name.to_owned(), value: value.into() }
    }
}
