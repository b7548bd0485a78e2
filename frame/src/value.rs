//! Kinds of values and the two-word cells that hold them.

use core::fmt;

use crate::words;

/// The kind of a value: how its cell is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes, UTF-8 as a rule.
    Text,
    /// A signed 64-bit number.
    Integer,
    /// A 64-bit floating-point number.
    Float,
    /// True or false.
    Boolean,
    /// A moment, in nanoseconds since 1970-01-01T00:00:00Z.
    Time,
    /// A span of time, in nanoseconds.
    Duration,
}

impl Kind {
    /// Its name in the contract and in what people read.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Time => "time",
            Self::Duration => "duration",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value, borrowed from the frame that holds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Bytes, UTF-8 as a rule.
    Text(&'a [u8]),
    /// A signed 64-bit number.
    Integer(i64),
    /// A 64-bit floating-point number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A moment, in nanoseconds since 1970-01-01T00:00:00Z.
    Time(i64),
    /// A span of time, in nanoseconds.
    Duration(i64),
}

impl<'a> Value<'a> {
    /// Reads a cell.
    #[inline]
    #[must_use]
    pub fn read(kind: Kind, a: u32, b: u32, text: &'a [u8]) -> Self {
        match kind {
            Kind::Text => Self::Text(words::slice(text, a, b)),
            Kind::Integer => Self::Integer(words::join(a, b)),
            Kind::Float => Self::Float(f64::from_bits(words::join(a, b).cast_unsigned())),
            Kind::Boolean => Self::Boolean(a != 0),
            Kind::Time => Self::Time(words::join(a, b)),
            Kind::Duration => Self::Duration(words::join(a, b)),
        }
    }

    /// The cell of this value; what is text goes to the end of `text`.
    #[inline]
    pub fn write(self, text: &mut Vec<u8>) -> [u32; 2] {
        match self {
            Self::Text(bytes) => {
                let offset = words::word(text.len());
                text.extend_from_slice(bytes);
                [offset, words::word(bytes.len())]
            }
            Self::Integer(number) | Self::Time(number) | Self::Duration(number) => {
                words::split(number)
            }
            Self::Float(number) => words::split(number.to_bits().cast_signed()),
            Self::Boolean(yes) => [u32::from(yes), 0],
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::Boolean(_) => Kind::Boolean,
            Self::Time(_) => Kind::Time,
            Self::Duration(_) => Kind::Duration,
        }
    }
}
