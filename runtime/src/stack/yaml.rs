//! From the text of a stack file to values with places.
//!
//! YAML's events are read directly: so each value keeps its line and column and the text that was typed, every doubled
//! name is told and not only the first, and an alias costs as much as what it repeats. This room must never know what
//! a stack is made of.

use std::collections::HashMap;
use std::sync::Arc;

use serde_yaml::granit_parser::{
    Event, Marker, Options, Parser, ScalarStyle, ScanError, Span, Tag,
};

use super::node::{Key, Node, Value};
use super::problem::{Place, Problem, Problems, Wrong};
use crate::limit;
use crate::text::clean;

/// Reads a file's text. Problems that leave the rest readable are collected.
///
/// # Errors
/// The text is no YAML, or more of it than is good.
pub(super) fn read(text: &str, file: &Arc<str>, problems: &mut Problems) -> Result<Node, Problem> {
    let start = Place::File { file: file.clone(), line: 1, column: 1, width: 1 };
    if text.len() > limit::STACK_BYTES_MAX {
        let wrong = format!("a stack has at most {} bytes, this has more", limit::STACK_BYTES_MAX);
        return Err(Problem::error(&start, Wrong::new(wrong)));
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut reader = Reader {
        text,
        file,
        problems,
        parser: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        values: 0,
    };
    reader.document().map(|node| node.unwrap_or(Node { place: start, value: Value::Null }))
}

struct Reader<'a, P> {
    text: &'a str,
    file: &'a Arc<str>,
    problems: &'a mut Problems,
    parser: P,
    /// What an alias may repeat, and how many values that is.
    anchors: HashMap<usize, (Arc<Node>, usize)>,
    /// Values so far.
    values: usize,
}

impl<'a, P: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> Reader<'a, P> {
    /// The one document of the file.
    fn document(&mut self) -> Result<Option<Node>, Problem> {
        let mut found = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if found.is_some() => {
                    let wrong =
                        Wrong::new("a stack is one YAML document, a second one begins here");
                    let wrong = wrong.help("put it in a file of its own, or remove the `---`");
                    return Err(Problem::error(&self.place(span.start, 3), wrong));
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.next()?;
                    found = Some(self.node(event, span, 0)?);
                }
                _ => break,
            }
        }
        Ok(found.map(Arc::unwrap_or_clone))
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The value that begins with this event.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Arc<Node>, Problem> {
        let before = self.values;
        self.count(1, span)?;
        let place = self.place(span.start, self.width(span));
        if depth > limit::STACK_DEPTH_MAX {
            let wrong = format!("values nest deeper than {}", limit::STACK_DEPTH_MAX);
            return Err(Problem::error(&place, Wrong::new(wrong)));
        }
        let (value, anchor, tag) = match event {
            Event::Alias(id) => return self.repeat(id, span),
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(&text, style, span, tag.as_deref()), anchor, tag)
            }
            Event::SequenceStart(_, anchor, tag) => (self.list(depth)?, anchor, tag),
            Event::MappingStart(_, anchor, tag) => (self.map(depth)?, anchor, tag),
            _ => (Value::Null, 0, None),
        };
        if let Some(tag) = tag.filter(|tag| tag.is_custom()) {
            let wrong = format!("the YAML tag `{}` means nothing here", clean(&tag.original(), 48));
            self.problems.error(&place, Wrong::new(wrong).help("remove it"));
        }
        let node = Arc::new(Node { place, value });
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.values - before));
        }
        Ok(node)
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Span, tag: Option<&Tag>) -> Value {
        let plain = style == ScalarStyle::Plain && tag.is_none();
        if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return Value::Null;
        }
        let quote =
            u32::from(matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted));
        let verbatim = self.verbatim(text, span, quote as usize);
        Value::Scalar { text: text.to_owned(), verbatim: verbatim.then_some(quote) }
    }

    /// Whether a text stands in the file as it is, its lines below one another: not escaped and not folded.
    fn verbatim(&self, text: &str, span: Span, quote: usize) -> bool {
        let start = span.byte_range().map_or(self.text.len(), |range| range.start + quote);
        let mut source = self.text.get(start..).unwrap_or_default().split('\n');
        let indent = span.start.col();
        text.trim_end_matches('\n').split('\n').enumerate().all(|(count, line)| {
            let whole = source.next().unwrap_or_default();
            let skipped = if count == 0 { 0 } else { indent };
            let from = whole.char_indices().nth(skipped).map_or(whole.len(), |(place, _)| place);
            whole[from..].starts_with(line)
        })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(Value::List(nodes)),
                (event, span) => nodes.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut entries: Vec<(Key, Arc<Node>)> = Vec::new();
        let mut lines: HashMap<String, Place> = HashMap::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                break;
            }
            let key = self.key(event, span, depth)?;
            let (event, span) = self.next()?;
            let node = self.node(event, span, depth + 1)?;
            let Some(key) = key else { continue };
            if key.text == "<<" {
                merged.push(node);
            } else if let Some(first) = lines.get(&key.text) {
                let wrong = format!("`{}` is here twice", clean(&key.text, limit::NAME_BYTES_MAX));
                let help = format!("it was first at {first}; keep one of them");
                self.problems.error(&key.place, Wrong::new(wrong).help(help));
            } else {
                lines.insert(key.text.clone(), key.place.clone());
                entries.push((key, node));
            }
        }
        self.merge(&mut entries, lines, &merged)?;
        Ok(Value::Map(entries))
    }

    /// The name before a value; nothing, and a problem, if it is no name.
    fn key(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Option<Key>, Problem> {
        let empty =
            matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text.is_empty());
        let text = match &event {
            Event::Scalar(text, ..) if !empty => Some(text.clone().into_owned()),
            _ => None,
        };
        let node = self.node(event, span, depth + 1)?;
        let text = text.or_else(|| match &node.value {
            Value::Scalar { text, .. } => Some(text.clone()),
            _ => None,
        });
        if text.is_none() {
            let wrong =
                Wrong::new(format!("expected a name before the colon, found {}", node.found()));
            self.problems.error(&node.place, wrong);
        }
        Ok(text.map(|text| Key { text, place: node.place.clone() }))
    }

    /// Adds what `<<: *other` brings: names that are not there already.
    fn merge(
        &mut self,
        entries: &mut Vec<(Key, Arc<Node>)>,
        mut lines: HashMap<String, Place>,
        merged: &[Arc<Node>],
    ) -> Result<(), Problem> {
        for node in merged.iter().flat_map(Node::one_or_many) {
            let Value::Map(others) = &node.value else {
                let wrong = format!("`<<` merges mappings, this is {}", node.found());
                self.problems.error(&node.place, Wrong::new(wrong));
                continue;
            };
            self.count_at(others.len(), &node.place)?;
            for (key, other) in others {
                if lines.insert(key.text.clone(), key.place.clone()).is_none() {
                    entries.push((key.clone(), other.clone()));
                }
            }
        }
        Ok(())
    }

    /// What an alias stands for.
    fn repeat(&mut self, id: usize, span: Span) -> Result<Arc<Node>, Problem> {
        let Some((node, values)) = self.anchors.get(&id).cloned() else {
            let wrong = Wrong::new("this alias is part of what it repeats");
            return Err(Problem::error(&self.place(span.start, self.width(span)), wrong));
        };
        self.count(values, span)?;
        Ok(node)
    }

    fn count(&mut self, values: usize, span: Span) -> Result<(), Problem> {
        let place = self.place(span.start, 1);
        self.count_at(values, &place)
    }

    fn count_at(&mut self, values: usize, place: &Place) -> Result<(), Problem> {
        self.values += values;
        if self.values <= limit::STACK_VALUES_MAX {
            return Ok(());
        }
        let wrong = format!(
            "a stack has at most {} values, those that aliases repeat among them",
            limit::STACK_VALUES_MAX
        );
        Err(Problem::error(place, Wrong::new(wrong)))
    }

    fn place(&self, mark: Marker, width: u32) -> Place {
        let (line, column) = (mark.line().max(1) as u32, mark.col() as u32 + 1);
        Place::File { file: self.file.clone(), line, column, width }
    }

    /// How many characters of its first line a value takes.
    fn width(&self, span: Span) -> u32 {
        let source = span.slice(self.text).unwrap_or_default();
        source.lines().next().map_or(1, |line| line.trim_end().chars().count().max(1) as u32)
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        let mark = *error.marker();
        let line = self.text.lines().nth(mark.line().max(1) - 1).unwrap_or_default();
        let tabbed = line.trim_start_matches(' ').starts_with('\t');
        let wrong = Wrong::new(format!("this is not YAML: {}", error.info()));
        let help = if tabbed {
            Some("this line is indented with a tab; use spaces".to_owned())
        } else if line.contains("]:") {
            Some("an address in brackets stands in quotes, as in `\"[::]:514\"`".to_owned())
        } else {
            None
        };
        Problem::error(&self.place(mark, 1), wrong.maybe(help))
    }
}
