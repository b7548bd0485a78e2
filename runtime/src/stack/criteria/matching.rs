//! Steps that decide about one event, straight from its flat row.
//!
//! Nothing here allocates, and the depth of what recurses was bounded when it was read.

use std::net::IpAddr;
use std::str;

use correlator_frame::event::{self, BATCH_HEADER, BatchHeader};
use correlator_frame::value::{Kind, Value};
use correlator_world::pattern::fits;
use ipnet::IpNet;
use memchr::memmem::Finder;

/// An event as criteria see it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The place of its schema in the list that the criteria were compiled against.
    pub schema: usize,
    /// 0 to 7, the most severe first.
    pub severity: u32,
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub time: i64,
    /// A bit for each absent column.
    pub absent: u64,
    /// Two words for each column.
    pub cells: &'a [u32],
    /// What text cells point into.
    pub text: &'a [u8],
}

impl<'a> Subject<'a> {
    /// The event in a row that a listener gets.
    #[inline]
    #[must_use]
    pub fn of_row(row: &'a [u32], text: &'a [u8]) -> Self {
        let header = BatchHeader::read(row);
        Self {
            schema: header.schema as usize,
            severity: header.severity,
            time: header.time,
            absent: header.absent,
            cells: row.get(BATCH_HEADER..).unwrap_or_default(),
            text,
        }
    }
}

/// A step for the events of one schema.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Constant(bool),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// A bit for each severity that will do.
    Severity(u8),
    Time(Numbers),
    /// The column is not absent.
    Exists(usize),
    Cell {
        column: usize,
        kind: Kind,
        test: CellTest,
    },
}

/// A test of a cell that is there.
#[derive(Clone, Debug)]
pub(super) enum CellTest {
    Numbers(Numbers),
    Floats(Floats),
    Boolean(bool),
    Text { test: TextTest, wanted: bool },
}

/// Whole numbers that will do.
#[derive(Clone, Debug)]
pub(super) enum Numbers {
    /// From one to the other, or all but these.
    Range { least: i64, most: i64, wanted: bool },
    /// These, in order, or all but these.
    List { numbers: Vec<i64>, wanted: bool },
}

/// Floating-point numbers that will do.
#[derive(Clone, Debug)]
pub(super) enum Floats {
    Less(f64),
    LessOrEqual(f64),
    Greater(f64),
    GreaterOrEqual(f64),
    List { numbers: Vec<f64>, wanted: bool },
}

/// A test of a text.
#[derive(Clone, Debug)]
pub(super) enum TextTest {
    /// One of these, in order, or an address in one of those.
    In {
        texts: Vec<Box<[u8]>>,
        networks: Vec<IpNet>,
    },
    Contains(Box<Finder<'static>>),
    Starts(Box<[u8]>),
    Ends(Box<[u8]>),
    Pattern(Box<[u8]>),
}

impl Step {
    pub(super) fn matches(&self, event: &Subject<'_>) -> bool {
        match self {
            Self::Constant(yes) => *yes,
            Self::Not(step) => !step.matches(event),
            Self::All(steps) => steps.iter().all(|step| step.matches(event)),
            Self::Any(steps) => steps.iter().any(|step| step.matches(event)),
            Self::Severity(mask) => event.severity < 8 && mask >> event.severity & 1 == 1,
            Self::Time(numbers) => numbers.hold(event.time),
            Self::Exists(column) => *column < 64 && event.absent >> column & 1 == 0,
            Self::Cell { column, kind, test } => {
                event::cell(event.cells, *column, *kind, event.absent, event.text)
                    .is_some_and(|value| test.holds(value))
            }
        }
    }
}

impl CellTest {
    #[inline]
    pub(super) fn holds(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (
                Self::Numbers(numbers),
                Value::Integer(number) | Value::Time(number) | Value::Duration(number),
            ) => numbers.hold(number),
            (Self::Floats(floats), Value::Float(number)) => floats.hold(number),
            (Self::Boolean(wanted), Value::Boolean(yes)) => yes == *wanted,
            (Self::Text { test, wanted }, Value::Text(text)) => test.holds(text) == *wanted,
            _ => false,
        }
    }
}

impl Numbers {
    #[inline]
    fn hold(&self, number: i64) -> bool {
        match self {
            Self::Range { least, most, wanted } => (*least..=*most).contains(&number) == *wanted,
            Self::List { numbers, wanted } => numbers.binary_search(&number).is_ok() == *wanted,
        }
    }
}

impl Floats {
    #[inline]
    fn hold(&self, number: f64) -> bool {
        match self {
            Self::Less(bound) => number < *bound,
            Self::LessOrEqual(bound) => number <= *bound,
            Self::Greater(bound) => number > *bound,
            Self::GreaterOrEqual(bound) => number >= *bound,
            Self::List { numbers, wanted } => numbers.contains(&number) == *wanted,
        }
    }
}

impl TextTest {
    #[inline]
    fn holds(&self, text: &[u8]) -> bool {
        match self {
            Self::In { texts, networks } => {
                texts.binary_search_by(|known| known.as_ref().cmp(text)).is_ok()
                    || !networks.is_empty() && within(text, networks)
            }
            Self::Contains(finder) => finder.find(text).is_some(),
            Self::Starts(start) => text.starts_with(start),
            Self::Ends(end) => text.ends_with(end),
            Self::Pattern(pattern) => fits(pattern, text),
        }
    }
}

/// Whether a text is an address in one of these networks.
fn within(text: &[u8], networks: &[IpNet]) -> bool {
    let text = str::from_utf8(text).unwrap_or_default();
    // A zone, as in `fe80::1%eth0`, is no part of the address.
    let bare = text.split_once('%').map_or(text, |(bare, _)| bare);
    let Ok(address) = bare.parse::<IpAddr>() else { return false };
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns() {
        let check = |pattern: &str, text: &str, expected: bool| {
            let found = fits(pattern.as_bytes(), text.as_bytes());
            assert_eq!(found, expected, "{pattern} {text}");
        };
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("*", "anything", true);
        check("a*c", "abbbc", true);
        check("a*c", "abbbcd", false);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("*.example.org", "www.example.org", true);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b*", "xxbxxaxx", false);
        check("a**b", "ab", true);
        check("?", "", false);
    }
}
