//! Durations as people write them in a guest's declarations and samples: one number, one unit.

/// Units with their nanoseconds.
const UNITS: [(&str, i64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// The nanoseconds of `300s`, `5m`, `48h`.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '-')?;
    let (number, unit) = text.split_at(digits);
    let (_, nanoseconds) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<i64>().ok()?.checked_mul(*nanoseconds)
}

#[cfg(test)]
mod tests {
    #[test]
    fn spans() {
        let check = |text, expected| assert_eq!(super::parse(text), expected, "{text}");
        check("300s", Some(300_000_000_000));
        check("5m", Some(300_000_000_000));
        check("48h", Some(172_800_000_000_000));
        check("7d", Some(604_800_000_000_000));
        check("250ms", Some(250_000_000));
        check("-1s", Some(-1_000_000_000));
        check("300", None);
        check("s", None);
        check("5 minutes", None);
        check("9223372036854775807d", None);
    }
}
