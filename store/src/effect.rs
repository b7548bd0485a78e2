//! Effects as values: what is asked for, what became of it, and what it was for.
//!
//! This room must never know how they are kept.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use correlator_world::{Cell, Outcome, Request};

use crate::entry::Entry;
use crate::error::StoreError;
use crate::limit;

/// An effect of a turn, as a grant decided on it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEffect {
    /// What is asked for. Its id is the effect's: the same id is the same effect.
    pub request: Request,
    /// The listener's instance.
    pub listener: String,
    /// What tells this version of its component from others.
    pub component: String,
    /// What is to carry it out.
    pub capability: String,
    /// What shares one fate with it.
    pub endpoint: String,
    /// Effects of one capability, endpoint and key are carried out one after the other.
    pub key: Option<String>,
    /// The events that it is for.
    pub causes: Vec<Cause>,
    /// When it was asked for, by the machine's clock: from then on it is due.
    pub time: i64,
    /// What the grant says.
    pub decision: Decision,
    /// What would be done, in one line.
    pub plan: String,
}

/// What an effect is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The event.
    pub event: String,
    /// The record that triggered the event; none if it was a timer, or if nobody knows it any more.
    pub record: Option<Record>,
}

/// A record that caused something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The source's name.
    pub source: String,
    /// The source's own position.
    pub position: u64,
    /// The record as it came, or the beginning of it.
    pub raw: Vec<u8>,
    /// The bytes that it had.
    pub bytes: u64,
}

/// What a grant says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is to be carried out.
    Granted,
    /// It is not, and why.
    Denied(String),
    /// It would be, if this was not a dry run.
    DryRun,
}

/// How an effect fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It is to be carried out.
    Waiting = 0,
    /// The world is being asked.
    Trying = 1,
    /// It is done.
    Done = 2,
    /// The world will not have it.
    Refused = 3,
    /// It was tried often enough.
    Dead = 4,
    /// The grant does not cover it.
    Denied = 5,
    /// It was only planned.
    Dry = 6,
    /// It was done and taken back.
    Undone = 7,
    /// An operator gave it up.
    Dropped = 8,
}

/// What `accept` says of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is in the store from now on.
    New(State),
    /// It was accepted before.
    Known {
        /// How it fares.
        state: State,
        /// Under this id something else was asked for then. What was accepted stays.
        differs: bool,
    },
}

/// An effect that the world is to be asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// What is asked for.
    pub request: Request,
    /// Whose grant it is.
    pub listener: String,
    /// What is to carry it out.
    pub capability: String,
    /// What shares one fate with it.
    pub endpoint: String,
    /// What it is in order with.
    pub key: Option<String>,
    /// How often it was tried, since it was accepted or an operator had it tried again.
    pub attempts: u32,
    /// It may have been done already: the engine or the machine stopped before the world's answer was known.
    pub maybe_done: bool,
    /// When it was asked for.
    pub since: i64,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The effect.
    pub id: String,
    /// What came of it.
    pub outcome: Outcome,
    /// When to try again if it is to be later; none if it was tried often enough.
    pub next_at: Option<i64>,
}

/// An effect as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Its place in the order in which effects were accepted: the number of the entry that tells of its decision.
    pub number: u64,
    /// What is asked for.
    pub request: Request,
    /// The listener's instance.
    pub listener: String,
    /// What tells this version of its component from others.
    pub component: String,
    /// What is to carry it out.
    pub capability: String,
    /// What shares one fate with it.
    pub endpoint: String,
    /// What it is in order with.
    pub key: Option<String>,
    /// What would be done, in one line.
    pub plan: String,
    /// How it fares.
    pub state: State,
    /// It waits for an earlier one of its key.
    pub behind: bool,
    /// How often it was tried, since it was accepted or an operator had it tried again.
    pub attempts: u32,
    /// It may have been done although its state does not say so.
    pub maybe_done: bool,
    /// The world is being asked to take it back.
    pub undoing: bool,
    /// When it was asked for.
    pub since: i64,
    /// When it is to be tried, if it waits.
    pub next_at: Option<i64>,
    /// When its state changed last.
    pub changed_at: i64,
    /// What was said of it last: a reason, an answer.
    pub said: Option<String>,
}

/// Everything about an effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// How it is now; none if that is pruned already.
    pub effect: Option<Effect>,
    /// What the audit trail says of it, the decision with its causes first. Of very many entries the last are left out.
    pub entries: Vec<Entry>,
}

/// All states with their names.
const STATES: [(State, &str); 9] = [
    (State::Waiting, "waiting"),
    (State::Trying, "trying"),
    (State::Done, "done"),
    (State::Refused, "refused"),
    (State::Dead, "dead"),
    (State::Denied, "denied"),
    (State::Dry, "dry"),
    (State::Undone, "undone"),
    (State::Dropped, "dropped"),
];

impl State {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        STATES.iter().map(|(state, _)| *state)
    }

    /// Its name, as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        STATES[self as usize].1
    }

    /// Whether nothing more comes of it by itself.
    #[must_use]
    pub fn is_finished(self) -> bool {
        !matches!(self, Self::Waiting | Self::Trying)
    }

    pub(crate) fn code(self) -> i64 {
        self as i64
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        let found = usize::try_from(code).ok().and_then(|code| STATES.get(code));
        found.map(|(state, _)| *state)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = STATES.iter().find(|(_, known)| *known == name).map(|(state, _)| *state);
        let names: Vec<_> = STATES.iter().map(|(_, name)| *name).collect();
        found.ok_or_else(|| format!("a state is one of {}", names.join(", ")))
    }
}

impl Decision {
    /// The state that an effect begins in.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Self::Granted => State::Waiting,
            Self::Denied(_) => State::Denied,
            Self::DryRun => State::Dry,
        }
    }
}

impl NewEffect {
    /// Whether the store takes it. What does not fit would fail its whole turn, so ask before you accept, and deny it.
    ///
    /// # Errors
    /// The id is none, or something is larger than the store keeps.
    pub fn check(&self) -> Result<(), StoreError> {
        check_id(&self.request.id)?;
        let denied = matches!(self.decision, Decision::Denied(_));
        let names = [
            ("listener", self.listener.len(), limit::NAME_BYTES_MAX),
            ("component", self.component.len(), limit::NAME_BYTES_MAX),
            ("capability", self.capability.len(), limit::NAME_BYTES_MAX),
        ];
        // What is denied is cut: somebody who asks for nonsense must be recorded all the same.
        let lane = [
            ("endpoint", self.endpoint.len(), limit::LANE_BYTES_MAX),
            ("key", self.key.as_ref().map_or(0, String::len), limit::LANE_BYTES_MAX),
            ("request", self.request_bytes(), limit::REQUEST_BYTES_MAX),
        ];
        let bounds = names.iter().chain(lane.iter().filter(|_| !denied));
        for &(what, bytes, bytes_max) in bounds {
            if bytes > bytes_max {
                let id = self.request.id.clone();
                return Err(StoreError::TooLarge { id, what, bytes, bytes_max });
            }
        }
        Ok(())
    }

    /// About what its request takes, without building that: a bound does not need more.
    pub(crate) fn request_bytes(&self) -> usize {
        let cell = |cell: &Cell| match cell {
            Cell::Text(text) => text.len() + 6,
            _ => 11,
        };
        let request = &self.request;
        let cells = request.cells.iter().map(|(name, value)| name.len() + 5 + cell(value));
        request.id.len() + request.target.len() + cells.sum::<usize>()
    }
}

fn check_id(id: &str) -> Result<(), StoreError> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.#".contains(&byte);
    if id.is_empty() || id.len() > limit::ID_BYTES_MAX || !id.bytes().all(letter) {
        let shown: String = id.escape_debug().take(limit::ID_BYTES_MAX).collect();
        return Err(StoreError::Id { id: shown });
    }
    Ok(())
}

/// The beginning of a text, as far as it may go. What was cut ends in `…`.
pub(crate) fn cut(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return text.into();
    }
    let end = text.floor_char_boundary(bytes_max - '…'.len_utf8());
    format!("{}…", &text[..end]).into()
}
