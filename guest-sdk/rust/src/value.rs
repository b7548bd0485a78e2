//! Values: of columns in rows, and of options and statistics.

use std::net::IpAddr;

use bstr::{BStr, BString};
use correlator_frame::text;
use correlator_frame::value::{Kind, Value};

use crate::time::{Duration, Time};

/// Appends a value as people read it; text as it is.
pub fn write(value: Value<'_>, out: &mut Vec<u8>) {
    text::value(value, out);
}

/// A type that a field of an event may have.
///
/// A number that doesn't fit into 64 signed bits is written as the greatest that does.
pub trait ColumnValue {
    /// What kind of column it makes.
    const KIND: Kind;
    /// Whether it may be absent.
    const OPTIONAL: bool = false;

    /// The cell of this value, or nothing if it is absent. What is text goes to the end of `text`.
    fn cell(&self, text: &mut Vec<u8>) -> Option<[u32; 2]>;
}

macro_rules! text_column {
    ($($type:ty),*) => {$(
        impl ColumnValue for $type {
            const KIND: Kind = Kind::Text;

            #[inline]
            fn cell(&self, text: &mut Vec<u8>) -> Option<[u32; 2]> {
                let bytes: &[u8] = self.as_ref();
                Some(Value::Text(bytes).write(text))
            }
        }
    )*};
}

text_column!(str, String, [u8], Vec<u8>, BStr, BString);

macro_rules! integer_column {
    ($($type:ty),*) => {$(
        impl ColumnValue for $type {
            const KIND: Kind = Kind::Integer;

            #[inline]
            fn cell(&self, text: &mut Vec<u8>) -> Option<[u32; 2]> {
                Some(Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX)).write(text))
            }
        }
    )*};
}

integer_column!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

macro_rules! plain_column {
    ($($type:ty, $kind:ident, $value:expr);* $(;)?) => {$(
        impl ColumnValue for $type {
            const KIND: Kind = Kind::$kind;

            #[inline]
            fn cell(&self, text: &mut Vec<u8>) -> Option<[u32; 2]> {
                let number: fn($type) -> _ = $value;
                Some(Value::$kind(number(*self)).write(text))
            }
        }
    )*};
}

plain_column! {
    f64, Float, |number| number;
    f32, Float, f64::from;
    bool, Boolean, |yes| yes;
    Time, Time, Time::nanoseconds;
    Duration, Duration, Duration::nanoseconds;
}

impl ColumnValue for IpAddr {
    const KIND: Kind = Kind::Text;

    fn cell(&self, text: &mut Vec<u8>) -> Option<[u32; 2]> {
        self.to_string().cell(text)
    }
}

impl<T: ColumnValue> ColumnValue for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;

    #[inline]
    fn cell(&self, text: &mut Vec<u8>) -> Option<[u32; 2]> {
        self.as_ref().and_then(|value| value.cell(text))
    }
}

impl<T: ColumnValue + ?Sized> ColumnValue for &T {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = T::OPTIONAL;

    #[inline]
    fn cell(&self, text: &mut Vec<u8>) -> Option<[u32; 2]> {
        (**self).cell(text)
    }
}

/// A value that is not on the hot path: of an option or a statistic.
#[derive(Clone, Debug, PartialEq)]
pub enum OwnedValue {
    /// Text.
    Text(String),
    /// A signed 64-bit number.
    Integer(i64),
    /// A 64-bit floating-point number.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A moment.
    Time(Time),
    /// A span of time.
    Duration(Duration),
}

impl OwnedValue {
    /// It, borrowed.
    #[must_use]
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(text.as_bytes()),
            Self::Integer(number) => Value::Integer(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Boolean(yes) => Value::Boolean(*yes),
            Self::Time(time) => Value::Time(time.nanoseconds()),
            Self::Duration(span) => Value::Duration(span.nanoseconds()),
        }
    }
}

macro_rules! owned_from {
    ($($type:ty, $variant:ident, $value:expr);* $(;)?) => {$(
        impl From<$type> for OwnedValue {
            fn from(value: $type) -> Self {
                let owned: fn($type) -> _ = $value;
                Self::$variant(owned(value))
            }
        }
    )*};
}

owned_from! {
    String, Text, |text| text;
    &str, Text, str::to_owned;
    bool, Boolean, |yes| yes;
    f64, Float, |number| number;
    i64, Integer, |number| number;
    i32, Integer, i64::from;
    u16, Integer, i64::from;
    u32, Integer, i64::from;
    u64, Integer, |number| i64::try_from(number).unwrap_or(i64::MAX);
    usize, Integer, |number| i64::try_from(number).unwrap_or(i64::MAX);
    Time, Time, |time| time;
    Duration, Duration, |span| span;
}
