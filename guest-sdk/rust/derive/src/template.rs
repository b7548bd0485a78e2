//! Summaries: a line with `{column}` where a value goes and `{{` for a brace.

/// Checks that each placeholder names a column; the error is a sentence.
pub fn check(template: &str, columns: &[String]) -> Result<(), String> {
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        rest = &rest[open + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            rest = after;
            continue;
        }
        let close = rest
            .find('}')
            .ok_or_else(|| "a `{` is never closed; write `{{` for a brace".to_owned())?;
        let name = &rest[..close];
        if !columns.iter().any(|column| column == name) {
            return Err(format!("`{{{name}}}` names no column; there are: {}", columns.join(", ")));
        }
        rest = &rest[close + 1..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn placeholders() {
        let columns = ["user".to_owned(), "count".to_owned()];
        let check = |template, fits| {
            assert_eq!(super::check(template, &columns).is_ok(), fits, "{template}");
        };
        check("plain", true);
        check("{user} came {count} times", true);
        check("{{user} is no placeholder", true);
        check("{address}", false);
        check("{user", false);
        check("{}", false);
        check("{{{user}", true);
    }
}
