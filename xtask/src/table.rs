//! A CSV file's rows in columns, for the terminal.
//!
//! It must never know what the columns mean.

use std::fmt::Write as _;

/// Characters of a cell that are shown.
const CELL_CHARACTERS_MAX: usize = 32;

/// A table file.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// The names of the columns.
    pub head: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

/// Reads CSV: cells in quotes may hold commas, line ends and doubled quotes.
pub fn read(text: &str) -> Table {
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    let mut characters = text.trim_end().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => push(&mut rows, '"'),
            '"' => quoted = !quoted,
            ',' if !quoted => rows.last_mut().into_iter().for_each(|row| row.push(String::new())),
            '\n' if !quoted => rows.push(vec![String::new()]),
            '\r' if !quoted => {}
            other => push(&mut rows, other),
        }
    }
    let head = rows.remove(0);
    Table { head, rows }
}

fn push(rows: &mut [Vec<String>], character: char) {
    if let Some(cell) = rows.last_mut().and_then(|row| row.last_mut()) {
        cell.push(character);
    }
}

/// Columns side by side. Cells that hold nothing in any row go, long ones are cut.
pub fn show(head: &[String], rows: &[Vec<String>]) -> String {
    let cell = |row: &[String], column: usize| -> String {
        let text = row.get(column).map_or("", String::as_str).escape_debug().to_string();
        if text.chars().count() <= CELL_CHARACTERS_MAX {
            return text;
        }
        text.chars().take(CELL_CHARACTERS_MAX - 1).chain(['…']).collect()
    };
    let columns =
        (0..head.len()).filter(|&column| rows.iter().any(|row| !cell(row, column).is_empty()));
    let columns: Vec<usize> = columns.collect();
    let mut text = String::new();
    for row in std::iter::once(head).chain(rows.iter().map(Vec::as_slice)) {
        text.push(' ');
        for &column in &columns {
            let all = rows.iter().map(|row| cell(row, column).chars().count());
            let width = all.chain([cell(head, column).chars().count()]).max().unwrap_or(0);
            let _ = write!(text, " {:<width$} ", cell(row, column));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{read, show};

    #[test]
    fn reads_what_spreadsheets_read() {
        let check = |text: &str, expected: &[&[&str]]| {
            let table = read(text);
            let mut rows = vec![table.head];
            rows.extend(table.rows);
            assert_eq!(rows, expected);
        };
        check("a,b\n1,2\n", &[&["a", "b"], &["1", "2"]]);
        check("a\n\"x,\"\"y\"\"\nz\"\n", &[&["a"], &["x,\"y\"\nz"]]);
        check("a,b\r\n,\r\n1,2\r\n", &[&["a", "b"], &["", ""], &["1", "2"]]);
    }

    #[test]
    fn shows_columns_side_by_side() {
        let table = read("user,port,key\nroot,22,\nadministrator,8,\n");
        let expected = "  user           port\n  root           22\n  administrator  8\n";
        assert_eq!(show(&table.head, &table.rows), expected);
    }
}
