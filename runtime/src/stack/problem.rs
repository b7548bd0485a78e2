//! What is wrong with a stack, and where: the words that an operator reads.
//!
//! A problem names the thing, the place and the way out. It must never know how it is shown beyond plain text.

use std::fmt::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::veil;
use crate::limit;
use crate::text::clean;

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File {
        /// The file, as it was named.
        file: Arc<str>,
        /// The line, from 1.
        line: u32,
        /// The column, counted in characters from 1.
        column: u32,
        /// How many characters it takes on that line.
        width: u32,
    },
    /// A whole file, such as a component.
    Whole {
        /// The file, as it was named.
        file: Arc<str>,
    },
    /// On the command line.
    Flag {
        /// The flag and its value.
        text: Arc<str>,
        /// How many flags came before it.
        count: u32,
    },
}

impl Place {
    /// A file as a whole.
    pub(super) fn whole(path: &Path) -> Self {
        Self::Whole { file: path.display().to_string().into() }
    }

    /// What places are sorted by: as they stand in the files or on the command line.
    fn order(&self, texts: &[Text]) -> (usize, &str, u32, u32) {
        match self {
            Self::File { file, line, column, .. } => {
                let place = texts.iter().position(|text| text.name == *file);
                (place.unwrap_or(texts.len()), file, *line, *column)
            }
            Self::Whole { file } => (texts.len(), file, 0, 0),
            Self::Flag { count, .. } => (0, "", *count, 0),
        }
    }
}

/// A file that was read, to point into.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// The file, as places name it.
    pub(super) name: Arc<str>,
    /// What stands in it.
    pub(super) text: String,
}

impl Text {
    /// A byte order mark is no part of a text.
    pub(super) fn new(text: String, name: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Self { name: name.into(), text }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column, .. } => write!(f, "{file}:{line}:{column}"),
            Self::Whole { file } => f.write_str(&clean(file, limit::EXCERPT_CHARACTERS_MAX)),
            Self::Flag { text, .. } => f.write_str(&clean(text, limit::EXCERPT_CHARACTERS_MAX)),
        }
    }
}

/// Whether a problem stops the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The stack can't run.
    Error,
    /// The stack can run, but hardly as it was meant.
    Warning,
}

/// What is wrong with a value, before it is known where the value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Wrong {
    /// A message without a way out.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// Adds the way out.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the way out, if there is one.
    #[must_use]
    pub(super) fn maybe(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

/// Something wrong with a stack. Shown as one line, or with the line of the file by [`Problem::render`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Whether it stops the stack.
    pub weight: Weight,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
    /// The line of the file, fit for a terminal, and the column in it.
    excerpt: Option<(String, usize)>,
}

impl Problem {
    /// What stops the stack.
    pub(super) fn error(place: &Place, wrong: Wrong) -> Self {
        Self::new(place, Weight::Error, wrong)
    }

    /// What makes the stack do something else than was meant.
    pub(super) fn warning(place: &Place, wrong: Wrong) -> Self {
        Self::new(place, Weight::Warning, wrong)
    }

    fn new(place: &Place, weight: Weight, wrong: Wrong) -> Self {
        let Wrong { message, help } = wrong;
        Self { place: place.clone(), weight, message: veil::url(&message), help, excerpt: None }
    }

    /// Adds the line of the file that this is about.
    #[must_use]
    pub(super) fn within(mut self, texts: &[Text]) -> Self {
        if let Place::File { file, line, column, .. } = &self.place
            && let Some(text) = texts.iter().find(|text| text.name == *file)
            && let Some(found) = text.text.lines().nth(*line as usize - 1)
        {
            self.excerpt = excerpt(&veil::line(found), *column as usize - 1);
        }
        self
    }

    /// Several lines with the place pointed at, for a terminal.
    #[must_use]
    pub fn render(&self) -> String {
        let weight = match self.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
        };
        let mut out = format!("{weight}: {}\n", self.message);
        if let (Place::File { line, width, .. }, Some((text, column))) =
            (&self.place, &self.excerpt)
        {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            let room = text.chars().count().saturating_sub(*column).max(1);
            let carets = "^".repeat((*width as usize).clamp(1, room));
            let _ = write!(out, "{margin}--> {}\n{margin} |\n{number} | {text}\n", self.place);
            let _ = writeln!(out, "{margin} | {}{carets}", " ".repeat(*column));
        } else {
            let _ = writeln!(out, " --> {}", self.place);
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "help: {help}");
        }
        out
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if self.weight == Weight::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

/// The part of a line around a column, every character one cell wide and harmless, and the column in that part.
fn excerpt(line: &str, column: usize) -> Option<(String, usize)> {
    let count = line.chars().count();
    if column > count {
        return None;
    }
    let skipped = column.saturating_sub(limit::EXCERPT_CHARACTERS_MAX / 2);
    let harmless = |character: char| {
        if character == '\t'
            || !clean(character.encode_utf8(&mut [0; 4]), 16).starts_with(character)
        {
            ' '
        } else {
            character
        }
    };
    let text = line.chars().skip(skipped).take(limit::EXCERPT_CHARACTERS_MAX).map(harmless);
    Some((text.collect(), column - skipped))
}

/// Problems as they are found.
#[derive(Clone, Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    /// Problems beyond the limit, which are only counted.
    more: usize,
}

impl Problems {
    /// Adds what stops the stack.
    pub(super) fn error(&mut self, place: &Place, wrong: Wrong) {
        self.push(Problem::error(place, wrong));
    }

    /// Adds what makes the stack do something else than was meant.
    pub(super) fn warning(&mut self, place: &Place, wrong: Wrong) {
        self.push(Problem::warning(place, wrong));
    }

    /// The value, or nothing and a problem.
    pub(super) fn take<T>(&mut self, place: &Place, result: Result<T, Wrong>) -> Option<T> {
        result.map_err(|wrong| self.error(place, wrong)).ok()
    }

    /// Adds a problem, once.
    pub(super) fn push(&mut self, problem: Problem) {
        // A value that aliases repeat is wrong once.
        if self.found.contains(&problem) {
            return;
        }
        if self.found.len() < limit::PROBLEMS_MAX {
            self.found.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Whether the stack can't run.
    pub(super) fn stop(&self) -> bool {
        self.found.iter().any(|problem| problem.weight == Weight::Error)
    }

    /// All of them in the order of their places, with the lines of the files.
    pub(super) fn finish(mut self, texts: &[Text]) -> Vec<Problem> {
        self.found.sort_by(|one, other| one.place.order(texts).cmp(&other.place.order(texts)));
        if let (Some(last), 1..) = (self.found.last(), self.more) {
            let more = Wrong::new(format!("{} more problems are not shown", self.more));
            self.found.push(Problem::error(&last.place.clone(), more));
        }
        self.found.into_iter().map(|problem| problem.within(texts)).collect()
    }
}
