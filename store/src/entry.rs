//! What the audit trail says, as values.
//!
//! This room must never know how entries are kept, nor how they are hashed.

use std::fmt;
use std::str::FromStr;

use blake3::Hash;

use crate::effect::Cause;

/// An entry of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the trail; the first is 1, and none is left out.
    pub sequence: u64,
    /// When it was made, by whoever made it.
    pub time: i64,
    /// What it tells of.
    pub kind: Kind,
    /// How it came out.
    pub verdict: Option<Verdict>,
    /// The effect that it is about.
    pub effect: Option<String>,
    /// The listener that it is about.
    pub listener: Option<String>,
    /// What tells that listener's component from others.
    pub component: Option<String>,
    /// The capability that it is about.
    pub capability: Option<String>,
    /// The endpoint that it is about.
    pub endpoint: Option<String>,
    /// Which attempt it was.
    pub attempt: Option<u32>,
    /// Who ordered it.
    pub by: By,
    /// What would be done, of a decision.
    pub plan: Option<String>,
    /// The reason, the answer, the command.
    pub text: String,
    /// The digest of what was asked for, of a decision; of a pruning, the hash of the last entry that it signs off.
    pub digest: Option<Hash>,
    /// Of a pruning, the last entry that it signs off.
    pub through: Option<u64>,
    /// What an effect is for, of a decision.
    pub causes: Vec<Cause>,
    /// The hash of the entry before it and of all the above.
    pub hash: Hash,
}

/// What an entry tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A listener asked, and the grant was consulted.
    Decision = 0,
    /// The world was asked.
    Attempt = 1,
    /// An engine or a machine stopped while the world was asked.
    Interruption = 2,
    /// The world was asked to take something back.
    Undo = 3,
    /// An operator ordered something.
    Command = 4,
    /// A grant changed.
    Grant = 5,
    /// What was old went.
    Pruning = 6,
    /// The trail did not reach as far as its anchor says.
    Tear = 7,
}

/// How something came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// The grant covers it.
    Granted = 0,
    /// The grant does not cover it.
    Denied = 1,
    /// It was only planned.
    Dry = 2,
    /// It is done; of an undo, taken back.
    Done = 3,
    /// Not now.
    Later = 4,
    /// The world will not have it.
    Refused = 5,
    /// Not now, and it was tried often enough.
    Dead = 6,
    /// Nobody knows.
    Unknown = 7,
    /// It is to be tried again.
    Retried = 8,
    /// It is given up.
    Dropped = 9,
}

/// Who ordered something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// The engine, by itself.
    Engine,
    /// An operator, by user id.
    User(u32),
}

/// The end of the trail at some time: whoever keeps it can tell later whether what was there then is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last entry; 0 before there is one.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
}

const KINDS: [(Kind, &str); 8] = [
    (Kind::Decision, "decision"),
    (Kind::Attempt, "attempt"),
    (Kind::Interruption, "interruption"),
    (Kind::Undo, "undo"),
    (Kind::Command, "command"),
    (Kind::Grant, "grant"),
    (Kind::Pruning, "pruning"),
    (Kind::Tear, "tear"),
];

const VERDICTS: [(Verdict, &str); 10] = [
    (Verdict::Granted, "granted"),
    (Verdict::Denied, "denied"),
    (Verdict::Dry, "dry"),
    (Verdict::Done, "done"),
    (Verdict::Later, "later"),
    (Verdict::Refused, "refused"),
    (Verdict::Dead, "dead"),
    (Verdict::Unknown, "unknown"),
    (Verdict::Retried, "retried"),
    (Verdict::Dropped, "dropped"),
];

impl Kind {
    /// Its name, as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS[self as usize].1
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        let found = usize::try_from(code).ok().and_then(|code| KINDS.get(code));
        found.map(|(kind, _)| *kind)
    }
}

impl Verdict {
    /// Its name, as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        VERDICTS[self as usize].1
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        let found = usize::try_from(code).ok().and_then(|code| VERDICTS.get(code));
        found.map(|(verdict, _)| *verdict)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind);
        let names: Vec<_> = KINDS.iter().map(|(_, name)| *name).collect();
        found.ok_or_else(|| format!("a kind of entry is one of {}", names.join(", ")))
    }
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = VERDICTS.iter().find(|(_, known)| *known == name).map(|(verdict, _)| *verdict);
        let names: Vec<_> = VERDICTS.iter().map(|(_, name)| *name).collect();
        found.ok_or_else(|| format!("an outcome is one of {}", names.join(", ")))
    }
}

impl By {
    /// The user's id; none for the engine.
    #[must_use]
    pub fn uid(self) -> Option<u32> {
        match self {
            Self::Engine => None,
            Self::User(uid) => Some(uid),
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{}` is no head of a trail: NUMBER:64 HEX DIGITS", text.escape_debug());
        let (sequence, hash) = text.split_once(':').ok_or_else(wrong)?;
        let sequence = sequence.parse().map_err(|_| wrong())?;
        Ok(Self { sequence, hash: Hash::from_hex(hash).map_err(|_| wrong())? })
    }
}
