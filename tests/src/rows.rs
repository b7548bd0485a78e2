//! What stands in table files: rows, how many of each, and how two folders of them differ.
//!
//! It must never know which guest wrote them.

use std::collections::BTreeMap;

/// Table files by name.
pub type Tables = BTreeMap<String, Vec<u8>>;

/// The whole rows of a table, its head left out; none if there is no such table.
#[must_use]
pub fn rows(tables: &Tables, name: &str) -> Vec<String> {
    let text = tables.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let text = text.unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().skip(1).map(String::from).collect()
}

/// How often each row stands there.
#[must_use]
pub fn counted(rows: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.as_str()).or_default() += 1;
    }
    counts
}

/// In what the tables are not as they should be, the first rows of each that differ; nothing if all are equal.
#[must_use]
pub fn difference(expected: &Tables, found: &Tables) -> Option<String> {
    let mut told = Vec::new();
    for name in expected.keys().chain(found.keys().filter(|name| !expected.contains_key(*name))) {
        if expected.get(name) == found.get(name) {
            continue;
        }
        let (wanted, there) = (rows(expected, name), rows(found, name));
        let first = wanted.iter().zip(&there).position(|(a, b)| a != b);
        let first = first.unwrap_or(wanted.len().min(there.len()));
        let (wants, has) = (wanted.get(first), there.get(first));
        told.push(format!(
            "{name}: {} rows instead of {}; row {first} is {has:?} instead of {wants:?}",
            there.len(),
            wanted.len()
        ));
    }
    (!told.is_empty()).then(|| told.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::{Tables, counted, difference, rows};

    fn tables(text: &str) -> Tables {
        Tables::from([("a.csv".to_owned(), text.as_bytes().to_vec())])
    }

    #[test]
    fn half_a_row_is_none() {
        assert_eq!(rows(&tables("head\n1\n2\n3"), "a.csv"), ["1", "2"]);
        assert_eq!(rows(&tables(""), "a.csv"), [""; 0]);
        assert_eq!(counted(&["x".to_owned(), "x".to_owned()])["x"], 2);
    }

    #[test]
    fn differences_are_told() {
        let check = |found: &str, expected: &str| {
            let told = difference(&tables("head\n1\n2\n"), &tables(found));
            assert_eq!(told.as_deref(), (!expected.is_empty()).then_some(expected));
        };
        check("head\n1\n2\n", "");
        check("head\n1\n", "a.csv: 1 rows instead of 2; row 1 is None instead of Some(\"2\")");
        check("h\n1\n2\n", "a.csv: 2 rows instead of 2; row 2 is None instead of None");
    }
}
