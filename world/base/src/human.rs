//! Durations and sizes as people write them in a stack: `10s`, `1m30s`, `64KiB`.
//!
//! It must never know what they are for, so their bounds are somebody else's.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// Units of time, in milliseconds, the smallest first.
const TIMES: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];
/// No duration is longer: ten years.
const MILLISECONDS_MAX: u64 = 10 * 366 * 86_400_000;

/// Units of size, in bytes.
const SIZES: [(&str, u64); 9] = [
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A duration, such as `10s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A number of bytes, such as `64KiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Reads one; nothing if it makes no sense.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut total = 0_u64;
        let mut rest = text.trim();
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let number: u64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (_, unit) = TIMES.iter().find(|(name, _)| *name == &rest[..letters])?;
            total = total.checked_add(number.checked_mul(*unit)?)?;
            rest = &rest[letters..];
        }
        (total <= MILLISECONDS_MAX).then_some(Self(Duration::from_millis(total)))
    }
}

impl Size {
    /// Reads one; nothing if it makes no sense.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().ok()?;
        let unit = text[digits..].trim_start();
        let (_, unit) = SIZES.iter().find(|(name, _)| *name == unit)?;
        number.checked_mul(*unit).map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if left == 0 {
            return f.write_str("0s");
        }
        // Nobody thinks of `1w1d` as eight days.
        for (name, unit) in TIMES.iter().rev().skip(1) {
            if left >= *unit {
                write!(f, "{}{name}", left / unit)?;
                left %= unit;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let even =
            SIZES.iter().rev().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit));
        let (name, unit) = even.unwrap_or(&SIZES[1]);
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            let shown: String = text.escape_debug().take(SHOWN_MAX).collect();
            D::Error::custom(format!(
                "`{shown}` is no duration; write a number with its unit, such as `500ms`, `10s`, `1m30s`"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

/// Characters that are shown of what makes no sense.
const SHOWN_MAX: usize = 80;

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size, such as `4096`, `64KiB`, `10MB`")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Size, E> {
        Ok(Size(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Size, E> {
        let positive = u64::try_from(number);
        positive.map(Size).map_err(|_| E::custom("a size is no negative number"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
        Size::parse(text).ok_or_else(|| {
            let shown: String = text.escape_debug().take(SHOWN_MAX).collect();
            E::custom(format!("`{shown}` is no size; write it as `4096`, `64KiB`, `10MB`"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Size, Span};

    #[test]
    fn spans() {
        let check = |text: &str, expected: Option<u64>| {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(Span::parse(text).map(|span| span.0), expected, "{text}");
        };
        check("10s", Some(10_000));
        check("1m30s", Some(90_000));
        check("500ms", Some(500));
        check("2d", Some(172_800_000));
        for wrong in ["", "10", "s", "10 s", "-1s", "1.5s", "1x", "99999999999999999999s"] {
            check(wrong, None);
        }
        for same in ["10s", "1m30s", "500ms", "2d", "0s"] {
            let shown = Span::parse(same).map(|span| span.to_string());
            assert_eq!(shown.as_deref(), Some(same));
        }
    }

    #[test]
    fn sizes() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(Size::parse(text).map(|size| size.0), expected, "{text}");
        };
        check("4096", Some(4096));
        check("64KiB", Some(65_536));
        check("10MB", Some(10_000_000));
        check("1 MiB", Some(1 << 20));
        for wrong in ["", "KiB", "-1", "1.5kB", "1kb", "99999999999999999999"] {
            check(wrong, None);
        }
        assert_eq!(Size(65_536).to_string(), "64KiB");
        assert_eq!(Size(65_537).to_string(), "65537B");
    }
}
