//! Lists of names in an option: an option is one value, and several names in it stand with commas between them.

/// The names, without spaces around them. Empty ones are left out.
#[must_use]
pub fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

/// A pattern with `{module}` and `{event}` in it, filled in.
#[must_use]
pub fn fill(pattern: &str, module: &str, event: &str) -> String {
    // Names hold no braces, so that one can't become the other.
    pattern.replace("{module}", module).replace("{event}", event)
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists() {
        let check = |text, expected: &[&str]| assert_eq!(super::list(text), expected, "{text}");
        check("", &[]);
        check(" , ", &[]);
        check("addr", &["addr"]);
        check("addr, user ,x", &["addr", "user", "x"]);
    }

    #[test]
    fn patterns() {
        let check = |pattern, expected: &str| {
            assert_eq!(super::fill(pattern, "sshd", "login_failed"), expected);
        };
        check("{module}_{event}", "sshd_login_failed");
        check("events", "events");
        check("{event}-{event}-{x}", "login_failed-login_failed-{x}");
    }
}
