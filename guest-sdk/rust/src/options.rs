//! Options: declared as a struct, set by the stack, checked by the host, read once.

use correlator_frame::value::Kind;

use crate::error::Error;
use crate::time::Duration;
use crate::value::OwnedValue;

/// An option that the stack may set.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionSchema {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it means, for people.
    pub meaning: &'static str,
    /// Its value where the stack says nothing; without one it must be set.
    pub default: Option<OwnedValue>,
    /// The least number (or nanoseconds) allowed.
    pub at_least: Option<i64>,
    /// The greatest number (or nanoseconds) allowed.
    pub at_most: Option<i64>,
    /// If not empty: the texts allowed.
    pub choices: &'static [&'static str],
}

/// An option's value, as the host gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The option's name.
    pub name: String,
    /// Its value.
    pub value: OwnedValue,
}

impl Setting {
    /// The value of an option.
    #[must_use]
    pub fn new(name: &str, value: impl Into<OwnedValue>) -> Self {
        Self { name: name.to_owned(), value: value.into() }
    }
}

/// A struct whose fields are options: what `#[derive(Options)]` implements.
pub trait Options: Sized {
    /// What the stack may set.
    fn schemas() -> Vec<OptionSchema>;

    /// Reads all of them.
    ///
    /// # Errors
    /// If one is missing or doesn't fit, which it names.
    fn read(settings: &[Setting]) -> Result<Self, Error>;

    /// All at their defaults: for tests, and for hosts that skip `configure`.
    ///
    /// # Errors
    /// If one has no default, which it names.
    fn defaults() -> Result<Self, Error> {
        Self::read(&complete(&Self::schemas(), &[]))
    }
}

/// For guests without options.
impl Options for () {
    fn schemas() -> Vec<OptionSchema> {
        Vec::new()
    }

    fn read(_: &[Setting]) -> Result<Self, Error> {
        Ok(())
    }
}

/// The settings with the defaults of those that are missing, as a host completes them.
#[must_use]
pub fn complete(schemas: &[OptionSchema], settings: &[Setting]) -> Vec<Setting> {
    let mut all = settings.to_vec();
    for schema in schemas {
        if let Some(default) = &schema.default
            && !settings.iter().any(|setting| setting.name == schema.name)
        {
            all.push(Setting { name: schema.name.to_owned(), value: default.clone() });
        }
    }
    all
}

/// Reads one option.
///
/// # Errors
/// If it is missing or of the wrong kind.
pub fn read_one<T: OptionValue>(settings: &[Setting], name: &str) -> Result<T, Error> {
    let found = settings.iter().find(|setting| setting.name == name);
    let setting = found.ok_or_else(|| Error::MissingOption { option: name.to_owned() })?;
    T::from_value(&setting.value).ok_or_else(|| Error::WrongOption {
        option: name.to_owned(),
        expected: T::EXPECTED.to_owned(),
        found: format!("{:?}", setting.value),
    })
}

/// A type that an option may have.
pub trait OptionValue: Sized {
    /// What kind of option it makes.
    const KIND: Kind;
    /// The least and the greatest number that the type itself holds, where that is less than 64 signed bits.
    const BOUNDS: (Option<i64>, Option<i64>) = (None, None);
    /// What fits, for messages.
    const EXPECTED: &'static str;

    /// The value, if it fits.
    fn from_value(value: &OwnedValue) -> Option<Self>;
}

macro_rules! integer_option {
    ($($type:ty, $least:expr, $most:expr);* $(;)?) => {$(
        impl OptionValue for $type {
            const KIND: Kind = Kind::Integer;
            const BOUNDS: (Option<i64>, Option<i64>) = ($least, $most);
            const EXPECTED: &'static str = concat!("a number that fits ", stringify!($type));

            fn from_value(value: &OwnedValue) -> Option<Self> {
                match value {
                    OwnedValue::Integer(number) => Self::try_from(*number).ok(),
                    _ => None,
                }
            }
        }
    )*};
}

integer_option! {
    i64, None, None;
    i32, Some(i32::MIN as i64), Some(i32::MAX as i64);
    u16, Some(0), Some(u16::MAX as i64);
    u32, Some(0), Some(u32::MAX as i64);
    u64, Some(0), None;
    usize, Some(0), Some(u32::MAX as i64);
}

macro_rules! plain_option {
    ($($type:ty, $kind:ident, $expected:literal);* $(;)?) => {$(
        impl OptionValue for $type {
            const KIND: Kind = Kind::$kind;
            const EXPECTED: &'static str = $expected;

            fn from_value(value: &OwnedValue) -> Option<Self> {
                match value {
                    OwnedValue::$kind(value) => Some(value.clone()),
                    _ => None,
                }
            }
        }
    )*};
}

plain_option! {
    f64, Float, "a floating-point number";
    bool, Boolean, "true or false";
    String, Text, "text";
    Duration, Duration, "a span of time";
}
