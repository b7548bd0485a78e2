//! Who may be written to.

use crate::limit;

const DIGITS_MAX: usize = 15;
const DIGITS_MIN: usize = 3;

/// Who may be written to.
pub(super) struct Recipients {
    numbers: Vec<String>,
    /// The beginnings of numbers.
    patterns: Vec<String>,
}

impl Recipients {
    pub fn read(given: &[String]) -> Result<Self, String> {
        if given.is_empty() || given.len() > limit::RECIPIENTS_MAX {
            return Err(format!(
                "`recipients` lists 1 to {} numbers such as `+4917012345`, or patterns such as `+49170*`",
                limit::RECIPIENTS_MAX
            ));
        }
        let (mut numbers, mut patterns) = (Vec::new(), Vec::new());
        for text in given {
            let (start, is_pattern) =
                text.strip_suffix('*').map_or((text.as_str(), false), |start| (start, true));
            let digits = start.strip_prefix('+').unwrap_or(start);
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            match is_pattern {
                // `+*` is everybody: that much must be written.
                true if plain && start.starts_with('+') => patterns.push(start.to_owned()),
                false if is_number(start) => numbers.push(start.to_owned()),
                _ => {
                    return Err(format!(
                        "recipient `{text}` is no number such as `+4917012345`, nor a pattern such as `+49170*`"
                    ));
                }
            }
        }
        Ok(Self { numbers, patterns })
    }

    /// Whether a number may be written to. Numbers that are not international must be listed as they are.
    pub fn allow(&self, number: &str) -> bool {
        self.numbers.iter().any(|known| known == number)
            || number.starts_with('+')
                && self.patterns.iter().any(|start| number.starts_with(start))
    }
}

/// Whether it is one number, and nothing else.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with("+0")
}

#[cfg(test)]
mod tests {
    use super::{Recipients, is_number};

    #[test]
    fn numbers_are_numbers() {
        let check = |text: &str, expected: bool| assert_eq!(is_number(text), expected, "{text}");
        check("+4917012345", true);
        check("12345", true);
        check("+0", false);
        check("+01234567", false);
        check("", false);
        check("+", false);
        check("+49 170", false);
        check("+49170,+49171", false);
        check("whatsapp:+49170", false);
        check("+4917012345678901", false);
        check("+49170\r\nFrom: x", false);
        check("+٤٩١٧٠", false);
    }

    #[test]
    fn only_who_is_listed_is_written_to() {
        let given = ["+4917012345", "+1555*", "12345"].map(str::to_owned);
        let recipients = Recipients::read(&given).unwrap();
        let check =
            |text: &str, expected: bool| assert_eq!(recipients.allow(text), expected, "{text}");
        check("+4917012345", true);
        check("+49170123456", false);
        check("+15550001111", true);
        check("15550001111", false);
        check("+1666000", false);
        check("12345", true);
    }

    #[test]
    fn what_is_no_recipient_is_told() {
        let check = |text: &str| assert!(Recipients::read(&[text.to_owned()]).is_err(), "{text}");
        check("*");
        check("49*");
        check("+49*0");
        check("me@example.org");
        check("");
        assert!(Recipients::read(&[]).is_err());
        assert!(Recipients::read(&["+*".to_owned()]).is_ok());
    }
}
