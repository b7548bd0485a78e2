//! What the contract allows as a name.

use proc_macro2::Span;
use syn::{Error, Result};

/// Bytes at the most.
const NAME_BYTES_MAX: usize = 64;
/// Columns that every event has anyway.
const RESERVED: [&str; 7] = ["id", "time", "timestamp", "event", "module", "severity", "summary"];

/// Lower-case letters, digits, `_` and `-`, first a letter.
pub fn check(name: &str, span: Span) -> Result<()> {
    let rest =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let fits = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && name.bytes().all(rest)
        && name.len() <= NAME_BYTES_MAX;
    if fits {
        return Ok(());
    }
    let rule = format!(
        "{name:?} is no name: lower-case letters, digits, `_` and `-`, first a letter, \
         {NAME_BYTES_MAX} bytes at most"
    );
    Err(Error::new(span, rule))
}

/// As [`check`], and not one of the names that every event has anyway.
pub fn check_column(name: &str, span: Span) -> Result<()> {
    check(name, span)?;
    if RESERVED.contains(&name) {
        let rule = format!(
            "`{name}` is taken: every event has {}; rename the column with #[column(name = \"...\")]",
            RESERVED.join(", ")
        );
        return Err(Error::new(span, rule));
    }
    Ok(())
}

/// `NewAddress` as `new_address`, `SSHLogin` as `ssh_login`.
pub fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (place, letter) in letters.iter().enumerate() {
        let after_small =
            place > 0 && !letters[place - 1].is_uppercase() && letters[place - 1] != '_';
        let before_small = place > 0
            && letters[place - 1].is_uppercase()
            && letters.get(place + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_small || before_small) {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::{check_column, snake_case};

    #[test]
    fn snakes() {
        let check = |name, expected: &str| assert_eq!(snake_case(name), expected);
        check("NewAddress", "new_address");
        check("Login", "login");
        check("SSHLogin", "ssh_login");
        check("Top10Users", "top10_users");
        check("A", "a");
    }

    #[test]
    fn names() {
        let check = |name: &str, fits| {
            assert_eq!(check_column(name, Span::call_site()).is_ok(), fits, "{name}");
        };
        check("user", true);
        check("user-name_2", true);
        check("time", false);
        check("summary", false);
        check("User", false);
        check("2user", false);
        check("", false);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
    }
}
