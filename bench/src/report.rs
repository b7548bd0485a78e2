//! The figures for people: a table on the terminal, a section of Markdown.
//!
//! It must never know how a figure came about.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::series::Series;

/// What was measured so far.
pub struct Report {
    circumstances: String,
    rows: Vec<[String; 5]>,
    notes: Vec<String>,
}

const HEAD: [&str; 5] = ["what", "median", "least", "greatest", "goal"];

impl Report {
    /// Nothing yet, on a log of so many lines.
    pub fn new(lines: u64, rounds: usize) -> Self {
        let processor = processor().unwrap_or_else(|| "an unknown processor".into());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let lines = grouped(lines as f64);
        let circumstances =
            format!("{lines} lines, {rounds} rounds in turn, {threads} threads of {processor}");
        Self { circumstances, rows: Vec::new(), notes: Vec::new() }
    }

    /// Takes a figure and shows it.
    pub fn add(&mut self, what: &str, series: &Series, goal: &str) {
        let median = figure(series.median());
        println!("  {what}: {median}");
        let row =
            [what.into(), median, figure(series.least()), figure(series.greatest()), goal.into()];
        self.rows.push(row);
    }

    /// Takes what is to be said beside the figures, and shows it.
    pub fn note(&mut self, note: &str) {
        println!("  {note}");
        self.notes.push(note.into());
    }

    /// All figures in columns.
    pub fn table(&self) -> String {
        let widths: [usize; 5] = std::array::from_fn(|column| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEAD[column].len()]).max().unwrap_or(0)
        });
        let mut text = format!("{}\n", self.circumstances);
        for row in std::iter::once(HEAD.map(String::from)).chain(self.rows.iter().cloned()) {
            let [what, median, least, greatest, goal] = &row;
            let _ = writeln!(
                text,
                "{what:<0$}  {median:>1$}  {least:>2$}  {greatest:>3$}  {goal:>4$}",
                widths[0], widths[1], widths[2], widths[3], widths[4]
            );
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        text
    }

    /// Appends all figures to a file.
    pub fn append(&self, file: &Path) -> Result<()> {
        let mut text = format!("\n## {}\n\n", self.circumstances);
        let _ = writeln!(text, "| {} |\n| --- | ---: | ---: | ---: | ---: |", HEAD.join(" | "));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        for note in &self.notes {
            let _ = writeln!(text, "\n{note}");
        }
        let opened = OpenOptions::new().create(true).append(true).open(file);
        let mut out = opened.with_context(|| file.display().to_string())?;
        Ok(out.write_all(text.as_bytes())?)
    }
}

/// Three digits and more, no noise behind them.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => grouped(value),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// `1234567` as `1,234,567`.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn processor() -> Option<String> {
    let facts = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = facts.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn figures_have_no_noise() {
        let check = |value: f64, expected: &str| assert_eq!(figure(value), expected);
        check(1.2345, "1.23");
        check(41.26, "41.3");
        check(999.96, "1000.0");
        check(1_234_567.8, "1,234,568");
        check(12_345.0, "12,345");
    }
}
