//! Tables on a terminal: columns that stand under each other and together are no wider than the page.

/// How wide a page may be.
pub(super) const PAGE_WIDTH: usize = 100;
/// What stands between two columns.
const GAP: &str = "  ";
/// A column is not made narrower than this, whatever the page.
const COLUMN_WIDTH_MIN: usize = 6;

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

/// The table as lines. A row may be shorter than the heading.
pub(super) fn render(columns: &[Column], rows: &[Vec<Cell>], coloured: bool) -> String {
    let heading: Vec<Cell> =
        columns.iter().map(|column| Cell::new(column.name(), Tint::Heading)).collect();
    let widths = widths(columns, rows);
    let mut out = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for ((column, width), cell) in columns.iter().zip(&widths).zip(row) {
            let text = cut(&cell.text, *width);
            let space = " ".repeat(width - length(&text));
            let text = cell.tint.paint(&text, coloured);
            if !line.is_empty() {
                line.push_str(GAP);
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

/// What each column takes; the widest columns of words give way until all fit.
fn widths(columns: &[Column], rows: &[Vec<Cell>]) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|column| length(column.name())).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(length(&cell.text));
        }
    }
    let gaps = GAP.len() * columns.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > PAGE_WIDTH {
        let words = widths.iter_mut().zip(columns);
        let words = words.filter(|(_, column)| matches!(column, Column::Words(_)));
        let widest = words.map(|(width, _)| width).max_by_key(|width| **width);
        match widest {
            Some(width) if *width > COLUMN_WIDTH_MIN => *width -= 1,
            _ => break,
        }
    }
    widths
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A text of so many characters at the most.
pub(super) fn cut(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::{Cell, Column, PAGE_WIDTH, Tint, render};

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
        let page = render(&COLUMNS, &[row], false);
        assert!(page.lines().all(|line| line.chars().count() <= PAGE_WIDTH), "{page}");
        assert!(page.contains("  1,234,567  "), "{page}");
        assert!(page.contains('…'), "{page}");
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
