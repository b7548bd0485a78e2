//! What a credential may be called: narrow enough to be a file's name, a variable's and a key's without being escaped.

use std::fmt;

use crate::error::{CredentialError, quoted};
use crate::limit;

/// What stands before the name in the environment.
const VARIABLE: &str = "CORRELATOR_CREDENTIAL_";

/// The name of a credential: lower-case letters, digits, `_`, `-` and `.`, 64 bytes at most. It does not begin with `.`,
/// which would be a folder, or `-`, which would be an option.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name that a text is.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, CredentialError> {
        let known =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
        let fits = (1..=limit::NAME_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(known) && !text.starts_with(['.', '-']) {
            return Ok(Self(text.to_owned()));
        }
        Err(CredentialError::Name(quoted(text)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the environment calls it. Names that differ in `_`, `-` and `.` alone share a variable.
    pub(crate) fn variable(&self) -> String {
        let shell = self.0.replace(['-', '.'], "_").to_ascii_uppercase();
        format!("{VARIABLE}{shell}")
    }

    /// The name that a variable stands for, as far as it tells.
    pub(crate) fn of_variable(variable: &str) -> Option<Self> {
        let name = variable.strip_prefix(VARIABLE)?;
        let upper = name.bytes().all(|byte| !byte.is_ascii_lowercase());
        upper.then(|| Self::parse(&name.to_ascii_lowercase()).ok()).flatten()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn names_are_narrow() {
        let check = |text: &str, good: bool| {
            assert_eq!(Name::parse(text).is_ok(), good, "{text:?}");
        };
        check("smtp", true);
        check("sms.twilio-2_eu", true);
        check("_x", true);
        check("0", true);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
        check("", false);
        check(".", false);
        check("..", false);
        check(".hidden", false);
        check("-x", false);
        check("SMTP", false);
        check("a/b", false);
        check("a b", false);
        check("a\0", false);
        check("a\n", false);
        check("größe", false);
    }

    #[test]
    fn a_bad_name_is_told_without_its_control_characters() {
        let told = Name::parse("\u{1b}[2J\n").unwrap_err().to_string();
        assert!(told.chars().all(|char| !char.is_control()), "{told:?}");
        assert!(Name::parse(&"x".repeat(9_000)).unwrap_err().to_string().len() < 500);
    }

    #[test]
    fn variables_stand_for_names() {
        let check = |name: &str, variable: &str| {
            assert_eq!(Name::parse(name).unwrap().variable(), variable);
        };
        check("smtp", "CORRELATOR_CREDENTIAL_SMTP");
        check("sms.twilio-2", "CORRELATOR_CREDENTIAL_SMS_TWILIO_2");

        let check = |variable: &str, name: Option<&str>| {
            let found = Name::of_variable(variable);
            assert_eq!(found.as_ref().map(Name::as_str), name, "{variable}");
        };
        check("CORRELATOR_CREDENTIAL_SMS_TWILIO_2", Some("sms_twilio_2"));
        check("CORRELATOR_CREDENTIAL_", None);
        check("CORRELATOR_CREDENTIAL_smtp", None);
        check("CORRELATOR_CREDENTIAL_A B", None);
        check("HOME", None);
    }
}
