//! The name that was probably meant.

use std::borrow::Borrow;

use super::veil;

/// Names of a list that are told before it becomes a wall of text.
const NAMES_TOLD_MAX: usize = 24;

/// What has the name of a secret, which is kept elsewhere.
const CREDENTIAL: &str = "credential";

/// What to say about an unknown name: the nearest of those that exist, otherwise all of them.
pub(super) fn known<T: Borrow<str>>(name: &str, names: &[T]) -> Option<String> {
    if veil::is_secret(name) && names.iter().any(|known| known.borrow() == CREDENTIAL) {
        return Some(format!(
            "a stack has no secrets: keep it with `correlator credential set NAME`, and write `{CREDENTIAL}: NAME`"
        ));
    }
    if let Some(near) = nearest(name, names) {
        return Some(format!("did you mean `{near}`?"));
    }
    if names.is_empty() {
        return None;
    }
    let told = quoted(&names[..names.len().min(NAMES_TOLD_MAX)]);
    let more = if names.len() > NAMES_TOLD_MAX { ", ..." } else { "" };
    let verb = if names.len() == 1 { "there is only" } else { "there are" };
    Some(format!("{verb} {told}{more}"))
}

/// The names as a list for people.
pub(super) fn quoted<T: Borrow<str>>(names: &[T]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{}`", name.borrow())).collect();
    quoted.join(", ")
}

/// The nearest name, if one is so near that it was probably meant.
pub(super) fn nearest<'a, T: Borrow<str>>(name: &str, names: &'a [T]) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = plain(name);
    let far = (name.chars().count() / 3).clamp(1, 4);
    let distance = |candidate: &&str| strsim::osa_distance(&wanted, &plain(candidate));
    let near = names.iter().map(Borrow::borrow).min_by_key(distance)?;
    (distance(&near) <= far).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::known;

    #[test]
    fn the_nearest_name_is_told_or_all_of_them() {
        let check = |name: &str, names: &[&str], expected: Option<&str>| {
            assert_eq!(known(name, names).as_deref(), expected, "{name}");
        };
        let options = ["login_failure_limit", "login_failure_window"];
        check("login_failure_limt", &options, Some("did you mean `login_failure_limit`?"));
        check("Login-Failure-Limit", &options, Some("did you mean `login_failure_limit`?"));
        check("window", &options, Some("there are `login_failure_limit`, `login_failure_window`"));
        check("csb", &["csv"], Some("did you mean `csv`?"));
        check("x", &["csv"], Some("there is only `csv`"));
        check("password", &["passwords"], Some("did you mean `passwords`?"));
        let help = "a stack has no secrets: keep it with `correlator credential set NAME`, and write `credential: NAME`";
        check("smtp_password", &["credential", "server"], Some(help));
        check("x", &[], None);
    }
}
