//! Criteria: which events a listener gets, as an expression.
//!
//! ```text
//! severity >= warning and event != "statistics"
//! event in ["login_failed", "attempts_exceeded"] and addr in [10.0.0.0/8, fe80::/10]
//! module == "sshd" and (duration > 5m or user starts_with "admin") and not key exists
//! ```
//!
//! - `event` is the name of the event's schema, `module` the name of the instance that it comes from, `severity` how
//!   severe it is and `time` when it happened. Every other name is a column of the event.
//! - What is more severe is greater: `severity >= warning` holds for warnings, errors and what is worse.
//! - `==` and `!=` compare anything; `<`, `<=`, `>` and `>=` compare numbers, durations (`5m`), times
//!   (`2023-02-20T20:12:47Z`) and severities. Texts stand in quotes.
//! - `in` and `not in` take a list: `port in [22, 2222]`. Of a text they also take networks and addresses:
//!   `addr in 10.0.0.0/8`.
//! - `contains`, `starts_with` and `ends_with` look into a text; `matches` takes a pattern in which `*` is any text and
//!   `?` any one byte. Letters' case counts.
//! - `exists user` or `user exists`: the event has this column and it is not absent. A column that is true or false can
//!   stand for itself.
//! - `not` binds most tightly, then `and`, then `or`; parentheses change that.
//! - **A test of a column that an event lacks is false**, whichever test it is, `!=` and `not in` too. So is the test
//!   of a column that holds another kind there. A column that no event has is a mistake, and told.
//!
//! No criteria at all are met by every event. This room must never know what becomes of the events.
//!
//! # Layout
//! - `token`, `parse`: from text to an expression
//! - `test`, `cell`: one test: its field, and what may be compared with it
//! - [`compile`]: from an expression to steps for each schema, with what is certain worked out beforehand
//! - [`matching`]: the steps against an event, without allocating

pub mod compile;
pub mod matching;

mod cell;
mod parse;
mod test;
mod token;

use crate::stack::problem::Wrong;

/// What is wrong with criteria, and where in their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriteriaError {
    /// The character that it starts at, from 0.
    pub start: u32,
    /// How many characters are meant.
    pub width: u32,
    /// What is wrong.
    pub wrong: Wrong,
}

/// Criteria that have been read but know no schemas yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criteria {
    expression: Expression,
}

impl Criteria {
    /// Reads criteria. An empty text is met by every event.
    ///
    /// # Errors
    /// The text is no expression.
    pub fn parse(text: &str) -> Result<Self, CriteriaError> {
        Ok(Self { expression: parse::parse(text)? })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    Constant(bool),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Test(Test),
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    field: Word,
    compare: Compare,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Compare {
    /// It is there.
    Exists,
    /// It is there and true.
    True,
    /// It compares so with a value.
    Order(Order, Word),
    /// It is one of these, or none of them.
    In { words: Vec<Word>, list: bool, negated: bool },
    /// Its text compares so with a text.
    Text(Part, Word),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    const fn name(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// Which part of a text is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Anywhere,
    Start,
    End,
    Pattern,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Anywhere => "contains",
            Self::Start => "starts_with",
            Self::End => "ends_with",
            Self::Pattern => "matches",
        }
    }
}

/// A field's name or a value, as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    text: String,
    quoted: bool,
    start: u32,
    width: u32,
}

impl Word {
    fn error(&self, wrong: Wrong) -> CriteriaError {
        CriteriaError { start: self.start, width: self.width, wrong }
    }
}
