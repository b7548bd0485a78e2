//! Names that guests give: of targets, tables and columns.
//!
//! They become identifiers in statements, where they are quoted; what is refused here is what no database takes, or what
//! a person who reads it could take for something else.

use correlator_world::{Refused, Request};

use crate::dialect::Dialect;
use crate::limit::{COLUMNS_MAX, ID_BYTES_MAX, NAME_BYTES_MAX, REQUEST_BYTES_MAX, TEXT_BYTES_MAX};

/// The column that has the request's id.
pub const KEY: &str = "correlator_id";
/// What a guest's own column of that name is called.
const KEY_OF_GUEST: &str = "guest_correlator_id";

/// The column of the table that a guest's column goes to.
pub fn column(of_guest: &str) -> &str {
    if of_guest.eq_ignore_ascii_case(KEY) { KEY_OF_GUEST } else { of_guest }
}

/// Whether a request makes sense as a row of a table.
pub fn check_request(request: &Request, table: &str, dialect: Dialect) -> Result<(), Refused> {
    check_id(&request.id)?;
    check_table(table, dialect)?;
    if request.cells.len() > COLUMNS_MAX {
        let count = request.cells.len();
        return Err(malformed(format!(
            "{count} columns are too many; at most {COLUMNS_MAX} go in a row"
        )));
    }
    let mut folded: Vec<String> = Vec::with_capacity(request.cells.len());
    let mut bytes = 0;
    for (name, cell) in &request.cells {
        check_name("column", name, dialect)?;
        folded.push(column(name).to_lowercase());
        if let correlator_world::Cell::Text(text) = cell {
            bytes += text.len();
            if text.len() > TEXT_BYTES_MAX {
                let size = text.len();
                return Err(malformed(format!(
                    "column `{name}` has {size} bytes; a text has at most {TEXT_BYTES_MAX}"
                )));
            }
        }
    }
    if bytes > REQUEST_BYTES_MAX {
        return Err(malformed(format!(
            "the row has {bytes} bytes of text; at most {REQUEST_BYTES_MAX} are taken"
        )));
    }
    folded.sort_unstable();
    match folded.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(malformed(format!(
            "two columns are named `{}`, but for upper and lower case, which tables don't tell apart; rename one",
            pair[0]
        ))),
        None => Ok(()),
    }
}

fn check_id(id: &str) -> Result<(), Refused> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b":-_.#".contains(&b);
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(allowed) {
        return Err(malformed(format!(
            "the id of a request has 1 to {ID_BYTES_MAX} letters, digits, `:`, `-`, `_`, `.` and `#`"
        )));
    }
    Ok(())
}

fn check_table(table: &str, dialect: Dialect) -> Result<(), Refused> {
    check_name("table", table, dialect)?;
    if table.contains(['/', '\\']) {
        return Err(malformed(format!("table `{table}`: a table's name has no `/` and no `\\`")));
    }
    let own = table.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
    if dialect == Dialect::Sqlite && own {
        return Err(Refused::Denied(format!("table `{table}` is SQLite's own; name another")));
    }
    Ok(())
}

/// Whether a database takes a name, and a person reads it as what it is.
pub fn check_name(what: &str, name: &str, dialect: Dialect) -> Result<(), Refused> {
    let wrong = if name.is_empty() {
        "it is empty"
    } else if name.len() > NAME_BYTES_MAX {
        return Err(malformed(format!(
            "the name of a {what} has {} bytes; at most {NAME_BYTES_MAX} are taken",
            name.len()
        )));
    } else if name.chars().any(|c| c.is_control() || unseen(c)) {
        "it has characters that can't be seen"
    } else if name.trim() != name {
        "it begins or ends with a space"
    } else if dialect == Dialect::Mysql && name.chars().any(|c| u32::from(c) > 0xFFFF) {
        "MySQL takes no characters above U+FFFF in names"
    } else {
        return Ok(());
    };
    Err(malformed(format!("the name of a {what} ({name:?}) can't be used: {wrong}")))
}

/// Characters that take no place or turn the direction of what follows.
fn unseen(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

fn malformed(words: String) -> Refused {
    Refused::Malformed(words)
}

#[cfg(test)]
mod tests {
    use correlator_world::{Cell, Kind};

    use super::*;

    #[test]
    fn names_that_databases_take() {
        let long = "x".repeat(64);
        let cases: &[(&str, Dialect, bool)] = &[
            ("events", Dialect::Sqlite, true),
            ("x\"; DROP TABLE a; --", Dialect::Postgres, true),
            ("größe", Dialect::Mysql, true),
            ("😀", Dialect::Postgres, true),
            ("😀", Dialect::Mysql, false),
            ("", Dialect::Sqlite, false),
            (" a", Dialect::Sqlite, false),
            ("a\0b", Dialect::Postgres, false),
            ("a\u{202E}b", Dialect::Postgres, false),
            ("a\nb", Dialect::Mysql, false),
            (&long[..63], Dialect::Postgres, true),
            (&long, Dialect::Mysql, false),
        ];
        for (name, dialect, expected) in cases {
            assert_eq!(check_name("column", name, *dialect).is_ok(), *expected, "{name:?}");
        }
    }

    fn check(columns: &[&str], id: &str, table: &str, expected: Result<(), &str>) {
        let cells = columns.iter().map(|name| ((*name).to_owned(), Cell::Absent(Kind::Text)));
        let request = Request { id: id.into(), target: String::new(), cells: cells.collect() };
        let found = check_request(&request, table, Dialect::Sqlite);
        match (found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(found), Err(part)) => assert!(found.to_string().contains(part), "{found}"),
            (found, expected) => panic!("{columns:?} {id} {table}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn requests_that_make_a_row() {
        check(&["a", "b"], "e:1-2_3.4#5", "t", Ok(()));
        check(&["correlator_id"], "1", "t", Ok(()));
        check(&["a", "A"], "1", "t", Err("upper and lower case"));
        check(&["CORRELATOR_ID", "guest_correlator_id"], "1", "t", Err("guest_correlator_id"));
        check(&["a"], "", "t", Err("the id"));
        check(&["a"], "x'y", "t", Err("the id"));
        check(&["a"], "1", "sqlite_master", Err("SQLite's own"));
        check(&["a"], "1", "SQLITE_sequence", Err("SQLite's own"));
        check(&["a"], "1", "x/y", Err("no `/`"));
        let many: Vec<String> = (0..129).map(|i| format!("c{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check(&many, "1", "t", Err("129 columns"));
    }

    #[test]
    fn texts_are_bounded() {
        let row = |cells| Request { id: "1".into(), target: "t".into(), cells };
        let text = |name: &str, size| (name.to_owned(), Cell::Text("x".repeat(size)));
        let one = row(vec![text("a", TEXT_BYTES_MAX)]);
        assert!(check_request(&one, "t", Dialect::Sqlite).is_ok());
        let larger = row(vec![text("a", TEXT_BYTES_MAX + 1)]);
        assert!(check_request(&larger, "t", Dialect::Sqlite).is_err());
        let all = row(vec![text("a", TEXT_BYTES_MAX), text("b", TEXT_BYTES_MAX), text("c", 1)]);
        assert!(check_request(&all, "t", Dialect::Sqlite).is_err());
    }
}
