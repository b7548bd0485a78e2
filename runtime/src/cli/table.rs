//! Tables: columns that stand under each other and, on a terminal, are together no wider than its page.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::output::Output;

/// What stands between two columns, and what has to do where there is no room.
const GAPS: [&str; 2] = ["  ", " "];
/// A column is not made narrower than this, whatever the page.
const COLUMN_WIDTH_MIN: usize = 6;

/// What stands where a text was cut.
pub(super) const CUT: char = '…';

/// How a cell is to be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tint {
    #[default]
    Plain,
    Heading,
    Faint,
    Good,
    Doubtful,
    Bad,
}

impl Tint {
    /// The text in this tint, where colours are seen.
    pub(super) fn paint(self, text: &str, coloured: bool) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Heading => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Doubtful => "33",
            Self::Bad => "1;31",
        };
        if coloured && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    text: String,
    tint: Tint,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, tint: Tint) -> Self {
        Self { text: text.into(), tint }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text, Tint::Plain)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text, Tint::Plain)
    }
}

/// Whether a column holds words or figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// It is flush left, and may be cut.
    Words(&'static str),
    /// It is flush right, and never cut: half a number is a wrong one.
    Figures(&'static str),
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::Words(name) | Self::Figures(name) => name,
        }
    }
}

/// The table as lines, for whoever reads. A row may be shorter than the heading.
pub(super) fn render(columns: &[Column], rows: &[Vec<Cell>], coloured: bool) -> String {
    within(columns, rows, coloured, Output::width())
}

/// The table as lines on a page of this width.
pub(super) fn within(
    columns: &[Column],
    rows: &[Vec<Cell>],
    coloured: bool,
    page: usize,
) -> String {
    let heading: Vec<Cell> =
        columns.iter().map(|column| Cell::new(column.name(), Tint::Heading)).collect();
    let (widths, gap) = widths(columns, rows, page);
    let mut out = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for ((column, width), cell) in columns.iter().zip(&widths).zip(row) {
            let text = cut(&cell.text, *width);
            let space = " ".repeat(width.saturating_sub(length(&text)));
            let text = cell.tint.paint(&text, coloured);
            if !line.is_empty() {
                line.push_str(gap);
            }
            match column {
                Column::Words(_) => line.extend([text, space]),
                Column::Figures(_) => line.extend([space, text]),
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// What each column takes, and what is between them.
fn widths(columns: &[Column], rows: &[Vec<Cell>], page: usize) -> (Vec<usize>, &'static str) {
    let mut wanted: Vec<usize> = columns.iter().map(|column| length(column.name())).collect();
    for row in rows {
        for (width, cell) in wanted.iter_mut().zip(row) {
            *width = (*width).max(length(&cell.text));
        }
    }
    let gaps = columns.len().saturating_sub(1);
    let [wide, narrow] = GAPS.map(|gap| page.saturating_sub(gap.len() * gaps));
    given_way(columns, wanted.clone(), wide).map_or_else(
        |_| (given_way(columns, wanted, narrow).unwrap_or_else(|least| least), GAPS[1]),
        |fitting| (fitting, GAPS[0]),
    )
}

/// The widest columns of words give way until all fit; the least they take where they don't.
fn given_way(
    columns: &[Column],
    mut widths: Vec<usize>,
    room: usize,
) -> Result<Vec<usize>, Vec<usize>> {
    while widths.iter().sum::<usize>() > room {
        let words = widths.iter_mut().zip(columns);
        let words = words.filter(|(_, column)| matches!(column, Column::Words(_)));
        let widest = words.map(|(width, _)| width).max_by_key(|width| **width);
        match widest {
            Some(width) if *width > COLUMN_WIDTH_MIN => *width -= 1,
            _ => return Err(widths),
        }
    }
    Ok(widths)
}

/// How many cells of a terminal a text takes: some characters take two, and some none.
pub(super) fn length(text: &str) -> usize {
    text.width()
}

/// A text that takes so many cells at the most.
pub(super) fn cut(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    format!("{}{CUT}", start(text, width.saturating_sub(1)))
}

/// As much of a text as so many cells hold.
pub(super) fn start(text: &str, width: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, character)| {
        taken += character.width().unwrap_or(0);
        taken > width
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// A text with spaces after it, up to so many cells.
pub(super) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(length(text))))
}

#[cfg(test)]
mod tests {
    use super::{Cell, Column, Tint, cut, length, padded, render, within};

    const PAGE_WIDTH: usize = 100;

    const COLUMNS: [Column; 3] =
        [Column::Words("NAME"), Column::Figures("RECORDS"), Column::Words("PLACE")];

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [
            vec!["net".into(), "12".into(), "here".into()],
            vec!["auth".into(), "1,234,567".into()],
        ];
        let expected = "NAME    RECORDS  PLACE\nnet          12  here\nauth  1,234,567\n";
        assert_eq!(render(&COLUMNS, &rows, false), expected);
    }

    #[test]
    fn words_give_way_and_figures_never() {
        let row = vec!["n".repeat(80).into(), "1,234,567".into(), "p".repeat(90).into()];
        for width in [30, 80, PAGE_WIDTH] {
            let page = within(&COLUMNS, std::slice::from_ref(&row), false, width);
            assert!(page.lines().all(|line| line.chars().count() <= width), "{page}");
            assert!(page.contains("  1,234,567  "), "{page}");
            assert!(page.contains('…'), "{page}");
        }
        // Where words have no more to give, columns move together.
        let page = within(&COLUMNS, std::slice::from_ref(&row), false, 24);
        assert!(page.lines().all(|line| line.chars().count() <= 24), "{page}");
        // What is read by a program is whole.
        let page = within(&COLUMNS, &[row], false, usize::MAX);
        assert!(page.contains(&"p".repeat(90)) && !page.contains('…'), "{page}");
    }

    #[test]
    fn a_width_is_counted_in_cells() {
        let check = |text: &str, width: usize, expected: &str| {
            assert_eq!(cut(text, width), expected, "{text}");
        };
        assert_eq!(length("日本語"), 6);
        check("日本語", 6, "日本語");
        check("日本語", 5, "日本…");
        check("日本語", 4, "日…");
        check("müller", 6, "müller");
        assert_eq!(padded("日本語", 8), "日本語  ");
        let rows = [vec!["日本".into(), "1".into(), "x".into()]];
        assert_eq!(render(&COLUMNS, &rows, false).lines().last(), Some("日本        1  x"));
    }

    #[test]
    fn colours_take_no_room() {
        let rows = [vec![Cell::new("bad", Tint::Bad), "1".into(), "x".into()]];
        let plain = render(&COLUMNS, &rows, false);
        let coloured = render(&COLUMNS, &rows, true);
        assert!(coloured.contains("\x1b[1;31mbad\x1b[0m "), "{coloured}");
        let bare = ["\x1b[1;31m", "\x1b[1m", "\x1b[0m"];
        assert_eq!(bare.iter().fold(coloured, |text, code| text.replace(code, "")), plain);
    }
}
