//! Which target is meant where a request names none.

/// The only one of these names; of several the usual one, if it is among them.
pub fn meant<'a>(names: impl IntoIterator<Item = &'a str>, usual: &str) -> Option<&'a str> {
    let mut names = names.into_iter();
    let first = names.next()?;
    match names.next() {
        None => Some(first),
        Some(second) => [first, second].into_iter().chain(names).find(|name| *name == usual),
    }
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn the_only_one_or_the_usual_one() {
        let check = |names: &[&str], expected| {
            assert_eq!(meant(names.iter().copied(), "default"), expected, "{names:?}");
        };
        check(&[], None);
        check(&["siem"], Some("siem"));
        check(&["archive", "siem"], None);
        check(&["archive", "siem", "default"], Some("default"));
        check(&["default", "siem"], Some("default"));
    }
}
